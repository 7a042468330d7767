//! Name and picture.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::domain::user::{Profile, User};
use crate::flows::provider::Provider;
use crate::storage::{StorageError, accounts};

/// What is to change; what is `None` stays.
#[derive(Debug, Default)]
pub struct Change {
    /// Another name, already found to be one.
    pub name: Option<String>,
    /// Another picture, or none.
    pub picture: Option<Option<String>>,
}

/// What came of it.
#[derive(Debug)]
pub enum ProfileOutcome {
    /// The user as it is now.
    Changed(Box<User>),
    /// The picture's address is too long.
    Picture,
    /// The user is gone.
    Gone,
}

/// Changes name and picture (the `picture` claim, OpenID Connect Core 1.0 §5.1).
///
/// # Errors
/// When the database does not answer.
pub async fn change(
    provider: &Provider,
    user: &User,
    change: Change,
    now: DateTime<Utc>,
) -> Result<ProfileOutcome, StorageError> {
    let mut claims = user.profile.as_map().clone();
    match change.picture {
        Some(Some(picture)) => {
            claims.insert("picture".to_owned(), Value::String(picture));
        }
        Some(None) => {
            claims.remove("picture");
        }
        None => {}
    }
    let Ok(profile) = Profile::new(claims) else {
        return Ok(ProfileOutcome::Picture);
    };
    let name = change.name.as_deref().unwrap_or(&user.name);
    let changed = accounts::update_profile(&provider.db, user.id, name, &profile, now).await?;
    Ok(changed.map_or(ProfileOutcome::Gone, |user| {
        ProfileOutcome::Changed(Box::new(user))
    }))
}
