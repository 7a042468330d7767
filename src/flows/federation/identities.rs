//! The identities of a user, as the user sees them.

use chrono::{DateTime, Utc};

use crate::domain::federation::Identity;
use crate::domain::ids::IdentityId;
use crate::domain::user::User;
use crate::flows::accounts::profile::{self, Change, ProfileOutcome};
use crate::flows::provider::Provider;
use crate::storage::StorageError;
use crate::storage::identities;

/// How many identities are listed.
const LISTED: i64 = 100;

/// All of a user, oldest first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(provider: &Provider, user: &User) -> Result<Vec<Identity>, StorageError> {
    identities::list_of_user(&provider.db, user.id, LISTED).await
}

/// One of a user.
///
/// # Errors
/// When the database does not answer.
pub async fn find(
    provider: &Provider,
    user: &User,
    id: IdentityId,
) -> Result<Option<Identity>, StorageError> {
    identities::find_of_user(&provider.db, id, user.id).await
}

/// What became of a wish to be without an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnlinkOutcome {
    /// It is gone.
    Unlinked,
    /// It is the last way in: who has no password keeps one identity.
    Last,
    /// The user has none of this id.
    Unknown,
}

/// Takes an identity from a user.
///
/// # Errors
/// When the database does not answer.
pub async fn unlink(provider: &Provider, user: &User, id: IdentityId) -> Result<UnlinkOutcome, StorageError> {
    let tx = provider.db.begin().await?;
    let deleted = identities::delete(&tx, id, user.id).await?;
    tx.commit().await?;
    if deleted {
        tracing::info!(user.id = %user.id, "an identity was unlinked");
        return Ok(UnlinkOutcome::Unlinked);
    }
    Ok(match find(provider, user, id).await? {
        Some(_) => UnlinkOutcome::Last,
        None => UnlinkOutcome::Unknown,
    })
}

/// Gives a user the name and picture that a provider told last. `false` if the user has no such identity, or it told
/// neither.
///
/// # Errors
/// When the database does not answer.
pub async fn take_over_profile(
    provider: &Provider,
    user: &User,
    id: IdentityId,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let Some(identity) = find(provider, user, id).await? else {
        return Ok(false);
    };
    let told = identity.profile;
    let change = Change {
        name: told.name,
        picture: told.picture.map(Some),
    };
    if change.name.is_none() && change.picture.is_none() {
        return Ok(false);
    }
    let outcome = profile::change(provider, user, change, now).await?;
    Ok(matches!(outcome, ProfileOutcome::Changed(_)))
}
