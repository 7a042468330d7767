//! What is configured of one provider.

use std::collections::BTreeMap;

use url::Url;

/// A kind of provider. All but the last are known by name or by discovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Google.
    Google,
    /// GitHub, and GitHub Enterprise Server by its address. No OpenID provider.
    GitHub,
    /// Discord. No OpenID provider for what is asked here.
    Discord,
    /// Microsoft Entra ID, for accounts of any tenant unless the issuer names one.
    Microsoft,
    /// Apple.
    Apple,
    /// GitLab, hosted or one's own by its address.
    GitLab,
    /// Facebook. No OpenID provider for web applications.
    Facebook,
    /// Any OpenID provider, by discovery.
    Oidc,
    /// Any OAuth 2.0 server, by its addresses.
    OAuth2,
}

/// The addresses of an OAuth 2.0 server that tells none by itself.
#[derive(Debug, Clone)]
pub struct Endpoints {
    /// Where the browser is sent (RFC 6749 §3.1).
    pub authorization: Url,
    /// Where the code is redeemed (RFC 6749 §3.2).
    pub token: Url,
    /// Where the claims come from.
    pub userinfo: Url,
}

/// One provider whose client we are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name in addresses and logs.
    pub id: String,
    /// What it is.
    pub preset: Preset,
    /// Its place, where that is not the preset's own.
    pub issuer: Option<Url>,
    /// Who we are to it.
    pub client_id: String,
    /// What is asked for; empty is the preset's choice.
    pub scopes: Vec<String>,
    /// Which of its claims stands for which of ours: `sub`, `email`, `email_verified`, `name`, `picture`. A name
    /// with dots leads into nested claims.
    pub claims: BTreeMap<String, String>,
    /// For [`Preset::OAuth2`], and for it alone.
    pub endpoints: Option<Endpoints>,
    /// Whether it may stand at a private address, and speak plain http there.
    pub allow_private_addresses: bool,
}

impl Settings {
    /// What is asked for where the entry says nothing.
    pub(super) fn scopes(&self) -> Vec<&str> {
        if self.scopes.is_empty() {
            return match self.preset {
                Preset::Google | Preset::Microsoft | Preset::GitLab | Preset::Oidc => {
                    vec!["openid", "email", "profile"]
                }
                Preset::Apple => vec!["name", "email"],
                Preset::GitHub => vec!["read:user", "user:email"],
                Preset::Discord => vec!["identify", "email"],
                Preset::Facebook => vec!["email", "public_profile"],
                Preset::OAuth2 => Vec::new(),
            };
        }
        let given = self.scopes.iter().map(String::as_str);
        // Without it there would be no ID token (OpenID Connect Core 1.0 §3.1.2.1).
        let needed = matches!(
            self.preset,
            Preset::Google | Preset::Microsoft | Preset::GitLab | Preset::Oidc
        ) && !self.scopes.iter().any(|scope| scope == "openid");
        needed.then_some("openid").into_iter().chain(given).collect()
    }
}
