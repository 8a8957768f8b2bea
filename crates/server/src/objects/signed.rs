//! Signed URLs of the stores that this server serves itself.
//!
//! Owns: what is under a signature and how it is written. HMAC-SHA256 (RFC 2104) over method, path, expiry, size, hash
//! and session, so that nothing of a URL can be changed. Reads no clock: it is given one. Tested beside the code, and by
//! the suite of all stores.

use super::{Expected, Key, Now};
use api::SignedRequest;
use axum::{extract, http::Uri};
use hmac::{Hmac, KeyInit, Mac};
use model::Hash;
use serde::{Deserialize, de::DeserializeOwned};
use sha2::Sha256;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Where objects are served.
pub const ROOT: &str = "/v1/objects/";

/// Makes and checks signed URLs.
#[derive(Clone)]
pub struct Signer {
    keys: Vec<Hmac<Sha256>>,
    base: String,
    now: Now,
}

/// What a URL allows.
enum Grant<'a> {
    /// To put these bytes there, on behalf of a session.
    Put(&'a Expected, &'a str),
    /// To read this object.
    Get(&'a Key),
}

/// Why a URL allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlFault {
    /// It was not made here, or was changed.
    Forged,
    /// It is too old.
    Expired,
}

impl fmt::Display for UrlFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Forged => "the signature does not fit the request",
            Self::Expired => "the URL is too old: ask for a new one",
        })
    }
}

/// What follows the question mark of a `PUT`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PutQuery {
    expires: i64,
    size: u64,
    sha256: Hash,
    session: String,
    signature: String,
}

/// The same of a `GET`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GetQuery {
    expires: i64,
    signature: String,
}

impl Grant<'_> {
    fn method(&self) -> &'static str {
        match self {
            Self::Put(..) => "PUT",
            Self::Get(_) => "GET",
        }
    }

    fn key(&self) -> &Key {
        match self {
            Self::Put(expected, _) => &expected.key,
            Self::Get(key) => key,
        }
    }
}

impl Signer {
    /// Signs with the first of `keys`, which are secret, and takes what any of them has signed: a new one is put before
    /// the old ones. URLs begin with `base`, such as `https://spool.example.org`; without one they are paths, to be put
    /// behind whatever address the server was reached by.
    pub fn new(keys: &[[u8; 32]], base: Option<&str>, now: Now) -> Self {
        let mac = |key: &[u8; 32]| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        let base = base.unwrap_or_default().trim_end_matches('/').to_owned();
        Self { keys: keys.iter().map(mac).collect(), base, now }
    }

    /// The clock by which URLs expire.
    pub fn now(&self) -> Now {
        Now::clone(&self.now)
    }

    /// A request that puts these bytes there.
    pub fn put(&self, expected: &Expected, session: &str, lasts: Duration) -> SignedRequest {
        let headers = BTreeMap::from([("content-length".to_owned(), expected.size.to_string())]);
        self.sign(&Grant::Put(expected, session), headers, lasts)
    }

    /// A request that reads this object.
    pub fn get(&self, key: &Key, lasts: Duration) -> SignedRequest {
        self.sign(&Grant::Get(key), BTreeMap::new(), lasts)
    }

    fn sign(&self, grant: &Grant, headers: BTreeMap<String, String>, lasts: Duration) -> SignedRequest {
        let expires = self.now_s().saturating_add_unsigned(lasts.as_secs());
        let signature = match self.keys.first() {
            Some(key) => hex::encode(mac(key, grant, expires).finalize().into_bytes()),
            // Nothing that is checked without a key can be right.
            None => String::new(),
        };
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("expires", &expires.to_string());
        if let Grant::Put(expected, session) = grant {
            query.append_pair("size", &expected.size.to_string());
            query.append_pair("sha256", &expected.sha256.to_string());
            query.append_pair("session", session);
        }
        query.append_pair("signature", &signature);
        SignedRequest {
            method: grant.method().to_owned(),
            url: format!("{}{ROOT}{}?{}", self.base, grant.key(), query.finish()),
            headers,
            expires_in: lasts.as_secs(),
        }
    }

    /// What a `PUT` to this address may do: which bytes it may put where, and on whose behalf.
    pub fn check_put(&self, uri: &Uri) -> Result<(Expected, String), UrlFault> {
        let (key, query) = parts::<PutQuery>(uri).ok_or(UrlFault::Forged)?;
        let expected = Expected { key, size: query.size, sha256: query.sha256 };
        let grant = Grant::Put(&expected, &query.session);
        self.check(&grant, query.expires, &query.signature)?;
        Ok((expected, query.session))
    }

    /// What a `GET` or `HEAD` of this address may read.
    pub fn check_get(&self, uri: &Uri) -> Result<Key, UrlFault> {
        let (key, query) = parts::<GetQuery>(uri).ok_or(UrlFault::Forged)?;
        self.check(&Grant::Get(&key), query.expires, &query.signature)?;
        Ok(key)
    }

    fn check(&self, grant: &Grant, expires: i64, signature: &str) -> Result<(), UrlFault> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(signature, &mut bytes).map_err(|_| UrlFault::Forged)?;
        // In the same time wherever the first wrong byte is.
        let fits = |key: &Hmac<Sha256>| mac(key, grant, expires).verify_slice(&bytes).is_ok();
        match self.keys.iter().any(fits) {
            false => Err(UrlFault::Forged),
            true if expires <= self.now_s() => Err(UrlFault::Expired),
            true => Ok(()),
        }
    }

    fn now_s(&self) -> i64 {
        (self.now)().0.div_euclid(1_000)
    }
}

/// The key is taken as it is written: a path with anything encoded in it is none of ours.
fn parts<Q: DeserializeOwned>(uri: &Uri) -> Option<(Key, Q)> {
    let (_, path) = uri.path().split_once("/objects/")?;
    let extract::Query(query) = extract::Query::try_from_uri(uri).ok()?;
    Some((Key::new(path)?, query))
}

/// Each field but the last is free of line feeds, so no two grants are written alike.
fn mac(key: &Hmac<Sha256>, grant: &Grant, expires: i64) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(format!("spool-1\n{}\n{ROOT}{}\n{expires}\n", grant.method(), grant.key()).as_bytes());
    if let Grant::Put(expected, session) = grant {
        mac.update(format!("{}\n{}\n{session}", expected.size, expected.sha256).as_bytes());
    }
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::UtcTime;
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    const LASTS: Duration = Duration::from_secs(60);

    fn expected() -> Expected {
        let key = Key::new("recordings/r/sessions/s/mix/000001-1a2b3c4d.m4s").unwrap();
        Expected { key, size: 5, sha256: Hash::of(b"bytes") }
    }

    fn signer(keys: &[[u8; 32]], clock: &Arc<AtomicI64>) -> Signer {
        let clock = Arc::clone(clock);
        Signer::new(keys, None, Arc::new(move || UtcTime(clock.load(Ordering::Relaxed))))
    }

    fn check(signer: &Signer, url: &str) -> Result<(Expected, String), UrlFault> {
        signer.check_put(&url.parse().unwrap())
    }

    #[test]
    fn what_was_signed_holds_until_it_expires() {
        let clock = Arc::new(AtomicI64::new(1_000_000));
        let signer = signer(&[[1; 32]], &clock);
        let (put, get) = (signer.put(&expected(), "s & t", LASTS), signer.get(&expected().key, LASTS));
        assert_eq!((put.method.as_str(), put.expires_in), ("PUT", 60));
        assert_eq!(put.headers["content-length"], "5");
        assert!(put.url.starts_with(ROOT), "{}", put.url);
        clock.store(1_059_999, Ordering::Relaxed);
        assert_eq!(check(&signer, &put.url), Ok((expected(), "s & t".to_owned())));
        assert_eq!(signer.check_get(&get.url.parse().unwrap()), Ok(expected().key));
        clock.store(1_060_000, Ordering::Relaxed);
        assert_eq!(check(&signer, &put.url), Err(UrlFault::Expired));
        assert_eq!(signer.check_get(&get.url.parse().unwrap()), Err(UrlFault::Expired));
    }

    #[test]
    fn nothing_of_it_can_be_changed() {
        let clock = Arc::new(AtomicI64::new(0));
        let signer = signer(&[[1; 32]], &clock);
        let (put, get) = (signer.put(&expected(), "s", LASTS).url, signer.get(&expected().key, LASTS).url);
        let other = Hash::of(b"other").to_string();
        for (from, to) in [
            ("000001", "000002"),
            ("000001", "../000001"),
            ("000001", "%30%30%30%30%30%31"),
            ("expires=60", "expires=61"),
            ("size=5", "size=6"),
            ("session=s", "session=t"),
            ("&session=s", ""),
            ("session=s", "session=s&session=s"),
            ("session=s", "session=s&more=1"),
            (expected().sha256.to_string().as_str(), &other),
            ("signature=", "signature=00"),
            ("signature=", "signature=g"),
            ("signature=", "sign="),
        ] {
            let changed = put.replace(from, to);
            assert_ne!(changed, put, "{from}");
            assert_eq!(check(&signer, &changed), Err(UrlFault::Forged), "{changed}");
        }
        // One method's signature is no other's.
        let signature = get.split("signature=").nth(1).unwrap();
        let (start, _) = put.split_once("signature=").unwrap();
        assert_eq!(check(&signer, &format!("{start}signature={signature}")), Err(UrlFault::Forged));
        assert!(signer.check_get(&put.parse().unwrap()).is_err());
        assert!(signer.check_put(&get.parse().unwrap()).is_err());
    }

    #[test]
    fn keys_can_be_replaced() {
        let clock = Arc::new(AtomicI64::new(0));
        let old = signer(&[[1; 32]], &clock).put(&expected(), "s", LASTS).url;
        assert!(check(&signer(&[[2; 32], [1; 32]], &clock), &old).is_ok());
        assert_eq!(check(&signer(&[[2; 32]], &clock), &old), Err(UrlFault::Forged));
        assert_eq!(check(&signer(&[], &clock), &old), Err(UrlFault::Forged));
    }

    #[test]
    fn urls_lead_to_the_public_address() {
        let signer = Signer::new(&[[1; 32]], Some("https://spool.example.org/up/"), Arc::new(|| UtcTime(0)));
        let url = signer.put(&expected(), "s", LASTS).url;
        assert!(url.starts_with("https://spool.example.org/up/v1/objects/recordings/"), "{url}");
        assert!(check(&signer, &url).is_ok());
    }
}
