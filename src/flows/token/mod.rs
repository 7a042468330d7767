//! The token endpoint (RFC 6749 §3.2): the phases that every grant shares, in order. A grant fills in its part
//! and cannot forget a shared check.
//!
//! 1. The client is authenticated.
//! 2. The grant is one of ours, and one of the client's.
//! 3. Scope and resource have the right form and are the client's.
//! 4. The keys are there to sign with.
//! 5. The grant proves what it stands on, and is spent.
//! 6. Tokens are made, in `flows::issue`.

mod authorization_code;
mod client_credentials;
mod refresh_token;

use chrono::{DateTime, Utc};

pub(super) use refresh_token::{UnreadToken, read as read_refresh_token};

use super::client_auth::{self, ClientAuthError, Credentials};
use super::issue::{self, IssueError, Tokens};
use super::provider::{KeysUnread, Provider};
use super::refusal::Refusal;
use super::registry::RegistryError;
use super::status_indexes::NoStatusIndex;
use super::targets::{self, TargetError};
use crate::domain::client::Client;
use crate::domain::grant::Grant;
use crate::domain::secret::Secret;
use crate::oauth::error_code::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::scope::ScopeSet;
use crate::storage::StorageError;

/// A token request, as it came.
#[derive(Debug, Default)]
pub struct TokenRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `grant_type`.
    pub grant_type: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `resource`, which may come several times (RFC 8707 §2).
    pub resources: Vec<String>,
    /// `code`.
    pub code: Option<Secret>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub code_verifier: Option<Secret>,
    /// `refresh_token`.
    pub refresh_token: Option<Secret>,
}

/// The parts of a request that every grant needs, checked.
struct Asked {
    scope: Option<ScopeSet>,
    /// A token is for one resource at most, so that none can be used at the other (RFC 8707 §2.2).
    resource: Option<String>,
}

/// Why no tokens are given.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The client is not believed.
    #[error(transparent)]
    Client(#[from] ClientAuthError),
    /// A parameter is missing or malformed; the text names it.
    #[error("{0}")]
    Request(&'static str),
    /// No such grant.
    #[error("the grant_type is not supported")]
    UnsupportedGrant,
    /// Not a grant of this client.
    #[error("the client did not register this grant")]
    UnauthorizedGrant,
    /// The code or refresh token is no good; the text says why, for the log.
    #[error("{0}")]
    Grant(&'static str),
    /// The scope is malformed, or more than may be asked for.
    #[error("the scope is malformed, or not the client's")]
    Scope,
    /// The resource is not to be had.
    #[error("the resource is not registered, or not the client's, or not granted")]
    Target,
    /// Clients and resources are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The key of a token is not known at present.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// No place in the status lists is to be had.
    #[error(transparent)]
    StatusIndex(#[from] NoStatusIndex),
    /// Nothing could be signed.
    #[error(transparent)]
    Issue(#[from] IssueError),
}

impl From<UnreadToken> for TokenError {
    fn from(error: UnreadToken) -> Self {
        match error {
            UnreadToken::NotOurs(_) => {
                Self::Grant("the refresh token is malformed, forged, or names an unknown key")
            }
            UnreadToken::Keys(error) => Self::Keys(error),
        }
    }
}

impl From<TargetError> for TokenError {
    fn from(error: TargetError) -> Self {
        match error {
            TargetError::Resource => Self::Target,
            TargetError::Registry(error) => Self::Registry(error),
        }
    }
}

impl Refusal for TokenError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Client(error) => error.code(),
            Self::Request(_) => ErrorCode::InvalidRequest,
            Self::UnsupportedGrant => ErrorCode::UnsupportedGrantType,
            Self::UnauthorizedGrant => ErrorCode::UnauthorizedClient,
            Self::Grant(_) => ErrorCode::InvalidGrant,
            Self::Scope => ErrorCode::InvalidScope,
            Self::Target => ErrorCode::InvalidTarget,
            Self::Registry(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Storage(error) => error.code(),
            Self::StatusIndex(error) => error.code(),
            Self::Issue(error) => error.code(),
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Client(error) => error.error_description(),
            Self::Request(what) => what,
            Self::UnsupportedGrant => {
                "grant_type must be authorization_code, refresh_token or client_credentials"
            }
            Self::UnauthorizedGrant => "the client is not registered for this grant_type",
            // Why exactly is for the log: it would tell a thief how close the try was.
            Self::Grant(_) => "the code or refresh token is unknown, expired, spent, or not this client's",
            Self::Scope => "the scope is malformed, or more than this client may ask for",
            Self::Target => "the resource is not one that this client may ask for here",
            Self::Registry(error) => error.error_description(),
            Self::Keys(error) => error.error_description(),
            Self::Storage(error) => error.error_description(),
            Self::StatusIndex(error) => error.error_description(),
            Self::Issue(error) => error.error_description(),
        }
    }
}

/// Answers a token request.
///
/// # Errors
/// The first check that fails.
#[tracing::instrument(name = "flows.token", skip_all, fields(client.id, grant.type))]
pub async fn exchange(
    provider: &Provider,
    request: &TokenRequest,
    now: DateTime<Utc>,
) -> Result<Tokens, TokenError> {
    let span = tracing::Span::current();
    let client = client_auth::authenticate(provider, &request.credentials, now).await?;
    span.record("client.id", client.id.as_str());
    let name = request
        .grant_type
        .as_deref()
        .ok_or(TokenError::Request("grant_type is missing"))?;
    let grant = GrantType::parse(name).ok_or(TokenError::UnsupportedGrant)?;
    span.record("grant.type", grant.as_str());
    if !client.may_use(grant) {
        return Err(TokenError::UnauthorizedGrant);
    }
    let asked = scope_and_resource(request)?;
    if let Some(resource) = &asked.resource {
        targets::resources_are_the_clients(provider, &client, std::slice::from_ref(resource))?;
    }
    issue::can_sign(provider, &client, asked.resource.as_deref(), now).await?;
    let tokens = match grant {
        GrantType::AuthorizationCode => {
            authorization_code::redeem(provider, &client, request, &asked, now).await
        }
        GrantType::RefreshToken => refresh_token::rotate(provider, &client, request, &asked, now).await,
        GrantType::ClientCredentials => client_credentials::grant(provider, &client, &asked, now).await,
    }?;
    metrics::counter!("signet_tokens_issued_total", "grant" => grant.as_str()).increment(1);
    tracing::debug!("tokens issued");
    Ok(tokens)
}

fn scope_and_resource(request: &TokenRequest) -> Result<Asked, TokenError> {
    let scope = request.scope.as_deref().map(ScopeSet::parse).transpose();
    let scope = scope.map_err(|_| TokenError::Scope)?;
    let resource = match request.resources.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        [first, others @ ..] if others.iter().all(|other| other == first) => Some(first.clone()),
        _ => return Err(TokenError::Target),
    };
    Ok(Asked { scope, resource })
}

/// What of a user's grant this access token is for: the resource that was asked for, or the only one granted;
/// no more scope than was granted, none that means nothing there, and none that the client, or the resource,
/// has lost since.
fn target_of_grant(
    provider: &Provider,
    client: &Client,
    grant: &Grant,
    asked: &Asked,
) -> Result<(Option<String>, ScopeSet), TokenError> {
    let resource = match (&asked.resource, grant.resources.as_slice()) {
        (Some(resource), granted) if granted.contains(resource) => Some(resource.clone()),
        (None, []) => None,
        (None, [only]) => Some(only.clone()),
        (Some(_), _) | (None, _) => return Err(TokenError::Target),
    };
    targets::resources_are_the_clients(provider, client, resource.as_slice())?;
    let scope = match &asked.scope {
        Some(scope) if scope.is_subset_of(&grant.scopes) => scope,
        Some(_) => return Err(TokenError::Scope),
        None => &grant.scopes,
    };
    let scope = targets::scope_for(provider, scope, resource.as_slice())?;
    let scope = scope.filtered(|token| client.metadata.scope.contains(token));
    Ok((resource, scope))
}
