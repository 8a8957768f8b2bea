//! What lies around every request: its id, its caller's address, a log line and numbers.
//!
//! Owns: `X-Request-Id` in and out. Never logs headers, bodies, or what stands behind the `?` of an address, since that
//! can be a signature.

use crate::{limits::ClientAddress, state::App};
use api::Code;
use axum::{
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method, Response},
    middleware::Next,
};
use uuid::Uuid;

/// The header by which people find a request in the log.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Serves a request, and tells of it.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response<Body> {
    let began = app.clock.steady();
    let id = request_id(&request);
    let client = ClientAddress::of(&request, app.config.trusts_proxy);
    request.extensions_mut().insert(client);
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();

    let mut answer = next.run(request).await;
    let took = app.clock.steady().saturating_sub(began);
    let status = answer.status().as_u16();
    let code = answer.extensions().get::<Code>().copied();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    app.metrics.answered(known(&method), route, status, code, took);
    tracing::info!(
        id = id.to_str().unwrap_or_default(),
        client = %client.0,
        %method,
        path,
        route,
        status,
        code = code.map(Code::as_str),
        ms = took.as_secs_f64() * 1e3,
        "request"
    );
    answer.headers_mut().insert(REQUEST_ID, id);
    answer
}

/// The methods that have numbers of their own: a caller may send any word.
fn known(method: &Method) -> &str {
    match *method {
        Method::GET | Method::HEAD | Method::POST | Method::PUT | Method::PATCH | Method::DELETE => {
            method.as_str()
        }
        _ => "other",
    }
}

/// The caller's own id where it is harmless, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    let is_plain =
        |value: &&HeaderValue| (1..=64).contains(&value.len()) && value.as_bytes().iter().all(is_letter);
    let made = || Uuid::now_v7().to_string().parse().expect("a UUID is a header's value");
    given.filter(is_plain).cloned().unwrap_or_else(made)
}
