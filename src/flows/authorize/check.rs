//! The checks of an authorization request, one function each, called top to bottom in [`check`].
//!
//! Until client and redirect URI are proven an error is shown to the user ([`AuthorizeError::ShowPage`]);
//! afterwards it goes to the client ([`AuthorizeError::SendBack`]; RFC 6749 §4.1.2.1, RFC 9700 §4.11).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::{Proven, SendBack};
use crate::domain::authorization::{AuthorizationRequest, RequestedClaims};
use crate::domain::client::{Client, RegisteredRedirectUri};
use crate::domain::ids::ClientId;
use crate::domain::secret::Secret;
use crate::domain::subject::Subject;
use crate::flows::provider::Provider;
use crate::flows::registry::RegistryError;
use crate::flows::targets::{self, TargetError};
use crate::jose::verify::verify_id_token_hint;
use crate::oauth::error_code::ErrorCode;
use crate::oauth::grant_type::GrantType;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::prompt::Prompt;
use crate::oauth::response::ResponseMode;
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};

/// The parameters of a request as they came; one without a value is absent (RFC 6749 §3.1).
#[derive(Debug, Default)]
#[expect(missing_docs, reason = "each is the parameter of its name")]
pub struct Parameters {
    pub client_id: Option<String>,
    pub redirect_uri: Option<String>,
    pub response_type: Option<String>,
    pub response_mode: Option<String>,
    pub scope: Option<String>,
    pub state: Option<String>,
    pub nonce: Option<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub prompt: Option<String>,
    pub max_age: Option<String>,
    pub login_hint: Option<String>,
    pub provider: Option<String>,
    pub ui_locales: Option<String>,
    pub id_token_hint: Option<Secret>,
    pub claims: Option<String>,
    pub resources: Vec<String>,
    pub request: Option<String>,
    pub request_uri: Option<String>,
    pub registration: Option<String>,
    /// Names of parameters that came twice or are too long; the first value of each stands above.
    pub spoiled: Vec<String>,
}

/// Why a request does not go on.
#[derive(Debug, thiserror::Error)]
pub enum AuthorizeError {
    /// The user is told; nobody is redirected anywhere.
    #[error("{0}")]
    ShowPage(PageReason),
    /// The client is told.
    #[error("{}: {}", .0.code, .0.description)]
    SendBack(Box<SendBack>),
    /// Clients are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// What the user is told where no client can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PageReason {
    /// `client_id` is missing, unknown or disabled.
    #[error("client_id is missing, or names no client that may ask")]
    Client,
    /// `redirect_uri` is missing or not registered.
    #[error("redirect_uri is missing, or not one that the client registered")]
    RedirectUri,
    /// `client_id` or `redirect_uri` came twice, so neither can be believed.
    #[error("the parameters cannot be read, or client_id or redirect_uri came twice")]
    Malformed,
}

/// Proves a request.
///
/// # Errors
/// The first check that fails.
pub fn check(
    provider: &Provider,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Proven, AuthorizeError> {
    let client = client_is_known(provider, parameters)?;
    let redirect_uri = redirect_uri_matches(&client, parameters)?;
    let mode = parameters.response_mode.as_deref().map(ResponseMode::parse);
    let refuse = |(code, description): Fault| {
        AuthorizeError::SendBack(Box::new(SendBack {
            redirect_uri: redirect_uri.clone(),
            response_mode: mode.flatten().unwrap_or_default(),
            state: parameters.state.clone(),
            code,
            description,
        }))
    };
    parameters_come_once(parameters).map_err(refuse)?;
    if mode == Some(None) {
        return Err(refuse(invalid("response_mode must be query or form_post")));
    }
    request_objects_are_absent(parameters).map_err(refuse)?;
    response_type_is_code(&client, parameters).map_err(refuse)?;
    let scope = scope_is_well_formed(parameters).map_err(refuse)?;
    let code_challenge = pkce_is_there(&client, parameters, &scope).map_err(refuse)?;
    let prompt = prompt_is_known(parameters).map_err(refuse)?;
    let max_age = max_age_is_a_number(parameters).map_err(refuse)?;
    let claims = claims_are_json(parameters).map_err(refuse)?;
    let hinted = id_token_hint_is_ours(provider, parameters, now).map_err(refuse)?;
    let required_subject = subject_is_one_user(hinted, claims.as_ref()).map_err(refuse)?;
    match targets::resources_are_the_clients(provider, &client, &parameters.resources) {
        Ok(()) => {}
        Err(TargetError::Resource) => {
            return Err(refuse((
                ErrorCode::InvalidTarget,
                "the resource is not one that this client may ask for",
            )));
        }
        Err(TargetError::Registry(error)) => return Err(error.into()),
    }
    let scope = scope_is_the_clients(&client, parameters, scope).map_err(refuse)?;
    let scope = targets::scope_for(provider, &scope, &parameters.resources)?;
    let mut resources = parameters.resources.clone();
    resources.sort_unstable();
    resources.dedup();
    Ok(Proven {
        request: AuthorizationRequest {
            client_id: client.id.clone(),
            redirect_uri: redirect_uri.as_str().to_owned(),
            response_mode: mode.flatten().unwrap_or_default(),
            state: parameters.state.clone(),
            nonce: parameters.nonce.clone(),
            scope,
            resources,
            code_challenge,
            prompt,
            max_age: max_age.or(client.metadata.default_max_age),
            login_hint: parameters.login_hint.clone(),
            provider: parameters.provider.clone(),
            ui_locales: parameters.ui_locales.clone(),
            required_subject,
            claims,
        },
        client,
        redirect_uri,
    })
}

type Fault = (ErrorCode, &'static str);

const fn invalid(description: &'static str) -> Fault {
    (ErrorCode::InvalidRequest, description)
}

fn client_is_known(provider: &Provider, parameters: &Parameters) -> Result<Arc<Client>, AuthorizeError> {
    let unknown = AuthorizeError::ShowPage(PageReason::Client);
    if parameters.spoiled.iter().any(|name| name == "client_id") {
        return Err(AuthorizeError::ShowPage(PageReason::Malformed));
    }
    let Some(id) = parameters
        .client_id
        .clone()
        .and_then(|id| ClientId::try_from(id).ok())
    else {
        return Err(unknown);
    };
    let client = provider.registry.client(&id)?;
    client
        .filter(|client| client.disabled_at.is_none())
        .ok_or(unknown)
}

/// An OpenID request must name it (OpenID Connect Core §3.1.2.1); plain OAuth may leave out the only one.
fn redirect_uri_matches(
    client: &Client,
    parameters: &Parameters,
) -> Result<RegisteredRedirectUri, AuthorizeError> {
    if parameters.spoiled.iter().any(|name| name == "redirect_uri") {
        return Err(AuthorizeError::ShowPage(PageReason::Malformed));
    }
    let openid = parameters
        .scope
        .as_deref()
        .is_some_and(|scope| scope.split(' ').any(|token| token == "openid"));
    let proven = match &parameters.redirect_uri {
        Some(requested) => client.match_redirect_uri(requested),
        None if openid => None,
        None => client.only_redirect_uri(),
    };
    proven.ok_or(AuthorizeError::ShowPage(PageReason::RedirectUri))
}

/// RFC 6749 §3.1: parameters must not be included more than once.
fn parameters_come_once(parameters: &Parameters) -> Result<(), Fault> {
    if parameters.spoiled.is_empty() {
        Ok(())
    } else {
        Err(invalid("a parameter is repeated or too long"))
    }
}

fn request_objects_are_absent(parameters: &Parameters) -> Result<(), Fault> {
    if parameters.request.is_some() {
        return Err((
            ErrorCode::RequestNotSupported,
            "request objects are not supported",
        ));
    }
    if parameters.request_uri.is_some() {
        return Err((ErrorCode::RequestUriNotSupported, "request_uri is not supported"));
    }
    if parameters.registration.is_some() {
        return Err((
            ErrorCode::RegistrationNotSupported,
            "registration is not supported",
        ));
    }
    Ok(())
}

fn response_type_is_code(client: &Client, parameters: &Parameters) -> Result<(), Fault> {
    match parameters.response_type.as_deref() {
        None => Err(invalid("response_type is missing")),
        Some("code") if client.may_use(GrantType::AuthorizationCode) => Ok(()),
        Some("code") => Err((
            ErrorCode::UnauthorizedClient,
            "the client is not registered for the authorization code grant",
        )),
        Some(_) => Err((ErrorCode::UnsupportedResponseType, "response_type must be code")),
    }
}

fn scope_is_well_formed(parameters: &Parameters) -> Result<ScopeSet, Fault> {
    ScopeSet::parse(parameters.scope.as_deref().unwrap_or_default())
        .map_err(|_| (ErrorCode::InvalidScope, "the scope is malformed or too long"))
}

/// PKCE with S256 (RFC 9700 §2.1.1). Only a confidential OpenID client may be registered to go without.
fn pkce_is_there(
    client: &Client,
    parameters: &Parameters,
    scope: &ScopeSet,
) -> Result<Option<CodeChallenge>, Fault> {
    let method = parameters.code_challenge_method.as_deref();
    match &parameters.code_challenge {
        Some(_) if method != Some("S256") => Err(invalid("code_challenge_method must be S256")),
        Some(challenge) => CodeChallenge::parse(challenge)
            .map(Some)
            .ok_or(invalid("code_challenge must be the base64url of a SHA-256")),
        None if method.is_some() => Err(invalid("code_challenge is missing")),
        None if client.metadata.require_pkce => Err(invalid(
            "code_challenge is missing: PKCE is required of this client",
        )),
        None if !scope.contains("openid") => Err(invalid(
            "code_challenge is missing: PKCE is optional for OpenID requests only",
        )),
        None => Ok(None),
    }
}

fn prompt_is_known(parameters: &Parameters) -> Result<Prompt, Fault> {
    match &parameters.prompt {
        None => Ok(Prompt::default()),
        Some(prompt) => Prompt::parse(prompt).ok_or(invalid(
            "prompt must be none alone, or of login, consent, select_account and create",
        )),
    }
}

fn max_age_is_a_number(parameters: &Parameters) -> Result<Option<u32>, Fault> {
    let number = |text: &String| {
        // `parse` alone would take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse()
            .ok()
            .filter(|_| digits)
            .ok_or(invalid("max_age must be a number of seconds"))
    };
    parameters.max_age.as_ref().map(number).transpose()
}

fn claims_are_json(parameters: &Parameters) -> Result<Option<RequestedClaims>, Fault> {
    let parse = |text: &String| {
        RequestedClaims::parse(text).ok_or(invalid("claims must be the JSON object of OpenID Connect"))
    };
    parameters.claims.as_ref().map(parse).transpose()
}

/// The hint may have expired, but must be ours (OpenID Connect Core §3.1.2.1).
fn id_token_hint_is_ours(
    provider: &Provider,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Option<String>, Fault> {
    let Some(hint) = &parameters.id_token_hint else {
        return Ok(None);
    };
    let claims = verify_id_token_hint(
        &provider.keys().ring,
        hint.expose(),
        &provider.settings.issuer,
        now,
    );
    claims
        .ok()
        .filter(|claims| Subject::parse(&claims.sub).is_ok())
        .map(|claims| Some(claims.sub))
        .ok_or(invalid("id_token_hint is not an ID token of this issuer"))
}

/// `sub` with a value in the `claims` parameter asks for that user (OpenID Connect Core §5.5.1), as a hint does.
fn subject_is_one_user(
    hinted: Option<String>,
    claims: Option<&RequestedClaims>,
) -> Result<Option<String>, Fault> {
    let request = claims.and_then(|claims| claims.id_token.get("sub")?.as_ref());
    let Some(value) = request.and_then(|request| request.value.as_ref()) else {
        return Ok(hinted);
    };
    // Somebody that no user is: nobody can be the right one.
    let asked = value.as_str().unwrap_or_default().to_owned();
    match hinted {
        Some(hinted) if hinted != asked => Err(invalid("id_token_hint and claims name different users")),
        _ => Ok(Some(asked)),
    }
}

/// What of the scope the client registered; the rest is passed over, as OpenID Connect Core §3.1.2.1 advises
/// for scopes that mean nothing here, and the token response says what was granted. Without a scope it is all
/// that the client registered but what tells of the user. Offline access needs the grant that would use it.
fn scope_is_the_clients(
    client: &Client,
    parameters: &Parameters,
    scope: ScopeSet,
) -> Result<ScopeSet, Fault> {
    let own = &client.metadata.scope;
    if parameters.scope.is_none() {
        return Ok(own.filtered(|token| !IDENTITY_SCOPES.contains(&token)));
    }
    let offline = client.may_use(GrantType::RefreshToken);
    let granted = scope.filtered(|token| own.contains(token) && (token != "offline_access" || offline));
    if granted.is_empty() && !scope.is_empty() {
        return Err((
            ErrorCode::InvalidScope,
            "the client may ask for none of these scopes",
        ));
    }
    Ok(granted)
}
