//! Token revocation (RFC 7009). The form of a token says what it is, so the hint is not needed (§2.1).

use chrono::{DateTime, Utc};

use super::client_auth::{self, ClientAuthError, Credentials};
use super::provider::{KeysUnread, Provider};
use super::refusal::Refusal;
use super::status_lists;
use super::token::{UnreadToken, read_refresh_token};
use crate::domain::refresh_token::REFRESH_TOKEN_PREFIX;
use crate::domain::secret::Secret;
use crate::jose::claims::AccessTokenClaims;
use crate::jose::verify::verify_access_token;
use crate::oauth::error_code::ErrorCode;
use crate::storage::access_tokens::RevokedToken;
use crate::storage::token_families::EndReason;
use crate::storage::{StorageError, access_tokens, token_families};

/// Why nothing was revoked.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    /// The client is not believed.
    #[error(transparent)]
    Client(#[from] ClientAuthError),
    /// No token.
    #[error("token is missing")]
    Missing,
    /// Whether the token is one of ours cannot be said at present.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
    /// The database did not do it: a 200 would be a lie (§2.2.1).
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refusal for RevokeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Client(error) => error.code(),
            Self::Missing => ErrorCode::InvalidRequest,
            Self::Keys(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Client(error) => error.error_description(),
            Self::Missing => "token is missing",
            Self::Keys(error) => error.error_description(),
            Self::Storage(error) => error.error_description(),
        }
    }
}

/// Revokes a token of the client: a refresh token with its whole family, an access token alone. What is no
/// token of this client is left alone, and the client is told the same (§2.2): the aim, that the token be of
/// no use to it, is reached.
///
/// # Errors
/// When the client is not believed, or the database did not do it.
#[tracing::instrument(name = "flows.revoke", skip_all)]
pub async fn revoke(
    provider: &Provider,
    credentials: &Credentials,
    token: Option<&Secret>,
    now: DateTime<Utc>,
) -> Result<(), RevokeError> {
    let client = client_auth::authenticate(provider, credentials, now).await?;
    let token = token.ok_or(RevokeError::Missing)?;
    if token.expose().starts_with(REFRESH_TOKEN_PREFIX) {
        let token = match read_refresh_token(provider, token).await {
            Ok(token) => token,
            Err(UnreadToken::NotOurs(_)) => return Ok(()),
            Err(UnreadToken::Keys(error)) => return Err(error.into()),
        };
        let (db, reason) = (&provider.db, EndReason::Revoked);
        token_families::revoke(db, token.family, &client.id, now, reason).await?;
        return Ok(());
    }
    let issuer = &provider.settings.issuer;
    let claims = verify_access_token(&provider.keys().ring, token.expose(), issuer, now);
    if let Ok(claims) = claims
        && claims.client_id == client.id
        && let Some(expires_at) = DateTime::from_timestamp(claims.exp, 0)
    {
        revoke_alone(provider, &claims, expires_at, now).await?;
    }
    Ok(())
}

/// Revokes one access token. One of a grant takes the grant's place in the status lists with it, and with that all
/// that the grant has out: verifiers refuse them, and the client refreshes. What it gets then has another place.
async fn revoke_alone(
    provider: &Provider,
    claims: &AccessTokenClaims,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let status_index = claims
        .status
        .as_ref()
        .and_then(|status| status_lists::index(provider, &status.status_list));
    // Without a place to move to the grant stays: it is refused for longer than it need be, which is no risk.
    let further = claims
        .gid
        .and_then(|family| Some((family, provider.status_indexes.take_for_grant(now)?)));
    let token = RevokedToken {
        jti: claims.jti,
        expires_at,
        status_index,
        moves: further,
    };
    let moved = access_tokens::revoke(&provider.db, &token).await?;
    if let Some((_, unused)) = further.filter(|_| !moved) {
        provider.status_indexes.give_back(unused);
    }
    Ok(())
}
