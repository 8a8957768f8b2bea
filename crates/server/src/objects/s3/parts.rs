//! Large files at a store that speaks S3: its multipart uploads.

use super::{CHECKSUM, S3, checksum_of, wire};
use crate::objects::{Expected, Found, Key, LargeFiles, ObjectError, ObjectStore, Part, Parted, Sent};
use api::{FilePart, SignedRequest};
use bytes::Bytes;
use futures_util::{FutureExt, future::BoxFuture};
use rusty_s3::{
    S3Action,
    actions::{CreateMultipartUpload, ListParts},
};
use std::{collections::HashMap, fmt::Write, time::Duration};
use uuid::Uuid;

/// A part as the store lists it.
struct Listed {
    size: u64,
    etag: String,
}

impl S3 {
    async fn begin_parts(&self, key: &Key, media_type: &str) -> Result<String, ObjectError> {
        const OPERATION: &str = "begin a large file";
        let mut begin = self.wire.config.own.create_multipart_upload(self.wire.credentials(), key.as_str());
        begin.headers_mut().insert("content-type", media_type.to_owned());
        begin.headers_mut().insert("x-amz-checksum-algorithm", "SHA256");
        let Some(answer) = self.wire.ask(OPERATION, begin, Bytes::new()).await? else {
            return Err(ObjectError::unavailable(OPERATION, "there is no such bucket"));
        };
        let begun = CreateMultipartUpload::parse_response(&wire::text(answer).await?);
        let begun = begun.map_err(|error| ObjectError::unavailable(OPERATION, error))?;
        Ok(begun.upload_id().to_owned())
    }

    /// None if the store knows no such upload, or no more.
    async fn list_parts(&self, file: &Parted) -> Result<Option<HashMap<u32, Listed>>, ObjectError> {
        const OPERATION: &str = "list the parts of a large file";
        let mut parts = HashMap::new();
        let mut marker = None;
        loop {
            let mut list =
                self.wire.config.own.list_parts(self.wire.credentials(), file.key.as_str(), &file.name);
            if let Some(marker) = marker {
                list.set_part_number_marker(marker);
            }
            let Some(answer) = self.wire.ask(OPERATION, list, Bytes::new()).await? else { return Ok(None) };
            let listed = ListParts::parse_response(&wire::text(answer).await?)
                .map_err(|error| ObjectError::unavailable(OPERATION, error))?;
            for part in listed.parts {
                parts.insert(part.number.into(), Listed { size: part.size, etag: part.etag });
            }
            marker = listed.next_part_number_marker;
            if marker.is_none() {
                return Ok(Some(parts));
            }
        }
    }

    async fn join_parts(
        &self,
        file: &Parted,
        parts: &[Sent],
        expected: &Expected,
    ) -> Result<Found, ObjectError> {
        if let Some(listed) = self.list_parts(file).await? {
            let (mut body, mut size) = ("<CompleteMultipartUpload>".to_owned(), 0);
            for sent in parts {
                let part = listed.get(&sent.number);
                let part = part.filter(|part| unquoted(&part.etag) == unquoted(&sent.etag));
                let part = part.ok_or_else(|| ObjectError::Missing(file.key.clone()))?;
                size += part.size;
                write_part(&mut body, sent, part);
            }
            if size != expected.size {
                return Err(ObjectError::SizeMismatch { expected: expected.size, received: size });
            }
            body.push_str("</CompleteMultipartUpload>");
            let complete = self.wire.config.own.complete_multipart_upload(
                self.wire.credentials(),
                file.key.as_str(),
                &file.name,
                std::iter::empty(),
            );
            // An answer that says no, or that there is no such upload: it may have been lost when it said yes. What is
            // there is what counts.
            self.wire.ask("complete a large file", complete, Bytes::from(body)).await?;
        }
        self.check(expected).await
    }

    async fn abort_parts(&self, file: &Parted) -> Result<(), ObjectError> {
        let abort = self.wire.config.own.abort_multipart_upload(
            self.wire.credentials(),
            file.key.as_str(),
            &file.name,
        );
        self.wire.ask("abort a large file", abort, Bytes::new()).await.map(|_| ())
    }
}

fn unquoted(etag: &str) -> &str {
    etag.trim_matches('"')
}

fn write_part(body: &mut String, sent: &Sent, part: &Listed) {
    let number = sent.number;
    let etag = unquoted(&part.etag);
    // Writing to a string cannot fail. A store's own ETag needs no escaping but for its quotes.
    let _never = write!(body, "<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag>");
    // AWS wants it again.
    if let Some(checksum) = sent.sha256.map(checksum_of) {
        let _never = write!(body, "<ChecksumSHA256>{checksum}</ChecksumSHA256>");
    }
    body.push_str("</Part>");
}

impl LargeFiles for S3 {
    fn begin<'a>(
        &'a self,
        key: &'a Key,
        _id: Uuid,
        media_type: &'a str,
    ) -> BoxFuture<'a, Result<String, ObjectError>> {
        self.begin_parts(key, media_type).boxed()
    }

    fn sign_part(&self, file: &Parted, part: &Part, lasts: Duration) -> SignedRequest {
        // The numbers of parts end at 10,000.
        let number = u16::try_from(part.number).unwrap_or(u16::MAX);
        let bucket = &self.wire.config.public;
        let mut put = bucket.upload_part(self.wire.credentials(), file.key.as_str(), number, &file.name);
        put.headers_mut().insert("content-length", part.size.to_string());
        put.headers_mut().insert(CHECKSUM, checksum_of(part.sha256));
        self.request(put, lasts)
    }

    fn parts<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<Vec<FilePart>, ObjectError>> {
        async move {
            let listed = self.list_parts(file).await?.unwrap_or_default();
            let part = |(number, Listed { size, etag })| FilePart { number, size, etag };
            let mut parts: Vec<FilePart> = listed.into_iter().map(part).collect();
            parts.sort_by_key(|part| part.number);
            Ok(parts)
        }
        .boxed()
    }

    fn join<'a>(
        &'a self,
        file: &'a Parted,
        parts: &'a [Sent],
        expected: &'a Expected,
    ) -> BoxFuture<'a, Result<Found, ObjectError>> {
        self.join_parts(file, parts, expected).boxed()
    }

    fn abort<'a>(&'a self, file: &'a Parted) -> BoxFuture<'a, Result<(), ObjectError>> {
        self.abort_parts(file).boxed()
    }
}
