//! Signing keys and MAC keys as they rest.

use chrono::{DateTime, TimeDelta, Utc};

use super::key_state::{KeyState, KeyTimes};
use super::mac::MacPurpose;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A signing key as it rests.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredSigningKey {
    /// The `kid` of its tokens: the RFC 7638 thumbprint, unless the key was imported.
    pub kid: String,
    /// The one algorithm that it signs with.
    pub algorithm: SigningAlgorithm,
    /// The public key as a JWK (RFC 7517).
    pub public_jwk: serde_json::Value,
    /// The private key as a JWK, encrypted with the master key; absent where it rests elsewhere.
    pub wrapped: Option<String>,
    /// The fingerprint of the master key that opens `wrapped`.
    pub master_key: String,
    /// Where the private key rests.
    pub location: String,
    /// The longest life of a token that any node may have signed with it, in whole seconds.
    pub max_lifetime: TimeDelta,
    /// When the public key was first published.
    pub published_at: DateTime<Utc>,
    /// From when it signs.
    pub signing_at: Option<DateTime<Utc>>,
    /// From when it signs no more.
    pub draining_at: Option<DateTime<Utc>>,
    /// From when it is published no more.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was declared compromised.
    pub compromised_at: Option<DateTime<Utc>>,
}

impl StoredSigningKey {
    /// What the schedule goes by.
    pub fn times(&self) -> KeyTimes {
        KeyTimes {
            id: self.kid.clone(),
            max_lifetime: Some(self.max_lifetime),
            published_at: self.published_at,
            signing_at: self.signing_at,
            draining_at: self.draining_at,
            retired_at: self.retired_at,
            compromised_at: self.compromised_at,
        }
    }

    /// Where the key stands at `now`: see [`KeyState::at`].
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        KeyState::at(
            now,
            self.signing_at,
            self.draining_at,
            self.retired_at,
            self.compromised_at,
        )
    }
}

/// One version of a MAC key as it rests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMacKey {
    /// What its codes are for.
    pub purpose: MacPurpose,
    /// Its number among the keys of that purpose.
    pub version: i32,
    /// The key, encrypted with the master key.
    pub wrapped: String,
    /// The fingerprint of the master key that opens `wrapped`.
    pub master_key: String,
    /// From when every node knows it.
    pub published_at: DateTime<Utc>,
    /// The longest life of what is made with it; `None` for what lives until it is replaced.
    pub max_lifetime: Option<TimeDelta>,
    /// From when it makes new codes.
    pub signing_at: Option<DateTime<Utc>>,
    /// From when it makes no more.
    pub draining_at: Option<DateTime<Utc>>,
    /// From when its codes are not accepted any more.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was declared compromised.
    pub compromised_at: Option<DateTime<Utc>>,
}

impl StoredMacKey {
    /// What the schedule goes by.
    pub fn times(&self) -> KeyTimes {
        KeyTimes {
            id: self.version.to_string(),
            max_lifetime: self.max_lifetime,
            published_at: self.published_at,
            signing_at: self.signing_at,
            draining_at: self.draining_at,
            retired_at: self.retired_at,
            compromised_at: self.compromised_at,
        }
    }

    /// Whether codes made with it are accepted at `now`.
    pub fn verifies(&self, now: DateTime<Utc>) -> bool {
        let Self {
            signing_at,
            draining_at,
            retired_at,
            compromised_at,
            ..
        } = *self;
        KeyState::at(now, signing_at, draining_at, retired_at, compromised_at).is_published()
    }
}
