//! What `signet dev` prepares: a first-party client for the demo application, and the demo API, which
//! believes an access token for what the published keys say about it, as a stranger's API would.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::clients::{Clients, ClientsError, Registration};
use super::resources::{self, ResourcesError};
use crate::domain::client::{ApplicationType, ClientMetadata};
use crate::domain::ids::ClientId;
use crate::domain::resource::Resource;
use crate::jose::NotAccepted;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::grant_type::GrantType;
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// The `client_id` of the demo application.
pub const CLIENT_ID: &str = "demo";

/// The scope that the demo API asks for.
pub const SCOPE: &str = "demo:read";

/// The identifier of the demo API at this issuer.
pub fn api_identifier(issuer: &str) -> String {
    format!("{}/dev/api", issuer.trim_end_matches('/'))
}

/// Why the demo could not be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The client.
    #[error(transparent)]
    Client(#[from] ClientsError),
    /// The API.
    #[error(transparent)]
    Resource(#[from] ResourcesError),
}

/// Registers client and API where they are missing, and turns the client's redirect URIs to this issuer.
///
/// # Errors
/// When the database does not do it.
pub async fn prepare(clients: &Clients<'_>, now: DateTime<Utc>) -> Result<(), PrepareError> {
    let issuer = clients.issuer;
    let scopes = ScopeSet::from_tokens([SCOPE]).expect("our own scope is one");
    let api = Resource {
        identifier: api_identifier(issuer),
        name: "Demo API".to_owned(),
        scopes,
        access_token_signing_alg: None,
    };
    match resources::create(clients.db, &api, issuer, now).await {
        Ok(()) | Err(ResourcesError::Exists(_)) => {}
        Err(error) => return Err(error.into()),
    }
    let wanted = metadata(issuer);
    let registration = Registration {
        client_id: Some(CLIENT_ID.to_owned()),
        secret: None,
        metadata: wanted.clone(),
    };
    match clients.create(vec![registration], now).await {
        Ok(_) => Ok(()),
        Err(ClientsError::Exists(id)) => Ok(renew(clients, &id, wanted, now).await?),
        Err(error) => Err(error.into()),
    }
}

/// A restart on another port must not leave a demo that cannot log in.
async fn renew(
    clients: &Clients<'_>,
    id: &ClientId,
    wanted: ClientMetadata,
    now: DateTime<Utc>,
) -> Result<(), ClientsError> {
    let present = crate::storage::clients::find(clients.db, id).await?;
    if present.is_some_and(|client| client.metadata == wanted) {
        return Ok(());
    }
    let change = |client: &mut crate::domain::client::Client| {
        client.metadata = wanted;
        Ok(())
    };
    clients.update(id, now, change).await.map(drop)
}

fn metadata(issuer: &str) -> ClientMetadata {
    let issuer = issuer.trim_end_matches('/');
    let scope = ScopeSet::from_tokens(["openid", "profile", "email", "offline_access", SCOPE])
        .expect("our own scopes are scopes");
    ClientMetadata {
        client_name: "Demo application".to_owned(),
        application_type: ApplicationType::Web,
        token_endpoint_auth_method: AuthMethod::None,
        grant_types: BTreeSet::from([GrantType::AuthorizationCode, GrantType::RefreshToken]),
        redirect_uris: vec![format!("{issuer}/dev/callback")],
        post_logout_redirect_uris: vec![format!("{issuer}/dev/")],
        backchannel_logout_uri: None,
        backchannel_logout_session_required: false,
        scope,
        resources: None,
        first_party: true,
        require_pkce: true,
        refresh_token_rotation: true,
        id_token_signed_response_alg: SigningAlgorithm::EdDsa,
        jwks: None,
        default_max_age: None,
        client_uri: None,
        policy_uri: None,
        tos_uri: None,
    }
}

/// Why the demo API refuses (RFC 6750 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DemoRefusal {
    /// `invalid_token`.
    #[error(transparent)]
    Token(#[from] NotAccepted),
    /// `insufficient_scope`.
    #[error("the access token lacks the scope demo:read")]
    Scope,
}

/// The demo API: answers with the claims of the token that it was called with.
///
/// # Errors
/// When the token is not to be accepted.
pub fn who_calls(
    jwks: &[u8],
    token: &str,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<Map<String, Value>, DemoRefusal> {
    let claims = crate::jose::verify_with_jwks(jwks, token, issuer, &api_identifier(issuer), now)?;
    let scope = claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if scope.split(' ').any(|granted| granted == SCOPE) {
        Ok(claims)
    } else {
        Err(DemoRefusal::Scope)
    }
}
