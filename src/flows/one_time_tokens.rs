//! Carrying a session from one place to another, once.

use chrono::{DateTime, Utc};

use super::provider::Provider;
use super::sessions::{self, Present};
use crate::domain::ids::SessionId;
use crate::domain::one_time_token;
use crate::domain::secret::Secret;
use crate::domain::session_token::Form;
use crate::storage::{self, StorageError};

/// A token for a session whose holder showed `form`. Nothing is written down.
pub fn issue(provider: &Provider, session: SessionId, form: Form, now: DateTime<Utc>) -> Secret {
    let keys = provider.keys();
    let (issuer, random) = (&provider.settings.issuer, &*provider.random);
    one_time_token::write(session, form, issuer, &keys.mac.session_token, random, now)
}

/// The session that a token stands for, and what its maker held. Of all who show a token one gets it; `None` for the
/// others, and for what is no token, has expired or is of a session that has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn redeem(
    provider: &Provider,
    token: &str,
    now: DateTime<Utc>,
) -> Result<Option<(Present, Form)>, StorageError> {
    let read = {
        let keys = provider.keys();
        one_time_token::read(token, &provider.settings.issuer, &keys.mac.session_token, now)
    };
    let Some(token) = read else { return Ok(None) };
    if !storage::one_time_tokens::redeem(&provider.db, &token.hash, token.expires_at).await? {
        return Ok(None);
    }
    let present = sessions::unchanged(provider, token.session, now).await?;
    Ok(present.map(|present| (present, token.form)))
}
