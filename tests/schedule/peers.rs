//! How others rotate keys, on the same rows.

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::key_schedule::{KeyPolicy, KeySet, Rotated};
use signet::domain::key_state::{KeyState, KeyTimes};

/// By which schedule an issuer works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Ours.
    Signet,
    /// A rotation makes a key, and it signs at once.
    SignAtOnce,
    /// A key is removed so long after it was replaced, whatever lives.
    RemoveAfter(TimeDelta),
    /// Ours, but the schedule forgets one of the things that a time is made of.
    Forgets(Part),
}

/// What the times of the schedule are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// That a node polls.
    Poll,
    /// That there are caches at all.
    Caches,
    /// That there may be one behind another.
    SecondCache,
    /// That clocks differ.
    Skew,
}

impl Habit {
    /// The policy as whoever changes keys understands it.
    pub fn understands(self, policy: KeyPolicy) -> KeyPolicy {
        let zero = TimeDelta::zero();
        match self {
            Self::Forgets(Part::Poll) => KeyPolicy {
                poll_interval: zero,
                ..policy
            },
            Self::Forgets(Part::Caches) => KeyPolicy {
                jwks_max_age: zero,
                ..policy
            },
            Self::Forgets(Part::SecondCache) => KeyPolicy {
                jwks_max_age: policy.jwks_max_age / 2,
                ..policy
            },
            Self::Forgets(Part::Skew) => KeyPolicy {
                clock_skew: zero,
                ..policy
            },
            _ => policy,
        }
    }

    /// Rotates.
    pub fn rotate(
        self,
        set: &mut KeySet,
        policy: &KeyPolicy,
        now: DateTime<Utc>,
        new: impl FnOnce() -> KeyTimes,
    ) -> Option<Rotated> {
        if self != Self::SignAtOnce {
            return set.rotate(policy, now);
        }
        let mut keys = set.keys().to_vec();
        for key in &mut keys {
            if key.state(now) == KeyState::Signing {
                key.draining_at = Some(now);
            } else if key.state(now) == KeyState::Announced {
                key.signing_at = None;
            }
        }
        let mut signs = new();
        signs.signing_at = Some(now);
        let id = signs.id.clone();
        keys.push(signs);
        *set = KeySet::new(keys);
        Some(Rotated::Now(id))
    }

    /// Does what is due.
    pub fn settle(self, set: &mut KeySet, policy: &KeyPolicy, now: DateTime<Utc>) {
        set.settle(policy, now);
        let Self::RemoveAfter(age) = self else { return };
        let mut keys = set.keys().to_vec();
        for key in keys.iter_mut().filter(|key| key.is_live()) {
            if key.draining_at.is_some_and(|time| time + age <= now) {
                key.retired_at = Some(now);
            }
        }
        *set = KeySet::new(keys);
    }
}
