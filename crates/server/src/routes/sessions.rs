//! A session, for whoever has its token.

use crate::{access::SessionCaller, problem::Answer, state::App};
use api::{
    Confirm, Confirmed, Finalize, Heartbeat, HeartbeatAnswer, MANIFEST_BYTES_MAX, Objects, Receipt,
    SessionLine, UploadUrls, Urls,
};
use axum::{
    Json,
    extract::{DefaultBodyLimit, Query, State},
};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(get))
        .routes(routes!(upload_urls))
        .routes(routes!(confirm))
        .routes(routes!(heartbeat))
        .routes(routes!(verify))
        .routes(routes!(receipt))
        .routes(routes!(objects))
        .merge(manifests())
}

/// A manifest is larger than what others send.
fn manifests() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(finalize)).layer(DefaultBodyLimit::max(MANIFEST_BYTES_MAX))
}

/// What is known of a session.
#[utoipa::path(get, path = "/v1/sessions/{id}", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])), responses(
    (status = 200, body = SessionLine),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn get(State(app): State<App>, caller: SessionCaller) -> Answer<Json<SessionLine>> {
    Ok(Json(app.coordinator.session(caller.session()).await?))
}

/// Says for each object where to send it, or why it need not be sent.
#[utoipa::path(post, path = "/v1/sessions/{id}/upload-urls", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    request_body = UploadUrls, security(("bearer" = [])), responses(
    (status = 200, body = Urls),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn upload_urls(
    State(app): State<App>,
    caller: SessionCaller,
    Json(wish): Json<UploadUrls>,
) -> Answer<Json<Urls>> {
    Ok(Json(app.coordinator.upload_urls(caller.session(), wish, app.clock.utc()).await?))
}

/// Looks for objects that were sent, and takes those that are here. May be repeated.
#[utoipa::path(post, path = "/v1/sessions/{id}/confirm", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    request_body = Confirm, security(("bearer" = [])), responses(
    (status = 200, body = Confirmed),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn confirm(
    State(app): State<App>,
    caller: SessionCaller,
    Json(wish): Json<Confirm>,
) -> Answer<Json<Confirmed>> {
    Ok(Json(app.coordinator.confirm(caller.session(), wish, app.clock.utc()).await?))
}

/// Hears that the recorder lives.
#[utoipa::path(post, path = "/v1/sessions/{id}/heartbeat", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    request_body = Heartbeat, security(("bearer" = [])), responses(
    (status = 200, body = HeartbeatAnswer),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn heartbeat(
    State(app): State<App>,
    caller: SessionCaller,
    Json(heartbeat): Json<Heartbeat>,
) -> Answer<Json<HeartbeatAnswer>> {
    Ok(Json(app.coordinator.heartbeat(caller.session(), heartbeat, app.clock.utc()).await?))
}

/// Takes the recorder's manifest, its last word. The first wins; the same again gives the receipt as it is by then.
#[utoipa::path(post, path = "/v1/sessions/{id}/finalize", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    request_body = Finalize, security(("bearer" = [])), responses(
    (status = 200, body = Receipt),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn finalize(
    State(app): State<App>,
    caller: SessionCaller,
    Json(wish): Json<Finalize>,
) -> Answer<Json<Receipt>> {
    Ok(Json(app.coordinator.finalize(caller.session(), wish, app.clock.utc()).await?))
}

/// Looks at every object in the store again, takes back what is missing or damaged, and answers what is here now. A
/// look that was interrupted goes on where it was when asked for again.
#[utoipa::path(post, path = "/v1/sessions/{id}/verify", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])), responses(
    (status = 200, body = Receipt),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn verify(State(app): State<App>, caller: SessionCaller) -> Answer<Json<Receipt>> {
    Ok(Json(app.coordinator.verify(caller.session(), app.clock.utc()).await?))
}

/// What the server has of a session.
#[utoipa::path(get, path = "/v1/sessions/{id}/receipt", tag = "sessions", params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])), responses(
    (status = 200, body = Receipt),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn receipt(State(app): State<App>, caller: SessionCaller) -> Answer<Json<Receipt>> {
    Ok(Json(app.coordinator.receipt(caller.session(), app.clock.utc()).await?))
}

/// Which page of objects.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PageQuery {
    /// Where the page begins, as the page before it said.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
}

/// Lists what is confirmed, by track and index, each with a signed `GET`.
#[utoipa::path(get, path = "/v1/sessions/{id}/objects", tag = "sessions", params(("id" = uuid::Uuid, Path), PageQuery),
    security(("bearer" = [])), responses(
    (status = 200, body = Objects),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn objects(
    State(app): State<App>,
    caller: SessionCaller,
    Query(PageQuery { cursor, limit }): Query<PageQuery>,
) -> Answer<Json<Objects>> {
    Ok(Json(app.coordinator.objects(caller.session(), cursor, limit).await?))
}
