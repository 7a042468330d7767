//! Which algorithms a client or an audience may choose: those with a key that signs now. Follows from the
//! stored rows alone, so that every node and every command gives the same answer; needs no private key.

use chrono::{DateTime, SecondsFormat, Utc};

use super::key_state::KeyState;
use super::signing_key::StoredSigningKey;
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

/// The algorithms of which a key signs at `now`. A set of keys that was announced later counts from the moment
/// on that its first key may sign, and not before. The very first keys of an issuer sign from their
/// publication on: for them a clock that is behind makes no difference.
pub fn signing_algorithms<'a>(
    keys: impl IntoIterator<Item = &'a StoredSigningKey>,
    now: DateTime<Utc>,
) -> AlgorithmSet {
    let (mut begun, mut alive) = (AlgorithmSet::default(), AlgorithmSet::default());
    for key in keys {
        let Some(signing_at) = key.signing_at else {
            continue;
        };
        if signing_at <= now || signing_at <= key.published_at {
            begun.insert(key.algorithm);
        }
        if matches!(key.state(now), KeyState::Announced | KeyState::Signing) {
            alive.insert(key.algorithm);
        }
    }
    begun.intersection(alive)
}

/// What may be chosen at one moment, and what to say of the rest.
#[derive(Debug, Clone)]
pub struct SigningChoice {
    signing: AlgorithmSet,
    /// Of the others those that have keys, with the time from which they can be chosen if that is settled.
    announced: Vec<(SigningAlgorithm, Option<DateTime<Utc>>)>,
}

impl SigningChoice {
    /// The choice that `keys` give at `now`.
    pub fn of(keys: &[StoredSigningKey], now: DateTime<Utc>) -> Self {
        let signing = signing_algorithms(keys, now);
        let announced = SigningAlgorithm::ALL.into_iter().filter_map(|algorithm| {
            let waits =
                |key: &&StoredSigningKey| key.algorithm == algorithm && key.state(now) == KeyState::Announced;
            let mut waiting = keys.iter().filter(waits).peekable();
            waiting.peek()?;
            Some((algorithm, waiting.filter_map(|key| key.signing_at).min()))
        });
        Self {
            announced: announced
                .filter(|(algorithm, _)| !signing.contains(*algorithm))
                .collect(),
            signing,
        }
    }

    /// Whether tokens can be signed with `algorithm`.
    ///
    /// # Errors
    /// With what to do, or how long to wait, until they can.
    pub fn check(&self, algorithm: SigningAlgorithm) -> Result<(), NotChoosable> {
        if self.signing.contains(algorithm) {
            return Ok(());
        }
        let announced = self.announced.iter().find(|(known, _)| *known == algorithm);
        Err(match announced {
            Some((_, Some(from))) => NotChoosable::Before {
                algorithm,
                from: *from,
            },
            Some((_, None)) => NotChoosable::Announced(algorithm),
            None => NotChoosable::NoKey(algorithm),
        })
    }
}

/// Why an algorithm cannot be chosen now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotChoosable {
    /// The issuer has no keys for it.
    #[error("no key signs with {}: add it to keys.algorithms, and the servers announce keys for it", .0.as_str())]
    NoKey(SigningAlgorithm),
    /// Its keys are announced, and verifiers know the first of them from then on.
    #[error(
        "{} is announced, and can be chosen from {} on: before, verifiers may not know its keys",
        algorithm.as_str(),
        from.to_rfc3339_opts(SecondsFormat::Millis, true)
    )]
    Before {
        /// What was asked for.
        algorithm: SigningAlgorithm,
        /// When it can be had.
        from: DateTime<Utc>,
    },
    /// Its keys are announced; when the first signs is not settled.
    #[error("{} is announced, and cannot be chosen yet: `signet keys plan` shows when", .0.as_str())]
    Announced(SigningAlgorithm),
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use serde_json::Value;

    use super::*;
    use crate::oauth::signing_algorithm::SigningAlgorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    fn key(algorithm: SigningAlgorithm, signing_at: Option<i64>) -> StoredSigningKey {
        StoredSigningKey {
            kid: String::new(),
            algorithm,
            public_jwk: Value::Null,
            wrapped: None,
            master_key: String::new(),
            location: "database".into(),
            max_lifetime: TimeDelta::zero(),
            published_at: at(0),
            signing_at: signing_at.map(at),
            draining_at: None,
            retired_at: None,
            compromised_at: None,
        }
    }

    #[test]
    fn what_can_be_chosen_has_a_key_past_its_gate() {
        let keys = [
            key(EdDsa, Some(0)),
            key(EdDsa, None),
            key(Rs256, Some(0)),
            key(Es256, None),
            key(Es256, Some(200)),
            key(Es256, Some(100)),
            key(Ps256, None),
        ];
        for (now, expected) in [
            // The clock of this node is behind the one that made the first keys.
            (-5, &[EdDsa, Rs256][..]),
            (99, &[EdDsa, Rs256]),
            (100, &[EdDsa, Es256, Rs256]),
        ] {
            let signing = signing_algorithms(&keys, at(now));
            assert_eq!(signing.iter().collect::<Vec<_>>(), expected, "{now}");
            let choice = SigningChoice::of(&keys, at(now));
            for algorithm in SigningAlgorithm::ALL {
                assert_eq!(choice.check(algorithm).is_ok(), expected.contains(&algorithm));
            }
        }
        let choice = SigningChoice::of(&keys, at(50));
        let from = at(100);
        assert_eq!(
            choice.check(Es256),
            Err(NotChoosable::Before {
                algorithm: Es256,
                from
            })
        );
        assert_eq!(choice.check(Ps256), Err(NotChoosable::Announced(Ps256)));
        assert_eq!(choice.check(Ed25519), Err(NotChoosable::NoKey(Ed25519)));
    }

    #[test]
    fn a_set_without_a_living_key_cannot_be_chosen() {
        let over = |change: fn(&mut StoredSigningKey)| {
            let mut key = key(Es256, Some(0));
            change(&mut key);
            let keys = [key];
            assert!(signing_algorithms(&keys, at(10)).is_empty(), "{keys:?}");
            assert_eq!(
                SigningChoice::of(&keys, at(10)).check(Es256),
                Err(NotChoosable::NoKey(Es256))
            );
        };
        over(|key| key.draining_at = Some(at(5)));
        over(|key| key.retired_at = Some(at(5)));
        over(|key| key.compromised_at = Some(at(5)));
    }

    #[test]
    fn a_refusal_says_what_to_do_or_how_long_to_wait() {
        assert_eq!(
            NotChoosable::NoKey(Es256).to_string(),
            "no key signs with ES256: add it to keys.algorithms, and the servers announce keys for it"
        );
        let before = NotChoosable::Before {
            algorithm: Ps256,
            from: at(0),
        };
        assert_eq!(
            before.to_string(),
            "PS256 is announced, and can be chosen from 2027-01-15T08:00:00.000Z on: before, verifiers may not \
             know its keys"
        );
        assert!(
            NotChoosable::Announced(Es256)
                .to_string()
                .ends_with("`signet keys plan` shows when")
        );
    }
}
