//! The keys of the issuer: made once, at its very first start, and loaded by every node since.
//!
//! 1. [`ensure_first_keys`]: of all nodes that start on an empty database, one makes the keys.
//! 2. [`load`]: reads all keys, says how long this node's tokens live, opens the private parts.
//!
//! Keys are never made because others cannot be opened: that would silently end every session and token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use crate::clock::Clock;
use crate::domain::mac::{MacKey, MacKeys, MacPurpose};
use crate::domain::signing_key::{StoredMacKey, StoredSigningKey, in_charge};
use crate::jose::wrap::{self, MasterKey, WrapError};
use crate::jose::{self, GenerateError, KeyRing, KeyringError, NewKey, Seed};
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};
use crate::random::Random;
use crate::storage::keys::FirstKeys;
use crate::storage::{self, Db, StorageError};

/// How many keys are announced beside the one that signs.
const ANNOUNCED: usize = 2;

/// The version of the first MAC key of each purpose.
const FIRST_VERSION: i32 = 1;

const LOCATION: &str = "database";

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

/// All keys as they stood at one revision. Never changed: a new revision is loaded anew.
#[derive(Debug)]
pub struct LoadedKeys {
    /// The revision of the rows, to notice that they have changed.
    pub revision: i64,
    /// The signing keys.
    pub ring: KeyRing,
    /// The MAC keys.
    pub mac: MacKeySet,
}

/// Makes the keys of a new issuer, wrapped with the first of `masters`: for each of `algorithms` one that signs
/// at once and two announced, and a MAC key for each purpose. Does nothing where there are keys already, or where
/// another node is the first.
///
/// # Errors
/// When there is no master key, or the keys cannot be made or stored.
pub async fn ensure_first_keys(
    db: &Db,
    masters: &[MasterKey],
    algorithms: AlgorithmSet,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), KeysError> {
    if storage::revisions::find(db).await?.keys != 0 {
        return Ok(());
    }
    let master = masters.first().ok_or(KeysError::NoMasterKey)?;
    let made = new_signing_keys(algorithms, random).await?;
    let tx = db.begin().await?;
    if storage::keys::claim_first(&tx).await? == FirstKeys::Exist {
        return Ok(tx.commit().await?);
    }
    let now = clock.now();
    for algorithm in algorithms.iter() {
        let of_algorithm = made.iter().filter(|new| new.algorithm == algorithm);
        for (position, new) in of_algorithm.enumerate() {
            let signing_at = (position == 0).then_some(now);
            let key = stored_signing_key(new, master, now, signing_at)?;
            storage::keys::insert_signing_key(&tx, &key).await?;
        }
    }
    for purpose in MacPurpose::ALL {
        storage::keys::insert_mac_key(&tx, &new_mac_key(purpose, master, random, now)?).await?;
    }
    tx.commit().await?;
    tracing::info!(
        master_key = master.fingerprint(),
        "the first keys of the issuer were made"
    );
    Ok(())
}

/// Reads and opens all keys. `longest_lifetime` is that of the longest-lived token that this node signs; it is
/// made known before the node gets a key to sign with, since no other function hands one out.
///
/// # Errors
/// When the database does not answer, a master key is wrong or missing ([`KeysError::Signing`] and
/// [`KeysError::Mac`] name its fingerprint), or a key set is empty.
pub async fn load(
    db: &Db,
    masters: &[MasterKey],
    longest_lifetime: TimeDelta,
    now: DateTime<Utc>,
) -> Result<LoadedKeys, KeysError> {
    // The revision first: rows that change meanwhile are then only read again, never missed.
    let revision = storage::revisions::find(db).await?.keys;
    let signing = storage::keys::list_signing_keys(db).await?;
    let mac = storage::keys::list_mac_keys(db).await?;
    storage::keys::raise_max_lifetime(db, longest_lifetime, now).await?;
    let ring = KeyRing::open(signing, masters, now)?;
    if let Some(algorithm) = SigningAlgorithm::ALWAYS
        .into_iter()
        .find(|algorithm| ring.signing_key(*algorithm, now).is_none())
    {
        return Err(KeysError::NoneSigns(algorithm.as_str()));
    }
    let mac_keys = |purpose| open_mac_keys(&mac, purpose, masters, now);
    Ok(LoadedKeys {
        revision,
        ring,
        mac: MacKeySet {
            refresh_token: mac_keys(MacPurpose::RefreshToken)?,
            session_token: mac_keys(MacPurpose::SessionToken)?,
            client_secret: mac_keys(MacPurpose::ClientSecret)?,
            cookie: mac_keys(MacPurpose::Cookie)?,
        },
    })
}

async fn new_signing_keys(algorithms: AlgorithmSet, random: &dyn Random) -> Result<Vec<NewKey>, KeysError> {
    let wanted: Vec<_> = algorithms
        .iter()
        .flat_map(|algorithm| std::iter::repeat_n(algorithm, ANNOUNCED + 1))
        .map(|algorithm| (algorithm, Seed::draw(random)))
        .collect();
    let made = tokio::task::spawn_blocking(move || {
        let made = wanted
            .iter()
            .map(|(algorithm, seed)| jose::generate(*algorithm, seed));
        made.collect::<Result<Vec<_>, _>>()
    });
    Ok(made.await.expect("making a key neither panics nor is aborted")?)
}

fn stored_signing_key(
    new: &NewKey,
    master: &MasterKey,
    now: DateTime<Utc>,
    signing_at: Option<DateTime<Utc>>,
) -> Result<StoredSigningKey, KeysError> {
    let kid = new.public_jwk.kid.clone();
    let wrapped = master.wrap(&new.private_jwk, &jose::signing_key_place(&kid));
    Ok(StoredSigningKey {
        algorithm: new.algorithm,
        public_jwk: serde_json::to_value(&new.public_jwk).expect("texts alone always serialise"),
        wrapped: Some(wrapped.map_err(KeysError::Wrap)?),
        master_key: master.fingerprint(),
        location: LOCATION.to_owned(),
        max_lifetime: TimeDelta::zero(),
        published_at: now,
        signing_at,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
        kid,
    })
}

/// 256 random bits. The cookie's key is their base64url, because the cookie's format takes its key as text.
fn new_mac_key(
    purpose: MacPurpose,
    master: &MasterKey,
    random: &dyn Random,
    now: DateTime<Utc>,
) -> Result<StoredMacKey, KeysError> {
    let mut bytes = Zeroizing::new(vec![0; 32]);
    random.fill(&mut bytes);
    if purpose == MacPurpose::Cookie {
        bytes = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes).into_bytes());
    }
    let wrapped = master.wrap(&bytes, &mac_key_place(purpose, FIRST_VERSION));
    Ok(StoredMacKey {
        purpose,
        version: FIRST_VERSION,
        wrapped: wrapped.map_err(KeysError::Wrap)?,
        master_key: master.fingerprint(),
        published_at: now,
        signing_at: Some(now),
        retired_at: None,
        compromised_at: None,
    })
}

fn mac_key_place(purpose: MacPurpose, version: i32) -> String {
    format!("mac_key/{}/{version}", purpose.as_str())
}

fn open_mac_keys(
    stored: &[StoredMacKey],
    purpose: MacPurpose,
    masters: &[MasterKey],
    now: DateTime<Utc>,
) -> Result<MacKeys, KeysError> {
    let usable = || {
        stored
            .iter()
            .filter(|key| key.purpose == purpose && key.verifies(now))
    };
    let versions = usable()
        .map(|key| {
            let place = mac_key_place(purpose, key.version);
            let bytes = wrap::unwrap(masters, &key.master_key, &key.wrapped, &place);
            let bytes = bytes.map_err(|source| KeysError::Mac {
                purpose: purpose.as_str(),
                version: key.version,
                source,
            })?;
            Ok((key.version, MacKey::new(&bytes[..])))
        })
        .collect::<Result<Vec<_>, KeysError>>()?;
    let candidates = usable().filter_map(|key| Some((key.signing_at?, key.version)));
    in_charge(candidates, now)
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
}
