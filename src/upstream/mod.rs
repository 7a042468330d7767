//! Talking to other identity providers as their client: OpenID Connect Core 1.0, OAuth 2.0, and the few that have a
//! dialect of their own. All of `openidconnect` and `oauth2` is named here and nowhere else; outward go plain values.
//!
//! A provider that does not work costs little: every errand is over within seconds, few run at once, and after some
//! failures in a row it is left alone for a while.
//!
//! Knows nothing of accounts, policies, storage and pages.

mod api;
mod arriving;
mod breaker;
mod call;
mod claims;
mod directory;
mod error;
mod examine;
mod exchange;
mod id_token;
mod issuer;
mod oauth;
mod place;
mod refusal;
mod settings;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use openidconnect::core::CoreIdToken;
use openidconnect::{ClientId, CsrfToken, LogoutRequest, PostLogoutRedirectUrl};
use url::Url;

use arriving::userinfo;
use call::Line;
use directory::{Directory, Published};
use id_token::Expected;
use oauth::Server;
use place::Place;

use crate::domain::secret::Secret;

pub use call::Clients;
pub use error::{Fault, IdTokenFault, Outage, ProfileFault, UpstreamError};
pub use exchange::{Answer, Arrival, Ask, IdTokenAnswer, Person, Tokens};
pub use refusal::error_code;
pub use settings::{Endpoints, Preset, Settings};

/// One provider whose client we are. Made once and shared: it remembers what the provider publishes, and how it fares.
pub struct Upstream {
    settings: Settings,
    place: Option<Place>,
    line: Line,
    directory: Directory,
}

impl Upstream {
    /// Asks nothing yet.
    pub fn new(settings: Settings, clients: &Clients) -> Self {
        Self {
            place: Place::of(&settings),
            line: Line::new(clients.client(settings.allow_private_addresses)),
            directory: Directory::default(),
            settings,
        }
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
    /// When what the provider publishes cannot be read, or the provider is left alone now.
    #[tracing::instrument(name = "upstream.authorization_url", skip_all, fields(provider.id = self.id()))]
    pub async fn authorization_url(&self, ask: &Ask<'_>, now: DateTime<Utc>) -> Result<Url, UpstreamError> {
        match self.place()? {
            Place::OpenId { .. } => {
                let published = self.published(now).await?;
                let server = Server::described(&self.settings, &published.metadata)?;
                server.authorization_url(ask, self.openid_parameters(ask))
            }
            Place::Fixed { endpoints, .. } => {
                self.line.is_open(now)?;
                Server::fixed(&self.settings, endpoints)?.authorization_url(ask, Vec::new())
            }
        }
    }

    /// Redeems a code and says who came.
    ///
    /// # Errors
    /// When the answer is not this provider's, or it refuses, or is not believed.
    #[tracing::instrument(name = "upstream.redeem", skip_all, fields(provider.id = self.id()))]
    pub async fn redeem(
        &self,
        answer: &Answer<'_>,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        let call = self.line.call();
        let errand = async {
            match self.place()? {
                Place::OpenId { issuer } => {
                    let published = self.directory.read(&call, issuer, now).await?;
                    self.redeem_openid(&call, &published, answer, client_secret, now)
                        .await
                }
                Place::Fixed { issuer, endpoints } => {
                    self.redeem_fixed(&call, issuer, endpoints, answer, client_secret, now)
                        .await
                }
            }
        };
        self.line.run(&call, now, errand).await
    }

    /// Believes an ID token that an application got by itself, not more than an hour ago.
    ///
    /// # Errors
    /// When it is not believed, or this provider has none.
    #[tracing::instrument(name = "upstream.verify_id_token", skip_all, fields(provider.id = self.id()))]
    pub async fn verify_id_token(
        &self,
        answer: &IdTokenAnswer<'_>,
        now: DateTime<Utc>,
    ) -> Result<Arrival, UpstreamError> {
        let Place::OpenId { issuer } = self.place()? else {
            return Err(UpstreamError::NoIdTokens);
        };
        let expected = Expected {
            client_id: &self.settings.client_id,
            nonce: answer.nonce,
            access_token: answer.access_token,
            azp_is_ours: self.settings.preset != Preset::Google,
            logged_in_since: None,
        };
        let call = self.line.call();
        let errand = async {
            let published = self.directory.read(&call, issuer, now).await?;
            let verified = self
                .believe(&call, &published, answer.token, &expected, now)
                .await?;
            self.arrival(verified)
        };
        self.line.run(&call, now, errand).await
    }

    /// New tokens for a refresh token.
    ///
    /// # Errors
    /// When the provider refuses, or never has any.
    #[tracing::instrument(name = "upstream.refresh", skip_all, fields(provider.id = self.id()))]
    pub async fn refresh(
        &self,
        refresh_token: &Secret,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Tokens, UpstreamError> {
        if self.settings.preset == Preset::Facebook {
            return Err(UpstreamError::NoRefresh);
        }
        let call = self.line.call();
        let errand = async {
            let published;
            let server = match self.place()? {
                Place::OpenId { issuer } => {
                    published = self.directory.read(&call, issuer, now).await?;
                    Server::described(&self.settings, &published.metadata)?
                }
                Place::Fixed { endpoints, .. } => Server::fixed(&self.settings, endpoints)?,
            };
            server.refresh(&call, refresh_token, client_secret, now).await
        };
        self.line.run(&call, now, errand).await
    }

    /// Who the holder of an access token is, who must be `subject`. Microsoft's userinfo has another name for
    /// everybody than the one that identities have, so that there it cannot be compared.
    ///
    /// # Errors
    /// When it is somebody else, or the provider refuses.
    #[tracing::instrument(name = "upstream.person", skip_all, fields(provider.id = self.id()))]
    pub async fn person(
        &self,
        access_token: &Secret,
        subject: &str,
        now: DateTime<Utc>,
    ) -> Result<Person, UpstreamError> {
        let call = self.line.call();
        let errand = async {
            let claims = match self.place()? {
                Place::OpenId { issuer } => {
                    let published = self.directory.read(&call, issuer, now).await?;
                    userinfo(&call, &published, access_token)
                        .await?
                        .ok_or(UpstreamError::Misconfigured("it has no userinfo endpoint"))?
                }
                Place::Fixed { endpoints, .. } => {
                    api::claims(&call, self.settings.preset, endpoints, access_token).await?
                }
            };
            let told = claims::subject(&claims, &self.settings)?;
            if told != subject && self.settings.preset != Preset::Microsoft {
                return Err(ProfileFault::OtherSubject.into());
            }
            Ok(claims::person(claims, &self.settings)?)
        };
        self.line.run(&call, now, errand).await
    }

    /// Where the browser is sent to end the session there (OpenID Connect RP-Initiated Logout 1.0 §2), if there is such
    /// a place.
    ///
    /// # Errors
    /// When what the provider publishes cannot be read.
    #[tracing::instrument(name = "upstream.end_session_url", skip_all, fields(provider.id = self.id()))]
    pub async fn end_session_url(
        &self,
        post_logout_redirect_uri: &str,
        state: &str,
        id_token_hint: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Option<Url>, UpstreamError> {
        let Place::OpenId { .. } = self.place()? else {
            return Ok(None);
        };
        let published = self.published(now).await?;
        let Some(endpoint) = published
            .metadata
            .additional_metadata()
            .end_session_endpoint
            .clone()
        else {
            return Ok(None);
        };
        oauth::is_a_page(endpoint.url(), &self.settings)?;
        let back = PostLogoutRedirectUrl::new(post_logout_redirect_uri.to_owned())
            .map_err(|_| UpstreamError::Misconfigured("our logout page is no URL"))?;
        let request = LogoutRequest::from(endpoint)
            .set_client_id(ClientId::new(self.settings.client_id.clone()))
            .set_post_logout_redirect_uri(back)
            .set_state(CsrfToken::new(state.to_owned()));
        let hint: Option<CoreIdToken> = id_token_hint.and_then(|hint| hint.expose().parse().ok());
        let request = match hint {
            Some(hint) => request.set_id_token_hint(&hint),
            None => request,
        };
        Ok(Some(request.http_get_url()))
    }

    fn place(&self) -> Result<&Place, UpstreamError> {
        self.place
            .as_ref()
            .ok_or(UpstreamError::Misconfigured("its entry lacks an address"))
    }

    /// What an OpenID provider publishes, for what asks it nothing else.
    async fn published(&self, now: DateTime<Utc>) -> Result<Arc<Published>, UpstreamError> {
        let Place::OpenId { issuer } = self.place()? else {
            return Err(UpstreamError::NoIdTokens);
        };
        self.line.is_open(now)?;
        if let Some(published) = self.directory.remembered(now) {
            return Ok(published);
        }
        let call = self.line.call();
        let errand = self.directory.read(&call, issuer, now);
        self.line.run(&call, now, errand).await
    }

    /// What OpenID Connect adds to an authorization request (Core 1.0 §3.1.2.1).
    fn openid_parameters(&self, ask: &Ask<'_>) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("nonce", ask.nonce.to_owned())];
        if self.answers_by_form_post() {
            parameters.push(("response_mode", "form_post".to_owned()));
        }
        if let Some(hint) = ask.login_hint {
            parameters.push(("login_hint", hint.to_owned()));
        }
        if ask.again {
            // Google refuses `login`, and has no other way to ask for more than the choice of an account.
            let prompt = if self.settings.preset == Preset::Google {
                "select_account"
            } else {
                "login"
            };
            parameters.push(("prompt", prompt.to_owned()));
            parameters.push(("max_age", "0".to_owned()));
        }
        parameters
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("id", &self.settings.id)
            .field("preset", &self.settings.preset)
            .finish_non_exhaustive()
    }
}
