//! Recordings, and joining one.

use crate::{
    access::Caller,
    coordinator::{Reach, Search},
    problem::Answer,
    state::App,
};
use api::{Change, CreateRecording, Join, Joined, Recording, RecordingStatus, Recordings, Scope};
use axum::{
    Json,
    extract::{Path, Query, State},
    http::StatusCode,
};
use model::RecordingId;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// Routes of this file.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, change, delete))
        .routes(routes!(join))
}

impl Caller {
    /// Recordings that this caller may see.
    fn sees(&self) -> Reach {
        if self.has(Scope::Read) { Reach::All } else { Reach::Own(self.owner().to_owned()) }
    }

    /// Recordings that this caller may change, if any.
    pub(super) fn changes(&self) -> Answer<Reach> {
        self.require(Scope::Record)?;
        Ok(if self.has(Scope::Admin) { Reach::All } else { Reach::Own(self.owner().to_owned()) })
    }
}

/// Makes a recording. Whoever records chooses the id, so asking twice makes one and gives it as it is by then.
#[utoipa::path(post, path = "/v1/recordings", tag = "recordings", request_body = CreateRecording,
    security(("bearer" = [])), responses(
    (status = 201, description = "It is new.", body = Recording),
    (status = 200, description = "It was there.", body = Recording),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn create(
    State(app): State<App>,
    caller: Caller,
    Json(wish): Json<CreateRecording>,
) -> Answer<(StatusCode, Json<Recording>)> {
    caller.require(Scope::Record)?;
    let (recording, is_new) =
        app.coordinator.create(caller.owner().to_owned(), wish, app.clock.utc()).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(recording)))
}

/// Which recordings to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    /// Where the page begins, as the page before it said.
    cursor: Option<String>,
    /// At most so many.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// Words that title, description, recorder or metadata contain, all of them, whatever their case.
    #[param(max_length = 200)]
    q: Option<String>,
    /// How far they have come.
    #[param(inline)]
    status: Option<RecordingStatus>,
}

/// Lists recordings, newest first.
#[utoipa::path(get, path = "/v1/recordings", tag = "recordings", params(ListQuery), security(("bearer" = [])), responses(
    (status = 200, body = Recordings),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn list(
    State(app): State<App>,
    caller: Caller,
    Query(ListQuery { cursor, limit, q, status }): Query<ListQuery>,
) -> Answer<Json<Recordings>> {
    let search = Search { text: q.unwrap_or_default(), status, cursor, limit };
    Ok(Json(app.coordinator.recordings(caller.sees(), search).await?))
}

/// A recording.
#[utoipa::path(get, path = "/v1/recordings/{id}", tag = "recordings", params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])), responses(
    (status = 200, body = Recording),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn get(State(app): State<App>, caller: Caller, Path(id): Path<RecordingId>) -> Answer<Json<Recording>> {
    Ok(Json(app.coordinator.recording(caller.sees(), id).await?))
}

/// Changes texts of a recording: those that are given.
#[utoipa::path(patch, path = "/v1/recordings/{id}", tag = "recordings", params(("id" = uuid::Uuid, Path)),
    request_body = Change, security(("bearer" = [])), responses(
    (status = 200, body = Recording),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn change(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<RecordingId>,
    Json(wish): Json<Change>,
) -> Answer<Json<Recording>> {
    Ok(Json(app.coordinator.change(caller.changes()?, id, wish).await?))
}

/// Deletes a recording and all of its media. Deleting it again is no error.
#[utoipa::path(delete, path = "/v1/recordings/{id}", tag = "recordings", params(("id" = uuid::Uuid, Path)),
    security(("bearer" = [])), responses(
    (status = 204),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn delete(State(app): State<App>, caller: Caller, Path(id): Path<RecordingId>) -> Answer<StatusCode> {
    app.coordinator.delete(caller.changes()?, id, app.clock.utc()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Lets a session into a recording, and gives the token for its routes. Joining again gives a new token and changes
/// nothing else.
#[utoipa::path(post, path = "/v1/recordings/{id}/sessions", tag = "recordings", params(("id" = uuid::Uuid, Path)),
    request_body = Join, security(("bearer" = [])), responses(
    (status = 200, body = Joined),
    (status = "4XX", body = api::Problem, content_type = "application/problem+json"),
    (status = "5XX", body = api::Problem, content_type = "application/problem+json")))]
async fn join(
    State(app): State<App>,
    caller: Caller,
    Path(id): Path<RecordingId>,
    Json(wish): Json<Join>,
) -> Answer<Json<Joined>> {
    let (session, now) = (wish.id, app.clock.utc());
    let status = app.coordinator.join(caller.changes()?, id, wish, now).await?;
    let (token, expires_in) = app.access.session_token(&caller, session);
    Ok(Json(Joined { token, expires_in, server_time: now, status }))
}
