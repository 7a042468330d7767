//! The metadata documents (OpenID Connect Discovery §3, RFC 8414 §2). Truthful: what is listed is read from
//! the lists that the code itself goes by.

use serde::Serialize;

use super::provider::Provider;
use crate::domain::browser_session::ACR_SINGLE_FACTOR;
use crate::domain::user::supported_claims;
use crate::jose::ASSERTION_ALGORITHMS;
use crate::oauth::auth_method::AuthMethod;
use crate::oauth::grant_type::GrantType;
use crate::oauth::prompt::Prompt;
use crate::oauth::response::ResponseMode;
use crate::oauth::scope::IDENTITY_SCOPES;
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

/// Both documents: each protocol ignores the members of the other.
#[derive(Debug, Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    authorization_endpoint: String,
    token_endpoint: String,
    userinfo_endpoint: String,
    jwks_uri: String,
    end_session_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    scopes_supported: Vec<String>,
    response_types_supported: [&'static str; 1],
    response_modes_supported: Vec<&'static str>,
    grant_types_supported: Vec<&'static str>,
    acr_values_supported: [&'static str; 1],
    subject_types_supported: [&'static str; 1],
    id_token_signing_alg_values_supported: Vec<&'static str>,
    token_endpoint_auth_methods_supported: Vec<&'static str>,
    token_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    revocation_endpoint_auth_methods_supported: Vec<&'static str>,
    revocation_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    introspection_endpoint_auth_methods_supported: Vec<&'static str>,
    introspection_endpoint_auth_signing_alg_values_supported: &'static [&'static str],
    code_challenge_methods_supported: [&'static str; 1],
    claim_types_supported: [&'static str; 1],
    claims_supported: Vec<&'static str>,
    ui_locales_supported: [&'static str; 1],
    prompt_values_supported: Vec<&'static str>,
    claims_parameter_supported: bool,
    request_parameter_supported: bool,
    request_uri_parameter_supported: bool,
    require_request_uri_registration: bool,
    authorization_response_iss_parameter_supported: bool,
    backchannel_logout_supported: bool,
    backchannel_logout_session_supported: bool,
}

/// The document as JSON. `signing` are the algorithms that sign now. It changes with them, with the registered
/// resources, whose scopes it lists, and with nothing else.
pub fn document(provider: &Provider, signing: AlgorithmSet) -> Vec<u8> {
    let settings = &provider.settings;
    let methods = |confidential: bool| {
        let kept = move |method: &AuthMethod| !confidential || *method != AuthMethod::None;
        let all = AuthMethod::ALL.into_iter().filter(kept);
        all.map(AuthMethod::as_str).collect::<Vec<_>>()
    };
    let scopes = IDENTITY_SCOPES.iter().map(|scope| (*scope).to_owned());
    let own_claims = [
        "sub",
        "iss",
        "aud",
        "exp",
        "iat",
        "auth_time",
        "nonce",
        "acr",
        "amr",
        "sid",
        "azp",
    ];
    let offered = |prompt: &&str| settings.accounts.signup || *prompt != "create";
    let metadata = Metadata {
        issuer: &settings.issuer,
        authorization_endpoint: settings.url("/oauth2/authorize"),
        token_endpoint: settings.url("/oauth2/token"),
        userinfo_endpoint: settings.url("/oauth2/userinfo"),
        jwks_uri: settings.url("/.well-known/jwks.json"),
        end_session_endpoint: settings.url("/oauth2/logout"),
        revocation_endpoint: settings.url("/oauth2/revoke"),
        introspection_endpoint: settings.url("/oauth2/introspect"),
        scopes_supported: scopes.chain(provider.registry.resource_scopes()).collect(),
        response_types_supported: ["code"],
        response_modes_supported: ResponseMode::ALL.map(ResponseMode::as_str).to_vec(),
        grant_types_supported: GrantType::ALL.map(GrantType::as_str).to_vec(),
        acr_values_supported: [ACR_SINGLE_FACTOR],
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: signing.iter().map(SigningAlgorithm::as_str).collect(),
        token_endpoint_auth_methods_supported: methods(false),
        token_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
        revocation_endpoint_auth_methods_supported: methods(false),
        revocation_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
        introspection_endpoint_auth_methods_supported: methods(true),
        introspection_endpoint_auth_signing_alg_values_supported: &ASSERTION_ALGORITHMS,
        code_challenge_methods_supported: ["S256"],
        claim_types_supported: ["normal"],
        claims_supported: own_claims.into_iter().chain(supported_claims()).collect(),
        ui_locales_supported: ["en"],
        prompt_values_supported: Prompt::SUPPORTED.into_iter().filter(offered).collect(),
        claims_parameter_supported: true,
        request_parameter_supported: false,
        request_uri_parameter_supported: false,
        require_request_uri_registration: false,
        authorization_response_iss_parameter_supported: true,
        backchannel_logout_supported: true,
        backchannel_logout_session_supported: true,
    };
    serde_json::to_vec(&metadata).expect("texts alone always serialise")
}
