//! The keys of a new issuer.

use super::location::{KeyMaker, NewSigningKey};
use super::new::mac_key_row;
use super::{KeySettings, KeysError};
use crate::clock::Clock;
use crate::domain::key_schedule::ANNOUNCED;
use crate::domain::mac::MacPurpose;
use crate::jose::pkcs11::Pkcs11Token;
use crate::jose::wrap::MasterKey;
use crate::random::Random;
use crate::storage::keys::FirstKeys;
use crate::storage::{self, Db};

/// The version of the first MAC key of each purpose.
const FIRST_VERSION: i32 = 1;

/// Makes the keys of a new issuer, wrapped with the first of `masters`: for each algorithm and each purpose one
/// that is used at once, since nobody can know another, and two announced. Does nothing where there are keys
/// already, or where another node is the first.
///
/// # Errors
/// When there is no master key, or the keys cannot be made or stored.
pub async fn ensure_first_keys(
    db: &Db,
    masters: &[MasterKey],
    pkcs11: Option<&Pkcs11Token>,
    settings: &KeySettings,
    clock: &dyn Clock,
    random: &dyn Random,
) -> Result<(), KeysError> {
    if storage::revisions::find(db).await?.keys != 0 {
        return Ok(());
    }
    let master = masters.first().ok_or(KeysError::NoMasterKey)?;
    let algorithms = settings.algorithms.iter();
    let wanted = algorithms.flat_map(|algorithm| std::iter::repeat_n(algorithm, ANNOUNCED + 1));
    let maker = KeyMaker {
        location: settings.location,
        masters,
        pkcs11,
        random,
    };
    let made = maker.make(wanted.collect()).await?;
    let mut may_be_stored = false;
    let stored = store(db, &made, master, settings, clock, random, &mut may_be_stored).await;
    if !may_be_stored {
        maker.discard(&made).await;
    }
    stored
}

/// Sets `may_be_stored` before it tries: whether a commit took effect may stay unknown, and then the keys must
/// live.
async fn store(
    db: &Db,
    made: &[NewSigningKey],
    master: &MasterKey,
    settings: &KeySettings,
    clock: &dyn Clock,
    random: &dyn Random,
    may_be_stored: &mut bool,
) -> Result<(), KeysError> {
    let tx = db.begin().await?;
    if storage::keys::claim_first(&tx).await? == FirstKeys::Exist {
        return Ok(tx.commit().await?);
    }
    let now = clock.now();
    for (position, new) in made.iter().enumerate() {
        let mut key = new.row(settings.lifetimes.signed, now);
        key.signing_at = (position % (ANNOUNCED + 1) == 0).then_some(now);
        storage::keys::insert_signing_key(&tx, &key).await?;
    }
    for purpose in MacPurpose::ALL {
        let lifetime = settings.lifetimes.of(purpose);
        for version in (FIRST_VERSION..).take(ANNOUNCED + 1) {
            let mut key = mac_key_row(purpose, version, master, lifetime, random, now)?;
            key.signing_at = (version == FIRST_VERSION).then_some(now);
            storage::keys::insert_mac_key(&tx, &key).await?;
        }
    }
    *may_be_stored = true;
    tx.commit().await?;
    tracing::info!(
        master_key = master.fingerprint(),
        "the first keys of the issuer were made"
    );
    Ok(())
}
