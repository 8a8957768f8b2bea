//! Who may do what.
//!
//! Owns: the admin token, the refresh secrets that it mints, the short-lived tokens that those give, pairing, and the
//! keys that sign. Secrets are random and 256 bit, kept as hashes alone, and never logged. Short-lived tokens are signed
//! and say which refresh secret they came from, so that revoking it ends them at once.
//!
//! All valid tokens are in memory, so that checking one asks no database; each change is durable before it counts.

mod caller;
mod keys;
pub mod pairing;
mod signed;
mod table;

pub use caller::{Caller, SessionCaller};
pub use keys::{ADMIN_FILE, AdminToken, KEY_FILE, Keys};
pub use pairing::{PairingError, Pairings};
pub use table::Token;

use crate::{
    clock::Clock,
    db::{Db, DbError},
    problem::Refusal,
};
use api::{Access as Granted, Code, MintedToken, Scope, TokenLine};
use model::{SessionId, UtcTime};
use sha2::{Digest, Sha256};
use signed::{Grant, Signer};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};
use uuid::Uuid;

/// How long an access token is valid.
pub const ACCESS_LASTS: Duration = Duration::from_secs(3600);
/// How long a session token is valid.
pub const SESSION_LASTS: Duration = Duration::from_secs(24 * 3600);
/// The owner of what is made with the admin token.
const ADMIN_OWNER: &str = "admin";
const NOT_VALID: &str = "the token is not valid";

/// Who may do what.
pub struct Access {
    admin: AdminToken,
    signer: Signer,
    clock: Clock,
    db: Db,
    /// Those that are not revoked, by id.
    tokens: RwLock<HashMap<Uuid, Token>>,
    pairings: Mutex<Pairings>,
}

impl Access {
    /// Reads what was given out.
    pub async fn open(admin: AdminToken, keys: &Keys, db: Db, clock: Clock) -> Result<Self, DbError> {
        let tokens = db.read(|rows| table::valid(rows).map_err(DbError::from)).await?;
        let tokens = tokens.into_iter().map(|token| (token.id, token)).collect();
        let signer = Signer::new(keys.derive("tokens"));
        Ok(Self { admin, signer, clock, db, tokens: RwLock::new(tokens), pairings: Mutex::default() })
    }

    /// Whether this start made the admin token, and what it is.
    pub fn admin(&self) -> &AdminToken {
        &self.admin
    }

    /// Who has this bearer token: the admin token, or an access token.
    pub fn caller(&self, bearer: &str) -> Result<Caller, Refusal> {
        if self.admin.is(bearer) {
            return Ok(Caller::new(Uuid::nil(), ADMIN_OWNER.to_owned(), vec![Scope::Admin]));
        }
        match self.signer.read(bearer, self.clock.utc()).map_err(Refusal::from)? {
            Grant::Access { token } => self.holder(token),
            Grant::Session { .. } => Err(Refusal::new(Code::Forbidden, "this is a session's token")),
        }
    }

    /// Who has this bearer token, for this session's routes: a token of the session, or the admin token.
    pub fn session_caller(&self, bearer: &str, wanted: SessionId) -> Result<SessionCaller, Refusal> {
        if self.admin.is(bearer) {
            return Ok(SessionCaller::new(wanted));
        }
        match self.signer.read(bearer, self.clock.utc()).map_err(Refusal::from)? {
            Grant::Session { token, session } if session == wanted => {
                if !token.is_nil() {
                    self.holder(token)?;
                }
                Ok(SessionCaller::new(session))
            }
            Grant::Session { .. } => Err(Refusal::new(Code::Forbidden, "this is another session's token")),
            Grant::Access { .. } => Err(Refusal::new(
                Code::Forbidden,
                "this route takes the session's token, which joining gives",
            )),
        }
    }

    /// A token for one session's routes, and the seconds for which it is valid.
    pub fn session_token(&self, caller: &Caller, session: SessionId) -> (String, u64) {
        let grant = Grant::Session { token: caller.token(), session };
        (self.signer.sign(&grant, self.until(SESSION_LASTS)), SESSION_LASTS.as_secs())
    }

    /// A short-lived token for a refresh secret.
    pub fn refresh(&self, secret: &str) -> Result<Granted, Refusal> {
        let no = || Refusal::new(Code::Unauthorized, "the secret is not valid: log in again");
        let (id, sha256) = table::parse(secret).ok_or_else(no)?;
        let now = self.clock.utc();
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        let token =
            tokens.get_mut(&id).filter(|token| keys::is_same(&token.sha256, &sha256)).ok_or_else(no)?;
        if token.is_expired(now) {
            return Err(no());
        }
        token.used_at = Some(now);
        let lasts = token.left(now).map_or(ACCESS_LASTS, |left| left.min(ACCESS_LASTS));
        let signed = self.signer.sign(&Grant::Access { token: id }, self.until(lasts));
        Ok(Granted { token: signed, expires_in: lasts.as_secs(), scopes: token.scopes.clone(), secret: None })
    }

    /// Makes a refresh secret. Its recordings are those of `owner`, or its own.
    pub async fn mint(
        self: &Arc<Self>,
        label: String,
        scopes: Vec<Scope>,
        lasts: Option<Duration>,
        owner: Option<String>,
    ) -> Result<MintedToken, Refusal> {
        let expires_at = lasts.map(|lasts| self.until(lasts));
        let made =
            Token::make(label, scopes, owner, self.clock.utc(), expires_at).map_err(Refusal::internal)?;
        let (token, secret) = made;
        let id = token.id;
        self.settled(move |access| async move {
            let row = token.clone();
            access.db.write(move |rows| table::insert(rows, &row).map_err(DbError::from)).await?;
            access.tokens.write().unwrap_or_else(PoisonError::into_inner).insert(id, token);
            Ok(())
        })
        .await?;
        Ok(MintedToken { id: id.to_string(), secret })
    }

    /// Ends a refresh secret and all that came of it.
    pub async fn revoke(self: &Arc<Self>, id: Uuid) -> Result<(), Refusal> {
        let now = self.clock.utc();
        self.settled(move |access| async move {
            access.db.write(move |rows| table::revoke(rows, id, now).map_err(DbError::from)).await?;
            let gone = access.tokens.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
            gone.map(|_| ()).ok_or_else(|| Refusal::new(Code::NotFound, "there is no such token"))
        })
        .await
    }

    /// Ends a refresh secret by itself. It is no error if it has ended before.
    pub async fn revoke_secret(self: &Arc<Self>, secret: &str) -> Result<(), Refusal> {
        let Some((id, sha256)) = table::parse(secret) else { return Ok(()) };
        let is_held = {
            let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            tokens.get(&id).is_some_and(|token| keys::is_same(&token.sha256, &sha256))
        };
        match is_held {
            true => self.revoke(id).await,
            false => Ok(()),
        }
    }

    /// All that are valid, oldest first.
    pub fn list(&self) -> Vec<TokenLine> {
        let now = self.clock.utc();
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let mut lines: Vec<_> =
            tokens.values().filter(|token| !token.is_expired(now)).map(Token::line).collect();
        lines.sort_by(|a, b| a.id.cmp(&b.id));
        lines
    }

    /// Who had a device of this name before, and whether such a device is still let in.
    pub async fn earlier(&self, label: String) -> Result<Option<Earlier>, Refusal> {
        let now = self.clock.utc();
        let found = self.db.read(move |rows| table::earlier(rows, &label, now).map_err(DbError::from)).await;
        found.map_err(Refusal::from)
    }

    /// Lets a device wait: the code for people, and the secret that it asks with.
    pub fn begin_pairing(&self, device: String) -> Result<(String, String), Refusal> {
        let secret = keys::random().map(hex::encode).map_err(Refusal::internal)?;
        let random = keys::random().map_err(Refusal::internal)?;
        let hash = Sha256::digest(&secret).into();
        let user_code = self.pairings(|pairings, now| pairings.begin(device, hash, random, now))?;
        Ok((user_code, secret))
    }

    /// The refresh secret of a device that was let in.
    pub fn poll_pairing(&self, device_code: &str) -> Result<String, PairingError> {
        let hash = Sha256::digest(device_code).into();
        self.pairings(|pairings, now| pairings.poll(&hash, now))
    }

    /// Lets a device in; it may record. `is_same`: it is the one of this name that was let in before.
    pub async fn approve_pairing(self: &Arc<Self>, user_code: &str, is_same: bool) -> Result<(), Refusal> {
        let device = self.pairings(|pairings, now| pairings.device(user_code, now))?;
        let earlier = if is_same { self.earlier(device.clone()).await? } else { None };
        let user_code = user_code.to_owned();
        self.settled(move |access| async move {
            access.pairings(|pairings, now| pairings.approving(&user_code, now))?;
            let owner = earlier.map(|earlier| earlier.owner);
            match access.mint(device, vec![Scope::Record], None, owner).await {
                Ok(minted) => access.pairings(|pairings, _| pairings.approved(&user_code, minted.secret)),
                Err(refusal) => {
                    access.pairings(|pairings, _| pairings.given_up(&user_code));
                    return Err(refusal);
                }
            }
            Ok(())
        })
        .await
    }

    /// Does not let a device in.
    pub fn deny_pairing(&self, user_code: &str) -> Result<(), Refusal> {
        self.pairings(|pairings, now| pairings.deny(user_code, now)).map_err(Refusal::from)
    }

    /// Pairings that wait.
    pub fn pairings<T>(&self, act: impl FnOnce(&mut Pairings, Duration) -> T) -> T {
        act(&mut self.pairings.lock().unwrap_or_else(PoisonError::into_inner), self.clock.steady())
    }

    /// Writes down when tokens were used, so that people see which nobody needs any more.
    pub async fn write_uses(&self) -> Result<(), DbError> {
        let uses: Vec<(Uuid, UtcTime)> = {
            let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
            tokens.values().filter_map(|token| Some((token.id, token.used_at?))).collect()
        };
        match uses.is_empty() {
            true => Ok(()),
            false => self.db.write(move |rows| table::used(rows, &uses).map_err(DbError::from)).await,
        }
    }

    fn holder(&self, id: Uuid) -> Result<Caller, Refusal> {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(&id).filter(|token| !token.is_expired(self.clock.utc()));
        let token =
            token.ok_or_else(|| Refusal::new(Code::Unauthorized, "the token was revoked: log in again"))?;
        Ok(Caller::new(id, token.owner.clone(), token.scopes.clone()))
    }

    fn until(&self, lasts: Duration) -> UtcTime {
        let millis = i64::try_from(lasts.as_millis()).unwrap_or(i64::MAX);
        UtcTime(self.clock.utc().0.saturating_add(millis))
    }

    /// Does all of it, also where the caller goes away meanwhile: memory and database say the same afterwards.
    async fn settled<F, Fut>(self: &Arc<Self>, work: F) -> Result<(), Refusal>
    where
        F: FnOnce(Arc<Self>) -> Fut,
        Fut: Future<Output = Result<(), Refusal>> + Send + 'static,
    {
        tokio::spawn(work(Arc::clone(self))).await.map_err(Refusal::internal)?
    }
}

/// A device of the same name that was let in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Earlier {
    /// Whose recordings it made.
    pub owner: String,
    /// When it was let in.
    pub created_at: UtcTime,
    /// Whether it still is.
    pub is_valid: bool,
}
