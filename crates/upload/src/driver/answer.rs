//! Reading answers: those of the server, in JSON, and what object stores say when they refuse something.

use crate::core::{Failure, Refusal};
use api::{Code, Problem};
use reqwest::{Response, header};
use serde::de::DeserializeOwned;
use std::{error::Error, time::Duration};

/// Most bytes of an answer of the server. The largest is a receipt that misses a thousand objects.
const ANSWER_MAX: usize = 4 << 20;
/// Most bytes of what a store says when it refuses something.
const REFUSAL_MAX: usize = 64 << 10;
/// Most that anybody may ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// A document of the server.
pub(super) async fn document<T: DeserializeOwned>(response: Response) -> Result<T, Failure> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    let is_json = media_type(&response).is_some_and(|text| text.starts_with("application/json"));
    let body = body(response, ANSWER_MAX).await?;
    if !is_json {
        return Err(Failure::Nonsense("the answer is not JSON".to_owned()));
    }
    serde_json::from_slice(&body)
        .map_err(|error| Failure::Nonsense(format!("the answer cannot be read: {error}")))
}

/// What a store answers to an upload.
pub(super) async fn stored(response: Response) -> Result<(), Failure> {
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    // What is left unread keeps the connection from being used again. It says nothing that the confirmation does not.
    body(response, REFUSAL_MAX).await.map(drop)
}

/// Why a request was refused, as far as the answer says so. Redirects are refusals too: nothing of ours is to be sent
/// elsewhere.
async fn refusal(response: Response) -> Failure {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let retry_after = retry_after.map(|pause| pause.min(RETRY_AFTER_MAX));
    let is_problem = media_type(&response).is_some_and(|text| text.starts_with(api::PROBLEM_TYPE));
    // An answer that breaks off still has its status.
    let body = body(response, REFUSAL_MAX).await.unwrap_or_default();
    if is_problem && let Ok(problem) = serde_json::from_slice::<Problem>(&body) {
        let (code, detail) = (Some(problem.code), problem.detail);
        return Failure::Refused(Refusal { status, code, detail, retry_after });
    }
    let text = String::from_utf8_lossy(&body);
    let detail = element(&text, "Message").unwrap_or_default().to_owned();
    let code = match element(&text, "Code").unwrap_or_default() {
        "BadDigest" | "XAmzContentSHA256Mismatch" | "XAmzContentChecksumMismatch" => Some(Code::HashMismatch),
        "RequestTimeout" | "IncompleteBody" => return Failure::Unknown(detail),
        _ => None,
    };
    Failure::Refused(Refusal { status, code, detail, retry_after })
}

fn media_type(response: &Response) -> Option<&str> {
    response.headers().get(header::CONTENT_TYPE)?.to_str().ok()
}

/// The text of the first element of this name in the few lines of XML that object stores answer.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner)
}

async fn body(mut response: Response, max: usize) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(|error| failure(&error))? {
        if body.len() + piece.len() > max {
            return Err(Failure::Nonsense("the answer is too large".to_owned()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// What an error of the client means. It names the cause and no address, since those may be signed.
pub(crate) fn failure(error: &reqwest::Error) -> Failure {
    let mut cause: &dyn Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let words = cause.to_string();
    if error.is_connect() {
        Failure::Unreachable(words)
    } else if error.is_builder() {
        Failure::Nonsense(words)
    } else {
        Failure::Unknown(words)
    }
}
