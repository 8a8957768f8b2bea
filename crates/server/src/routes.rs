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

use crate::{
    coordinator::{Admission, Coordinator},
    objects::Expected,
    observe,
    problem::{self, Answer, Refusal},
    state::App,
};
use api::Code;
use axum::{Router, extract::DefaultBodyLimit, http::StatusCode, middleware};
use futures_util::FutureExt;
use model::SessionId;
use std::{sync::Arc, time::Duration};
use tower_http::{
    catch_panic::CatchPanicLayer,
    timeout::{RequestBodyTimeoutLayer, TimeoutLayer},
};
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::router::OpenApiRouter;

/// Bytes of a body, where its route says nothing else.
const BODY_BYTES_MAX: usize = 1 << 20;
/// How long a caller may send nothing of a body that it has begun.
const BODY_STALL_MAX: Duration = Duration::from_secs(30);
/// How long an answer may take to begin.
const ANSWER_MAX: Duration = Duration::from_secs(120);

#[derive(OpenApi)]
#[openapi(
    info(title = "Spool", description = "What recorder and server say to each other."),
    modifiers(&Security)
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("bearer", bearer);
    }
}

/// Every route, each with its description. A new group of routes is a line here.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .merge(operations::routes())
        .merge(access::open_routes())
        .merge(access::routes())
        .merge(recordings::routes())
        .merge(sessions::routes())
}

/// All that is served.
pub fn router(app: App) -> Router {
    let (router, _document) = described().split_for_parts();
    let objects = objects(&app);
    router
        .merge(pairing_page::routes())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_MAX))
        // An object takes as long as it takes, if only something comes.
        .merge(objects)
        .layer(RequestBodyTimeoutLayer::new(BODY_STALL_MAX))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::map_response(problem::rewrite))
        .layer(middleware::from_fn_with_state(app.clone(), observe::observe))
        .with_state(app)
}

/// Objects, where this server is their store.
fn objects(app: &App) -> Router<App> {
    let Some(served) = app.objects.served.clone() else { return Router::new() };
    let coordinator = app.coordinator.clone();
    let admit = move |session, expected| admit(coordinator.clone(), session, expected).boxed();
    let (router, _document) = objects::routes(served, Arc::new(admit)).split_for_parts();
    router
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
