//! Client authentication (RFC 6749 §2.3, RFC 7523 §2.2, OpenID Connect Core §9). The only maker of an
//! [`AuthenticatedClient`].
//!
//! 1. One method is used, and which client it is about is said in one voice (`one_method`).
//! 2. The client exists, is enabled, and registered that very method.
//! 3. The secret matches, or the assertion verifies and its `jti` is unspent.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::provider::Provider;
use super::refusal::Refusal;
use super::registry::RegistryError;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::secret::Secret;
use crate::jose::client_assertion::{self, AssertionError};
use crate::jose::{ClientKeys, InvalidClientJwks};
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::error_code::ErrorCode;
use crate::storage::{self, StorageError};

/// The `client_assertion_type` of a JWT (RFC 7523 §2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// What a request says about its client, as it came.
#[derive(Debug, Default)]
pub struct Credentials {
    /// `client_id` and `client_secret` of the `Authorization` header.
    pub basic: Option<(String, Secret)>,
    /// `client_id` of the form.
    pub client_id: Option<String>,
    /// `client_secret` of the form.
    pub client_secret: Option<Secret>,
    /// `client_assertion_type` of the form.
    pub client_assertion_type: Option<String>,
    /// `client_assertion` of the form.
    pub client_assertion: Option<Secret>,
}

/// A client that has proven who it is; a public one has proven nothing, and PKCE must carry it.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient(Arc<Client>);

impl std::ops::Deref for AuthenticatedClient {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0
    }
}

/// Why a client is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ClientAuthError {
    /// Two methods at once, or two names (RFC 6749 §2.3).
    #[error("the request authenticates its client in two ways")]
    Ambiguous,
    /// An `Authorization` header that is none of ours.
    #[error("the Authorization header is malformed, or of another scheme than Basic")]
    Header,
    /// Nothing says which client it is.
    #[error("the request names no client")]
    Missing,
    /// The kind of assertion is not ours.
    #[error("the client_assertion_type is not supported")]
    AssertionType,
    /// No such client.
    #[error("there is no such client")]
    Unknown,
    /// The client may do nothing.
    #[error("client {0} is disabled")]
    Disabled(ClientId),
    /// Not the method that the client registered.
    #[error("client {0} registered another authentication method")]
    Method(ClientId),
    /// The secret is another.
    #[error("client {0} presented a wrong secret")]
    Secret(ClientId),
    /// The assertion proves nothing.
    #[error("the assertion of client {client} is not accepted")]
    Assertion {
        /// Who it is said to be from.
        client: ClientId,
        /// Why not.
        source: AssertionError,
    },
    /// The assertion was seen before.
    #[error("client {0} presented an assertion again")]
    Replayed(ClientId),
    /// The stored keys of the client cannot be used.
    #[error("the registered keys of client {client} cannot be used")]
    Keys {
        /// Whose they are.
        client: ClientId,
        /// Why not.
        source: InvalidClientJwks,
    },
    /// The clients are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl Refusal for ClientAuthError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Ambiguous => ErrorCode::InvalidRequest,
            Self::Header
            | Self::Missing
            | Self::AssertionType
            | Self::Unknown
            | Self::Disabled(_)
            | Self::Method(_)
            | Self::Secret(_)
            | Self::Assertion { .. }
            | Self::Replayed(_)
            | Self::Keys { .. } => ErrorCode::InvalidClient,
            Self::Registry(error) => error.code(),
            Self::Storage(error) => error.code(),
        }
    }

    fn error_description(&self) -> &'static str {
        match self {
            Self::Ambiguous => "the client must authenticate in exactly one way",
            Self::Header => {
                "the Authorization header must be of the Basic scheme, with both halves form-encoded"
            }
            Self::Missing => "the request names no client: client_id is missing",
            Self::AssertionType => "client_assertion_type must be that of a JWT bearer assertion",
            // Which of these it was is nobody's business who cannot authenticate.
            Self::Unknown | Self::Disabled(_) | Self::Method(_) | Self::Secret(_) => {
                "client authentication failed"
            }
            Self::Assertion { .. } | Self::Replayed(_) | Self::Keys { .. } => {
                "the client assertion is not accepted"
            }
            Self::Registry(error) => error.error_description(),
            Self::Storage(error) => error.error_description(),
        }
    }
}

/// Authenticates the client of a request.
///
/// # Errors
/// The first reason not to believe it.
pub async fn authenticate(
    provider: &Provider,
    credentials: &Credentials,
    now: DateTime<Utc>,
) -> Result<AuthenticatedClient, ClientAuthError> {
    let (id, proof) = one_method(credentials)?;
    let client = provider.registry.client(&id)?.ok_or(ClientAuthError::Unknown)?;
    if client.disabled_at.is_some() {
        return Err(ClientAuthError::Disabled(id));
    }
    if client.metadata.token_endpoint_auth_method != proof.method() {
        return Err(ClientAuthError::Method(id));
    }
    match proof {
        Proof::None => {}
        Proof::Basic(secret) | Proof::Post(secret) => {
            if !client.secret_matches(secret, &provider.keys().mac.client_secret) {
                return Err(ClientAuthError::Secret(id));
            }
        }
        Proof::Assertion(assertion) => assertion_verifies(provider, &client, assertion, now).await?,
    }
    Ok(AuthenticatedClient(client))
}

enum Proof<'a> {
    None,
    Basic(&'a Secret),
    Post(&'a Secret),
    Assertion(&'a Secret),
}

impl Proof<'_> {
    const fn method(&self) -> AuthMethod {
        match self {
            Self::None => AuthMethod::None,
            Self::Basic(_) => AuthMethod::ClientSecretBasic,
            Self::Post(_) => AuthMethod::ClientSecretPost,
            Self::Assertion(_) => AuthMethod::PrivateKeyJwt,
        }
    }
}

fn one_method(credentials: &Credentials) -> Result<(ClientId, Proof<'_>), ClientAuthError> {
    let Credentials {
        basic,
        client_id,
        client_secret,
        client_assertion_type,
        client_assertion,
    } = credentials;
    let (named, proof) = match (basic, client_secret, client_assertion) {
        (None, None, None) => (None, Proof::None),
        (Some((id, secret)), None, None) => (Some(id.clone()), Proof::Basic(secret)),
        (None, Some(secret), None) => (None, Proof::Post(secret)),
        (None, None, Some(assertion)) => {
            if client_assertion_type.as_deref() != Some(JWT_BEARER) {
                return Err(ClientAuthError::AssertionType);
            }
            let id = client_assertion::unverified_client_id(assertion.expose());
            let id = id.ok_or(ClientAuthError::Unknown)?;
            (Some(id.to_string()), Proof::Assertion(assertion))
        }
        _ => return Err(ClientAuthError::Ambiguous),
    };
    let id = match (named, client_id) {
        (Some(named), Some(given)) if named != *given => return Err(ClientAuthError::Ambiguous),
        (Some(named), _) => named,
        (None, Some(given)) => given.clone(),
        (None, None) => return Err(ClientAuthError::Missing),
    };
    let id = ClientId::try_from(id).map_err(|_| ClientAuthError::Unknown)?;
    Ok((id, proof))
}

/// `aud` is the issuer or the token endpoint, alone, whichever endpoint is called.
async fn assertion_verifies(
    provider: &Provider,
    client: &Client,
    assertion: &Secret,
    now: DateTime<Utc>,
) -> Result<(), ClientAuthError> {
    let id = &client.id;
    let jwks = client.metadata.jwks.as_ref().unwrap_or(&serde_json::Value::Null);
    let keys = ClientKeys::parse(jwks).map_err(|source| ClientAuthError::Keys {
        client: id.clone(),
        source,
    })?;
    let token_endpoint = provider.settings.url("/oauth2/token");
    let audiences = [&*provider.settings.issuer, &*token_endpoint];
    let verified = client_assertion::verify_client_assertion(assertion.expose(), id, &keys, &audiences, now)
        .map_err(|source| ClientAuthError::Assertion {
            client: id.clone(),
            source,
        })?;
    let expires_at = verified.expires_at;
    if storage::client_assertion_jtis::spend(&provider.db, id, &verified.jti, expires_at).await? {
        Ok(())
    } else {
        Err(ClientAuthError::Replayed(id.clone()))
    }
}
