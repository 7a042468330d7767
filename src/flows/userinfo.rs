//! The userinfo endpoint (OpenID Connect Core §5.3), a resource of our own that also asks the database.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::provider::Provider;
use super::refusal::Refusal;
use crate::domain::user::{self, ClaimsPlace};
use crate::jose::verify::{VerifyError, verify_access_token};
use crate::oauth::error_code::ErrorCode;
use crate::oauth::scope::ScopeSet;
use crate::storage::StorageError;
use crate::storage::access_tokens::{self, TokenStatus};

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum UserinfoError {
    /// The token is not believed.
    #[error(transparent)]
    Token(#[from] VerifyError),
    /// The token is for other APIs.
    #[error("the access token is not for this provider")]
    Audience,
    /// The token was revoked, or what it stands on has ended.
    #[error("the access token is dead")]
    Dead,
    /// The token was not given for this.
    #[error("the access token lacks the scope openid")]
    Scope,
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refusal for UserinfoError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Token(_) | Self::Audience | Self::Dead => ErrorCode::InvalidToken,
            Self::Scope => ErrorCode::InsufficientScope,
            Self::Storage(error) => error.code(),
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Token(VerifyError::Expired) => "the access token has expired",
            Self::Token(_) => "the access token is not one of this issuer's",
            Self::Audience => "the access token is not for this issuer",
            Self::Dead => "the access token was revoked",
            Self::Scope => "the access token lacks the scope openid",
            Self::Storage(error) => error.error_description(),
        }
    }
}

/// What the token's user lets its client know.
///
/// # Errors
/// The first check that fails.
#[tracing::instrument(name = "flows.userinfo", skip_all)]
pub async fn userinfo(
    provider: &Provider,
    access_token: &str,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, UserinfoError> {
    let issuer = &provider.settings.issuer;
    let token = verify_access_token(&provider.keys().ring, access_token, issuer, now)?;
    if !token.aud.contains(issuer) {
        return Err(UserinfoError::Audience);
    }
    // A scope of ours reads back; one that does not grants nothing.
    let scopes = ScopeSet::parse(&token.scope).unwrap_or_default();
    if !scopes.contains("openid") {
        return Err(UserinfoError::Scope);
    }
    let status = access_tokens::status(
        &provider.db,
        token.jti,
        token.gid,
        token.sid,
        Some(&token.sub),
        &token.client_id,
    )
    .await?;
    let TokenStatus::Live(Some(live)) = status else {
        return Err(UserinfoError::Dead);
    };
    let mut claims = user::claims(&live.user, &scopes, live.claims.as_ref(), ClaimsPlace::Userinfo);
    claims.insert("sub".to_owned(), Value::String(token.sub));
    Ok(claims)
}
