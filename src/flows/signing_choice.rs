//! Letting clients and audiences choose how their tokens are signed, out of what keys sign with now. A choice
//! that no key could follow would be a server error at every token, so it is refused where it is made.

use chrono::{DateTime, Utc};

use crate::domain::signing_choice::{NotChoosable, SigningChoice};
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};
use crate::storage::{self, Db, StorageError};

/// Whether tokens can be signed with each of `algorithms` at `now`, by the rows of the database. What every
/// issuer has keys for needs no look, so that a client can be registered before there are any keys.
///
/// # Errors
/// With the first that cannot be chosen yet, or when the database does not answer.
pub async fn can_be_chosen<E>(db: &Db, algorithms: AlgorithmSet, now: DateTime<Utc>) -> Result<(), E>
where
    E: From<NotChoosable> + From<StorageError>,
{
    let unsure: Vec<_> = algorithms
        .iter()
        .filter(|algorithm| !SigningAlgorithm::ALWAYS.contains(algorithm))
        .collect();
    if unsure.is_empty() {
        return Ok(());
    }
    let keys = storage::keys::list_signing_keys(db).await?;
    let choice = SigningChoice::of(&keys, now);
    for algorithm in unsure {
        choice.check(algorithm)?;
    }
    Ok(())
}
