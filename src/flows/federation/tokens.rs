//! A provider's own tokens: kept encrypted where the operator wants that, renewed when they are asked for.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::Entry;
use super::sealed::{seal, unseal};
use crate::domain::federation::{Identity, SealedTokens};
use crate::domain::ids::IdentityId;
use crate::domain::secret::Secret;
use crate::flows::provider::Provider;
use crate::storage::StorageError;
use crate::storage::identities;
use crate::upstream::UpstreamError;

pub use crate::upstream::Tokens;

/// How long an access token must still be good for to be handed out as it is.
const LEEWAY: TimeDelta = TimeDelta::seconds(5);

/// Tokens as they rest, inside what is encrypted.
#[derive(Clone, Serialize, Deserialize)]
pub struct KeptTokens {
    access_token: String,
    expires_at: Option<DateTime<Utc>>,
    refresh_token: Option<String>,
    refresh_expires_at: Option<DateTime<Utc>>,
    id_token: Option<String>,
    scopes: Vec<String>,
}

impl std::fmt::Debug for KeptTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeptTokens")
    }
}

impl KeptTokens {
    /// Those that a provider gave.
    pub fn of(tokens: &Tokens) -> Self {
        let text = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.expose().to_owned());
        Self {
            access_token: tokens.access_token.expose().to_owned(),
            expires_at: tokens.expires_at,
            refresh_token: text(&tokens.refresh_token),
            refresh_expires_at: tokens.refresh_expires_at,
            id_token: text(&tokens.id_token),
            scopes: tokens.scopes.clone(),
        }
    }

    /// As they are in the clear.
    pub fn tokens(self) -> Tokens {
        Tokens {
            access_token: Secret::new(self.access_token),
            expires_at: self.expires_at,
            refresh_token: self.refresh_token.map(Secret::new),
            refresh_expires_at: self.refresh_expires_at,
            id_token: self.id_token.map(Secret::new),
            scopes: self.scopes,
        }
    }

    /// Encrypts them for an identity. `None`, with a line in the log, if they are too many bytes: nothing depends on them.
    pub fn seal(&self, provider: &Provider, identity: IdentityId) -> Option<SealedTokens> {
        match seal(provider, &place(identity), self) {
            Ok(sealed) => Some(SealedTokens(sealed)),
            Err(error) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "tokens cannot be encrypted"
                );
                None
            }
        }
    }
}

fn place(identity: IdentityId) -> String {
    format!("identity/{identity}/tokens")
}

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokensError {
    /// None are kept.
    #[error("no tokens are kept")]
    None,
    /// The one that renews them is not among them.
    #[error("no refresh token is kept")]
    NoRefreshToken,
    /// The provider renews none.
    #[error("the provider renews no tokens")]
    NotRenewable,
    /// The provider.
    #[error(transparent)]
    Upstream(UpstreamError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<UpstreamError> for TokensError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::NoRefresh => Self::NotRenewable,
            error => Self::Upstream(error),
        }
    }
}

/// The tokens of an identity as they are.
pub fn kept(provider: &Provider, identity: &Identity) -> Option<Tokens> {
    let sealed = identity.tokens.as_ref()?;
    unseal::<KeptTokens>(provider, &place(identity.id), &sealed.0).map(KeptTokens::tokens)
}

/// The tokens of an identity, renewed if the access token is about to expire and can be.
///
/// # Errors
/// When there are none, or the provider does not renew them.
pub async fn current(
    provider: &Provider,
    entry: &Entry,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Tokens, TokensError> {
    let tokens = kept(provider, identity).ok_or(TokensError::None)?;
    let ends = tokens.expires_at.is_some_and(|at| at - LEEWAY <= now);
    if ends && tokens.refresh_token.is_some() {
        return renew(provider, entry, identity, now).await;
    }
    Ok(tokens)
}

/// Renews the tokens of an identity. What the provider does not give anew is kept.
///
/// # Errors
/// When there are none, or the provider does not renew them.
pub async fn renew(
    provider: &Provider,
    entry: &Entry,
    identity: &Identity,
    now: DateTime<Utc>,
) -> Result<Tokens, TokensError> {
    let (Some(old), Some(sealed)) = (kept(provider, identity), &identity.tokens) else {
        return Err(TokensError::None);
    };
    let refresh_token = old.refresh_token.as_ref().ok_or(TokensError::NoRefreshToken)?;
    let secret = entry.credential.client_secret(now);
    let new = entry
        .upstream
        .refresh(refresh_token, secret.as_ref(), now)
        .await?;
    let new = Tokens {
        refresh_expires_at: new.refresh_expires_at.or(old.refresh_expires_at),
        refresh_token: new.refresh_token.or(old.refresh_token),
        id_token: new.id_token.or(old.id_token),
        scopes: if new.scopes.is_empty() {
            old.scopes
        } else {
            new.scopes
        },
        ..new
    };
    // Another node that renewed them at the same time has kept its own, which are as good.
    if let Some(resealed) = KeptTokens::of(&new).seal(provider, identity.id) {
        identities::keep_tokens(&provider.db, identity.id, sealed, &resealed, now).await?;
    }
    Ok(new)
}
