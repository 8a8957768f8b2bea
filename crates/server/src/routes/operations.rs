//! How the server is.

use crate::{
    problem::{Answer, Refusal},
    state::App,
};
use api::Code;
use axum::{Json, extract::State};
use model::UtcTime;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(health)).routes(routes!(live)).routes(routes!(ready))
}

/// How the server is.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// `ok`.
    status: &'static str,
    /// The server's wall clock, in milliseconds since 1970.
    #[schema(value_type = i64)]
    timestamp: UtcTime,
}

/// Whether the server can serve, for people.
#[utoipa::path(get, path = "/health", responses(
    (status = 200, body = Health), (status = 503, body = api::Problem, content_type = "application/problem+json")))]
async fn health(State(app): State<App>) -> Answer<Json<Health>> {
    ready(State(app)).await
}

/// Whether the process runs. Restart it where it does not answer.
#[utoipa::path(get, path = "/health/live", responses((status = 200, body = Health)))]
async fn live(State(app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", timestamp: app.clock.utc() })
}

/// Whether requests can be served now. Send them elsewhere where they cannot.
#[utoipa::path(get, path = "/health/ready", responses(
    (status = 200, body = Health), (status = 503, body = api::Problem, content_type = "application/problem+json")))]
async fn ready(State(app): State<App>) -> Answer<Json<Health>> {
    if !app.is_ready() {
        return Err(Refusal::new(Code::Unavailable, "the server is stopping"));
    }
    Ok(live(State(app)).await)
}
