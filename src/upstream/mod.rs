//! Talking to other identity providers as their client: OpenID Connect Core 1.0, OAuth 2.0, and the few that have a
//! dialect of their own. All of `openidconnect` is named here and nowhere else; outward go plain values.
//!
//! Knows nothing of accounts, policies, storage and pages.

mod error;
mod exchange;
mod settings;

use chrono::{DateTime, Utc};
use url::Url;

use crate::domain::secret::Secret;

pub use error::{Fault, IdTokenFault, Outage, ProfileFault, UpstreamError};
pub use exchange::{Answer, Arrival, Ask, IdTokenAnswer, Person, Tokens};
pub use settings::{Endpoints, Preset, Settings};

/// One provider whose client we are. Made once and shared: it remembers what the provider publishes, and how it fares.
#[derive(Debug)]
pub struct Upstream {
    settings: Settings,
}

impl Upstream {
    /// Asks nothing yet.
    pub fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Its name in addresses and logs.
    pub fn id(&self) -> &str {
        &self.settings.id
    }

    /// What it is.
    pub const fn preset(&self) -> Preset {
        self.settings.preset
    }

    /// Whether its answer comes as a form that the browser posts from its page, without our cookies.
    pub fn answers_by_form_post(&self) -> bool {
        self.settings.preset == Preset::Apple
    }

    /// Where the browser is sent.
    ///
    /// # Errors
    /// When discovery fails.
    pub async fn authorization_url(&self, _ask: &Ask<'_>, _now: DateTime<Utc>) -> Result<Url, UpstreamError> {
        unimplemented!()
    }

    /// Redeems a code and says who came.
    ///
    /// # Errors
    /// When the answer is not this provider's, or it refuses, or is not believed.
    pub async fn redeem(
        &self,
        _answer: &Answer<'_>,
        _client_secret: Option<&Secret>,
        _now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        unimplemented!()
    }

    /// Believes an ID token that an application got by itself, not more than an hour ago.
    ///
    /// # Errors
    /// When it is not believed, or this provider has none.
    pub async fn verify_id_token(
        &self,
        _answer: &IdTokenAnswer<'_>,
        _now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        unimplemented!()
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// When the provider refuses.
    pub async fn refresh(
        &self,
        _refresh_token: &Secret,
        _client_secret: Option<&Secret>,
        _now: DateTime<Utc>,
    ) -> Result<Tokens, UpstreamError> {
        unimplemented!()
    }

    /// Who the holder of an access token is, who must be `subject`.
    ///
    /// # Errors
    /// When it is somebody else, or the provider refuses.
    pub async fn person(
        &self,
        _access_token: &Secret,
        _subject: &str,
        _now: DateTime<Utc>,
    ) -> Result<Person, UpstreamError> {
        unimplemented!()
    }

    /// Where the browser is sent to end the session there (OpenID Connect RP-Initiated Logout 1.0 §2), if there is such a
    /// place.
    ///
    /// # Errors
    /// When discovery fails.
    pub async fn end_session_url(
        &self,
        _post_logout_redirect_uri: &str,
        _state: &str,
        _id_token_hint: Option<&Secret>,
        _now: DateTime<Utc>,
    ) -> Result<Option<Url>, UpstreamError> {
        unimplemented!()
    }

    /// Whether a login would work as far as that can be seen without a user.
    ///
    /// # Errors
    /// With what is wrong and what helps.
    pub async fn examine(
        &self,
        _redirect_uri: &str,
        _client_secret: Option<&Secret>,
        _now: DateTime<Utc>,
    ) -> Result<(), Fault> {
        unimplemented!()
    }
}
