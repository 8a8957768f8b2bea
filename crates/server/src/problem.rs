//! Every refusal as a problem document (RFC 9457), also those that the framework makes.
//!
//! Owns: how a problem becomes an answer. Handlers return [`Refusal`]; what others answer (unknown routes, methods,
//! bodies that cannot be read, panics) is rewritten by [`rewrite`].

use crate::{coordinator::CoordinatorError, db::DbError};
use api::{Code, PROBLEM_TYPE, Problem};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Response, StatusCode, header},
    response::IntoResponse,
};
use std::{any::Any, time::Duration};

/// When to come again after the object store has failed.
const RETRY_STORE: Duration = Duration::from_secs(5);

/// Why a request was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is said.
    pub problem: Problem,
    /// When to come again, where that helps.
    pub retry_after: Option<Duration>,
}

/// What a handler answers.
pub type Answer<T> = Result<T, Refusal>;

impl Refusal {
    /// A refusal with this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { problem: Problem::new(code, detail), retry_after: None }
    }

    /// The same, and when to come again.
    pub fn after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A fault of ours. What exactly is for the log; callers learn that there was one.
    pub fn internal(error: impl std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        Self::new(Code::Internal, "the server has a fault; its log says more")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = (status, axum::Json(&self.problem)).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
        }
        // For the log and the numbers.
        answer.extensions_mut().insert(self.problem.code);
        answer
    }
}

impl From<DbError> for Refusal {
    fn from(error: DbError) -> Self {
        match error {
            DbError::Full => Self::new(Code::InsufficientStorage, "the server's disk is full"),
            error if error.is_retryable() => {
                Self::new(Code::Unavailable, "the server cannot do this now: come again")
            }
            error => Self::internal(error),
        }
    }
}

impl From<CoordinatorError> for Refusal {
    fn from(error: CoordinatorError) -> Self {
        match error {
            CoordinatorError::Refused { code, detail } => Self::new(code, detail),
            CoordinatorError::Db(error) => error.into(),
            CoordinatorError::Store(ref store) => {
                tracing::warn!(error = %store, "the object store failed");
                Self::new(error.code(), error.to_string()).after(RETRY_STORE)
            }
        }
    }
}

/// What a panic in a handler becomes.
pub fn from_panic(panic: Box<dyn Any + Send>) -> Response<Body> {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("a panic");
    Refusal::internal(words).into_response()
}

/// Rewrites refusals that are not problem documents: those of the framework. Everything else passes.
pub async fn rewrite(answer: Response<Body>) -> Response<Body> {
    /// More than the framework ever says.
    const DETAIL_BYTES_MAX: usize = 4096;
    let status = answer.status();
    let is_refusal = status.is_client_error() || status.is_server_error();
    let kind = answer.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let is_framework = kind.is_none_or(|kind| kind.starts_with(b"text/plain"));
    if !is_refusal || !is_framework {
        return answer;
    }
    let (parts, body) = answer.into_parts();
    let text = to_bytes(body, DETAIL_BYTES_MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let detail = if text.is_empty() { words_for(status) } else { &text };
    let mut rewritten = Refusal::new(code_for(status), detail).into_response();
    for name in [header::ALLOW, header::RETRY_AFTER, header::CONNECTION] {
        keep(&mut rewritten, &parts.headers, name);
    }
    rewritten
}

fn keep(answer: &mut Response<Body>, from: &axum::http::HeaderMap, name: HeaderName) {
    if let Some(value) = from.get(&name) {
        answer.headers_mut().insert(name, value.clone());
    }
}

fn code_for(status: StatusCode) -> Code {
    match status.as_u16() {
        401 => Code::Unauthorized,
        403 => Code::Forbidden,
        404 => Code::NotFound,
        405 => Code::MethodNotAllowed,
        411 => Code::LengthRequired,
        413 => Code::TooLarge,
        415 => Code::UnsupportedType,
        429 => Code::TooMany,
        400..=499 => Code::Invalid,
        503 => Code::Unavailable,
        _ => Code::Internal,
    }
}

fn words_for(status: StatusCode) -> &'static str {
    match status.as_u16() {
        404 => "there is nothing of that name",
        405 => "this route has no such method",
        503 => "the server is too slow now: come again",
        _ => "the request was refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(answer: Response<Body>) -> (StatusCode, String) {
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn what_the_framework_refuses_is_a_problem_too() {
        let bare = (StatusCode::UNPROCESSABLE_ENTITY, "no field `x`").into_response();
        let (status, body) = read(rewrite(bare).await).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        let problem: Problem = serde_json::from_str(&body).unwrap();
        assert_eq!((problem.code, problem.detail.as_str()), (Code::Invalid, "no field `x`"));
    }

    #[tokio::test]
    async fn ours_and_what_was_done_pass_as_they_are() {
        let ours = Refusal::new(Code::IndexTaken, "chunk 3").after(Duration::from_millis(1));
        let answer = rewrite(ours.clone().into_response()).await;
        assert_eq!(answer.headers()[header::RETRY_AFTER], "1");
        let (status, body) = read(answer).await;
        assert_eq!(status, StatusCode::CONFLICT);
        assert_eq!(serde_json::from_str::<Problem>(&body).unwrap(), ours.problem);
        let (status, body) = read(rewrite("fine".into_response()).await).await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "fine"));
    }
}
