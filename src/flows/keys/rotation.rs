//! Changing keys: what is due by the schedule, and what an operator asks for. No node is special: each computes
//! the same from the same rows, whoever comes first stores it, and for all others nothing is left to do.
//!
//! Every change goes the same way, in one transaction that holds the revision: read the rows, mark what was asked
//! for, announce what is missing, let successors sign, settle the rest, store. New signing keys are made outside
//! it, since RSA takes long: if some are missing it is given up and begun again with them.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::location::{KeyMaker, NewSigningKey};
use super::new::mac_key_row;
use super::rows::{Rows, SetName};
use super::{KeySettings, KeysError};
use crate::clock::Clock;
use crate::domain::key_schedule::{KeySet, Rotated, Successor};
use crate::domain::key_state::KeyTimes;
use crate::jose::pkcs11::Pkcs11Token;
use crate::jose::wrap::MasterKey;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;
use crate::storage::{self, Db, StorageError, Tx};

/// What a change of keys needs.
#[derive(Debug, Clone, Copy)]
pub struct Rotation<'a> {
    /// The database.
    pub db: &'a Db,
    /// The master keys; new keys are wrapped with the first.
    pub masters: &'a [MasterKey],
    /// The token that has signing keys, or is to have.
    pub pkcs11: Option<&'a Pkcs11Token>,
    /// What the operator decided.
    pub settings: &'a KeySettings,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Randomness.
    pub random: &'a dyn Random,
}

/// How far a rotation shall go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// As far as is safe: what cannot sign yet gets the earliest time at which it can.
    Safe,
    /// Now, or not at all.
    Now,
}

/// Which keys are compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those of these ids: a `kid`, or `purpose/version` of a MAC key.
    Named(Vec<String>),
    /// All.
    All,
}

/// A key that was compromised, as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its set.
    pub set: SetName,
    /// Its times before.
    pub times: KeyTimes,
}

/// What a change did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed<T> {
    /// What came of what was asked for.
    pub outcome: T,
    /// The keys that sign instead of compromised ones.
    pub successors: Vec<(SetName, Successor)>,
    /// The revision that a node has loaded once it knows of the change.
    pub revision: i64,
    /// When.
    pub at: DateTime<Utc>,
}

type Sets = Vec<(SetName, KeySet)>;

/// What was marked: the outcome, and the sets that need a successor.
struct Marked<T> {
    outcome: T,
    vacant: HashSet<SetName>,
}

impl Rotation<'_> {
    /// Does what is due.
    ///
    /// # Errors
    /// When the database does not answer, or a new key cannot be made.
    pub async fn advance(&self) -> Result<(), RotationError> {
        let marked = |_: &mut Sets, _| {
            Ok(Marked {
                outcome: (),
                vacant: HashSet::new(),
            })
        };
        self.change(marked).await.map(drop)
    }

    /// Rotates the signing keys of `algorithm`, or of all. Says what became of each set.
    ///
    /// # Errors
    /// When the next key may not sign yet and [`Demand::Now`] was said: then nothing has changed. When there are
    /// no keys of `algorithm`, or the database does not answer.
    pub async fn rotate(
        &self,
        algorithm: Option<SigningAlgorithm>,
        demand: Demand,
    ) -> Result<Changed<Vec<(SetName, Rotated)>>, RotationError> {
        let policy = &self.settings.policy;
        self.change(|sets, now| {
            let asked = |name: SetName| match (name, algorithm) {
                (SetName::Signing(of), Some(algorithm)) => of == algorithm,
                (SetName::Signing(_), None) => true,
                (SetName::Mac(_), _) => false,
            };
            let mut outcome = Vec::new();
            for (name, set) in sets.iter_mut().filter(|(name, _)| asked(*name)) {
                let Some(rotated) = set.rotate(policy, now) else {
                    continue;
                };
                if let (Rotated::At(id, earliest), Demand::Now) = (&rotated, demand) {
                    return Err(RotationError::BeforeGate {
                        set: *name,
                        id: id.clone(),
                        earliest: *earliest,
                    });
                }
                outcome.push((*name, rotated));
            }
            if outcome.is_empty() {
                return Err(RotationError::NothingAnnounced);
            }
            Ok(Marked {
                outcome,
                vacant: HashSet::new(),
            })
        })
        .await
    }

    /// Takes keys out of everything at once, and says which. Others sign from this moment on.
    ///
    /// # Errors
    /// When there is no such key, or it is compromised already: then nothing has changed. When the database does
    /// not answer.
    pub async fn compromise(&self, which: &Which) -> Result<Changed<Vec<Lost>>, RotationError> {
        let policy = &self.settings.policy;
        self.change(|sets, now| {
            let mut marked = Marked {
                outcome: Vec::new(),
                vacant: HashSet::new(),
            };
            for (name, set) in sets.iter_mut() {
                let asked = |key: &&KeyTimes| match which {
                    Which::All => key.is_live(),
                    Which::Named(ids) => ids.contains(&name.outer_id(&key.id)),
                };
                let lost: Vec<_> = set.keys().iter().filter(asked).cloned().collect();
                let all = lost.len() == set.keys().iter().filter(|key| key.is_live()).count();
                for times in lost {
                    let id = &times.id;
                    let signed = set
                        .compromise(id, policy, now)
                        .ok_or_else(|| RotationError::Compromised(name.outer_id(id)))?;
                    // Of a set that waits for its gate nothing signs, and nothing has to.
                    if signed || all && set.in_charge(policy, now).is_none() {
                        marked.vacant.insert(*name);
                    }
                    marked.outcome.push(Lost { set: *name, times });
                }
            }
            if let Which::Named(ids) = which {
                let known = |id: &&String| {
                    let lost = marked.outcome.iter();
                    !lost.clone().any(|lost| lost.set.outer_id(&lost.times.id) == **id)
                };
                if let Some(unknown) = ids.iter().find(known) {
                    return Err(RotationError::NoSuchKey(unknown.clone()));
                }
            }
            Ok(marked)
        })
        .await
    }

    async fn change<T>(
        &self,
        mark: impl Fn(&mut Sets, DateTime<Utc>) -> Result<Marked<T>, RotationError>,
    ) -> Result<Changed<T>, RotationError> {
        let mut made = Vec::new();
        let mut announced = HashSet::new();
        let changed = self.change_with(&mut made, &mut announced, mark).await;
        // Made for nothing: another node was first, or the change came to nothing.
        made.retain(|new| !announced.contains(new.kid()));
        self.maker().discard(&made).await;
        changed
    }

    /// Fills `made` with new signing keys, and `announced` with the names of those that were stored.
    async fn change_with<T>(
        &self,
        made: &mut Vec<NewSigningKey>,
        announced: &mut HashSet<String>,
        mark: impl Fn(&mut Sets, DateTime<Utc>) -> Result<Marked<T>, RotationError>,
    ) -> Result<Changed<T>, RotationError> {
        let policy = &self.settings.policy;
        loop {
            let tx = self.db.begin().await?;
            let revision = storage::keys::move_revision(&tx).await?;
            // Not before: who waits for another change must not publish in its past.
            let now = self.clock.now();
            let before = Rows::read(&tx).await?.sets(self.settings.algorithms);
            let mut sets = before.clone();
            let Marked { outcome, vacant } = mark(&mut sets, now)?;
            let lacking = self.announce(&tx, &mut sets, made, now).await?;
            if !lacking.is_empty() {
                drop(tx);
                made.extend(self.maker().make(lacking).await?);
                continue;
            }
            let mut successors = Vec::new();
            for (name, set) in &mut sets {
                if vacant.contains(name)
                    && let Some(successor) = set.succeed(policy, now)
                {
                    successors.push((*name, successor));
                }
                set.settle(policy, now);
            }
            if sets != before {
                store(&tx, &before, &sets).await?;
                // Before the commit: whether it took effect may stay unknown, and then the keys must live.
                announced.extend(
                    sets.iter()
                        .flat_map(|(_, set)| set.keys())
                        .map(|key| key.id.clone()),
                );
                tx.commit().await?;
                report(&before, &sets, now);
            }
            return Ok(Changed {
                outcome,
                successors,
                revision,
                at: now,
            });
        }
    }

    const fn maker(&self) -> KeyMaker<'_> {
        KeyMaker {
            location: self.settings.location,
            masters: self.masters,
            pkcs11: self.pkcs11,
            random: self.random,
        }
    }

    /// Announces what is missing, signing keys out of `made`. Says for which algorithms that does not have enough.
    async fn announce(
        &self,
        tx: &Tx,
        sets: &mut Sets,
        made: &[NewSigningKey],
        now: DateTime<Utc>,
    ) -> Result<Vec<SigningAlgorithm>, RotationError> {
        let mut lacking = Vec::new();
        let lifetimes = &self.settings.lifetimes;
        for (name, set) in sets {
            let missing = set.missing(now);
            if missing == 0 {
                continue;
            }
            let master = self.masters.first().ok_or(KeysError::NoMasterKey)?;
            match *name {
                SetName::Signing(algorithm) => {
                    let mut new = made.iter().filter(|new| new.algorithm() == algorithm);
                    for _ in 0..missing {
                        let Some(new) = new.next() else {
                            lacking.push(algorithm);
                            continue;
                        };
                        let key = new.row(lifetimes.signed, now);
                        storage::keys::insert_signing_key(tx, &key).await?;
                        set.announce(key.kid, Some(lifetimes.signed), now);
                    }
                }
                SetName::Mac(purpose) => {
                    let versions = set.keys().iter().filter_map(|key| key.id.parse::<i32>().ok());
                    let newest = versions.max().unwrap_or(0);
                    for version in (newest + 1..).take(missing) {
                        let lifetime = lifetimes.of(purpose);
                        let key = mac_key_row(purpose, version, master, lifetime, self.random, now)?;
                        storage::keys::insert_mac_key(tx, &key).await?;
                        set.announce(version.to_string(), lifetime, now);
                    }
                }
            }
        }
        Ok(lacking)
    }
}

/// Stores the times that differ.
async fn store(tx: &Tx, before: &Sets, after: &Sets) -> Result<(), StorageError> {
    for ((name, set), (_, old)) in after.iter().zip(before) {
        for key in set.keys() {
            let as_inserted = KeyTimes::announced(key.id.clone(), key.max_lifetime, key.published_at);
            let stored = old.keys().iter().find(|old| old.id == key.id);
            if stored.unwrap_or(&as_inserted) == key {
                continue;
            }
            match *name {
                SetName::Signing(_) => storage::keys::update_signing_key_times(tx, key).await?,
                SetName::Mac(purpose) => storage::keys::update_mac_key_times(tx, purpose, key).await?,
            }
        }
    }
    Ok(())
}

/// Tells the log what changed: for an operator the life of keys is news.
fn report(before: &Sets, after: &Sets, now: DateTime<Utc>) {
    for ((name, set), (_, old)) in after.iter().zip(before) {
        for key in set.keys() {
            let stored = old.keys().iter().find(|old| old.id == key.id);
            if stored == Some(key) {
                continue;
            }
            let time = |time: Option<DateTime<Utc>>| time.map(|time| time.to_rfc3339());
            tracing::info!(
                key.set = name.as_str(),
                key.id = key.id,
                key.state = key.state(now).as_str(),
                key.signing_at = time(key.signing_at),
                key.draining_at = time(key.draining_at),
                "{}",
                if stored.is_none() {
                    "a key was announced"
                } else {
                    "a key changed"
                }
            );
        }
    }
}

/// Why keys were not changed.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// The next key may not sign yet.
    #[error(
        "the next {} key may sign from {} on: before, verifiers may not know it",
        set.as_str(),
        earliest.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
    )]
    BeforeGate {
        /// Its set.
        set: SetName,
        /// Its `kid`.
        id: String,
        /// The earliest legal time.
        earliest: DateTime<Utc>,
    },
    /// No key is there to follow.
    #[error("no key is announced: nothing could sign instead")]
    NothingAnnounced,
    /// There is no key of this id.
    #[error("there is no key {0}")]
    NoSuchKey(String),
    /// The key is compromised already.
    #[error("the key {0} is compromised already")]
    Compromised(String),
    /// Keys cannot be made.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}
