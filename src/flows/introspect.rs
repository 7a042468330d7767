//! Token introspection (RFC 7662): any confidential client about any access token, and about refresh tokens of
//! its own.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::client_auth::{self, AuthenticatedClient, ClientAuthError, Credentials};
use super::provider::{KeysUnread, Provider};
use super::refusal::Refusal;
use super::token::{UnreadToken, read_refresh_token};
use crate::domain::refresh_token::REFRESH_TOKEN_PREFIX;
use crate::domain::secret::Secret;
use crate::jose::claims::AccessTokenClaims;
use crate::jose::verify::verify_access_token;
use crate::oauth::error_code::ErrorCode;
use crate::storage::StorageError;
use crate::storage::access_tokens::{self, TokenStatus};
use crate::storage::token_families::{self, Presentation};

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    /// The client is not believed.
    #[error(transparent)]
    Client(#[from] ClientAuthError),
    /// A public client could be anybody.
    #[error("a public client asked to introspect")]
    Public,
    /// No token.
    #[error("token is missing")]
    Missing,
    /// Whether the token is one of ours cannot be said at present.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refusal for IntrospectError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Client(error) => error.code(),
            Self::Public => ErrorCode::InvalidClient,
            Self::Missing => ErrorCode::InvalidRequest,
            Self::Keys(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Client(error) => error.error_description(),
            Self::Public => "a public client may not introspect tokens",
            Self::Missing => "token is missing",
            Self::Keys(error) => error.error_description(),
            Self::Storage(error) => error.error_description(),
        }
    }
}

/// An answer (RFC 7662 §2.2).
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Introspection {
    /// A live access token.
    AccessToken {
        /// True.
        active: bool,
        /// How it is used.
        token_type: &'static str,
        /// What it says.
        #[serde(flatten)]
        claims: Box<AccessTokenClaims>,
    },
    /// A live refresh token.
    RefreshToken {
        /// True.
        active: bool,
        /// Who issued it.
        iss: String,
        /// Whose it is.
        sub: String,
        /// To whom it was issued.
        client_id: String,
        /// What was granted.
        scope: String,
        /// When it ends unless it is used before.
        exp: i64,
    },
    /// Anything else: why is not told (RFC 7662 §2.2).
    Inactive {
        /// False.
        active: bool,
    },
}

const INACTIVE: Introspection = Introspection::Inactive { active: false };

/// What a token is good for at this moment.
///
/// # Errors
/// When the client may not ask, or there is no answer to be had.
#[tracing::instrument(name = "flows.introspect", skip_all)]
pub async fn introspect(
    provider: &Provider,
    credentials: &Credentials,
    token: Option<&Secret>,
    now: DateTime<Utc>,
) -> Result<Introspection, IntrospectError> {
    let client = client_auth::authenticate(provider, credentials, now).await?;
    if !client.is_confidential() {
        return Err(IntrospectError::Public);
    }
    let token = token.ok_or(IntrospectError::Missing)?;
    if token.expose().starts_with(REFRESH_TOKEN_PREFIX) {
        return refresh_token(provider, &client, token, now).await;
    }
    let issuer = &provider.settings.issuer;
    let Ok(claims) = verify_access_token(&provider.keys().ring, token.expose(), issuer, now) else {
        return Ok(INACTIVE);
    };
    // A client's own token names its client as `sub`, and no session or grant.
    let subject = claims.gid.is_some().then_some(&*claims.sub);
    let status = access_tokens::status(
        &provider.db,
        claims.jti,
        claims.gid,
        claims.sid,
        subject,
        &claims.client_id,
    )
    .await?;
    Ok(match status {
        TokenStatus::Live(_) => Introspection::AccessToken {
            active: true,
            token_type: "Bearer",
            claims: Box::new(claims),
        },
        TokenStatus::Dead => INACTIVE,
    })
}

async fn refresh_token(
    provider: &Provider,
    client: &AuthenticatedClient,
    token: &Secret,
    now: DateTime<Utc>,
) -> Result<Introspection, IntrospectError> {
    let token = match read_refresh_token(provider, token).await {
        Ok(token) => token,
        Err(UnreadToken::NotOurs(_)) => return Ok(INACTIVE),
        Err(UnreadToken::Keys(error)) => return Err(error.into()),
    };
    let presented = Presentation {
        family: token.family,
        serial: token.serial,
        client: &client.id,
    };
    let window = provider.settings.refresh.retry_window;
    let live = token_families::find_live(&provider.db, &presented, now, window).await?;
    Ok(live.map_or(INACTIVE, |live| Introspection::RefreshToken {
        active: true,
        iss: provider.settings.issuer.clone(),
        sub: live.grant.user.subject(),
        client_id: client.id.to_string(),
        scope: live.grant.scopes.to_string(),
        exp: live.expires_at.timestamp(),
    }))
}
