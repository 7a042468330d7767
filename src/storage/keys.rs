//! The signing keys, the MAC keys and their revision. All nodes read the same rows, and every change of them
//! moves the revision in its own transaction.

use chrono::TimeDelta;
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Execute, StorageError, Tx};
use crate::domain::key_state::KeyTimes;
use crate::domain::mac::MacPurpose;
use crate::domain::signing_key::{StoredMacKey, StoredSigningKey};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    LIST_SIGNING_KEYS,
    LIST_MAC_KEYS,
    CLAIM_FIRST,
    INSERT_SIGNING_KEY,
    INSERT_MAC_KEY,
    RAISE_SIGNING_LIFETIME,
    RAISE_MAC_LIFETIME,
    MOVE_REVISION,
    UPDATE_SIGNING_KEY_TIMES,
    UPDATE_MAC_KEY_TIMES,
    REWRAP_SIGNING_KEY,
    REWRAP_MAC_KEY,
];

const LIST_SIGNING_KEYS: &str = "\
    SELECT kid, alg, public_jwk, wrapped, master_key, location, max_lifetime, \
           published_at, signing_at, draining_at, retired_at, compromised_at \
    FROM signing_keys ORDER BY published_at, kid";

/// All signing keys, in the order of their publication.
///
/// # Errors
/// When the database does not answer, or a row names an algorithm that we do not know.
pub async fn list_signing_keys(db: &impl Execute) -> Result<Vec<StoredSigningKey>, StorageError> {
    let rows = db.query(LIST_SIGNING_KEYS, &[]).await?;
    rows.iter().map(StoredSigningKey::try_from).collect()
}

const LIST_MAC_KEYS: &str = "\
    SELECT purpose, version, wrapped, master_key, max_lifetime, \
           published_at, signing_at, draining_at, retired_at, compromised_at \
    FROM mac_keys ORDER BY purpose, version";

/// All MAC keys.
///
/// # Errors
/// When the database does not answer, or a row names a purpose that we do not know.
pub async fn list_mac_keys(db: &impl Execute) -> Result<Vec<StoredMacKey>, StorageError> {
    let rows = db.query(LIST_MAC_KEYS, &[]).await?;
    rows.iter().map(StoredMacKey::try_from).collect()
}

/// Who makes the first keys of an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstKeys {
    /// The caller, in this transaction: every other node waits until it ends.
    Ours,
    /// There are keys, or another node has just made them.
    Exist,
}

// The second of two nodes waits here for the first, and then sees the revision moved.
const CLAIM_FIRST: &str = "\
    UPDATE revisions SET revision = revision + 1 \
    WHERE name = 'keys' AND revision = 0 \
      AND NOT EXISTS (SELECT FROM signing_keys) AND NOT EXISTS (SELECT FROM mac_keys)";

/// Asks to make the first keys, and moves the revision: of all nodes that start at once, one alone gets to.
///
/// # Errors
/// When the database does not answer.
pub async fn claim_first(tx: &Tx) -> Result<FirstKeys, StorageError> {
    match tx.execute(CLAIM_FIRST, &[]).await? {
        0 => Ok(FirstKeys::Exist),
        _ => Ok(FirstKeys::Ours),
    }
}

const INSERT_SIGNING_KEY: &str = "\
    INSERT INTO signing_keys (kid, alg, public_jwk, wrapped, master_key, location, max_lifetime, \
                              published_at, signing_at, draining_at, retired_at, compromised_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

/// Adds a signing key. The caller moves the revision in the same transaction.
///
/// # Errors
/// When the database does not answer, or the `kid` is taken.
pub async fn insert_signing_key(tx: &Tx, key: &StoredSigningKey) -> Result<(), StorageError> {
    tx.execute(
        INSERT_SIGNING_KEY,
        &[
            (&key.kid, Type::TEXT),
            (&key.algorithm.as_str(), Type::TEXT),
            (&key.public_jwk, Type::JSONB),
            (&key.wrapped, Type::TEXT),
            (&key.master_key, Type::TEXT),
            (&key.location, Type::TEXT),
            (&key.max_lifetime.num_seconds(), Type::INT8),
            (&key.published_at, Type::TIMESTAMPTZ),
            (&key.signing_at, Type::TIMESTAMPTZ),
            (&key.draining_at, Type::TIMESTAMPTZ),
            (&key.retired_at, Type::TIMESTAMPTZ),
            (&key.compromised_at, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    Ok(())
}

const INSERT_MAC_KEY: &str = "\
    INSERT INTO mac_keys (purpose, version, wrapped, master_key, max_lifetime, \
                          published_at, signing_at, draining_at, retired_at, compromised_at) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";

/// Adds a MAC key. The caller moves the revision in the same transaction.
///
/// # Errors
/// When the database does not answer, or the version is taken.
pub async fn insert_mac_key(tx: &Tx, key: &StoredMacKey) -> Result<(), StorageError> {
    tx.execute(
        INSERT_MAC_KEY,
        &[
            (&key.purpose.as_str(), Type::TEXT),
            (&key.version, Type::INT4),
            (&key.wrapped, Type::TEXT),
            (&key.master_key, Type::TEXT),
            (
                &key.max_lifetime.map(|lifetime| lifetime.num_seconds()),
                Type::INT8,
            ),
            (&key.published_at, Type::TIMESTAMPTZ),
            (&key.signing_at, Type::TIMESTAMPTZ),
            (&key.draining_at, Type::TIMESTAMPTZ),
            (&key.retired_at, Type::TIMESTAMPTZ),
            (&key.compromised_at, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    Ok(())
}

const RAISE_SIGNING_LIFETIME: &str = "\
    UPDATE signing_keys SET max_lifetime = $1 WHERE max_lifetime < $1 AND retired_at IS NULL";

/// Says that tokens as long-lived as `lifetime` may be signed from now on, so that no key leaves the JWKS
/// before its last token. It never goes down: other nodes may be configured otherwise. Says whether that was news.
///
/// # Errors
/// When the database does not answer.
pub async fn raise_signing_lifetime(tx: &Tx, lifetime: TimeDelta) -> Result<bool, StorageError> {
    let params = [(&lifetime.num_seconds() as _, Type::INT8)];
    Ok(tx.execute(RAISE_SIGNING_LIFETIME, &params).await? > 0)
}

const RAISE_MAC_LIFETIME: &str = "\
    UPDATE mac_keys SET max_lifetime = $2 \
    WHERE purpose = $1 AND (max_lifetime IS NULL OR max_lifetime < $2) AND retired_at IS NULL";

/// The same for what the MAC keys of `purpose` make.
///
/// # Errors
/// When the database does not answer.
pub async fn raise_mac_lifetime(
    tx: &Tx,
    purpose: MacPurpose,
    lifetime: TimeDelta,
) -> Result<bool, StorageError> {
    let params = [
        (&purpose.as_str() as _, Type::TEXT),
        (&lifetime.num_seconds() as _, Type::INT8),
    ];
    Ok(tx.execute(RAISE_MAC_LIFETIME, &params).await? > 0)
}

const MOVE_REVISION: &str =
    "UPDATE revisions SET revision = revision + 1 WHERE name = 'keys' RETURNING revision";

/// Moves the revision and says what it is now. Whoever changes keys does this first: everyone else waits until
/// the transaction ends, so that what is read after it stays as it is.
///
/// # Errors
/// When the database does not answer, or the revision is missing.
pub async fn move_revision(tx: &Tx) -> Result<i64, StorageError> {
    let row = tx.query_opt(MOVE_REVISION, &[]).await?;
    let row = row.ok_or_else(|| StorageError::Inconsistent {
        table: "revisions",
        column: "revision",
        id: "keys".to_owned(),
    })?;
    Ok(row.try_get("revision")?)
}

// A private key that will never sign again is of use to a thief alone.
const UPDATE_SIGNING_KEY_TIMES: &str = "\
    UPDATE signing_keys SET signing_at = $2, draining_at = $3, retired_at = $4, compromised_at = $5, \
           wrapped = CASE WHEN $4::timestamptz IS NULL AND $5::timestamptz IS NULL THEN wrapped END \
    WHERE kid = $1";

/// Stores the times of the signing key that they name. The private part of one that is retired or compromised
/// goes. The caller moves the revision in the same transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn update_signing_key_times(tx: &Tx, times: &KeyTimes) -> Result<(), StorageError> {
    tx.execute(
        UPDATE_SIGNING_KEY_TIMES,
        &[
            (&times.id, Type::TEXT),
            (&times.signing_at, Type::TIMESTAMPTZ),
            (&times.draining_at, Type::TIMESTAMPTZ),
            (&times.retired_at, Type::TIMESTAMPTZ),
            (&times.compromised_at, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    Ok(())
}

const UPDATE_MAC_KEY_TIMES: &str = "\
    UPDATE mac_keys SET signing_at = $3, draining_at = $4, retired_at = $5, compromised_at = $6 \
    WHERE purpose = $1 AND version::text = $2";

/// The same for the MAC key of `purpose` whose version they name.
///
/// # Errors
/// When the database does not answer.
pub async fn update_mac_key_times(
    tx: &Tx,
    purpose: MacPurpose,
    times: &KeyTimes,
) -> Result<(), StorageError> {
    tx.execute(
        UPDATE_MAC_KEY_TIMES,
        &[
            (&purpose.as_str(), Type::TEXT),
            (&times.id, Type::TEXT),
            (&times.signing_at, Type::TIMESTAMPTZ),
            (&times.draining_at, Type::TIMESTAMPTZ),
            (&times.retired_at, Type::TIMESTAMPTZ),
            (&times.compromised_at, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    Ok(())
}

const REWRAP_SIGNING_KEY: &str =
    "UPDATE signing_keys SET wrapped = $3, master_key = $4 WHERE kid = $1 AND wrapped = $2";

/// Replaces the private part `old` of a signing key by the same under another master key, if it is still that.
/// The caller moves the revision in the same transaction.
///
/// # Errors
/// When the database does not answer.
pub async fn rewrap_signing_key(
    tx: &Tx,
    kid: &str,
    old: &str,
    anew: &str,
    master_key: &str,
) -> Result<(), StorageError> {
    tx.execute(
        REWRAP_SIGNING_KEY,
        &[
            (&kid, Type::TEXT),
            (&old, Type::TEXT),
            (&anew, Type::TEXT),
            (&master_key, Type::TEXT),
        ],
    )
    .await?;
    Ok(())
}

const REWRAP_MAC_KEY: &str = "\
    UPDATE mac_keys SET wrapped = $4, master_key = $5 \
    WHERE purpose = $1 AND version::text = $2 AND wrapped = $3";

/// The same for a MAC key.
///
/// # Errors
/// When the database does not answer.
pub async fn rewrap_mac_key(
    tx: &Tx,
    purpose: MacPurpose,
    version: &str,
    old: &str,
    anew: &str,
    master_key: &str,
) -> Result<(), StorageError> {
    tx.execute(
        REWRAP_MAC_KEY,
        &[
            (&purpose.as_str(), Type::TEXT),
            (&version, Type::TEXT),
            (&old, Type::TEXT),
            (&anew, Type::TEXT),
            (&master_key, Type::TEXT),
        ],
    )
    .await?;
    Ok(())
}

impl TryFrom<&Row> for StoredSigningKey {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let kid: String = row.try_get("kid")?;
        let inconsistent = |column| StorageError::Inconsistent {
            table: "signing_keys",
            column,
            id: kid.clone(),
        };
        Ok(Self {
            algorithm: SigningAlgorithm::parse(row.try_get("alg")?).ok_or_else(|| inconsistent("alg"))?,
            public_jwk: row.try_get("public_jwk")?,
            wrapped: row.try_get("wrapped")?,
            master_key: row.try_get("master_key")?,
            location: row.try_get("location")?,
            max_lifetime: TimeDelta::try_seconds(row.try_get("max_lifetime")?)
                .ok_or_else(|| inconsistent("max_lifetime"))?,
            published_at: row.try_get("published_at")?,
            signing_at: row.try_get("signing_at")?,
            draining_at: row.try_get("draining_at")?,
            retired_at: row.try_get("retired_at")?,
            compromised_at: row.try_get("compromised_at")?,
            kid,
        })
    }
}

impl TryFrom<&Row> for StoredMacKey {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let purpose: &str = row.try_get("purpose")?;
        let inconsistent = || StorageError::Inconsistent {
            table: "mac_keys",
            column: "purpose",
            id: purpose.to_owned(),
        };
        Ok(Self {
            purpose: MacPurpose::parse(purpose).ok_or_else(inconsistent)?,
            version: row.try_get("version")?,
            wrapped: row.try_get("wrapped")?,
            master_key: row.try_get("master_key")?,
            max_lifetime: row
                .try_get::<_, Option<i64>>("max_lifetime")?
                .map(TimeDelta::seconds),
            published_at: row.try_get("published_at")?,
            signing_at: row.try_get("signing_at")?,
            draining_at: row.try_get("draining_at")?,
            retired_at: row.try_get("retired_at")?,
            compromised_at: row.try_get("compromised_at")?,
        })
    }
}
