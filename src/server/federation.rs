//! What `[[providers]]` means.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::ServerError;
use super::pictures::read_logo;
use crate::config::{self, Config, Linking, Preset};
use crate::domain::secret::Secret;
use crate::flows::federation::credential::Credential;
use crate::flows::federation::policy::{self, Policy};
use crate::flows::federation::{Entry, Federation};
use crate::http::pages::assets::Logo;
use crate::http::pages::marks;
use crate::jose::apple_client_secret::AppleKey;
use crate::upstream::{self, Clients, Endpoints, Upstream};

/// Whom Apple's client secrets are for.
const APPLE: &str = "https://appleid.apple.com";

/// The providers that people may come by.
///
/// # Errors
/// When the key that signs for one is none.
pub fn federation(config: &Config) -> Result<Federation, ServerError> {
    let clients = Clients::default();
    let entries = config.providers.iter().map(|provider| entry(provider, &clients));
    Ok(Federation::new(entries.collect::<Result<_, _>>()?))
}

fn entry(provider: &config::Provider, clients: &Clients) -> Result<Entry, ServerError> {
    Ok(Entry {
        upstream: Arc::new(Upstream::new(settings(provider), clients)),
        policy: Policy {
            allowed_domains: provider.allowed_domains.clone(),
            authoritative_domains: provider.authoritative_domains.clone(),
            linking: match provider.linking {
                Linking::Never => policy::Linking::Never,
                Linking::VerifiedEmail => policy::Linking::VerifiedEmail,
                Linking::Ask => policy::Linking::Ask,
            },
            signup: provider.signup,
        },
        credential: credential(provider)?,
        label: label(provider),
        keeps_tokens: provider.store_tokens,
        logs_out: provider.logout,
    })
}

/// The issuers of the identities of each provider, where they are fixed, by its id.
pub fn issuers(config: &Config) -> BTreeMap<String, String> {
    let fixed = config
        .providers
        .iter()
        .filter_map(|provider| Some((provider.id.clone(), settings(provider).identity_issuer()?)));
    fixed.collect()
}

/// How a provider is spoken to.
pub fn settings(provider: &config::Provider) -> upstream::Settings {
    let endpoints = match (
        &provider.authorization_endpoint,
        &provider.token_endpoint,
        &provider.userinfo_endpoint,
    ) {
        (Some(authorization), Some(token), Some(userinfo)) => Some(Endpoints {
            authorization: authorization.clone(),
            token: token.clone(),
            userinfo: userinfo.clone(),
        }),
        _ => None,
    };
    upstream::Settings {
        id: provider.id.clone(),
        preset: match provider.preset {
            Preset::Google => upstream::Preset::Google,
            Preset::GitHub => upstream::Preset::GitHub,
            Preset::Discord => upstream::Preset::Discord,
            Preset::Microsoft => upstream::Preset::Microsoft,
            Preset::Apple => upstream::Preset::Apple,
            Preset::GitLab => upstream::Preset::GitLab,
            Preset::Facebook => upstream::Preset::Facebook,
            Preset::Oidc => upstream::Preset::Oidc,
            Preset::OAuth2 => upstream::Preset::OAuth2,
        },
        issuer: provider.issuer.clone(),
        client_id: provider.client_id.clone(),
        scopes: provider.scopes.clone(),
        claims: provider.claims.clone(),
        endpoints,
        allow_private_addresses: provider.allow_private_addresses,
    }
}

/// Apple gives out a key and no secret; everybody else the other way round.
fn credential(provider: &config::Provider) -> Result<Credential, ServerError> {
    let Some(secret) = &provider.client_secret else {
        return Ok(Credential::Public);
    };
    let (Some(team_id), Some(key_id)) = (&provider.team_id, &provider.key_id) else {
        return Ok(Credential::Secret(secret.clone()));
    };
    let issuer = provider
        .issuer
        .as_ref()
        .map(|issuer| issuer.as_str().trim_end_matches('/'));
    let audience = issuer.unwrap_or(APPLE);
    apple_key(provider, team_id, key_id, audience, secret).map(Credential::Signed)
}

fn apple_key(
    provider: &config::Provider,
    team_id: &str,
    key_id: &str,
    audience: &str,
    pem: &Secret,
) -> Result<AppleKey, ServerError> {
    AppleKey::new(team_id, key_id, &provider.client_id, audience, pem).map_err(|source| {
        ServerError::ProviderKey {
            id: provider.id.clone(),
            source,
        }
    })
}

/// What people know it by.
fn label(provider: &config::Provider) -> String {
    let own = match provider.preset {
        Preset::Google => "Google",
        Preset::GitHub => "GitHub",
        Preset::Discord => "Discord",
        Preset::Microsoft => "Microsoft",
        Preset::Apple => "Apple",
        Preset::GitLab => "GitLab",
        Preset::Facebook => "Facebook",
        Preset::Oidc | Preset::OAuth2 => {
            let issuer = provider
                .issuer
                .as_ref()
                .or(provider.authorization_endpoint.as_ref());
            issuer.and_then(|url| url.host_str()).unwrap_or(&provider.id)
        }
    };
    provider.label.clone().unwrap_or_else(|| own.to_owned())
}

/// The pictures on their buttons: the operator's, else what people know the provider by.
///
/// # Errors
/// When one of the operator's is none.
pub(super) fn icons(config: &Config) -> Result<Vec<(String, Logo)>, ServerError> {
    let of = |provider: &config::Provider| match &provider.icon {
        Some(file) => read_logo(file.as_ref()),
        None => Ok(marks::mark(provider.preset.as_str()).unwrap_or_else(|| marks::letter(&label(provider)))),
    };
    let providers = config.providers.iter();
    providers
        .map(|provider| Ok((provider.id.clone(), of(provider)?)))
        .collect()
}
