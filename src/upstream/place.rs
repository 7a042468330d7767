//! Where a provider stands: found by discovery, or known beforehand.

use url::Url;
use uuid::Uuid;

use super::settings::{Endpoints, Preset, Settings};

/// What has to be known of a provider before it is asked anything.
#[derive(Debug)]
pub(super) enum Place {
    /// An OpenID provider, which tells the rest itself (OpenID Connect Discovery 1.0).
    OpenId {
        /// As it is configured.
        issuer: Url,
    },
    /// One that tells nothing.
    Fixed {
        /// Names it in identities.
        issuer: String,
        /// Its addresses.
        endpoints: Endpoints,
    },
}

impl Place {
    /// `None` if the entry lacks what its preset needs.
    pub(super) fn of(settings: &Settings) -> Option<Self> {
        let given = settings.issuer.as_ref();
        let open_id = |default: &str| {
            let issuer = given.cloned().unwrap_or_else(|| known(default));
            Some(Self::OpenId { issuer })
        };
        match settings.preset {
            Preset::Google => open_id("https://accounts.google.com"),
            Preset::Microsoft => open_id("https://login.microsoftonline.com/common/v2.0"),
            Preset::Apple => open_id("https://appleid.apple.com"),
            Preset::GitLab => open_id("https://gitlab.com"),
            Preset::Oidc => given.cloned().map(|issuer| Self::OpenId { issuer }),
            Preset::GitHub => Some(github(given)),
            Preset::Discord => Some(discord(given)),
            Preset::Facebook => Some(facebook(given)),
            Preset::OAuth2 => settings.endpoints.clone().map(|endpoints| Self::Fixed {
                issuer: endpoints.userinfo.as_str().to_owned(),
                endpoints,
            }),
        }
    }
}

/// GitHub, or an Enterprise Server, whose API stands below its own address.
fn github(base: Option<&Url>) -> Place {
    let api = match base {
        Some(base) => below(base, "api/v3/user"),
        None => known("https://api.github.com/user"),
    };
    let base = base.cloned().unwrap_or_else(|| known("https://github.com"));
    Place::Fixed {
        issuer: canonical(&base),
        endpoints: Endpoints {
            authorization: below(&base, "login/oauth/authorize"),
            token: below(&base, "login/oauth/access_token"),
            userinfo: api,
        },
    }
}

fn discord(base: Option<&Url>) -> Place {
    let base = base.cloned().unwrap_or_else(|| known("https://discord.com"));
    Place::Fixed {
        issuer: canonical(&base),
        endpoints: Endpoints {
            authorization: below(&base, "oauth2/authorize"),
            token: below(&base, "api/oauth2/token"),
            userinfo: below(&base, "api/users/@me"),
        },
    }
}

/// Facebook's pages and its API are two hosts, and both have versions.
fn facebook(base: Option<&Url>) -> Place {
    let (issuer, pages, api) = match base {
        Some(base) => (base.clone(), base.clone(), base.clone()),
        None => (
            known("https://www.facebook.com"),
            known("https://www.facebook.com/v23.0"),
            known("https://graph.facebook.com/v23.0"),
        ),
    };
    Place::Fixed {
        issuer: canonical(&issuer),
        endpoints: Endpoints {
            authorization: below(&pages, "dialog/oauth"),
            token: below(&api, "oauth/access_token"),
            userinfo: below(&api, "me"),
        },
    }
}

/// An issuer as identities hold it: the one form of a URL that has no path is without the slash, whichever way
/// the provider or our configuration write it.
pub(super) fn canonical(issuer: &Url) -> String {
    let text = issuer.as_str();
    match text.strip_suffix('/') {
        Some(shorter) if issuer.path() == "/" => shorter.to_owned(),
        _ => text.to_owned(),
    }
}

/// An address below another.
pub(super) fn below(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

fn known(text: &str) -> Url {
    Url::parse(text).expect("the addresses above are URLs")
}

impl Settings {
    /// The `issuer` of all its identities, where that is known without asking the network: not for accounts of any
    /// tenant of Microsoft, whose tokens name the tenant.
    pub fn identity_issuer(&self) -> Option<String> {
        match Place::of(self)? {
            Place::Fixed { issuer, .. } => Some(issuer),
            Place::OpenId { issuer } if self.preset == Preset::Microsoft && !names_a_tenant(&issuer) => None,
            Place::OpenId { issuer } => Some(canonical(&issuer)),
        }
    }
}

fn names_a_tenant(issuer: &Url) -> bool {
    issuer
        .path_segments()
        .is_some_and(|mut segments| segments.any(|segment| Uuid::try_parse(segment).is_ok()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings(preset: Preset, issuer: Option<&str>) -> Settings {
        Settings {
            id: "test".into(),
            preset,
            issuer: issuer.map(|issuer| issuer.parse().expect("a URL")),
            client_id: "client".into(),
            scopes: Vec::new(),
            claims: BTreeMap::new(),
            endpoints: None,
            allow_private_addresses: false,
        }
    }

    fn issuer(preset: Preset, issuer: Option<&str>) -> Option<String> {
        settings(preset, issuer).identity_issuer()
    }

    #[test]
    fn identities_have_the_issuer_of_their_place() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(issuer(Preset::Google, None), some("https://accounts.google.com"));
        assert_eq!(issuer(Preset::GitHub, None), some("https://github.com"));
        assert_eq!(
            issuer(Preset::GitHub, Some("https://code.example/")),
            some("https://code.example")
        );
        assert_eq!(
            issuer(Preset::Oidc, Some("https://id.example/realm/")),
            some("https://id.example/realm/")
        );
        assert_eq!(issuer(Preset::Oidc, None), None);
        let tenant = "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0";
        assert_eq!(issuer(Preset::Microsoft, Some(tenant)), some(tenant));
    }

    #[test]
    fn accounts_of_any_tenant_have_the_issuer_of_theirs() {
        assert_eq!(issuer(Preset::Microsoft, None), None);
        let organizations = "https://login.microsoftonline.com/organizations/v2.0";
        assert_eq!(issuer(Preset::Microsoft, Some(organizations)), None);
    }

    #[test]
    fn openid_providers_are_always_asked_for_an_id_token() {
        let mut google = settings(Preset::Google, None);
        google.scopes = vec!["email".into()];
        assert_eq!(google.scopes(), ["openid", "email"]);
        let mut discord = settings(Preset::Discord, None);
        discord.scopes = vec!["identify".into()];
        assert_eq!(discord.scopes(), ["identify"]);
    }
}
