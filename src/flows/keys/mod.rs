//! The keys of the issuer: made once, at its very first start, rotated ever since, and loaded by every node.
//!
//! 1. [`first::ensure_first_keys`]: of all nodes that start on an empty database, one makes the keys.
//! 2. [`load`]: reads all keys, says how long what this node makes with them lives, opens the private parts.
//! 3. [`rotation::Rotation`]: what is due by the schedule, and what an operator asks for.
//!
//! Keys are never made because others cannot be opened: that would silently end every session and token.

pub mod confirmation;
pub mod first;
pub mod location;
mod new;
pub mod rewrap;
pub mod rotation;
mod rows;
pub mod transfer;

use chrono::{DateTime, TimeDelta, Utc};

use self::location::KeyLocation;
use self::new::mac_key_place;
use self::rows::Rows;
use crate::domain::key_schedule::{KeyPolicy, KeySet};
use crate::domain::key_state::in_charge;
use crate::domain::mac::{MacKey, MacKeys, MacPurpose};
use crate::domain::signing_key::StoredMacKey;
use crate::jose::pkcs11::{Pkcs11Error, Pkcs11Token};
use crate::jose::wrap::{self, MasterKey, WrapError};
use crate::jose::{GenerateError, KeyRing, KeyringError};
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};
use crate::storage::{self, Db, StorageError};

pub use self::rows::SetName;

/// How long what is made with the keys lives, by this node's configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The longest-lived token that a signing key signs.
    pub signed: TimeDelta,
    /// A refresh token.
    pub refresh_token: TimeDelta,
    /// A browser session, and what its cookies carry.
    pub session: TimeDelta,
}

impl Lifetimes {
    /// How long what is made for `purpose` lives. Client secrets live until they are replaced.
    pub const fn of(&self, purpose: MacPurpose) -> Option<TimeDelta> {
        match purpose {
            MacPurpose::RefreshToken => Some(self.refresh_token),
            MacPurpose::SessionToken | MacPurpose::Cookie => Some(self.session),
            MacPurpose::ClientSecret => None,
        }
    }
}

/// What an issuer's keys are ruled by, as the operator decided.
#[derive(Debug, Clone, Copy)]
pub struct KeySettings {
    /// Where new signing keys are made.
    pub location: KeyLocation,
    /// The algorithms that the issuer shall have keys for.
    pub algorithms: AlgorithmSet,
    /// When keys change.
    pub policy: KeyPolicy,
    /// How long what they make lives.
    pub lifetimes: Lifetimes,
}

/// The MAC keys, a set a purpose.
#[derive(Debug, Clone)]
pub struct MacKeySet {
    /// For refresh tokens.
    pub refresh_token: MacKeys,
    /// For session tokens.
    pub session_token: MacKeys,
    /// For client secrets.
    pub client_secret: MacKeys,
    /// For the session cookie's signature, and what is derived from it. The keys are text.
    pub cookie: MacKeys,
}

impl MacKeySet {
    /// Those of one purpose.
    pub const fn of(&self, purpose: MacPurpose) -> &MacKeys {
        match purpose {
            MacPurpose::RefreshToken => &self.refresh_token,
            MacPurpose::SessionToken => &self.session_token,
            MacPurpose::ClientSecret => &self.client_secret,
            MacPurpose::Cookie => &self.cookie,
        }
    }
}

/// All keys as they stood at one revision. Never changed: a new revision is loaded anew.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The revision of the rows, to notice that they have changed.
    pub revision: i64,
    /// The signing keys.
    pub ring: KeyRing,
    /// The MAC keys.
    pub mac: MacKeySet,
    /// Whether some lack their master key: reading those again may help.
    pub locked: bool,
    /// The times of all of them.
    pub sets: Vec<(SetName, KeySet)>,
    /// When another MAC key makes new codes: those were chosen when the keys were loaded.
    mac_changes_at: Option<DateTime<Utc>>,
}

impl LoadedKeys {
    /// Whether this is all that is to be known at `now`, when the rows have this revision.
    pub fn is_current(&self, revision: i64, now: DateTime<Utc>) -> bool {
        self.revision == revision && self.mac_changes_at.is_none_or(|time| now < time)
    }

    /// Whether the schedule asks for a change.
    pub fn is_due(&self, policy: &KeyPolicy, now: DateTime<Utc>) -> bool {
        self.sets.iter().any(|(_, set)| set.is_due(policy, now))
    }
}

/// Reads and opens all keys. How long this node's tokens live is made known before the node gets a key to sign
/// with, since no other function hands one out. Keys that rest in `pkcs11` are opened whether or not it is there.
/// With the keys of `before`, those stay open whose master key is not known any more, and those are passed over
/// whose master key is not known yet.
///
/// # Errors
/// When the database does not answer, a master key is wrong or missing ([`KeysError::Signing`] and
/// [`KeysError::Mac`] name its fingerprint), or a key set is empty.
pub async fn load(
    db: &Db,
    masters: &[MasterKey],
    pkcs11: Option<&Pkcs11Token>,
    settings: &KeySettings,
    before: Option<&LoadedKeys>,
    now: DateTime<Utc>,
) -> Result<LoadedKeys, KeysError> {
    // The revision first: rows that change meanwhile are then only read again, never missed.
    let revision = storage::revisions::find(db).await?.keys;
    let mut rows = Rows::read(db).await?;
    if rows.live_shorter_than(&settings.lifetimes) {
        raise_lifetimes(db, &settings.lifetimes).await?;
        rows = Rows::read(db).await?;
    }
    let sets = rows.sets(settings.algorithms);
    let Rows { signing, mac } = rows;
    let policy = &settings.policy;
    let ring = match before {
        None => KeyRing::open(signing, masters, pkcs11, policy, now)?,
        Some(before) => before.ring.reopen(signing, masters, pkcs11, now)?,
    };
    if let Some(algorithm) = SigningAlgorithm::ALWAYS
        .into_iter()
        .find(|algorithm| ring.signing_key(*algorithm, now).is_none())
    {
        return Err(KeysError::NoneSigns(algorithm.as_str()));
    }
    let to_come = mac.iter().filter(|key| key.verifies(now));
    let to_come = to_come
        .filter_map(|key| key.signing_at)
        .filter(|time| *time > now);
    let mac_changes_at = to_come.min();
    let before = before.map(|before| &before.mac);
    let mac_keys = |purpose| open_mac_keys(&mac, purpose, masters, before, policy, now);
    let opened = MacKeySet {
        refresh_token: mac_keys(MacPurpose::RefreshToken)?,
        session_token: mac_keys(MacPurpose::SessionToken)?,
        client_secret: mac_keys(MacPurpose::ClientSecret)?,
        cookie: mac_keys(MacPurpose::Cookie)?,
    };
    let wanted = mac.iter().filter(|key| key.verifies(now)).count();
    let counts = MacPurpose::ALL.map(|purpose| opened.of(purpose).all().count());
    Ok(LoadedKeys {
        revision,
        locked: ring.is_locked() || wanted != counts.iter().sum::<usize>(),
        ring,
        mac: opened,
        sets,
        mac_changes_at,
    })
}

/// The times of all keys, by set.
///
/// # Errors
/// When the database does not answer.
pub async fn sets(db: &Db, settings: &KeySettings) -> Result<Vec<(SetName, KeySet)>, StorageError> {
    Ok(Rows::read(db).await?.sets(settings.algorithms))
}

async fn raise_lifetimes(db: &Db, lifetimes: &Lifetimes) -> Result<(), StorageError> {
    let tx = db.begin().await?;
    storage::keys::move_revision(&tx).await?;
    storage::keys::raise_signing_lifetime(&tx, lifetimes.signed).await?;
    for purpose in MacPurpose::ALL {
        if let Some(lifetime) = lifetimes.of(purpose) {
            storage::keys::raise_mac_lifetime(&tx, purpose, lifetime).await?;
        }
    }
    tx.commit().await
}

fn open_mac_keys(
    stored: &[StoredMacKey],
    purpose: MacPurpose,
    masters: &[MasterKey],
    before: Option<&MacKeySet>,
    policy: &KeyPolicy,
    now: DateTime<Utc>,
) -> Result<MacKeys, KeysError> {
    let usable = stored
        .iter()
        .filter(|key| key.purpose == purpose && key.verifies(now));
    let (mut versions, mut makes) = (Vec::new(), Vec::new());
    for key in usable {
        let place = mac_key_place(purpose, key.version);
        let opened = match wrap::unwrap(masters, &key.master_key, &key.wrapped, &place) {
            Ok(bytes) => MacKey::new(&bytes[..]),
            Err(source @ WrapError::MasterKey { .. }) if before.is_some() => {
                let known = before.and_then(|before| before.of(purpose).version(key.version));
                let Some(known) = known else {
                    let error = &source as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        key.set = purpose.as_str(),
                        key.id = key.version,
                        "a MAC key is missing"
                    );
                    continue;
                };
                known.clone()
            }
            Err(source) => {
                return Err(KeysError::Mac {
                    purpose: purpose.as_str(),
                    version: key.version,
                    source,
                });
            }
        };
        versions.push((key.version, opened));
        if key.draining_at.is_none_or(|time| now < time) {
            makes.extend(key.signing_at.map(|signing_at| (signing_at, key.version)));
        }
    }
    in_charge(makes, policy.clock_skew, now)
        .and_then(|current| MacKeys::new(current, versions))
        .ok_or(KeysError::NoneSigns(purpose.as_str()))
}

/// Why there are no keys to serve with.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The database did not answer, or holds what we do not know.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A signing key cannot be opened.
    #[error(transparent)]
    Signing(#[from] KeyringError),
    /// A MAC key cannot be opened.
    #[error("version {version} of the MAC key {purpose} cannot be used")]
    Mac {
        /// What it is for.
        purpose: &'static str,
        /// Which one.
        version: i32,
        /// Why not.
        source: WrapError,
    },
    /// There are keys, but none of this kind may sign now.
    #[error("no {0} key signs at present")]
    NoneSigns(&'static str),
    /// A new issuer needs a master key to wrap its first keys with.
    #[error("there is no master key to wrap the first keys with")]
    NoMasterKey,
    /// A new key could not be wrapped.
    #[error("a new key could not be wrapped")]
    Wrap(#[source] WrapError),
    /// A new key could not be made.
    #[error(transparent)]
    Generate(#[from] GenerateError),
    /// A new key could not be made in the token.
    #[error(transparent)]
    Pkcs11(#[from] Pkcs11Error),
}
