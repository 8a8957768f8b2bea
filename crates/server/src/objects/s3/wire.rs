//! What this server itself asks of an S3-compatible store.
//!
//! Owns: retries, with bounds, and the store's time: a signature holds for minutes by the store's clock, so how far ours
//! is off is learned from the `Date` of every answer.

use super::config::S3Config;
use crate::objects::{Now, ObjectError};
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};
use reqwest::{Client, Method, Response, StatusCode, header, redirect::Policy};
use rusty_s3::{Credentials, Method as Verb, S3Action};
use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

/// How long a signature of our own requests is valid.
const LASTS: Duration = Duration::from_secs(300);
/// A request is tried so often before it is given up.
const ATTEMPTS: u32 = 5;
/// Before the second try; twice as long before each one that follows.
const WAIT: Duration = Duration::from_millis(200);
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a store may be silent.
const SILENCE_MAX: Duration = Duration::from_secs(25);
/// How long all tries may take together, until an answer begins.
const ANSWER_TIME: Duration = Duration::from_secs(80);
/// Milliseconds that clocks may differ before it matters: signatures have minutes.
const TOLERANCE_MS: i64 = 2_000;
/// Bytes of an answer that has no object in it.
const ANSWER_MAX: usize = 8 << 20;

/// A store, as this server talks to it.
pub(super) struct Wire {
    pub(super) config: S3Config,
    http: Client,
    now: Now,
    /// Milliseconds by which the store's clock is ahead of ours.
    ahead_ms: AtomicI64,
}

/// What came of one try.
enum Tried {
    Done(Response),
    /// It may go better the next time.
    Failed(String),
    /// The store's clock is not what we took it for.
    Mistimed,
}

impl Wire {
    pub(super) fn new(config: S3Config, now: Now) -> Result<Self, ObjectError> {
        // Somebody may have chosen before; any will do.
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .read_timeout(SILENCE_MAX)
            // A signature is for one place.
            .redirect(Policy::none())
            .build()
            .map_err(|error| ObjectError::unavailable("be reached", error))?;
        Ok(Self { config, http, now, ahead_ms: AtomicI64::new(0) })
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        Some(&self.config.credentials)
    }

    /// The store's time.
    pub(super) fn time(&self) -> Timestamp {
        let now = (self.now)().0.saturating_add(self.ahead_ms.load(Ordering::Relaxed));
        Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Asks until there is an answer that says something: success, or that there is no such thing (none).
    pub(super) async fn ask<'a, A: S3Action<'a>>(
        &self,
        operation: &'static str,
        action: A,
        body: Bytes,
    ) -> Result<Option<Response>, ObjectError> {
        let answer = tokio::time::timeout(ANSWER_TIME, self.insist(operation, action, body)).await;
        answer.unwrap_or_else(|_| Err(ObjectError::unavailable(operation, "it does not answer")))
    }

    async fn insist<'a, A: S3Action<'a>>(
        &self,
        operation: &'static str,
        mut action: A,
        body: Bytes,
    ) -> Result<Option<Response>, ObjectError> {
        let mut wait = WAIT;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let reason = match self.try_once(operation, &mut action, body.clone()).await? {
                Tried::Done(response) if response.status() == StatusCode::NOT_FOUND => return Ok(None),
                Tried::Done(response) => return Ok(Some(response)),
                Tried::Mistimed if attempt < ATTEMPTS => continue,
                Tried::Mistimed => "its clock jumps".to_owned(),
                Tried::Failed(reason) => reason,
            };
            if attempt >= ATTEMPTS {
                return Err(ObjectError::unavailable(operation, reason));
            }
            let jitter = getrandom::u32().map_or(0, |random| random % 1_000);
            tokio::time::sleep(wait + wait * jitter / 1_000).await;
            wait *= 2;
        }
    }

    async fn try_once<'a, A: S3Action<'a>>(
        &self,
        operation: &'static str,
        action: &mut A,
        body: Bytes,
    ) -> Result<Tried, ObjectError> {
        let url = action.sign_with_time(LASTS, &self.time());
        let mut request = self.http.request(method(A::METHOD), url);
        for (name, value) in action.headers_mut().iter() {
            request = request.header(name, value);
        }
        let asked_at = (self.now)().0;
        // A body of no bytes has a length too: there are stores that insist.
        let request = if matches!(A::METHOD, Verb::Put | Verb::Post) { request.body(body) } else { request };
        let response = match request.send().await {
            Ok(response) => response,
            // Its words have the URL, and that has a signature.
            Err(error) => return Ok(Tried::Failed(error.without_url().to_string())),
        };
        let is_mistimed = self.learn_time(&response, asked_at);
        let status = response.status();
        match status {
            StatusCode::NOT_FOUND => Ok(Tried::Done(response)),
            StatusCode::INSUFFICIENT_STORAGE => Err(ObjectError::Full),
            _ if status.is_success() => Ok(Tried::Done(response)),
            _ if status.is_client_error() && is_mistimed => Ok(Tried::Mistimed),
            _ => {
                let words = text(response).await.unwrap_or_default();
                let reason = format!("{status} {}", between(&words, "<Code>", "</Code>").unwrap_or_default());
                let may_pass = status.is_server_error()
                    || [StatusCode::TOO_MANY_REQUESTS, StatusCode::REQUEST_TIMEOUT].contains(&status);
                if may_pass {
                    Ok(Tried::Failed(reason))
                } else {
                    Err(ObjectError::unavailable(operation, reason))
                }
            }
        }
    }

    /// Compares clocks. Says whether the store's is elsewhere than we thought.
    fn learn_time(&self, response: &Response, asked_at_ms: i64) -> bool {
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        let Some(date) = date.and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) else {
            return false;
        };
        // It was written between the question and the answer, and tells whole seconds.
        let date = date.as_millisecond();
        let (least, most) = (date - (self.now)().0, date + 1_000 - asked_at_ms);
        let ahead = self.ahead_ms.load(Ordering::Relaxed);
        if (least - TOLERANCE_MS..=most + TOLERANCE_MS).contains(&ahead) {
            return false;
        }
        // Rather behind: what seems to be signed in the future is refused.
        self.ahead_ms.store(least, Ordering::Relaxed);
        tracing::warn!(
            seconds = least / 1_000,
            "the object store's clock is ahead of ours by so many seconds"
        );
        true
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Head => Method::HEAD,
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Delete => Method::DELETE,
    }
}

/// An answer that is no object.
pub(super) async fn text(response: Response) -> Result<String, ObjectError> {
    let failed = |reason: String| ObjectError::unavailable("answer", reason);
    let (mut bytes, mut all) = (response.bytes_stream(), Vec::new());
    while let Some(piece) = bytes.next().await {
        all.extend_from_slice(&piece.map_err(|error| failed(error.without_url().to_string()))?);
        if all.len() > ANSWER_MAX {
            return Err(failed("its answer has no end".to_owned()));
        }
    }
    Ok(String::from_utf8_lossy(&all).into_owned())
}

/// What stands between two words.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    Some(text.split_once(start)?.1.split_once(end)?.0)
}
