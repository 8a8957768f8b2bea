//! Who calls, as handlers get it: an argument that is there only if the request may go on.

use crate::{problem::Refusal, state::App};
use api::{Code, Scope};
use axum::{
    extract::{FromRequestParts, RawPathParams},
    http::{header, request::Parts},
};
use model::SessionId;
use uuid::Uuid;

/// Whoever has an access token, or the admin token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    token: Uuid,
    owner: String,
    scopes: Vec<Scope>,
}

impl Caller {
    pub(super) fn new(token: Uuid, owner: String, scopes: Vec<Scope>) -> Self {
        Self { token, owner, scopes }
    }

    /// Who sends this request.
    pub fn of(parts: &Parts, app: &App) -> Result<Self, Refusal> {
        app.access.caller(bearer(parts)?)
    }

    /// Goes on only if the token allows this. Admin tokens allow everything.
    pub fn require(&self, scope: Scope) -> Result<(), Refusal> {
        match self.has(scope) {
            true => Ok(()),
            false => {
                Err(Refusal::new(Code::Forbidden, format!("this needs a token with the scope {scope:?}")))
            }
        }
    }

    /// Whether the token allows this.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.iter().any(|own| *own == scope || *own == Scope::Admin)
    }

    /// Whose recordings this caller makes.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Whether a recording of this owner may be seen.
    pub fn may_see(&self, owner: &str) -> bool {
        self.owner == owner || self.has(Scope::Read)
    }

    /// Whether a recording of this owner may be changed.
    pub fn may_change(&self, owner: &str) -> bool {
        self.has(Scope::Admin) || (self.owner == owner && self.has(Scope::Record))
    }

    /// The refresh secret behind it; nil for the admin token.
    pub(super) fn token(&self) -> Uuid {
        self.token
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        Self::of(parts, app)
    }
}

/// Whoever has the token of the session that the path names as `{id}`, or the admin token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionCaller {
    session: SessionId,
}

impl SessionCaller {
    pub(super) fn new(session: SessionId) -> Self {
        Self { session }
    }

    /// The session, which is that of the path.
    pub fn session(&self) -> SessionId {
        self.session
    }
}

impl FromRequestParts<App> for SessionCaller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refusal> {
        let params = RawPathParams::from_request_parts(parts, app).await;
        let params = params.map_err(|error| Refusal::new(Code::Invalid, error.body_text()))?;
        let id = params.iter().find_map(|(name, value)| (name == "id").then_some(value));
        let id = id.and_then(|id| id.parse().ok());
        let id = id.ok_or_else(|| Refusal::new(Code::NotFound, "there is no such session"))?;
        app.access.session_caller(bearer(parts)?, id)
    }
}

fn bearer(parts: &Parts) -> Result<&str, Refusal> {
    let header = parts.headers.get(header::AUTHORIZATION);
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Refusal::new(Code::Unauthorized, "this needs a token: `Authorization: Bearer …`")),
    }
}
