//! The part that is OAuth 2.0 everywhere (RFC 6749, RFC 7636): where the browser is sent, and the token endpoint.

use std::borrow::Cow;
use std::pin::Pin;

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{
    BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType,
};
use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, ExtraTokenFields, HttpRequest, HttpResponse, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use openidconnect::core::CoreClientAuthMethod;
use serde::{Deserialize, Serialize};
use url::Url;

use super::call::Call;
use super::directory::Metadata;
use super::error::{Outage, UpstreamError};
use super::exchange::{Answer, Ask, Tokens};
use super::refusal;
use super::settings::{Endpoints, Preset, Settings};
use crate::domain::secret::Secret;

/// What token endpoints add to RFC 6749 §5.1. The end of the refresh token has a name at GitHub, and another at
/// Keycloak.
#[derive(Debug, Clone, Deserialize, Serialize)]
struct Extra {
    #[serde(skip_serializing)]
    id_token: Option<Secret>,
    refresh_token_expires_in: Option<u64>,
    refresh_expires_in: Option<u64>,
}

impl ExtraTokenFields for Extra {}

type Response = StandardTokenResponse<Extra, BasicTokenType>;

type Client = oauth2::Client<
    BasicErrorResponse,
    Response,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// A provider as an OAuth 2.0 authorization server, and us as its client.
pub(super) struct Server<'a> {
    client: Client,
    settings: &'a Settings,
}

impl<'a> Server<'a> {
    /// One whose addresses are known.
    pub(super) fn fixed(settings: &'a Settings, endpoints: &Endpoints) -> Result<Self, UpstreamError> {
        // GitHub and Facebook document the request body alone; for others it is what RFC 6749 §2.3.1 demands of all.
        let auth_type = match settings.preset {
            Preset::GitHub | Preset::Facebook => AuthType::RequestBody,
            _ => AuthType::BasicAuth,
        };
        let authorization = AuthUrl::from_url(endpoints.authorization.clone());
        let token = TokenUrl::from_url(endpoints.token.clone());
        Self::new(settings, authorization, token, auth_type)
    }

    /// One that says where it is.
    pub(super) fn described(settings: &'a Settings, metadata: &Metadata) -> Result<Self, UpstreamError> {
        let methods = metadata.token_endpoint_auth_methods_supported();
        // What is not said is `client_secret_basic` (OpenID Connect Discovery 1.0 §3).
        let basic = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let auth_type = if basic {
            AuthType::BasicAuth
        } else {
            AuthType::RequestBody
        };
        let token = metadata.token_endpoint().ok_or(UpstreamError::Misconfigured(
            "its metadata name no token endpoint",
        ))?;
        Self::new(
            settings,
            metadata.authorization_endpoint().clone(),
            token.clone(),
            auth_type,
        )
    }

    fn new(
        settings: &'a Settings,
        authorization: AuthUrl,
        token: TokenUrl,
        auth_type: AuthType,
    ) -> Result<Self, UpstreamError> {
        is_a_page(authorization.url(), settings)?;
        let client = oauth2::Client::new(ClientId::new(settings.client_id.clone()))
            .set_auth_uri(authorization)
            .set_token_uri(token)
            .set_auth_type(auth_type);
        Ok(Self { client, settings })
    }

    /// Where the browser is sent (RFC 6749 §4.1.1), with what is added there.
    pub(super) fn authorization_url(
        &self,
        ask: &Ask<'_>,
        added: Vec<(&'static str, String)>,
    ) -> Result<Url, UpstreamError> {
        let verifier = PkceCodeVerifier::new(ask.code_verifier.to_owned());
        let configured = self.settings.scopes();
        let more = ask.scopes.iter().map(String::as_str);
        let mut scopes: Vec<&str> = Vec::new();
        for scope in configured.into_iter().chain(more) {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        let mut request = self
            .client
            .authorize_url(|| CsrfToken::new(ask.state.to_owned()))
            .set_redirect_uri(Cow::Owned(redirect_url(ask.redirect_uri)?))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(scopes.into_iter().map(|scope| Scope::new(scope.to_owned())));
        let foreign = ask
            .parameters
            .iter()
            .filter(|(name, _)| !RESERVED.contains(&&**name))
            .filter(|(name, _)| !added.iter().any(|(ours, _)| ours == name));
        for (name, value) in foreign {
            request = request.add_extra_param(name, value);
        }
        for (name, value) in added {
            request = request.add_extra_param(name, value);
        }
        Ok(request.url().0)
    }

    /// Redeems a code (RFC 6749 §4.1.3).
    pub(super) async fn redeem(
        &self,
        call: &Call<'_>,
        answer: &Answer<'_>,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Tokens, UpstreamError> {
        let client = self.with(client_secret);
        let answered = client
            .exchange_code(AuthorizationCode::new(answer.code.expose().to_owned()))
            .set_pkce_verifier(PkceCodeVerifier::new(answer.code_verifier.to_owned()))
            .set_redirect_uri(Cow::Owned(redirect_url(answer.redirect_uri)?))
            .request_async(call)
            .await;
        Ok(self.tokens(answered.map_err(error_of)?, now))
    }

    /// New tokens (RFC 6749 §6).
    pub(super) async fn refresh(
        &self,
        call: &Call<'_>,
        refresh_token: &Secret,
        client_secret: Option<&Secret>,
        now: DateTime<Utc>,
    ) -> Result<Tokens, UpstreamError> {
        let client = self.with(client_secret);
        let refresh_token = RefreshToken::new(refresh_token.expose().to_owned());
        let answered = client
            .exchange_refresh_token(&refresh_token)
            .request_async(call)
            .await;
        Ok(self.tokens(answered.map_err(error_of)?, now))
    }

    fn with(&self, client_secret: Option<&Secret>) -> Client {
        let client = self.client.clone();
        match client_secret {
            Some(secret) => client.set_client_secret(ClientSecret::new(secret.expose().to_owned())),
            None => client,
        }
    }

    fn tokens(&self, response: Response, now: DateTime<Utc>) -> Tokens {
        let in_seconds = |seconds: u64| {
            let seconds = i64::try_from(seconds).ok()?;
            now.checked_add_signed(TimeDelta::try_seconds(seconds)?)
        };
        let extra = response.extra_fields();
        let refresh_expires_in = extra.refresh_token_expires_in.or(extra.refresh_expires_in);
        Tokens {
            access_token: Secret::new(response.access_token().secret().as_str()),
            expires_at: response
                .expires_in()
                .and_then(|duration| in_seconds(duration.as_secs())),
            refresh_token: response
                .refresh_token()
                .map(|token| Secret::new(token.secret().as_str())),
            // Keycloak's 0 means that it has no end.
            refresh_expires_at: refresh_expires_in
                .filter(|seconds| *seconds > 0)
                .and_then(in_seconds),
            id_token: extra.id_token.clone(),
            scopes: self.granted(response.scopes()),
        }
    }

    /// What is not said is what was asked for (RFC 6749 §5.1). GitHub separates by commas.
    fn granted(&self, told: Option<&Vec<Scope>>) -> Vec<String> {
        let Some(told) = told else {
            let asked = self.settings.scopes();
            return asked.into_iter().map(str::to_owned).collect();
        };
        let comma = |scope: char| scope == ',' && self.settings.preset == Preset::GitHub;
        told.iter()
            .flat_map(|scope| scope.as_str().split(comma))
            .filter(|scope| !scope.is_empty())
            .map(str::to_owned)
            .collect()
    }
}

/// What our own request says: nobody else may say it too.
const RESERVED: [&str; 13] = [
    "client_id",
    "client_secret",
    "code_challenge",
    "code_challenge_method",
    "nonce",
    "redirect_uri",
    "request",
    "request_uri",
    "response_mode",
    "response_type",
    "scope",
    "state",
    "login_hint",
];

/// The token endpoint. What a provider refuses with, it is told in one way here.
impl<'c> AsyncHttpClient<'c> for Call<'_> {
    type Error = UpstreamError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, UpstreamError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let response = self.send(request).await?;
            match refusal::of_token_endpoint(&response) {
                Some(error) => Err(UpstreamError::Refused { error }),
                None => Ok(response),
            }
        })
    }
}

fn error_of(error: RequestTokenError<UpstreamError, BasicErrorResponse>) -> UpstreamError {
    match error {
        RequestTokenError::Request(error) => error,
        _ => UpstreamError::Unavailable(Outage::Malformed),
    }
}

fn redirect_url(text: &str) -> Result<RedirectUrl, UpstreamError> {
    RedirectUrl::new(text.to_owned()).map_err(|_| UpstreamError::Misconfigured("our callback is no URL"))
}

/// A browser is sent to web pages only: metadata may name any URL.
pub(super) fn is_a_page(url: &Url, settings: &Settings) -> Result<(), UpstreamError> {
    match url.scheme() {
        "https" => Ok(()),
        "http" if settings.allow_private_addresses => Ok(()),
        _ => Err(UpstreamError::Misconfigured("one of its pages is without TLS")),
    }
}
