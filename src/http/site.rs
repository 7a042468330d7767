//! What every handler is given: the provider, and how it looks from outside.

use std::sync::Arc;

use actix_web::http::header::HeaderValue;
use ipnet::IpNet;
use url::Url;

use super::better_auth::{BetterAuthSettings, Origins, RateLimits};
use super::cookie_names::CookieNames;
use super::metadata_cache::MetadataCache;
use super::pages::view::{Branding, Pages};
use super::public_addresses::PublicAddresses;
use super::request_id::RequestIds;
use crate::flows::provider::Provider;

/// What the operator decided about the outside.
#[derive(Debug, Clone)]
pub struct SiteSettings {
    /// `sessions.cookie_prefix`.
    pub cookie_prefix: String,
    /// `sessions.cookie_domain`.
    pub cookie_domain: Option<String>,
    /// `trusted_proxies`.
    pub trusted_proxies: Vec<IpNet>,
    /// `[branding]`.
    pub branding: Branding,
    /// `[better_auth]`.
    pub better_auth: BetterAuthSettings,
}

/// The provider as a web site. One a process, shared by its workers.
pub struct Site {
    /// The provider.
    pub provider: Arc<Provider>,
    /// The pages.
    pub pages: Pages,
    /// The path of the issuer, which stands before that of every page; empty where there is none.
    pub base: String,
    /// The origin of the issuer, as browsers send it.
    pub origin: String,
    /// Whether the site is on https.
    pub secure: bool,
    /// What the cookies are called.
    pub cookies: CookieNames,
    /// Whose word on the client's address is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// What the operator decided about the addresses under `/api/auth`.
    pub better_auth: BetterAuthSettings,
    /// Whose pages may call them, and where they may send browsers.
    pub better_auth_origins: Origins,
    /// How often they may be called.
    pub better_auth_limits: RateLimits,
    /// `Cache-Control` of the JWKS and the metadata.
    pub(super) public_cache: HeaderValue,
    /// Where the public documents are.
    pub(super) addresses: PublicAddresses,
    /// The metadata, made once a revision of the registry.
    pub(super) metadata: MetadataCache,
    /// The ids of requests.
    pub(super) request_ids: RequestIds,
}

impl Site {
    /// The site of `provider`.
    pub fn new(provider: Arc<Provider>, settings: SiteSettings) -> Self {
        let issuer = Url::parse(&provider.settings.issuer).expect("the configuration holds a URL as issuer");
        let base = issuer.path().trim_end_matches('/').to_owned();
        let secure = issuer.scheme() == "https";
        let max_age = provider.settings.keys.policy.jwks_max_age.num_seconds();
        let origin = issuer.origin().ascii_serialization();
        Self {
            pages: Pages::new(settings.branding, &base),
            better_auth_origins: Origins::new(&origin, &settings.better_auth.trusted_origins),
            better_auth: settings.better_auth,
            better_auth_limits: RateLimits::default(),
            origin,
            cookies: CookieNames::new(&settings.cookie_prefix, settings.cookie_domain, secure),
            trusted_proxies: settings.trusted_proxies,
            public_cache: HeaderValue::try_from(format!("public, max-age={max_age}"))
                .expect("a number is a header's value"),
            addresses: PublicAddresses::new(&base),
            metadata: MetadataCache::default(),
            request_ids: RequestIds::new(&*provider.random),
            provider,
            base,
            secure,
        }
    }

    /// The path of a page, for links and redirects within the site.
    pub fn path(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
