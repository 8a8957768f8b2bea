//! How the server is.

use crate::{
    access::Caller,
    db::DbError,
    metrics,
    openapi::Described,
    problem::{Answer, Refusal},
    state::App,
};
use api::{Code, Scope};
use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderName, header, request::Parts},
};
use bytes::Bytes;
use model::UtcTime;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(health))
        .routes(routes!(live))
        .routes(routes!(ready))
        .routes(routes!(metrics))
        .routes(routes!(openapi))
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
#[utoipa::path(get, tag = "operations", path = "/health", responses(
    (status = 200, body = Health), (status = 503, body = api::Problem, content_type = "application/problem+json")))]
async fn health(State(app): State<App>) -> Answer<Json<Health>> {
    ready(State(app)).await
}

/// Whether the process runs. Restart it where it does not answer.
#[utoipa::path(get, tag = "operations", path = "/health/live", responses((status = 200, body = Health)))]
async fn live(State(app): State<App>) -> Json<Health> {
    Json(Health { status: "ok", timestamp: app.clock.utc() })
}

/// Whether requests can be served now. Send them elsewhere where they cannot.
#[utoipa::path(get, tag = "operations", path = "/health/ready", responses(
    (status = 200, body = Health), (status = 503, body = api::Problem, content_type = "application/problem+json")))]
async fn ready(State(app): State<App>) -> Answer<Json<Health>> {
    if !app.is_ready() {
        return Err(Refusal::new(Code::Unavailable, "the server is stopping"));
    }
    // Whoever answers can also read.
    app.db.read(|rows| rows.query_row("SELECT 1", [], |_| Ok(())).map_err(DbError::from)).await?;
    Ok(live(State(app)).await)
}

/// Numbers for Prometheus, for who has an admin token, or for everybody where the operator says so.
#[utoipa::path(get, tag = "operations", path = "/metrics", security((), ("bearer" = [])), responses(
    (status = 200, body = String, content_type = "application/openmetrics-text"),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn metrics(State(app): State<App>, parts: Parts) -> Answer<([(HeaderName, &'static str); 1], String)> {
    if !app.config.has_public_metrics {
        Caller::of(&parts, &app)?.require(Scope::Admin)?;
    }
    Ok(([(header::CONTENT_TYPE, metrics::TYPE)], app.metrics.text(&app.db).await?))
}

/// This description.
#[utoipa::path(get, tag = "operations", path = "/v1/openapi.json", responses((status = 200, body = Object)))]
async fn openapi(Extension(described): Extension<Described>) -> ([(HeaderName, &'static str); 1], Bytes) {
    described.answer()
}
