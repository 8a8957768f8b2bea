//! Every route, and what lies around all of them.
//!
//! Owns: the list of routes, from which the OpenAPI document is made, and the order of layers. Handlers are thin: they
//! read, ask, and answer.

pub mod objects;

mod access;
mod operations;
mod pairing_page;
mod recordings;
mod sessions;
mod uploads;

use crate::{
    config::Cors,
    coordinator::{Admission, Coordinator},
    digest,
    limits::Limits,
    objects::Expected,
    observe,
    openapi::{Described, Document},
    problem::{self, Answer, Refusal},
    state::App,
};
use api::Code;
use axum::{
    Extension, Router,
    extract::DefaultBodyLimit,
    http::{Method, StatusCode, header},
    middleware,
};
use futures_util::FutureExt;
use model::SessionId;
use std::{sync::Arc, time::Duration};
use tower::util::option_layer;
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowHeaders, AllowOrigin, CorsLayer},
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Bytes of a body, where its route says nothing else.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a caller may send nothing of a body that it has begun.
const BODY_STALL_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take to begin.
const ANSWER_MAX: Duration = Duration::from_secs(120);

/// Every route, each with its description. A new group of routes is a line here.
fn described(limits: &Limits) -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(operations::routes())
        .merge(limits.strict(access::open_routes()))
        .merge(limits.ordinary(access::routes()))
        .merge(limits.ordinary(recordings::routes()))
        .merge(limits.generous(sessions::routes()))
        .merge(limits.ordinary(uploads::routes()))
}

/// All that is served.
pub fn router(app: App) -> serde_json::Result<Router> {
    let (routes, objects, document) = parts(&app);
    let described = Described::new(&document)?;
    Ok(routes
        .merge(pages(&app.limits))
        .layer(Extension(described))
        .layer(middleware::from_fn(digest::compare))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_MAX))
        // An object takes as long as it takes, if only something comes.
        .merge(objects)
        .layer(RequestBodyTimeoutLayer::new(BODY_STALL_MAX))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::map_response(problem::rewrite))
        .layer(option_layer(cors(&app.config.cors)))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app))
}

/// All routes but pages: those of documents, those of objects, and what is said of both.
fn parts(app: &App) -> (Router<App>, Router<App>, utoipa::openapi::OpenApi) {
    let (routes, mut document) = described(&app.limits).split_for_parts();
    let (objects, more) = app.limits.generous(objects(app)).split_for_parts();
    document.merge(more);
    (routes, objects, document)
}

/// Objects, where this server is their store.
fn objects(app: &App) -> OpenApiRouter<App> {
    let Some(served) = app.objects.served.clone() else { return OpenApiRouter::new() };
    let coordinator = app.coordinator.clone();
    let admit = move |session, expected| admit(coordinator.clone(), session, expected).boxed();
    objects::routes(served, Arc::new(admit))
}

/// Whether bytes are still wanted. What is signed on behalf of something that is no session is not the coordinator's.
async fn admit(coordinator: Coordinator, session: String, expected: Expected) -> Answer<()> {
    let Ok(session) = session.parse::<SessionId>() else { return Ok(()) };
    let refused = |code, words: &str| Err(Refusal::new(code, format!("{}: {words}", expected.key)));
    match coordinator.admission(session, &expected).await? {
        Admission::Wanted => Ok(()),
        Admission::Confirmed => {
            refused(Code::AlreadyConfirmed, "these bytes are confirmed: there is nothing to send")
        }
        Admission::IndexTaken => refused(Code::IndexTaken, "this index has other bytes"),
        Admission::SessionDone => refused(Code::SessionDone, "the session's manifest does not have it"),
    }
}

/// Pages are for people, and no part of the description.
fn pages(limits: &Limits) -> Router<App> {
    limits.strict(pairing_page::routes().into()).into()
}

/// What pages of other origins may do: all that programs may, with a token that they have, never with a cookie.
fn cors(cors: &Cors) -> Option<CorsLayer> {
    let origins = match cors {
        Cors::None => return None,
        Cors::Of(origins) => AllowOrigin::list(origins.iter().cloned()),
        Cors::All => AllowOrigin::any(),
    };
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    Some(
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(methods)
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([header::RETRY_AFTER, header::ETAG, observe::REQUEST_ID])
            .max_age(Duration::from_secs(3600)),
    )
}

#[cfg(test)]
mod tests;
