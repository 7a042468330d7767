//! Sending a browser to a provider.

use chrono::{DateTime, TimeDelta, Utc};
use url::Url;

use super::Entry;
use crate::domain::federation::{Proofs, Way};
use crate::domain::secret::{PlainToken, TokenKind};
use crate::flows::browser::Browser;
use crate::flows::limits::{Limit, Source, TooMany};
use crate::flows::provider::Provider;
use crate::storage::StorageError;
use crate::storage::federation_attempts::{self, Attempt};
use crate::upstream::{Ask, UpstreamError};

/// How long a browser may be away.
pub const LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// What is asked of the provider beyond what always is.
#[derive(Debug, Default)]
pub struct Wish<'a> {
    /// Who the user is, as far as is known.
    pub login_hint: Option<&'a str>,
    /// Scopes beside the configured ones.
    pub scopes: &'a [String],
    /// Parameters of the provider's own.
    pub parameters: &'a [(String, String)],
}

/// Why a browser cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// Too many set out from there.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The provider, or what was configured of it.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The address that a browser is sent to. It must have a token of its own: nobody else may come back for it.
///
/// # Errors
/// When it cannot be sent.
#[tracing::instrument(name = "flows.federation.begin", skip_all, fields(provider.id = entry.id()))]
pub async fn begin(
    provider: &Provider,
    entry: &Entry,
    way: Way,
    wish: &Wish<'_>,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Url, BeginError> {
    if provider.settings.rate_limits {
        let source = Source::from(browser.address);
        provider.limits.reserve(Limit::PendingRequests, source, now)?;
    }
    let state = PlainToken::generate(TokenKind::Federation, &*provider.random);
    let (key_version, proofs) = {
        let keys = provider.keys();
        let (version, key) = keys.mac.cookie.current();
        (version, Proofs::of(&state, key))
    };
    let ask = Ask {
        redirect_uri: &redirect_uri(provider, entry),
        state: state.expose(),
        nonce: &proofs.nonce,
        code_verifier: &proofs.code_verifier,
        login_hint: wish.login_hint,
        scopes: wish.scopes,
        parameters: wish.parameters,
        again: way.again,
    };
    let url = entry.upstream.authorization_url(&ask, now).await?;
    let attempt = Attempt {
        provider: entry.id().to_owned(),
        browser: browser
            .token
            .expect("whoever sends a browser away made it known before"),
        key_version,
        way,
    };
    federation_attempts::insert(&provider.db, state.hash(), &attempt, now, now + LIFETIME).await?;
    Ok(url)
}

/// Where a provider sends browsers back to: `redirect_uri` there.
pub fn redirect_uri(provider: &Provider, entry: &Entry) -> String {
    provider
        .settings
        .url(&format!("/api/auth/callback/{}", entry.id()))
}
