//! The ways in which a user can sign in, as Better Auth's clients list them: each is an account at a provider, and
//! the password is one at ourselves.

use chrono::{DateTime, Utc};

use super::federation::identities::{self, UnlinkOutcome};
use super::provider::Provider;
use crate::domain::federation::Identity;
use crate::domain::ids::IdentityId;
use crate::domain::user::User;
use crate::storage::{self, StorageError, users};

/// The provider of passwords: ourselves.
pub const CREDENTIAL: &str = "credential";

/// One way in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedAccount {
    /// Its own id. A user has one password at most, which goes by the user's.
    pub id: String,
    /// What its provider calls the user.
    pub account_id: String,
    /// Whose account it is.
    pub provider_id: String,
    /// When it was linked.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// The identity at another provider; `None` for the password.
    pub identity: Option<Identity>,
}

/// The ways in which a user can sign in.
///
/// # Errors
/// When the database does not answer.
pub async fn list(provider: &Provider, user: &User) -> Result<Vec<LinkedAccount>, StorageError> {
    let password = password(provider, user).await?;
    let identities = identities::list(provider, user).await?;
    Ok(password
        .into_iter()
        .chain(identities.into_iter().map(LinkedAccount::from))
        .collect())
}

async fn password(provider: &Provider, user: &User) -> Result<Option<LinkedAccount>, StorageError> {
    let has_password = users::has_password(&provider.db, user.id).await?;
    let id = user.subject();
    Ok(has_password.then(|| LinkedAccount {
        id: id.clone(),
        account_id: id,
        provider_id: CREDENTIAL.to_owned(),
        created_at: user.created_at,
        updated_at: user.updated_at,
        identity: None,
    }))
}

impl From<Identity> for LinkedAccount {
    fn from(identity: Identity) -> Self {
        Self {
            id: identity.id.to_string(),
            account_id: identity.subject.clone(),
            provider_id: identity.provider.clone(),
            created_at: identity.created_at,
            updated_at: identity.updated_at,
            identity: Some(identity),
        }
    }
}

/// The user's account with this id.
///
/// # Errors
/// When the database does not answer.
pub async fn find(provider: &Provider, user: &User, id: &str) -> Result<Option<LinkedAccount>, StorageError> {
    if id == user.subject() {
        return password(provider, user).await;
    }
    let Ok(id) = id.parse::<IdentityId>() else {
        return Ok(None);
    };
    let identity = identities::find(provider, user, id).await?;
    Ok(identity.map(LinkedAccount::from))
}

/// Takes the password from a user, who then comes by other providers alone.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_password(
    provider: &Provider,
    user: &User,
    now: DateTime<Utc>,
) -> Result<UnlinkOutcome, StorageError> {
    let tx = provider.db.begin().await?;
    let removed = storage::identities::remove_password(&tx, user.id, now).await?;
    tx.commit().await?;
    Ok(if removed {
        UnlinkOutcome::Unlinked
    } else {
        UnlinkOutcome::Last
    })
}
