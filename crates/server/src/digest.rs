//! Documents that arrive otherwise than they were sent.
//!
//! Owns: holding a request's body against its Content-Digest (RFC 9530) as it is read, where a caller gives one. Tested
//! over HTTP in `tests/`.

use crate::problem::Refusal;
use api::{CONTENT_DIGEST, Code, sha256_of};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::{StreamExt as _, stream};
use sha2::{Digest as _, Sha256};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Refuses a request whose body is not what its header says. Whoever reads the body does not get to its end then.
pub async fn compare(request: Request, next: Next) -> Response {
    let header = request.headers().get(CONTENT_DIGEST).and_then(|header| header.to_str().ok());
    let Some(expected) = header.and_then(sha256_of) else { return next.run(request).await };
    let changed = Arc::new(AtomicBool::new(false));
    let found = Arc::clone(&changed);
    let request = request.map(|body| {
        let begin = (body.into_data_stream(), Some(Sha256::new()));
        Body::from_stream(stream::unfold(begin, move |(mut body, hasher)| {
            let found = Arc::clone(&found);
            async move {
                let mut hasher = hasher?;
                match body.next().await {
                    Some(Ok(bytes)) => {
                        hasher.update(&bytes);
                        Some((Ok(bytes), (body, Some(hasher))))
                    }
                    Some(Err(error)) => Some((Err(io::Error::other(error)), (body, None))),
                    None if hasher.finalize()[..] == expected.0 => None,
                    None => {
                        found.store(true, Ordering::Release);
                        Some((Err::<Bytes, _>(io::ErrorKind::InvalidData.into()), (body, None)))
                    }
                }
            }
        }))
    });
    let answer = next.run(request).await;
    if changed.load(Ordering::Acquire) {
        return Refusal::new(Code::HashMismatch, "the body is not what its Content-Digest says")
            .into_response();
    }
    answer
}
