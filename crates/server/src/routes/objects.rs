//! Objects by signed URL, where this server is its own object store. Nobody needs a token here: the URL says it all.
//!
//! Owns: what HTTP asks of objects: lengths, ranges, and answers that reach whoever is still sending. Bytes are streams
//! from end to end. What a URL allows is [`Signer`]'s affair, what is durable the store's. Tested by the suite of all
//! stores, through a real server.
//!
//! [`Signer`]: crate::objects::Signer

use crate::{
    objects::{Expected, Key, ObjectError, Opened, Served, UrlFault},
    problem::{Answer, Refusal},
};
use api::Code;
use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing,
};
use futures_util::{StreamExt, TryStreamExt, future::BoxFuture};
use std::{ops::Range, sync::Arc, time::Duration};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Whether the bytes of an object are still wanted, asked before they are read: given the session on whose behalf the
/// URL was signed, and the object.
pub type Admit = Arc<dyn Fn(String, Expected) -> BoxFuture<'static, Answer<()>> + Send + Sync>;

/// Bytes of a refused body that are read to its end, so that whoever sends it comes to read why it was refused.
const DRAIN_MAX: usize = 16 << 20;
/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// When to look whether a full disk has room again.
const RETRY_FULL: Duration = Duration::from_secs(30);

#[derive(OpenApi)]
#[openapi(paths(put, get))]
struct Document;

#[derive(Clone)]
struct Objects {
    store: Arc<dyn Served>,
    admit: Admit,
}

/// Routes of this file, for a store that is served here.
pub fn routes<S>(store: Arc<dyn Served>, admit: Admit) -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    // A key has slashes, which a path of OpenAPI cannot say: the document has one name for all of it.
    OpenApiRouter::with_openapi(Document::openapi())
        .route("/v1/objects/{*key}", routing::get(get).put(put))
        .with_state(Objects { store, admit })
}

impl From<ObjectError> for Refusal {
    fn from(error: ObjectError) -> Self {
        let words = error.to_string();
        match error {
            ObjectError::Missing(_) => Self::new(Code::NotFound, words),
            ObjectError::Full => Self::new(Code::InsufficientStorage, words).after(RETRY_FULL),
            ObjectError::SizeMismatch { .. } => Self::new(Code::SizeMismatch, words),
            ObjectError::HashMismatch => Self::new(Code::HashMismatch, words),
            ObjectError::Interrupted(_) => Self::new(Code::Invalid, words),
            ObjectError::Unavailable { .. } => Self::new(Code::StoreUnavailable, words),
        }
    }
}

/// Takes an object. The URL comes from `upload-urls` or `part-urls`, and says where, how many bytes, with which hash
/// and until when.
#[utoipa::path(put, path = "/v1/objects/{key}", params(
    ("key" = String, Path), ("expires" = i64, Query), ("size" = u64, Query), ("sha256" = String, Query),
    ("session" = String, Query), ("signature" = String, Query)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, description = "It is durable here.", headers(("etag" = String))),
    (status = 400, body = api::Problem, content_type = "application/problem+json"),
    (status = 403, body = api::Problem, content_type = "application/problem+json"),
    (status = 409, body = api::Problem, content_type = "application/problem+json"),
    (status = 411, body = api::Problem, content_type = "application/problem+json"),
    (status = 502, body = api::Problem, content_type = "application/problem+json"),
    (status = 507, body = api::Problem, content_type = "application/problem+json")))]
async fn put(State(objects): State<Objects>, request: Request) -> Answer<Response> {
    let (head, body) = request.into_parts();
    let expected = match admit(&objects, &head.uri, &head.headers).await {
        Ok(expected) => expected,
        Err(refusal) => {
            // The answer does not wait for it, and a connection that is closed while bytes come loses the answer. It
            // ends by itself: after so many bytes, or soon.
            tokio::spawn(tokio::time::timeout(DRAIN_TIME, drain(body)));
            return Err(refusal);
        }
    };
    let bytes = body.into_data_stream().map_err(|error| ObjectError::Interrupted(error.to_string()));
    objects.store.receive(&expected, bytes.boxed()).await?;
    let etag = HeaderValue::from_str(&format!("\"{}\"", expected.sha256)).map_err(Refusal::internal)?;
    Ok((StatusCode::OK, [(header::ETAG, etag)]).into_response())
}

/// Decides before the body is read.
async fn admit(objects: &Objects, uri: &Uri, headers: &HeaderMap) -> Answer<Expected> {
    let refused = |refusal: UrlFault| Refusal::new(Code::SignatureInvalid, refusal.to_string());
    let (expected, session) = objects.store.signer().check_put(uri).map_err(refused)?;
    let length =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    match length {
        None => Err(Refusal::new(Code::LengthRequired, "say how long the body is (Content-Length)")),
        Some(length) if length != expected.size => {
            let words = format!("{} bytes were signed, and the body has {length}", expected.size);
            Err(Refusal::new(Code::SizeMismatch, words))
        }
        Some(_) => (objects.admit)(session, expected.clone()).await.map(|()| expected),
    }
}

async fn drain(body: Body) {
    let (mut bytes, mut drained) = (body.into_data_stream(), 0);
    while let Some(Ok(piece)) = bytes.next().await {
        drained += piece.len();
        if drained > DRAIN_MAX {
            return;
        }
    }
}

/// Gives an object, or a range of it (RFC 9110). The URL comes from `objects`, and says which and until when.
#[utoipa::path(get, path = "/v1/objects/{key}", params(
    ("key" = String, Path), ("expires" = i64, Query), ("signature" = String, Query)), responses(
    (status = 200, description = "Its bytes.", content_type = "application/octet-stream"),
    (status = 206, description = "The range's bytes.", content_type = "application/octet-stream"),
    (status = 403, body = api::Problem, content_type = "application/problem+json"),
    (status = 404, body = api::Problem, content_type = "application/problem+json"),
    (status = 416, description = "It has no such range."),
    (status = 502, body = api::Problem, content_type = "application/problem+json")))]
async fn get(State(objects): State<Objects>, uri: Uri, headers: HeaderMap) -> Answer<Response> {
    let key = objects.store.signer().check_get(&uri);
    let key = key.map_err(|refusal| Refusal::new(Code::SignatureInvalid, refusal.to_string()))?;
    let opened = objects.store.open(&key).await?;
    let size = opened.size;
    let answer = match wanted(&headers, size) {
        Wanted::All => (StatusCode::OK, content(opened, 0..size)).into_response(),
        Wanted::Range(range) => {
            let which = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, [(header::CONTENT_RANGE, which)], content(opened, range))
                .into_response()
        }
        Wanted::Nothing => {
            (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, format!("bytes */{size}"))])
                .into_response()
        }
    };
    let about = [
        (header::ACCEPT_RANGES, "bytes"),
        (header::CONTENT_TYPE, media_type(&key)),
        // Whatever somebody has sent here, no browser takes it for a page of this server.
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'"),
    ];
    Ok((about, answer).into_response())
}

fn content(opened: Opened, range: Range<u64>) -> Response {
    let length = range.end - range.start;
    ([(header::CONTENT_LENGTH, length)], Body::from_stream((opened.read)(range))).into_response()
}

fn media_type(key: &Key) -> &'static str {
    match key.as_str().rsplit_once('.').map(|(_, ending)| ending) {
        Some("mp4" | "m4s") => "video/mp4",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    All,
    /// Never empty, and within the size.
    Range(Range<u64>),
    Nothing,
}

/// What a request wants of so many bytes. One range is understood; as RFC 9110 allows, everything is given for more of
/// them, for what is none, and where it depends on a state that is not told here (`If-Range`).
fn wanted(headers: &HeaderMap, size: u64) -> Wanted {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.split_once('-')) else { return Wanted::All };
    if headers.contains_key(header::IF_RANGE) {
        return Wanted::All;
    }
    let range = match (first.trim(), last.trim()) {
        ("", count) => count.parse().ok().map(|count: u64| size.saturating_sub(count)..size),
        (first, "") => first.parse().ok().map(|first| first..size),
        (first, last) => first.parse().ok().zip(last.parse().ok()).and_then(|(first, last): (u64, u64)| {
            (first <= last).then(|| first..last.saturating_add(1).min(size))
        }),
    };
    match range {
        None => Wanted::All,
        Some(range) if range.is_empty() => Wanted::Nothing,
        Some(range) => Wanted::Range(range),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        let wanted = |range: &'static str, size| {
            wanted(&HeaderMap::from_iter([(header::RANGE, HeaderValue::from_static(range))]), size)
        };
        assert_eq!(wanted("bytes=0-0", 10), Wanted::Range(0..1));
        assert_eq!(wanted("bytes=2-5", 10), Wanted::Range(2..6));
        assert_eq!(wanted("bytes=2-", 10), Wanted::Range(2..10));
        assert_eq!(wanted("bytes=9-18446744073709551615", 10), Wanted::Range(9..10));
        assert_eq!(wanted("bytes=-3", 10), Wanted::Range(7..10));
        assert_eq!(wanted("bytes=-30", 10), Wanted::Range(0..10));
        for nothing in ["bytes=10-", "bytes=10-12", "bytes=-0"] {
            assert_eq!(wanted(nothing, 10), Wanted::Nothing, "{nothing}");
        }
        for all in
            ["", "bytes=", "bytes=-", "bytes=5-2", "bytes=a-b", "bytes=0-1,3-4", "chars=0-1", "bytes=--1"]
        {
            assert_eq!(wanted(all, 10), Wanted::All, "{all}");
        }
        assert_eq!(wanted("bytes=0-", 0), Wanted::Nothing);
        assert_eq!(super::wanted(&HeaderMap::new(), 10), Wanted::All);
    }
}
