//! What follows from the proof that somebody reads an address.
//!
//! An account can be made with anybody's address. So a proof by any way but the link that names the signup, and is
//! confirmed by whoever made it, leaves nothing of what was there: no password, session, token, consent or link. Else
//! whoever signed up first would be in the account of whoever owns the address.

use chrono::{DateTime, Utc};

use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::user::User;
use crate::storage::accounts;
use crate::storage::{StorageError, Tx};

/// `user`, whose address somebody has just proven to read: as it was if that was known already, else emptied. `None` if
/// the account has another address, or is disabled.
///
/// # Errors
/// When the database does not answer.
pub async fn proven(tx: &Tx, user: User, now: DateTime<Utc>) -> Result<Option<User>, StorageError> {
    if user.email_verified {
        return Ok(Some(user).filter(|user| user.disabled_at.is_none()));
    }
    let Some(key) = EmailKey::of_typed(&user.email) else {
        return Ok(None);
    };
    let taken = accounts::take_over(tx, user.id, &key, now).await?;
    if let Some(user) = &taken {
        tracing::info!(user.id = %user.id, "an address was proven, and what was made before is gone");
    }
    Ok(taken)
}

/// Gives `user` the address `to`, which was just proven. An account that has it and never proved it loses it. `None` if
/// another account proved it, or the user has another address than `from` by now.
///
/// # Errors
/// When the database does not answer.
pub async fn move_to(
    tx: &Tx,
    user: &User,
    from: &EmailKey,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    accounts::release_email(tx, to.key(), user.id, now).await?;
    accounts::update_email(tx, user.id, from, to, now).await
}
