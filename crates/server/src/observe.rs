//! One log line a request, and the id by which people find it again.
//!
//! Owns: `X-Request-Id` in and out. Never logs headers, bodies, or what stands behind the `?` of an address, since that
//! can be a signature.

use crate::state::App;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Response},
    middleware::Next,
};
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Serves a request, and tells of it.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response<Body> {
    let began = app.clock.steady();
    let id = request_id(&request);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut answer = next.run(request).await;
    let took = app.clock.steady().saturating_sub(began);
    let status = answer.status().as_u16();
    let route = route.as_ref().map_or("", MatchedPath::as_str);
    let id_text = id.to_str().unwrap_or_default();
    tracing::info!(id = id_text, %method, path, route, status, ms = took.as_secs_f64() * 1e3, "request");
    answer.headers_mut().insert(REQUEST_ID, id);
    answer
}

/// The caller's own id where it is harmless, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let is_plain = |value: &&HeaderValue| {
        (1..=64).contains(&value.len())
            && value.as_bytes().iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
    };
    let made = || Uuid::now_v7().to_string().parse().expect("a UUID is a header's value");
    given.filter(is_plain).cloned().unwrap_or_else(made)
}
