//! Large single files.

use crate::{
    access::Caller,
    problem::{Answer, Refusal},
    state::App,
};
use api::{BeginUpload, Code, CompleteUpload, PartAnswer, PartUrls, UploadLine};
use axum::{
    Json,
    extract::{DefaultBodyLimit, Path, State},
    http::StatusCode,
};
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// Bytes of a list of all parts of the largest file.
const LIST_BYTES_MAX: usize = 4 << 20;

/// Routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(begin))
        .routes(routes!(status, abort))
        .routes(routes!(part_urls))
        .routes(routes!(complete))
        .layer(DefaultBodyLimit::max(LIST_BYTES_MAX))
}

/// An upload of somebody else is none.
async fn admit(app: &App, caller: &Caller, id: Uuid) -> Answer<()> {
    let owner = app.uploads.owner(id).await?;
    if caller.may_change(&owner) { Ok(()) } else { Err(none()) }
}

fn none() -> Refusal {
    Refusal::new(Code::NotFound, "there is no such upload")
}

/// Begins to send a file of a recording. Whoever sends chooses the id, so asking twice begins one.
#[utoipa::path(post, path = "/v1/uploads", tag = "uploads", request_body = BeginUpload, security(("bearer" = [])),
    responses((status = 201, description = "It is new.", body = UploadLine),
    (status = 200, description = "It was there.", body = UploadLine),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn begin(
    State(app): State<App>,
    caller: Caller,
    Json(wish): Json<BeginUpload>,
) -> Answer<(StatusCode, Json<UploadLine>)> {
    let reach = caller.changes()?;
    app.coordinator.recording(reach, wish.recording).await?;
    let (line, is_new) = app.uploads.begin(caller.owner(), wish, app.clock.utc()).await?;
    Ok((if is_new { StatusCode::CREATED } else { StatusCode::OK }, Json(line)))
}

/// How far an upload has come: which parts are there.
#[utoipa::path(get, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Uuid, Path)), security(("bearer" = [])),
    responses((status = 200, body = UploadLine),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn status(State(app): State<App>, caller: Caller, Path(id): Path<Uuid>) -> Answer<Json<UploadLine>> {
    let (line, owner) = app.uploads.status(id).await?;
    if caller.may_see(&owner) { Ok(Json(line)) } else { Err(none()) }
}

/// Gives an upload up; its parts are deleted.
#[utoipa::path(delete, path = "/v1/uploads/{id}", tag = "uploads", params(("id" = Uuid, Path)),
    security(("bearer" = [])), responses((status = 204),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn abort(State(app): State<App>, caller: Caller, Path(id): Path<Uuid>) -> Answer<StatusCode> {
    admit(&app, &caller, id).await?;
    app.uploads.abort(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where parts go. They may be sent at the same time, and again.
#[utoipa::path(post, path = "/v1/uploads/{id}/part-urls", tag = "uploads", params(("id" = Uuid, Path)),
    request_body = PartUrls, security(("bearer" = [])), responses((status = 200, body = PartAnswer),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn part_urls(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Json(wish): Json<PartUrls>,
) -> Answer<Json<PartAnswer>> {
    admit(&app, &caller, id).await?;
    Ok(Json(app.uploads.part_urls(id, wish, app.clock.utc()).await?))
}

/// Makes the file of its parts and reads it back. May be repeated, also while it is being read.
#[utoipa::path(post, path = "/v1/uploads/{id}/complete", tag = "uploads", params(("id" = Uuid, Path)),
    request_body = CompleteUpload, security(("bearer" = [])), responses((status = 200, body = UploadLine),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn complete(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<Uuid>,
    Json(wish): Json<CompleteUpload>,
) -> Answer<Json<UploadLine>> {
    admit(&app, &caller, id).await?;
    Ok(Json(app.uploads.complete(id, wish).await?))
}
