//! A client as commands print it: RFC 7591 §3.2.1, with members of ours. Stable: members are only ever added.

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::output::{Record, serialize_time_option};
use crate::domain::client::{ApplicationType, Client};
use crate::domain::secret::Secret;
use crate::flows::clients::Registered;
use crate::oauth::grant_type::GrantType;

/// A client, with its secret if that was made just now.
#[derive(Serialize)]
pub struct ClientRecord {
    client_id: String,
    client_secret: Option<String>,
    client_id_issued_at: i64,
    /// Secrets do not expire, which is 0; without one there is nothing to expire.
    client_secret_expires_at: Option<u8>,
    client_name: String,
    application_type: ApplicationType,
    token_endpoint_auth_method: &'static str,
    grant_types: Vec<&'static str>,
    response_types: Vec<&'static str>,
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    backchannel_logout_uri: Option<String>,
    backchannel_logout_session_required: bool,
    scope: String,
    resources: Option<Vec<String>>,
    first_party: bool,
    require_pkce: bool,
    refresh_token_rotation: bool,
    id_token_signed_response_alg: &'static str,
    jwks: Option<serde_json::Value>,
    default_max_age: Option<u32>,
    client_uri: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    #[serde(serialize_with = "serialize_time_option")]
    disabled_at: Option<DateTime<Utc>>,
}

impl From<Registered> for ClientRecord {
    fn from(registered: Registered) -> Self {
        let mut record = Self::from(registered.client);
        record.client_secret = registered
            .secret
            .as_ref()
            .map(|secret: &Secret| secret.expose().to_owned());
        record
    }
}

impl From<Client> for ClientRecord {
    fn from(client: Client) -> Self {
        let metadata = client.metadata;
        let redirects = metadata.grant_types.contains(&GrantType::AuthorizationCode);
        Self {
            client_id: client.id.into(),
            client_secret: None,
            client_id_issued_at: client.created_at.timestamp(),
            client_secret_expires_at: client.secret.map(|_| 0),
            client_name: metadata.client_name,
            application_type: metadata.application_type,
            token_endpoint_auth_method: metadata.token_endpoint_auth_method.as_str(),
            grant_types: metadata.grant_types.iter().map(|grant| grant.as_str()).collect(),
            response_types: redirects.then_some("code").into_iter().collect(),
            redirect_uris: metadata.redirect_uris,
            post_logout_redirect_uris: metadata.post_logout_redirect_uris,
            backchannel_logout_uri: metadata.backchannel_logout_uri,
            backchannel_logout_session_required: metadata.backchannel_logout_session_required,
            scope: metadata.scope.to_string(),
            resources: metadata.resources,
            first_party: metadata.first_party,
            require_pkce: metadata.require_pkce,
            refresh_token_rotation: metadata.refresh_token_rotation,
            id_token_signed_response_alg: metadata.id_token_signed_response_alg.as_str(),
            jwks: metadata.jwks,
            default_max_age: metadata.default_max_age,
            client_uri: metadata.client_uri,
            policy_uri: metadata.policy_uri,
            tos_uri: metadata.tos_uri,
            disabled_at: client.disabled_at,
        }
    }
}

impl Record for ClientRecord {
    const COLUMNS: &'static [&'static str] = &[
        "client_id",
        "client_secret",
        "name",
        "auth method",
        "grant types",
        "scope",
        "redirect URIs",
        "status",
    ];

    fn cells(&self) -> Vec<String> {
        let secret = match (&self.client_secret, self.client_secret_expires_at) {
            (Some(secret), _) => secret.clone(),
            (None, Some(_)) => "(not shown)".to_owned(),
            (None, None) => "-".to_owned(),
        };
        vec![
            self.client_id.clone(),
            secret,
            self.client_name.clone(),
            self.token_endpoint_auth_method.to_owned(),
            self.grant_types.join(" "),
            self.scope.clone(),
            self.redirect_uris.join(" "),
            if self.disabled_at.is_some() {
                "disabled"
            } else {
                "active"
            }
            .to_owned(),
        ]
    }
}
