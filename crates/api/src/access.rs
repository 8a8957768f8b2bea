//! Tokens and pairing: who may do what.

use model::UtcTime;
use serde::{Deserialize, Serialize};

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Make recordings and upload them; see, change and delete its own.
    Record,
    /// See all recordings.
    Read,
    /// Everything, tokens included.
    Admin,
}

/// `POST /v1/tokens`, with an admin token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateToken {
    /// What it is for, for people; 1 to 100 characters.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 100))]
    pub label: String,
    /// What it allows.
    #[cfg_attr(feature = "schema", schema(min_items = 1))]
    pub scopes: Vec<Scope>,
    /// Seconds for which it is valid; for ever, until revoked, if not given.
    #[serde(default)]
    pub expires_in: Option<u32>,
}

/// A token was made. It is said this once and kept as a hash alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MintedToken {
    /// By which it is listed and revoked.
    pub id: String,
    /// A refresh secret: [`Refresh`] gives short-lived tokens for it. It is not a bearer token itself.
    pub secret: String,
}

/// A token in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct TokenLine {
    /// By which it is revoked: `DELETE /v1/tokens/{id}`.
    pub id: String,
    /// What it is for.
    pub label: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// In milliseconds since 1970.
    #[cfg_attr(feature = "schema", schema(value_type = i64))]
    pub created_at: UtcTime,
    /// In milliseconds since 1970; none if it is valid until revoked.
    #[cfg_attr(feature = "schema", schema(value_type = Option<i64>))]
    pub expires_at: Option<UtcTime>,
    /// When somebody used it last, in milliseconds since 1970, give or take a minute.
    #[cfg_attr(feature = "schema", schema(value_type = Option<i64>))]
    pub used_at: Option<UtcTime>,
}

/// `GET /v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Tokens {
    /// All that are valid.
    pub tokens: Vec<TokenLine>,
}

/// `POST /v1/tokens/refresh`, without any other token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Refresh {
    /// As [`MintedToken::secret`] and [`Access::secret`] have it.
    pub secret: String,
}

/// A short-lived bearer token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Access {
    /// The bearer token.
    pub token: String,
    /// Seconds for which it is valid.
    pub expires_in: u64,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// The refresh secret, said once, where a pairing was approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
}

/// `POST /v1/pairings`: a device wants to be let in (after the device flow of RFC 8628).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PairingStart {
    /// The device's name for people; 1 to 100 characters.
    #[cfg_attr(feature = "schema", schema(min_length = 1, max_length = 100))]
    pub device: String,
}

/// A pairing that waits for somebody to approve it in a browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct Pairing {
    /// What the device asks with. Secret.
    pub device_code: String,
    /// What people compare: `WDJB-MJHT`.
    pub user_code: String,
    /// Where to approve it; it has the user code.
    pub url: String,
    /// Seconds for which it is valid.
    pub expires_in: u64,
    /// Seconds between two questions of the device.
    pub interval: u64,
}

/// `POST /v1/pairings/poll`: answers [`Access`], or the problem `pairing-pending`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PairingPoll {
    /// As [`Pairing::device_code`] has it.
    pub device_code: String,
}
