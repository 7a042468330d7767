//! The ways in which a user can sign in, as Better Auth's clients list them: each is an account at a provider, and
//! the password is one at ourselves.

use chrono::{DateTime, Utc};

use super::provider::Provider;
use crate::domain::user::User;
use crate::storage::{StorageError, users};

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
}

/// The ways in which a user can sign in.
///
/// # Errors
/// When the database does not answer.
pub async fn list(provider: &Provider, user: &User) -> Result<Vec<LinkedAccount>, StorageError> {
    let has_password = users::has_password(&provider.db, user.id).await?;
    let id = user.subject();
    let password = has_password.then(|| LinkedAccount {
        id: id.clone(),
        account_id: id,
        provider_id: CREDENTIAL.to_owned(),
        created_at: user.created_at,
        updated_at: user.updated_at,
    });
    Ok(password.into_iter().collect())
}

/// The user's account with this id.
///
/// # Errors
/// When the database does not answer.
pub async fn find(provider: &Provider, user: &User, id: &str) -> Result<Option<LinkedAccount>, StorageError> {
    let accounts = list(provider, user).await?;
    Ok(accounts.into_iter().find(|account| account.id == id))
}
