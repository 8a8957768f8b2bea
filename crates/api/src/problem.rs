//! Problems, as RFC 9457 has them.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The media type of a [`Problem`].
pub const PROBLEM_TYPE: &str = "application/problem+json";

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:tt, $status:literal;)*) => {
        /// What went wrong, for programs. Codes are stable: they are added, never changed.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $text)] $name,)*
            /// One that this version does not know. A server never sends it.
            #[serde(other, rename = "unknown")]
            Unknown,
        }

        impl Code {
            /// As it is written.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                    Self::Unknown => "unknown",
                }
            }

            /// The HTTP status (RFC 9110) that comes with it.
            pub fn status(self) -> u16 {
                match self {
                    $(Self::$name => $status,)*
                    Self::Unknown => 500,
                }
            }
        }

        // By hand: what a server sends is never `unknown`.
        #[cfg(feature = "schema")]
        impl utoipa::PartialSchema for Code {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                let words = "What went wrong, for programs. Codes are added, never changed.";
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .description(Some(words))
                    .enum_values(Some([$($text),*]))
                    .into()
            }
        }
    };
}

#[cfg(feature = "schema")]
impl utoipa::ToSchema for Code {}

codes! {
    /// The request is not what the route takes.
    Invalid = "invalid", 400;
    /// A body's hash is not the one that was signed.
    HashMismatch = "hash-mismatch", 400;
    /// A body's length is not the one that was signed.
    SizeMismatch = "size-mismatch", 400;
    /// There is no token, or none that is valid.
    Unauthorized = "unauthorized", 401;
    /// The token, or the session's, is too old: ask for a new one.
    TokenExpired = "token-expired", 401;
    /// The token is valid and not for this.
    Forbidden = "forbidden", 403;
    /// The URL's signature is wrong, or the URL is too old.
    SignatureInvalid = "signature-invalid", 403;
    /// There is no such thing, or it is not this caller's.
    NotFound = "not-found", 404;
    /// There is no such method on this route.
    MethodNotAllowed = "method-not-allowed", 405;
    /// The id is taken by something else.
    IdTaken = "id-taken", 409;
    /// This index has other bytes already; an index is used once and never again.
    IndexTaken = "index-taken", 409;
    /// These bytes are confirmed already; there is nothing to send.
    AlreadyConfirmed = "already-confirmed", 409;
    /// The session is done: nothing of it changes any more.
    SessionDone = "session-done", 409;
    /// Another manifest was first.
    ManifestTaken = "manifest-taken", 409;
    /// It was deleted.
    Gone = "gone", 410;
    /// The request has no length.
    LengthRequired = "length-required", 411;
    /// The body is too large.
    TooLarge = "too-large", 413;
    /// The body is not of a type that the route takes.
    UnsupportedType = "unsupported-type", 415;
    /// Whoever is to approve this pairing has not done so yet: ask again.
    PairingPending = "pairing-pending", 428;
    /// Too many requests: `Retry-After` says when to come again.
    TooMany = "too-many", 429;
    /// A fault of the server.
    Internal = "internal", 500;
    /// The object store does not answer, or not as it should.
    StoreUnavailable = "store-unavailable", 502;
    /// The server cannot do this now: come again.
    Unavailable = "unavailable", 503;
    /// The server's disk is full.
    InsufficientStorage = "insufficient-storage", 507;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why a request was not done: a problem document (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Problem {
    /// The kind of problem; always `about:blank`, since the code says it.
    #[serde(rename = "type")]
    pub kind: String,
    /// Some words for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What exactly, for people.
    pub detail: String,
    /// What, for programs.
    pub code: Code,
}

impl Problem {
    /// A problem of this code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank".to_owned(),
            title: code.as_str().replace('-', " "),
            status: code.status(),
            detail: detail.into(),
            code,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.detail, self.code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_newer_servers_are_read_too() {
        let text = r#"{"type":"about:blank","title":"t","status":418,"detail":"d","code":"teapot"}"#;
        assert_eq!(serde_json::from_str::<Problem>(text).unwrap().code, Code::Unknown);
    }

    #[test]
    fn a_problem_is_written_as_its_code() {
        let problem = Problem::new(Code::IndexTaken, "chunk 3 of mix has other bytes");
        let text = serde_json::to_string(&problem).unwrap();
        assert!(text.contains(r#""status":409"#) && text.contains(r#""code":"index-taken""#), "{text}");
        assert_eq!(serde_json::from_str::<Problem>(&text).unwrap(), problem);
    }
}
