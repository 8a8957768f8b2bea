//! Refresh secrets: their form, and the table of their hashes.

use super::{Earlier, keys::random};
use api::{Scope, TokenLine};
use model::UtcTime;
use rusqlite::{Connection, OptionalExtension, Result, Row, named_params};
use sha2::{Digest, Sha256};
use std::{io, time::Duration};
use uuid::Uuid;

const PREFIX: &str = "spool_rt_";

/// A refresh secret that was given out, without the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// By which it is listed and revoked.
    pub id: Uuid,
    /// Of the secret.
    pub sha256: [u8; 32],
    /// What it is for.
    pub label: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Whose recordings it makes.
    pub owner: String,
    /// When it was made.
    pub created_at: UtcTime,
    /// Until when it is valid.
    pub expires_at: Option<UtcTime>,
    /// When it was used last.
    pub used_at: Option<UtcTime>,
}

impl Token {
    /// A new one, and its secret.
    pub(super) fn make(
        label: String,
        mut scopes: Vec<Scope>,
        owner: Option<String>,
        now: UtcTime,
        expires_at: Option<UtcTime>,
    ) -> io::Result<(Self, String)> {
        scopes.sort_unstable();
        scopes.dedup();
        let id = Uuid::now_v7();
        let secret = format!("{PREFIX}{}{}", id.simple(), hex::encode(random()?));
        let sha256 = Sha256::digest(&secret).into();
        let owner = owner.unwrap_or_else(|| id.to_string());
        let token = Self { id, sha256, label, scopes, owner, created_at: now, expires_at, used_at: None };
        Ok((token, secret))
    }

    /// Whether its time is over.
    pub(super) fn is_expired(&self, now: UtcTime) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// How long it is valid; none if that has no end.
    pub(super) fn left(&self, now: UtcTime) -> Option<Duration> {
        self.expires_at.map(|at| Duration::from_millis(u64::try_from(at.0 - now.0).unwrap_or(0)))
    }

    pub(super) fn line(&self) -> TokenLine {
        TokenLine {
            id: self.id.to_string(),
            label: self.label.clone(),
            scopes: self.scopes.clone(),
            created_at: self.created_at,
            expires_at: self.expires_at,
            used_at: self.used_at,
        }
    }
}

/// The id that a secret names, and the secret's hash.
pub(super) fn parse(secret: &str) -> Option<(Uuid, [u8; 32])> {
    let id = secret.strip_prefix(PREFIX)?.get(..32)?;
    Some((Uuid::try_parse(id).ok()?, Sha256::digest(secret).into()))
}

/// Those that are not revoked.
pub(super) fn valid(rows: &Connection) -> Result<Vec<Token>> {
    let mut found = rows.prepare_cached(
        "SELECT id, sha256, label, scopes, owner, created_at, expires_at, used_at FROM token
         WHERE revoked_at IS NULL",
    )?;
    found.query_map([], read)?.collect()
}

pub(super) fn insert(rows: &Connection, token: &Token) -> Result<()> {
    let mut insert = rows.prepare_cached(
        "INSERT INTO token (id, sha256, label, scopes, owner, created_at, expires_at)
         VALUES (:id, :sha256, :label, :scopes, :owner, :created_at, :expires_at)",
    )?;
    insert.execute(named_params! {
        ":id": token.id.as_bytes(),
        ":sha256": token.sha256,
        ":label": token.label,
        ":scopes": token.scopes.iter().map(|scope| bit(*scope)).sum::<i64>(),
        ":owner": token.owner,
        ":created_at": token.created_at.0,
        ":expires_at": token.expires_at.map(|at| at.0),
    })?;
    Ok(())
}

pub(super) fn revoke(rows: &Connection, id: Uuid, now: UtcTime) -> Result<()> {
    rows.prepare_cached("UPDATE token SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")?
        .execute((id.as_bytes(), now.0))?;
    Ok(())
}

pub(super) fn used(rows: &Connection, uses: &[(Uuid, UtcTime)]) -> Result<()> {
    let mut update =
        rows.prepare_cached("UPDATE token SET used_at = ?2 WHERE id = ?1 AND used_at IS NOT ?2")?;
    for (id, at) in uses {
        update.execute((id.as_bytes(), at.0))?;
    }
    Ok(())
}

/// The last device of this name that may only record: others are never taken over by a name.
pub(super) fn earlier(rows: &Connection, label: &str, now: UtcTime) -> Result<Option<Earlier>> {
    let mut found = rows.prepare_cached(
        "SELECT owner, created_at, revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?2) AS valid
         FROM token WHERE label = ?1 AND scopes = 1 ORDER BY valid DESC, created_at DESC LIMIT 1",
    )?;
    let read = |row: &Row<'_>| {
        Ok(Earlier { owner: row.get(0)?, created_at: UtcTime(row.get(1)?), is_valid: row.get(2)? })
    };
    found.query_row((label, now.0), read).optional()
}

fn read(row: &Row<'_>) -> Result<Token> {
    let scopes: i64 = row.get(3)?;
    let all = [Scope::Record, Scope::Read, Scope::Admin];
    Ok(Token {
        id: Uuid::from_bytes(row.get(0)?),
        sha256: row.get(1)?,
        label: row.get(2)?,
        scopes: all.into_iter().filter(|scope| scopes & bit(*scope) != 0).collect(),
        owner: row.get(4)?,
        created_at: UtcTime(row.get(5)?),
        expires_at: row.get::<_, Option<i64>>(6)?.map(UtcTime),
        used_at: row.get::<_, Option<i64>>(7)?.map(UtcTime),
    })
}

fn bit(scope: Scope) -> i64 {
    match scope {
        Scope::Record => 1,
        Scope::Read => 2,
        Scope::Admin => 4,
    }
}
