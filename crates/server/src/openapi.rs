//! The description of all routes that the server itself serves.

use axum::http::{HeaderName, header};
use bytes::Bytes;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};

/// What the description begins with; routes add themselves.
#[derive(OpenApi)]
#[openapi(
    info(title = "Spool", description = "What recorder and server say to each other."),
    tags(
        (name = "access", description = "Tokens, and letting devices in."),
        (name = "operations", description = "How the server is."),
    ),
    modifiers(&Security)
)]
pub(crate) struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    }
}

/// The description as it is sent.
#[derive(Clone)]
pub(crate) struct Described(Bytes);

impl Described {
    /// Of all routes.
    pub(crate) fn new(document: &utoipa::openapi::OpenApi) -> serde_json::Result<Self> {
        serde_json::to_vec(document).map(|text| Self(text.into()))
    }

    /// The answer.
    pub(crate) fn answer(&self) -> ([(HeaderName, &'static str); 1], Bytes) {
        ([(header::CONTENT_TYPE, "application/json")], self.0.clone())
    }
}
