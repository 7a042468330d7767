//! Encrypting all keys anew with another master key, while servers serve. Each key is one small transaction, so
//! that whoever is interrupted goes on where it ended.

use super::KeysError;
use super::new::mac_key_place;
use super::rows::{Rows, SetName};
use crate::jose::signing_key_place;
use crate::jose::wrap::{self, MasterKey, WrapError};
use crate::storage::{self, Db, StorageError};

/// How far it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// Keys that were encrypted anew.
    pub rewrapped: usize,
    /// Keys that had been before.
    pub already: usize,
    /// Keys that none of the known master keys opens, each with the fingerprint of the one that would.
    pub left: Vec<(String, String)>,
}

/// Encrypts every key that rests in the database with `new`. `known` are the master keys that open them.
///
/// # Errors
/// When the database does not answer, or holds what was tampered with.
pub async fn rewrap(db: &Db, known: &[MasterKey], new: &MasterKey) -> Result<Rewrapped, KeysError> {
    let rows = Rows::read(db).await?;
    let fingerprint = new.fingerprint();
    let mut done = Rewrapped::default();
    let signing = rows.signing.iter().filter_map(|key| {
        let wrapped = key.wrapped.as_deref()?;
        let place = signing_key_place(&key.kid);
        Some((
            SetName::Signing(key.algorithm),
            key.kid.clone(),
            place,
            wrapped,
            &key.master_key,
        ))
    });
    // What is retired or compromised is believed by nobody: its master key may be lost.
    let mac = rows
        .mac
        .iter()
        .filter(|key| key.retired_at.is_none() && key.compromised_at.is_none());
    let mac = mac.map(|key| {
        let (set, id) = (SetName::Mac(key.purpose), key.version.to_string());
        (
            set,
            id,
            mac_key_place(key.purpose, key.version),
            &*key.wrapped,
            &key.master_key,
        )
    });
    for (set, id, place, wrapped, master_key) in signing.chain(mac) {
        if *master_key == fingerprint {
            done.already += 1;
            continue;
        }
        match wrap::unwrap(known, master_key, wrapped, &place) {
            Ok(plain) => {
                let anew = new.wrap(&plain, &place).map_err(KeysError::Wrap)?;
                store(db, set, &id, wrapped, &anew, &fingerprint).await?;
                done.rewrapped += 1;
            }
            Err(WrapError::MasterKey { needed, .. }) => done.left.push((set.outer_id(&id), needed)),
            Err(error) => return Err(KeysError::Wrap(error)),
        }
    }
    Ok(done)
}

/// Another rewrap at the same time may have been quicker; then nothing is left to do.
async fn store(
    db: &Db,
    set: SetName,
    id: &str,
    old: &str,
    anew: &str,
    fingerprint: &str,
) -> Result<(), StorageError> {
    let tx = db.begin().await?;
    storage::keys::move_revision(&tx).await?;
    match set {
        SetName::Signing(_) => storage::keys::rewrap_signing_key(&tx, id, old, anew, fingerprint).await?,
        SetName::Mac(purpose) => {
            storage::keys::rewrap_mac_key(&tx, purpose, id, old, anew, fingerprint).await?;
        }
    }
    tx.commit().await
}
