//! `[[providers]]`: the identity providers that people may sign in with.

use std::collections::{BTreeMap, BTreeSet};

use url::Url;

use super::reader::Reader;
use super::setting::words;
use crate::domain::secret::Secret;

/// One identity provider whose client we are.
#[derive(Debug, Clone)]
pub struct Provider {
    /// Its name in addresses: `/api/auth/callback/{id}`.
    pub id: String,
    /// What it is.
    pub preset: Preset,
    /// Its issuer, where the preset leaves that open.
    pub issuer: Option<Url>,
    /// Who we are to it.
    pub client_id: String,
    /// How we prove it; `None` for a public client.
    pub client_secret: Option<Secret>,
    /// `apple` only: the team that `client_secret` is a key of.
    pub team_id: Option<String>,
    /// `apple` only: what the key is called.
    pub key_id: Option<String>,
    /// Whether our logout goes on to its own.
    pub logout: bool,
    /// What we ask for; empty is the preset's choice.
    pub scopes: Vec<String>,
    /// The domains whose addresses may come in; empty is all.
    pub allowed_domains: Vec<String>,
    /// Which of its claims stands for which of ours.
    pub claims: BTreeMap<String, String>,
    /// When an arriving identity joins an account that exists.
    pub linking: Linking,
    /// The domains for whose addresses its `email_verified` is believed.
    pub authoritative_domains: Vec<String>,
    /// Whether an unknown identity makes an account.
    pub signup: bool,
    /// Whether its tokens are kept.
    pub store_tokens: bool,
    /// Whether it may stand at a private address, and speak plain http there.
    pub allow_private_addresses: bool,
    /// The picture on its button: a file.
    pub icon: Option<String>,
    /// What people know it by; its button says "Continue with" that.
    pub label: Option<String>,
    /// `oauth2` only: where the browser is sent.
    pub authorization_endpoint: Option<Url>,
    /// `oauth2` only: where the code is redeemed.
    pub token_endpoint: Option<Url>,
    /// `oauth2` only: where the claims come from.
    pub userinfo_endpoint: Option<Url>,
}

words! {
    /// A kind of provider.
    Preset: "google, github, discord, microsoft, apple, gitlab, facebook, oidc or oauth2" {
        /// Google.
        Google = "google",
        /// GitHub.
        GitHub = "github",
        /// Discord.
        Discord = "discord",
        /// Microsoft Entra ID.
        Microsoft = "microsoft",
        /// Apple.
        Apple = "apple",
        /// GitLab, hosted or one's own.
        GitLab = "gitlab",
        /// Facebook.
        Facebook = "facebook",
        /// Any OpenID provider, by discovery.
        Oidc = "oidc",
        /// Any OAuth 2.0 server, by its addresses.
        OAuth2 = "oauth2",
    }
}

words! {
    /// When an arriving identity joins an account that exists.
    Linking: "\"never\", \"verified-email\" or \"ask\"" {
        /// Never.
        Never = "never",
        /// When both sides verified the same address and the provider is authoritative for its domain.
        VerifiedEmail = "verified-email",
        /// When the user proves the existing account first.
        Ask = "ask",
    }
}

/// Reads all entries; two of one id are an error.
pub(super) fn read_all(reader: &mut Reader) -> Vec<Provider> {
    let mut seen = BTreeSet::new();
    let mut providers = Vec::new();
    for (at, table) in reader.entries("providers").into_iter().enumerate() {
        let place = format!("providers[{at}].");
        let mut entry = Reader::entry(place, table);
        let provider = Provider::read(&mut entry);
        entry.check(
            "id",
            seen.insert(provider.id.clone()),
            format!("{:?} is the id of an earlier entry; choose another", provider.id),
        );
        let (_, _, problems) = entry.finish();
        reader.add(problems);
        providers.push(provider);
    }
    providers
}

impl Provider {
    pub(super) fn read(entry: &mut Reader) -> Self {
        let provider = Self {
            id: entry.optional("id").unwrap_or_default(),
            preset: entry.required("preset").unwrap_or(Preset::Oidc),
            issuer: entry.optional("issuer"),
            client_id: entry.required("client_id").unwrap_or_default(),
            client_secret: entry.secret("client_secret"),
            team_id: entry.optional("team_id"),
            key_id: entry.optional("key_id"),
            logout: entry.value("logout", "false"),
            scopes: entry.list("scopes"),
            allowed_domains: entry.list("allowed_domains"),
            claims: entry.texts("claims"),
            linking: entry.value("linking", "ask"),
            authoritative_domains: entry.list("authoritative_domains"),
            signup: entry.value("signup", "true"),
            store_tokens: entry.value("store_tokens", "false"),
            allow_private_addresses: entry.value("allow_private_addresses", "false"),
            icon: entry.optional("icon"),
            label: entry.optional("label"),
            authorization_endpoint: entry.optional("authorization_endpoint"),
            token_endpoint: entry.optional("token_endpoint"),
            userinfo_endpoint: entry.optional("userinfo_endpoint"),
        };
        provider.check(entry);
        provider
    }

    fn check(&self, entry: &mut Reader) {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        entry.check(
            "id",
            (1..=64).contains(&self.id.len()) && self.id.bytes().all(plain),
            "must be 1 to 64 of a-z, 0-9, - and _; it stands in the callback's address",
        );
        entry.check(
            "issuer",
            self.preset != Preset::Oidc || self.issuer.is_some(),
            "is missing; preset \"oidc\" finds everything through it",
        );
        let manual = self.preset == Preset::OAuth2;
        for (name, url) in [
            ("authorization_endpoint", &self.authorization_endpoint),
            ("token_endpoint", &self.token_endpoint),
            ("userinfo_endpoint", &self.userinfo_endpoint),
        ] {
            entry.check(
                name,
                !manual || url.is_some(),
                "is missing; preset \"oauth2\" needs it",
            );
            entry.check(
                name,
                manual || url.is_none(),
                "is for preset \"oauth2\" only; remove it",
            );
            self.check_https(entry, name, url.as_ref());
        }
        self.check_https(entry, "issuer", self.issuer.as_ref());
        let bare = |issuer: &Url| issuer.query().is_none() && issuer.fragment().is_none();
        entry.check(
            "issuer",
            self.issuer.as_ref().is_none_or(bare),
            "must be without ? and # (OpenID Connect Core 1.0 §2)",
        );
        self.check_apple(entry);
        self.check_claims(entry);
    }

    /// Apple gives out a key to sign with, which has two names.
    fn check_apple(&self, entry: &mut Reader) {
        let apple = self.preset == Preset::Apple;
        for (name, value) in [("team_id", &self.team_id), ("key_id", &self.key_id)] {
            entry.check(
                name,
                !apple || value.is_some(),
                "is missing; preset \"apple\" signs with it",
            );
            entry.check(
                name,
                apple || value.is_none(),
                "is for preset \"apple\" only; remove it",
            );
        }
        entry.check(
            "client_secret",
            !apple || self.client_secret.is_some(),
            "is missing; preset \"apple\" needs the .p8 file of the key, best as client_secret_file",
        );
    }

    /// Whom identities are of is the `sub` of the ID token, wherever there is one: another claim may be given to
    /// somebody else one day.
    fn check_claims(&self, entry: &mut Reader) {
        const OURS: [&str; 5] = ["sub", "email", "email_verified", "name", "picture"];
        for ours in self.claims.keys() {
            entry.check(
                "claims",
                OURS.contains(&&**ours),
                format!("{ours:?} is none of {}", OURS.join(", ")),
            );
        }
        entry.check(
            "claims",
            self.preset == Preset::OAuth2 || !self.claims.contains_key("sub"),
            "sub is for preset \"oauth2\" only; all others know whom they mean",
        );
    }

    fn check_https(&self, entry: &mut Reader, name: &str, url: Option<&Url>) {
        let safe = url.is_none_or(|url| url.scheme() == "https" || self.allow_private_addresses);
        entry.check(
            name,
            safe,
            "must start with https://, unless allow_private_addresses is true",
        );
    }
}
