//! The life of a key as data: its state follows from stored times alone, so that every node computes the
//! same one without talking to the others.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

use super::mac::MacPurpose;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyState {
    /// Published, so that caches learn it before it signs.
    Announced,
    /// Published and signing.
    Signing,
    /// Published, no longer signing: its tokens live on.
    Draining,
    /// No longer published; kept to verify an expired `id_token_hint`.
    Retired,
    /// Believed by nobody any more.
    Compromised,
}

impl KeyState {
    /// Every state, in the order of a key's life.
    pub const ALL: [Self; 5] = [
        Self::Announced,
        Self::Signing,
        Self::Draining,
        Self::Retired,
        Self::Compromised,
    ];

    /// The state as commands print it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Signing => "signing",
            Self::Draining => "draining",
            Self::Retired => "retired",
            Self::Compromised => "compromised",
        }
    }

    /// Whether the key stands in the JWKS.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Announced | Self::Signing | Self::Draining)
    }
}

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
    /// Where the key stands at `now`. A time takes effect in the moment that it names; a compromise at once,
    /// whatever the clocks of the nodes say.
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        let reached = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time <= now);
        if self.compromised_at.is_some() {
            KeyState::Compromised
        } else if reached(self.retired_at) {
            KeyState::Retired
        } else if reached(self.draining_at) {
            KeyState::Draining
        } else if reached(self.signing_at) {
            KeyState::Signing
        } else {
            KeyState::Announced
        }
    }
}

/// Which of several keys is in charge at `now`, given from when each is: the one that began last. Before the
/// first time of all it is the key that comes first: a node whose clock is a little behind the one that made
/// the first keys must not refuse to work. Of equal times, the greater key decides.
pub fn in_charge<K: Ord>(
    keys: impl IntoIterator<Item = (DateTime<Utc>, K)>,
    now: DateTime<Utc>,
) -> Option<K> {
    keys.into_iter()
        .map(|(from, key)| (from <= now, Reverse((now - from).abs()), key))
        .max()
        .map(|(_, _, key)| key)
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
    /// From when it makes new codes.
    pub signing_at: Option<DateTime<Utc>>,
    /// From when its codes are not accepted any more.
    pub retired_at: Option<DateTime<Utc>>,
    /// When it was declared compromised.
    pub compromised_at: Option<DateTime<Utc>>,
}

impl StoredMacKey {
    /// Whether codes made with it are accepted at `now`.
    pub fn verifies(&self, now: DateTime<Utc>) -> bool {
        self.compromised_at.is_none() && self.retired_at.is_none_or(|time| now < time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    fn key() -> StoredSigningKey {
        StoredSigningKey {
            kid: "k".into(),
            algorithm: SigningAlgorithm::EdDsa,
            public_jwk: serde_json::Value::Null,
            wrapped: None,
            master_key: String::new(),
            location: "database".into(),
            max_lifetime: TimeDelta::seconds(600),
            published_at: at(0),
            signing_at: Some(at(10)),
            draining_at: Some(at(20)),
            retired_at: Some(at(30)),
            compromised_at: None,
        }
    }

    #[test]
    fn the_state_follows_from_the_times() {
        let states = [0, 9, 10, 19, 20, 29, 30, 99].map(|second| key().state(at(second)));
        use KeyState::{Announced, Draining, Retired, Signing};
        assert_eq!(
            states,
            [
                Announced, Announced, Signing, Signing, Draining, Draining, Retired, Retired
            ]
        );
    }

    #[test]
    fn a_key_without_a_signing_time_stays_announced() {
        let key = StoredSigningKey {
            signing_at: None,
            draining_at: None,
            retired_at: None,
            ..key()
        };
        assert_eq!(key.state(at(1_000_000)), KeyState::Announced);
    }

    #[test]
    fn a_compromise_holds_even_before_its_stored_time() {
        let key = StoredSigningKey {
            compromised_at: Some(at(100)),
            ..key()
        };
        assert_eq!(key.state(at(15)), KeyState::Compromised);
    }

    #[test]
    fn the_key_that_began_last_is_in_charge() {
        let keys = [(at(10), "a"), (at(20), "b"), (at(20), "c"), (at(30), "d")];
        let in_charge = [0, 9, 10, 19, 20, 29, 30, 99].map(|second| in_charge(keys, at(second)));
        assert_eq!(in_charge, ["a", "a", "a", "a", "c", "c", "d", "d"].map(Some));
        assert_eq!(super::in_charge::<&str>([], at(0)), None);
    }
}
