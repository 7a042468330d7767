//! Keys that come from another issuer, or leave for one.

use chrono::{DateTime, Utc};
use zeroize::Zeroizing;

use super::location::DATABASE;
use super::rotation::RotationError;
use super::{KeySettings, KeysError};
use crate::domain::signing_key::StoredSigningKey;
use crate::jose::key_file::ImportedKey;
use crate::jose::signing_key_place;
use crate::jose::wrap::{self, MasterKey};
use crate::storage::keys::{insert_signing_key, list_signing_keys, move_revision};
use crate::storage::{Db, StorageError};

/// Why a key does not come or go.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A key of this `kid` is there.
    #[error("there is a key {0} already")]
    Exists(String),
    /// It was published in the future.
    #[error("the key cannot have been published in the future")]
    PublishedInFuture,
    /// There is no key of this `kid`.
    #[error("there is no key {0}")]
    NoSuchKey(String),
    /// Its private part is not in the database: it rests in a token, or was destroyed when the key retired.
    #[error("the private part of {0} is not in the database")]
    NoPrivateKey(String),
    /// A master key is missing or cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// What is due after it could not be done.
    #[error(transparent)]
    Rotation(#[from] RotationError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Announces a key that another issuer has made, under its own `kid`. `published_at` is since when the verifiers of
/// this issuer's tokens know it: a key whose time is long past is past its gate, and the next rotation takes it.
///
/// # Errors
/// When the `kid` is taken, there is no master key, or the database does not answer.
pub async fn import(
    db: &Db,
    masters: &[MasterKey],
    settings: &KeySettings,
    key: &ImportedKey,
    published_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), TransferError> {
    if published_at > now {
        return Err(TransferError::PublishedInFuture);
    }
    let master = masters.first().ok_or(KeysError::NoMasterKey)?;
    let kid = &key.public_jwk.kid;
    let wrapped = master
        .wrap(&key.private_jwk, &signing_key_place(kid))
        .map_err(KeysError::Wrap)?;
    let row = StoredSigningKey {
        kid: kid.clone(),
        algorithm: key.public_jwk.alg,
        public_jwk: serde_json::to_value(&key.public_jwk).expect("texts alone always serialise"),
        wrapped: Some(wrapped),
        master_key: master.fingerprint(),
        location: DATABASE.to_owned(),
        max_lifetime: settings.lifetimes.signed,
        published_at,
        signing_at: None,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
    };
    let tx = db.begin().await?;
    // Whoever changes keys waits here, so that nobody comes between the look and the row.
    move_revision(&tx).await?;
    if list_signing_keys(&tx).await?.iter().any(|key| key.kid == *kid) {
        return Err(TransferError::Exists(kid.clone()));
    }
    insert_signing_key(&tx, &row).await?;
    Ok(tx.commit().await?)
}

/// The key of this `kid` as it rests.
///
/// # Errors
/// When there is none, or the database does not answer.
pub async fn find(db: &Db, kid: &str) -> Result<StoredSigningKey, TransferError> {
    let keys = list_signing_keys(db).await?;
    let key = keys.into_iter().find(|key| key.kid == kid);
    key.ok_or_else(|| TransferError::NoSuchKey(kid.to_owned()))
}

/// Its private part, as a JWK.
///
/// # Errors
/// When it is not in the database, or no master key opens it.
pub fn private_jwk(
    masters: &[MasterKey],
    key: &StoredSigningKey,
) -> Result<Zeroizing<Vec<u8>>, TransferError> {
    let wrapped = key.wrapped.as_deref();
    let wrapped = wrapped.ok_or_else(|| TransferError::NoPrivateKey(key.kid.clone()))?;
    let place = signing_key_place(&key.kid);
    Ok(wrap::unwrap(masters, &key.master_key, wrapped, &place).map_err(KeysError::Wrap)?)
}
