//! What a failure means: for a call to the server, and for an upload to where the server said.

use super::{Failure, Refusal, Trouble};
use api::Code;
use std::time::Duration;

/// Which kind of call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Create,
    Join,
    Urls,
    Confirm,
    Heartbeat,
    Close,
}

impl Call {
    /// Whether it takes an access token, and not the session's own.
    fn is_account(self) -> bool {
        matches!(self, Self::Create | Self::Join)
    }
}

/// What a failed call means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum CallVerdict {
    /// Nothing gets through to the server.
    Closed(Trouble),
    /// A connection broke, or nothing came.
    Broke(Trouble),
    /// The server asks to come again, after so long if it says so.
    Busy(Trouble, Option<Duration>),
    /// Nobody may do this until somebody logs in.
    Account(Trouble),
    /// The session's token is not valid any more.
    Rejoin(Trouble),
    /// The server does not know the session or its recording: it may have been restored from an older copy.
    Recreate(Trouble),
    /// Another manifest was first.
    ManifestTaken,
    /// Something about this session; it may pass.
    Again(Trouble),
    /// Something about this session that people must see to.
    People(Trouble),
}

pub(super) fn call(call: Call, failure: &Failure) -> CallVerdict {
    match failure {
        Failure::Unreachable(words) => CallVerdict::Closed(Trouble::Away(words.clone())),
        Failure::Unknown(words) => CallVerdict::Broke(Trouble::Away(words.clone())),
        Failure::Nonsense(words) => CallVerdict::Closed(Trouble::Strange(words.clone())),
        Failure::NoLogin(words) => CallVerdict::Account(Trouble::Login(words.clone())),
        Failure::Local(words) => CallVerdict::Again(Trouble::Strange(words.clone())),
        Failure::Refused(refusal) => call_refused(call, refusal),
    }
}

fn call_refused(call: Call, refusal: &Refusal) -> CallVerdict {
    let words = refusal.to_string();
    match (refusal.status, refusal.code) {
        // No server of ours speaks like that: it is something in between, and may pass.
        (400..=403 | 406..=407 | 409..=418, None) => CallVerdict::Again(Trouble::Strange(words)),
        (401, _) if call.is_account() => CallVerdict::Account(Trouble::Login(words)),
        (403, _) if call.is_account() => CallVerdict::Account(Trouble::Forbidden(words)),
        (401 | 403, _) => CallVerdict::Rejoin(Trouble::Forbidden(words)),
        (410, _) => CallVerdict::People(Trouble::Gone(words)),
        (404, Some(Code::NotFound)) if call != Call::Create => CallVerdict::Recreate(Trouble::Gone(words)),
        (404 | 405, _) => CallVerdict::Closed(Trouble::Strange(words)),
        (_, Some(Code::ManifestTaken)) => CallVerdict::ManifestTaken,
        // Something on the way changed what was sent.
        (_, Some(Code::HashMismatch)) => CallVerdict::Broke(Trouble::Away(words)),
        (409, _) => CallVerdict::People(Trouble::Taken(words)),
        (408 | 425, _) => CallVerdict::Broke(Trouble::Away(words)),
        (429 | 503, _) => CallVerdict::Busy(Trouble::Busy(words), refusal.retry_after),
        (502, Some(Code::StoreUnavailable)) => CallVerdict::Again(Trouble::StoreAway(words)),
        (502 | 504, _) => CallVerdict::Closed(Trouble::Away(words)),
        (507, _) => CallVerdict::Again(Trouble::Full(words)),
        (500.., _) => CallVerdict::Again(Trouble::Busy(words)),
        _ => CallVerdict::People(Trouble::Strange(words)),
    }
}

/// What a failed upload means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PutVerdict {
    /// Nothing gets through to the store; the URL is as good as before.
    Closed(Trouble),
    /// The store asks to come again; the URL is as good as before.
    Busy(Trouble, Option<Duration>),
    /// The bytes may be there: ask before they are sent again.
    Doubt(Trouble),
    /// They are there.
    There,
    /// They are not those that were recorded, or cannot be read.
    Check,
    /// It takes a new URL.
    NewUrl(Trouble),
}

pub(super) fn put(failure: &Failure) -> PutVerdict {
    let away = |words: &String| Trouble::StoreAway(words.clone());
    match failure {
        Failure::Unreachable(words) => PutVerdict::Closed(away(words)),
        Failure::Unknown(words) | Failure::Nonsense(words) | Failure::NoLogin(words) => {
            PutVerdict::Doubt(away(words))
        }
        Failure::Local(_) => PutVerdict::Check,
        Failure::Refused(refusal) => put_refused(refusal),
    }
}

fn put_refused(refusal: &Refusal) -> PutVerdict {
    let words = refusal.to_string();
    match (refusal.status, refusal.code) {
        (_, Some(Code::HashMismatch | Code::SizeMismatch)) => PutVerdict::Check,
        (_, Some(Code::AlreadyConfirmed)) | (412, _) => PutVerdict::There,
        (408 | 425, _) => PutVerdict::Doubt(Trouble::StoreAway(words)),
        (429 | 503, _) => PutVerdict::Busy(Trouble::Busy(words), refusal.retry_after),
        (507, _) => PutVerdict::Busy(Trouble::Full(words), refusal.retry_after),
        _ => PutVerdict::NewUrl(Trouble::StoreAway(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, code: Option<Code>) -> Failure {
        Failure::Refused(Refusal { status, code, detail: String::new(), retry_after: None })
    }

    #[test]
    fn every_code_of_the_server_leads_somewhere_else_than_to_a_stranger() {
        let of = |kind, code: Code| call(kind, &refused(code.status(), Some(code)));
        assert!(matches!(of(Call::Join, Code::TokenExpired), CallVerdict::Account(Trouble::Login(_))));
        assert!(matches!(of(Call::Urls, Code::TokenExpired), CallVerdict::Rejoin(_)));
        assert!(matches!(of(Call::Urls, Code::NotFound), CallVerdict::Recreate(_)));
        assert!(matches!(of(Call::Create, Code::NotFound), CallVerdict::Closed(Trouble::Strange(_))));
        assert!(matches!(of(Call::Close, Code::ManifestTaken), CallVerdict::ManifestTaken));
        assert!(matches!(of(Call::Create, Code::IdTaken), CallVerdict::People(Trouble::Taken(_))));
        assert!(matches!(of(Call::Join, Code::Gone), CallVerdict::People(Trouble::Gone(_))));
        assert!(matches!(of(Call::Confirm, Code::StoreUnavailable), CallVerdict::Again(_)));
        assert!(matches!(of(Call::Confirm, Code::InsufficientStorage), CallVerdict::Again(Trouble::Full(_))));
        assert!(matches!(of(Call::Urls, Code::TooMany), CallVerdict::Busy(..)));
        assert!(matches!(of(Call::Urls, Code::Internal), CallVerdict::Again(Trouble::Busy(_))));
    }

    #[test]
    fn what_something_in_between_says_is_not_the_servers_last_word() {
        let of = |status| call(Call::Create, &refused(status, None));
        for status in [400, 401, 403, 409, 410] {
            assert!(matches!(of(status), CallVerdict::Again(Trouble::Strange(_))), "{status}");
        }
        let flipped = call(Call::Urls, &refused(400, Some(Code::HashMismatch)));
        assert!(matches!(flipped, CallVerdict::Broke(_)));
    }

    #[test]
    fn stores_say_no_in_many_ways() {
        let of = |status, code| put(&refused(status, code));
        assert!(matches!(of(403, Some(Code::SignatureInvalid)), PutVerdict::NewUrl(_)));
        assert!(matches!(of(400, None), PutVerdict::NewUrl(_)), "Garage says so of a URL that is too old");
        assert_eq!(of(400, Some(Code::HashMismatch)), PutVerdict::Check);
        assert_eq!(of(409, Some(Code::AlreadyConfirmed)), PutVerdict::There);
        assert_eq!(of(412, None), PutVerdict::There);
        assert!(matches!(of(409, None), PutVerdict::NewUrl(_)));
        assert!(matches!(of(503, None), PutVerdict::Busy(..)));
        assert!(matches!(of(507, None), PutVerdict::Busy(Trouble::Full(_), None)));
        assert!(matches!(of(500, None), PutVerdict::NewUrl(_)));
        assert!(matches!(put(&Failure::Unknown(String::new())), PutVerdict::Doubt(_)));
    }
}
