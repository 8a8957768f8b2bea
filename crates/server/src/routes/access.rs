//! Tokens and pairing, for programs; the page for people is in [`super::pairing_page`].

use crate::{
    access::{Caller, PairingError, pairing},
    problem::{Answer, Refusal},
    state::App,
};
use api::{
    Access, Code, CreateToken, MintedToken, Pairing, PairingPoll, PairingStart, Refresh, Scope, Tokens,
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use std::time::Duration;
use utoipa_axum::{router::OpenApiRouter, routes};
use uuid::Uuid;

/// Most characters of a token's label and of a device's name.
const LABEL_MAX: usize = 100;

/// Routes that need no token, and are worth guessing at: few requests for each address.
pub(super) fn open_routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(refresh))
        .routes(routes!(revoke_secret))
        .routes(routes!(begin_pairing))
        .routes(routes!(poll_pairing))
}

/// Routes for who has an admin token.
pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(mint, list)).routes(routes!(revoke))
}

/// Makes a token that allows less than this one.
#[utoipa::path(post, path = "/v1/tokens", tag = "access", request_body = CreateToken, security(("bearer" = [])),
    responses((status = 201, body = MintedToken), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn mint(
    State(app): State<App>,
    caller: Caller,
    Json(wish): Json<CreateToken>,
) -> Answer<(StatusCode, Json<MintedToken>)> {
    caller.require(Scope::Admin)?;
    let label = checked_label(wish.label)?;
    if wish.scopes.is_empty() {
        return Err(Refusal::new(Code::Invalid, "a token needs a scope"));
    }
    if wish.expires_in == Some(0) {
        return Err(Refusal::new(Code::Invalid, "a token must be valid for a second at least"));
    }
    let lasts = wish.expires_in.map(|seconds| Duration::from_secs(seconds.into()));
    let minted = app.access.mint(label, wish.scopes, lasts, None).await?;
    Ok((StatusCode::CREATED, Json(minted)))
}

/// All tokens that are valid.
#[utoipa::path(get, path = "/v1/tokens", tag = "access", security(("bearer" = [])),
    responses((status = 200, body = Tokens), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn list(State(app): State<App>, caller: Caller) -> Answer<Json<Tokens>> {
    caller.require(Scope::Admin)?;
    Ok(Json(Tokens { tokens: app.access.list() }))
}

/// Ends a token, and all that came of it, at once.
#[utoipa::path(delete, path = "/v1/tokens/{id}", tag = "access", params(("id" = String, Path)), security(("bearer" = [])),
    responses((status = 204), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn revoke(State(app): State<App>, caller: Caller, Path(id): Path<String>) -> Answer<StatusCode> {
    caller.require(Scope::Admin)?;
    let id = Uuid::parse_str(&id).map_err(|_| Refusal::new(Code::NotFound, "there is no such token"))?;
    app.access.revoke(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A short-lived token for a secret.
#[utoipa::path(post, path = "/v1/tokens/refresh", tag = "access", request_body = Refresh,
    responses((status = 200, body = Access), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn refresh(State(app): State<App>, Json(wish): Json<Refresh>) -> Answer<Json<Access>> {
    app.access.refresh(&wish.secret).map(Json)
}

/// Whoever has a secret ends it: logging out. It is no error if it was not valid.
#[utoipa::path(post, path = "/v1/tokens/revoke", tag = "access", request_body = Refresh,
    responses((status = 204), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn revoke_secret(State(app): State<App>, Json(wish): Json<Refresh>) -> Answer<StatusCode> {
    app.access.revoke_secret(&wish.secret).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A device wants to be let in: it shows the code and asks now and then.
#[utoipa::path(post, path = "/v1/pairings", tag = "access", request_body = PairingStart,
    responses((status = 201, body = Pairing), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn begin_pairing(
    State(app): State<App>,
    Json(wish): Json<PairingStart>,
) -> Answer<(StatusCode, Json<Pairing>)> {
    let device = checked_label(wish.device)?;
    let (user_code, device_code) = app.access.begin_pairing(device)?;
    Ok((
        StatusCode::CREATED,
        Json(Pairing {
            url: format!("{}/pair?code={user_code}", app.config.public_url),
            device_code,
            user_code,
            expires_in: pairing::LASTS.as_secs(),
            interval: pairing::INTERVAL.as_secs(),
        }),
    ))
}

/// Whether the device was let in.
#[utoipa::path(post, path = "/v1/pairings/poll", tag = "access", request_body = PairingPoll,
    responses((status = 200, body = Access), (status = "4XX", body = api::Problem, content_type = "application/problem+json")))]
async fn poll_pairing(State(app): State<App>, Json(wish): Json<PairingPoll>) -> Answer<Json<Access>> {
    let secret = app.access.poll_pairing(&wish.device_code)?;
    let mut access = app.access.refresh(&secret)?;
    access.secret = Some(secret);
    Ok(Json(access))
}

/// A name for people: short, in one line, and not only spaces.
fn checked_label(label: String) -> Answer<String> {
    let is_fine = (1..=LABEL_MAX).contains(&label.chars().count())
        && !label.chars().any(char::is_control)
        && !label.trim().is_empty();
    match is_fine {
        true => Ok(label),
        false => {
            Err(Refusal::new(Code::Invalid, format!("a name has 1 to {LABEL_MAX} characters, in one line")))
        }
    }
}

impl From<PairingError> for Refusal {
    fn from(error: PairingError) -> Self {
        match error {
            PairingError::Unknown => Self::new(Code::NotFound, "the code is unknown or too old: begin again"),
            PairingError::Pending => {
                Self::new(Code::PairingPending, "nobody has approved this yet").after(pairing::INTERVAL)
            }
            PairingError::TooOften => Self::new(Code::TooMany, "ask less often").after(pairing::INTERVAL),
            PairingError::Denied => Self::new(Code::Forbidden, "the device was not let in"),
            PairingError::Decided => Self::new(Code::IdTaken, "somebody has decided on this device before"),
            PairingError::TooMany => {
                Self::new(Code::TooMany, "too many devices wait to be let in").after(pairing::LASTS)
            }
        }
    }
}
