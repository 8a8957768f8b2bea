//! Short-lived tokens: what they grant, until when, and a signature over both.
//!
//! Owns: their form. Pure; `now` is an argument.

use super::NOT_VALID;
use crate::problem::Refusal;
use api::Code;
use hmac::{Hmac, KeyInit, Mac};
use model::{SessionId, UtcTime};
use sha2::Sha256;
use uuid::Uuid;

/// What every short-lived token begins with, so that people and scanners know one when they see it.
const PREFIX: &str = "spool_at_";
const MAC_BYTES: usize = 32;

/// What a token grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// What the refresh secret of this id is for.
    Access {
        /// Its id.
        token: Uuid,
    },
    /// One session's routes.
    Session {
        /// The refresh secret it came from; nil for the admin token.
        token: Uuid,
        /// The session.
        session: SessionId,
    },
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedError {
    /// It is not one of ours.
    NotValid,
    /// It was.
    Expired,
}

impl From<SignedError> for Refusal {
    fn from(error: SignedError) -> Self {
        match error {
            SignedError::NotValid => Self::new(Code::Unauthorized, NOT_VALID),
            SignedError::Expired => Self::new(Code::TokenExpired, "the token is too old: ask for a new one"),
        }
    }
}

/// Signs and reads tokens.
pub struct Signer {
    key: [u8; 32],
}

impl Signer {
    /// With this key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// A token.
    pub fn sign(&self, grant: &Grant, expires_at: UtcTime) -> String {
        let mut bytes = Vec::with_capacity(73);
        match grant {
            Grant::Access { .. } => bytes.push(b'a'),
            Grant::Session { .. } => bytes.push(b's'),
        }
        bytes.extend(expires_at.0.to_be_bytes());
        match grant {
            Grant::Access { token } => bytes.extend(token.as_bytes()),
            Grant::Session { token, session } => {
                bytes.extend(token.as_bytes());
                bytes.extend(session.0.as_bytes());
            }
        }
        let mac = self.mac(&bytes).finalize().into_bytes();
        bytes.extend(mac);
        format!("{PREFIX}{}", hex::encode(bytes))
    }

    /// What a token grants.
    pub fn read(&self, text: &str, now: UtcTime) -> Result<Grant, SignedError> {
        let text = text.strip_prefix(PREFIX).ok_or(SignedError::NotValid)?;
        let bytes = hex::decode(text).map_err(|_| SignedError::NotValid)?;
        let (said, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(SignedError::NotValid)?;
        // Takes the same time wherever the two differ.
        self.mac(said).verify_slice(mac).map_err(|_| SignedError::NotValid)?;
        let (kind, rest) = said.split_first().ok_or(SignedError::NotValid)?;
        let (expires_at, rest) = rest.split_first_chunk::<8>().ok_or(SignedError::NotValid)?;
        let (token, rest) = rest.split_first_chunk::<16>().ok_or(SignedError::NotValid)?;
        let token = Uuid::from_bytes(*token);
        let grant = match (kind, <[u8; 16]>::try_from(rest)) {
            (b'a', Err(_)) if rest.is_empty() => Grant::Access { token },
            (b's', Ok(session)) => Grant::Session { token, session: SessionId(Uuid::from_bytes(session)) },
            _ => return Err(SignedError::NotValid),
        };
        match UtcTime(i64::from_be_bytes(*expires_at)) > now {
            true => Ok(grant),
            false => Err(SignedError::Expired),
        }
    }

    fn mac(&self, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        mac.update(bytes);
        mac
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_signed_is_read_until_it_expires_and_nothing_else() {
        let (signer, other) = (Signer::new([1; 32]), Signer::new([2; 32]));
        let (token, session) = (Uuid::now_v7(), SessionId(Uuid::now_v7()));
        for grant in [Grant::Access { token }, Grant::Session { token, session }] {
            let text = signer.sign(&grant, UtcTime(10));
            assert_eq!(signer.read(&text, UtcTime(9)), Ok(grant));
            assert_eq!(signer.read(&text, UtcTime(10)), Err(SignedError::Expired));
            assert_eq!(other.read(&text, UtcTime(9)), Err(SignedError::NotValid));
            for at in 0..text.len() {
                let mut forged = text.clone().into_bytes();
                forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
                let forged = String::from_utf8(forged).unwrap();
                assert_eq!(signer.read(&forged, UtcTime(9)), Err(SignedError::NotValid), "{at}");
                assert_eq!(signer.read(&text[..at], UtcTime(9)), Err(SignedError::NotValid), "{at}");
            }
        }
    }
}
