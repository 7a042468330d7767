//! A user's decision about a third-party client.

use chrono::{DateTime, Utc};

use super::authorize::{AuthorizationResponse, Proven, SendBack};
use super::provider::Provider;
use super::sessions::Present;
use crate::domain::consent::Consent;
use crate::domain::ids::AuthorizationRequestId;
use crate::domain::secret::TokenHash;
use crate::oauth::error_code::ErrorCode;
use crate::storage::{self, StorageError};

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
