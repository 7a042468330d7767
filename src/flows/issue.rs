//! The only mint: whatever path leads to tokens ends here. Who may have them was decided before, in the
//! statement that spent the code or the refresh token, or by the client's own authentication.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use super::provider::Provider;
use super::refusal::{BROKEN, Refusal, UNAVAILABLE};
use super::registry::RegistryError;
use super::status_lists;
use crate::domain::client::Client;
use crate::domain::grant::Grant;
use crate::domain::ids::{SessionId, TokenId};
use crate::domain::logout_delivery;
use crate::domain::secret::Secret;
use crate::domain::status_list::StatusIndex;
use crate::domain::user::{self, ClaimsPlace};
use crate::jose::claims::{
    AccessTokenClaims, Audience, IdTokenClaims, LogoutEvents, LogoutTokenClaims, UserClaims, at_hash,
};
use crate::jose::{SignError, TokenType};
use crate::oauth::error_code::ErrorCode;
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A successful token response (RFC 6749 §5.1).
#[derive(Debug)]
pub struct Tokens {
    /// The access token.
    pub access_token: Secret,
    /// Its life.
    pub expires_in: TimeDelta,
    /// What it is good for.
    pub scope: ScopeSet,
    /// The ID token, where `openid` was granted.
    pub id_token: Option<Secret>,
    /// The refresh token, if there is one.
    pub refresh_token: Option<Secret>,
}

/// What an access token is for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The API; `None`: nothing but the provider itself.
    pub resource: Option<&'a str>,
    /// What it may do there.
    pub scope: &'a ScopeSet,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The resource is gone since it was looked at.
    #[error("the resource was deleted at this moment")]
    Resource,
    /// Clients and resources are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No key of the wanted algorithm signs. Never is another one taken instead.
    #[error("no {} key signs at present", .0.as_str())]
    NoKey(SigningAlgorithm),
    /// The signature failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Refusal for IssueError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Resource => ErrorCode::InvalidTarget,
            Self::Registry(error) => error.code(),
            Self::Sign(error) if error.is_unavailable() => ErrorCode::TemporarilyUnavailable,
            Self::NoKey(_) | Self::Sign(_) => ErrorCode::ServerError,
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Resource => "the resource is not one that this client may ask for here",
            Self::Registry(error) => error.error_description(),
            Self::Sign(error) if error.is_unavailable() => UNAVAILABLE,
            Self::NoKey(_) | Self::Sign(_) => BROKEN,
        }
    }
}

/// Whether what a grant of `client` is likely to be signed with can sign: asked before a code or a refresh token is
/// spent for nothing. Costs no more than a look where the keys are in this process.
///
/// # Errors
/// When a key rests in a token that is away.
pub async fn can_sign(
    provider: &Provider,
    client: &Client,
    resource: Option<&str>,
    now: DateTime<Utc>,
) -> Result<(), IssueError> {
    let scope = &client.metadata.scope;
    let access_token = access_token_algorithm(provider, Target { resource, scope })?;
    let id_token = scope
        .contains("openid")
        .then_some(client.metadata.id_token_signed_response_alg);
    let keys = Arc::clone(&provider.keys());
    for algorithm in std::iter::once(access_token).chain(id_token) {
        if let Some(key) = keys.ring.signing_key(algorithm, now) {
            key.check().await?;
        }
    }
    Ok(())
}

/// The tokens of a user's grant. The refresh token was made by the caller, who knows its serial.
///
/// # Errors
/// When nothing can be signed.
pub async fn for_grant(
    provider: &Provider,
    client: &Client,
    grant: &Grant,
    target: Target<'_>,
    refresh_token: Option<Secret>,
    now: DateTime<Utc>,
) -> Result<Tokens, IssueError> {
    let issuer = &provider.settings.issuer;
    let algorithm = access_token_algorithm(provider, target)?;
    let subject = grant.user.subject();
    let openid = target.scope.contains("openid");
    let claims = AccessTokenClaims {
        sid: Some(grant.session),
        gid: Some(grant.family),
        auth_time: Some(grant.auth_time.timestamp()),
        acr: Some(grant.acr.clone()),
        amr: grant.amr.clone(),
        status: grant
            .status_index
            .map(|index| status_lists::reference(provider, algorithm, index)),
        ..access_claims(provider, client, subject.clone(), target, openid, now)
    };
    let access_token = sign(provider, algorithm, TokenType::AccessToken, &claims, now).await?;
    let id_token = if openid {
        let algorithm = client.metadata.id_token_signed_response_alg;
        let told = user::claims(
            &grant.user,
            target.scope,
            grant.claims.as_ref(),
            ClaimsPlace::IdToken,
        );
        let claims = IdTokenClaims {
            iss: issuer.clone(),
            sub: subject,
            aud: Audience::one(client.id.as_str()),
            exp: (now + provider.settings.id_token_ttl).timestamp(),
            iat: now.timestamp(),
            auth_time: Some(grant.auth_time.timestamp()),
            nonce: grant.nonce.clone(),
            at_hash: Some(at_hash(algorithm, &access_token)),
            acr: Some(grant.acr.clone()),
            amr: grant.amr.clone(),
            sid: Some(grant.session),
            azp: Some(client.id.clone()),
            user: UserClaims::new(told),
        };
        let token = sign(provider, algorithm, TokenType::IdToken, &claims, now).await?;
        Some(Secret::new(token))
    } else {
        None
    };
    Ok(Tokens {
        access_token: Secret::new(access_token),
        expires_in: provider.settings.access_token_ttl,
        scope: target.scope.clone(),
        id_token,
        refresh_token,
    })
}

/// The token of a client that asks for itself: `sub` is the client (RFC 9068 §2.2). `status_index` is its own.
///
/// # Errors
/// When nothing can be signed.
pub async fn for_client(
    provider: &Provider,
    client: &Client,
    target: Target<'_>,
    status_index: StatusIndex,
    now: DateTime<Utc>,
) -> Result<Tokens, IssueError> {
    let algorithm = access_token_algorithm(provider, target)?;
    let claims = AccessTokenClaims {
        status: Some(status_lists::reference(provider, algorithm, status_index)),
        ..access_claims(provider, client, client.id.to_string(), target, false, now)
    };
    let access_token = sign(provider, algorithm, TokenType::AccessToken, &claims, now).await?;
    Ok(Tokens {
        access_token: Secret::new(access_token),
        expires_in: provider.settings.access_token_ttl,
        scope: target.scope.clone(),
        id_token: None,
        refresh_token: None,
    })
}

/// How long a logout token is good: it is used at once, by the client that it is sent to (Back-Channel Logout §4).
const LOGOUT_TOKEN_TTL: TimeDelta = TimeDelta::minutes(2);

/// What tells `client` that `session` of `subject` has ended (OpenID Connect Back-Channel Logout 1.0 §2.4), signed as its
/// ID tokens are (§2.6). It never lives longer than other tokens, on whose life the keys' schedule counts.
///
/// # Errors
/// When nothing can be signed.
pub async fn logout_token(
    provider: &Provider,
    client: &Client,
    session: SessionId,
    subject: &str,
    now: DateTime<Utc>,
) -> Result<Secret, IssueError> {
    let ttl = LOGOUT_TOKEN_TTL.min(provider.settings.keys.lifetimes.signed);
    let claims = LogoutTokenClaims {
        iss: &provider.settings.issuer,
        aud: client.id.as_str(),
        iat: now.timestamp(),
        exp: (now + ttl).timestamp(),
        jti: logout_delivery::token_id(session, &client.id),
        events: LogoutEvents::default(),
        sub: subject,
        sid: session,
    };
    let algorithm = client.metadata.id_token_signed_response_alg;
    let token = sign(provider, algorithm, TokenType::LogoutToken, &claims, now).await?;
    Ok(Secret::new(token))
}

/// The claims that every access token has. Userinfo asks for the issuer in `aud`.
fn access_claims(
    provider: &Provider,
    client: &Client,
    subject: String,
    target: Target<'_>,
    openid: bool,
    now: DateTime<Utc>,
) -> AccessTokenClaims {
    let issuer = &provider.settings.issuer;
    let aud = match target.resource {
        Some(resource) if openid => {
            Audience::several(vec![resource.to_owned(), issuer.clone()]).expect("two audiences are several")
        }
        Some(resource) => Audience::one(resource),
        None => Audience::one(issuer.clone()),
    };
    AccessTokenClaims {
        iss: issuer.clone(),
        sub: subject,
        aud,
        exp: (now + provider.settings.access_token_ttl).timestamp(),
        iat: now.timestamp(),
        jti: TokenId::generate(&*provider.random),
        client_id: client.id.clone(),
        scope: target.scope.to_string(),
        sid: None,
        gid: None,
        auth_time: None,
        acr: None,
        amr: Vec::new(),
        status: None,
    }
}

/// What the API asks for, also where the provider itself is an audience beside it: our own endpoints know every
/// key.
fn access_token_algorithm(provider: &Provider, target: Target<'_>) -> Result<SigningAlgorithm, IssueError> {
    let Some(identifier) = target.resource else {
        return Ok(SigningAlgorithm::EdDsa);
    };
    let resource = provider.registry.resource(identifier)?;
    Ok(resource.ok_or(IssueError::Resource)?.signing_algorithm())
}

async fn sign(
    provider: &Provider,
    algorithm: SigningAlgorithm,
    typ: TokenType,
    claims: &(impl serde::Serialize + Sync),
    now: DateTime<Utc>,
) -> Result<String, IssueError> {
    let keys = Arc::clone(&provider.keys());
    let key = keys.ring.signing_key(algorithm, now);
    Ok(key.ok_or(IssueError::NoKey(algorithm))?.sign(typ, claims).await?)
}
