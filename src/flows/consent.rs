//! A user's decision about a third-party client: given, denied, looked at again, taken back.

use chrono::{DateTime, Utc};

use super::authorize::{AuthorizationResponse, Proven, SendBack};
use super::provider::Provider;
use super::sessions::Present;
use crate::domain::consent::{Consent, GivenConsent};
use crate::domain::ids::{AuthorizationRequestId, ClientId};
use crate::domain::secret::TokenHash;
use crate::oauth::error_code::ErrorCode;
use crate::storage::token_families::EndReason;
use crate::storage::{self, StorageError};

/// How many applications the account page lists.
const LISTED: i64 = 100;

/// Remembers that the user lets the client have all that the request asks for.
///
/// # Errors
/// When the database does not answer.
pub async fn allow(
    provider: &Provider,
    id: AuthorizationRequestId,
    proven: &Proven,
    present: &Present,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let given = Consent::of(&proven.request);
    storage::consents::add(&provider.db, present.user.id, &proven.client.id, &given, now).await?;
    storage::authorization_requests::consented(&provider.db, id, browser, now).await?;
    Ok(())
}

/// Tells the client that the user said no (RFC 6749 §4.1.2.1).
///
/// # Errors
/// When the database does not answer.
pub async fn deny(
    provider: &Provider,
    id: AuthorizationRequestId,
    proven: &Proven,
    browser: TokenHash,
) -> Result<AuthorizationResponse, StorageError> {
    storage::authorization_requests::delete(&provider.db, id, browser).await?;
    let back = SendBack::of(proven, ErrorCode::AccessDenied, "the user said no");
    Ok(AuthorizationResponse::error(&provider.settings.issuer, back))
}

/// What the user let clients have, the last one first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(provider: &Provider, present: &Present) -> Result<Vec<GivenConsent>, StorageError> {
    storage::consents::list_of_user(&provider.db, present.user.id, LISTED).await
}

/// Takes back what the user let a client have: it must ask again, and its tokens and codes end. Says whether there was
/// anything to take back.
///
/// # Errors
/// When the database does not answer.
pub async fn withdraw(
    provider: &Provider,
    present: &Present,
    client: &ClientId,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let user = present.user.id;
    let tx = provider.db.begin().await?;
    let withdrawn = storage::consents::delete(&tx, user, client).await?;
    if withdrawn {
        let reason = EndReason::Withdrawn;
        storage::token_families::end_of_user(&tx, user, Some(client), now, reason).await?;
    }
    tx.commit().await?;
    if withdrawn {
        tracing::info!(user.id = %user, client.id = %client, "a consent was withdrawn");
    }
    Ok(withdrawn)
}
