//! An ID token that an application got by itself, on a phone or by a button of the provider's, and hands to us.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::Entry;
use crate::flows::provider::Provider;
use crate::storage::{StorageError, one_time_tokens};
use crate::upstream::{Arrival, IdTokenAnswer, UpstreamError};

/// The oldest that is taken is an hour old, so for an hour none may come again.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// Why nobody came.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// The token is not good, or the provider cannot say.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It came before: whoever sees one on its way comes in with it no more.
    #[error("the ID token was used before")]
    Used,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Who comes with an ID token, once.
///
/// # Errors
/// When nobody does.
pub async fn arrival(
    provider: &Provider,
    entry: &Entry,
    answer: &IdTokenAnswer<'_>,
    now: DateTime<Utc>,
) -> Result<Arrival, IdTokenError> {
    let arrival = entry.upstream.verify_id_token(answer, now).await?;
    let hash = Sha256::digest(answer.token.expose().as_bytes()).into();
    if one_time_tokens::redeem(&provider.db, &hash, now + REMEMBERED).await? {
        Ok(arrival)
    } else {
        Err(IdTokenError::Used)
    }
}
