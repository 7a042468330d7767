//! A client as registered (RFC 7591), and what its registration lets it do.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::ids::ClientId;
use super::secret::Secret;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::grant_type::GrantType;
use crate::oauth::redirect_uri;
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A registered client.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its `client_id`.
    pub id: ClientId,
    /// What it registered.
    pub metadata: ClientMetadata,
    /// What is kept of its secret; `None` for clients without one.
    pub secret: Option<ClientSecretMac>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When its registration last changed.
    pub updated_at: DateTime<Utc>,
    /// Since when it may do nothing.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// What rests of a client secret: its HMAC-SHA-256. The secret is random, so a password hash would add
/// nothing but cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientSecretMac {
    /// The code over purpose, `client_id` and secret.
    pub mac: Vec<u8>,
    /// The version of the key that made it.
    pub key_version: i32,
}

/// The purpose inside the MAC of a client secret.
const CLIENT_SECRET_PURPOSE: &str = "signet/client-secret/v1";

/// Members of RFC 7591 §2, and ours beside them, as stored. Member names are the standard's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientMetadata {
    /// What people call it.
    pub client_name: String,
    /// `web` or `native`.
    pub application_type: ApplicationType,
    /// The one way in which it proves who it is.
    pub token_endpoint_auth_method: AuthMethod,
    /// The grants that it may use.
    pub grant_types: BTreeSet<GrantType>,
    /// Where authorization responses may go.
    pub redirect_uris: Vec<String>,
    /// Where a logout may lead (OpenID Connect RP-Initiated Logout 1.0 §3).
    #[serde(default)]
    pub post_logout_redirect_uris: Vec<String>,
    /// Where it is told that a session ended (OpenID Connect Back-Channel Logout 1.0 §2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// Whether it needs the `sid` there. Every logout token has it.
    #[serde(default)]
    pub backchannel_logout_session_required: bool,
    /// The scopes that it may ask for.
    pub scope: ScopeSet,
    /// The APIs that it may ask for; `None`: any that is registered.
    #[serde(default)]
    pub resources: Option<Vec<String>>,
    /// One of the operator's own: no consent page.
    #[serde(default)]
    pub first_party: bool,
    /// Whether a request without PKCE is refused. `false` is for confidential OpenID clients alone.
    #[serde(default = "yes")]
    pub require_pkce: bool,
    /// Whether refresh tokens rotate.
    #[serde(default = "yes")]
    pub refresh_token_rotation: bool,
    /// How its ID tokens are signed.
    pub id_token_signed_response_alg: SigningAlgorithm,
    /// Its public keys, for `private_key_jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<serde_json::Value>,
    /// The age in seconds beyond which a login is not fresh enough (OpenID Connect Registration 1.0 §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u32>,
    /// Its home page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_uri: Option<String>,
    /// Its privacy policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_uri: Option<String>,
    /// Its terms of service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_uri: Option<String>,
}

/// `application_type` (OpenID Connect Registration 1.0 §2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationType {
    /// Runs on a server or in a browser.
    Web,
    /// Runs on a user's device.
    Native,
}

const fn yes() -> bool {
    true
}

/// A redirect URI that is registered for the client at hand. Only such a one is ever redirected to; a loopback
/// one carries the port of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredRedirectUri(String);

impl RegisteredRedirectUri {
    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI with `parameters` added to its query. What was registered stays as it is, byte by byte
    /// (RFC 6749 §3.1.2).
    pub fn with_parameters(&self, parameters: &[(&str, String)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let query = query.extend_pairs(parameters).finish();
        let separator = if self.0.contains('?') { '&' } else { '?' };
        format!("{}{separator}{query}", self.0)
    }
}

impl Client {
    /// The proof that `requested` is registered (RFC 9700 §4.1.3).
    pub fn match_redirect_uri(&self, requested: &str) -> Option<RegisteredRedirectUri> {
        let known = self
            .metadata
            .redirect_uris
            .iter()
            .any(|registered| redirect_uri::matches(registered, requested));
        known.then(|| RegisteredRedirectUri(requested.to_owned()))
    }

    /// The proof for a request without `redirect_uri`: plain OAuth allows that where one is registered
    /// (RFC 6749 §3.1.2.3).
    pub fn only_redirect_uri(&self) -> Option<RegisteredRedirectUri> {
        match self.metadata.redirect_uris.as_slice() {
            [only] => Some(RegisteredRedirectUri(only.clone())),
            _ => None,
        }
    }

    /// The proof that a logout may lead to `requested`.
    pub fn match_post_logout_redirect_uri(&self, requested: &str) -> Option<RegisteredRedirectUri> {
        let mut registered = self.metadata.post_logout_redirect_uris.iter();
        let known = registered.any(|registered| redirect_uri::matches(registered, requested));
        known.then(|| RegisteredRedirectUri(requested.to_owned()))
    }

    /// Whether it proves who it is by more than its `client_id`.
    pub fn is_confidential(&self) -> bool {
        self.metadata.token_endpoint_auth_method != AuthMethod::None
    }

    /// Whether it registered `grant`.
    pub fn may_use(&self, grant: GrantType) -> bool {
        self.metadata.grant_types.contains(&grant)
    }

    /// What may be kept of `secret`, under the current key.
    pub fn mac_secret(id: &ClientId, secret: &Secret, keys: &super::mac::MacKeys) -> ClientSecretMac {
        let (key_version, key) = keys.current();
        let parts = [id.as_str().as_bytes(), secret.expose().as_bytes()];
        ClientSecretMac {
            mac: key.mac(CLIENT_SECRET_PURPOSE, &parts).to_vec(),
            key_version,
        }
    }

    /// Whether `secret` is this client's, in constant time.
    pub fn secret_matches(&self, secret: &Secret, keys: &super::mac::MacKeys) -> bool {
        let Some(stored) = &self.secret else { return false };
        let parts = [self.id.as_str().as_bytes(), secret.expose().as_bytes()];
        keys.version(stored.key_version)
            .is_some_and(|key| key.verifies(CLIENT_SECRET_PURPOSE, &parts, &stored.mac))
    }
}
