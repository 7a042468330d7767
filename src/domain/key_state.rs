//! The life of a key as data: its state follows from stored times alone, so that every node computes the
//! same one without talking to the others.

use std::cmp::Reverse;

use chrono::{DateTime, TimeDelta, Utc};

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

    /// Where a key with these times stands at `now`. A time takes effect in the moment that it names; a compromise
    /// at once, whatever the clocks of the nodes say.
    pub fn at(
        now: DateTime<Utc>,
        signing_at: Option<DateTime<Utc>>,
        draining_at: Option<DateTime<Utc>>,
        retired_at: Option<DateTime<Utc>>,
        compromised_at: Option<DateTime<Utc>>,
    ) -> Self {
        let reached = |time: Option<DateTime<Utc>>| time.is_some_and(|time| time <= now);
        if compromised_at.is_some() {
            Self::Compromised
        } else if reached(retired_at) {
            Self::Retired
        } else if reached(draining_at) {
            Self::Draining
        } else if reached(signing_at) {
            Self::Signing
        } else {
            Self::Announced
        }
    }

    /// Whether the key stands in the JWKS.
    pub const fn is_published(self) -> bool {
        matches!(self, Self::Announced | Self::Signing | Self::Draining)
    }
}

/// The times of one key: all that the schedule goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyTimes {
    /// The `kid` of a signing key, the version of a MAC key.
    pub id: String,
    /// The longest life of what any node may have signed with it; `None` for what lives until it is replaced.
    pub max_lifetime: Option<TimeDelta>,
    /// When it was first published.
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

impl KeyTimes {
    /// A key that is published at `now` and has no other time yet.
    pub const fn announced(id: String, max_lifetime: Option<TimeDelta>, now: DateTime<Utc>) -> Self {
        Self {
            id,
            max_lifetime,
            published_at: now,
            signing_at: None,
            draining_at: None,
            retired_at: None,
            compromised_at: None,
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

    /// Whether the key has not left yet, one way or the other.
    pub const fn is_live(&self) -> bool {
        self.compromised_at.is_none() && self.retired_at.is_none()
    }
}

/// Which of several keys is in charge at `now`, given from when each is: the one that began last. If none has
/// begun it is the one that does next, provided that it does within `clock_skew`: a node whose clock is a little
/// behind the one that made the first keys must not refuse to work. Of equal times, the greater key decides.
pub fn in_charge<K: Ord>(
    keys: impl IntoIterator<Item = (DateTime<Utc>, K)>,
    clock_skew: TimeDelta,
    now: DateTime<Utc>,
) -> Option<K> {
    keys.into_iter()
        .filter(|(from, _)| *from <= now + clock_skew)
        .map(|(from, key)| (from <= now, Reverse((now - from).abs()), key))
        .max()
        .map(|(_, _, key)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    fn key() -> KeyTimes {
        KeyTimes {
            signing_at: Some(at(10)),
            draining_at: Some(at(20)),
            retired_at: Some(at(30)),
            ..KeyTimes::announced("k".into(), None, at(0))
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
        let key = KeyTimes {
            signing_at: None,
            draining_at: None,
            retired_at: None,
            ..key()
        };
        assert_eq!(key.state(at(1_000_000)), KeyState::Announced);
    }

    #[test]
    fn a_compromise_holds_even_before_its_stored_time() {
        let key = KeyTimes {
            compromised_at: Some(at(100)),
            ..key()
        };
        assert_eq!(key.state(at(15)), KeyState::Compromised);
    }

    #[test]
    fn the_key_that_began_last_is_in_charge() {
        let keys = [(at(10), "a"), (at(20), "b"), (at(20), "c"), (at(30), "d")];
        let skew = TimeDelta::seconds(5);
        let in_charge = [5, 9, 10, 19, 20, 29, 30, 99].map(|second| in_charge(keys, skew, at(second)));
        assert_eq!(in_charge, ["a", "a", "a", "a", "c", "c", "d", "d"].map(Some));
        assert_eq!(
            super::in_charge(keys, skew, at(4)),
            None,
            "not begun by any clock"
        );
        assert_eq!(super::in_charge::<&str>([], skew, at(0)), None);
    }
}
