//! The `openidconnect` crate, entirely through its own types. It believes RS256 ID tokens unless told, checks
//! `at_hash` itself, and follows no redirects. It knows no client assertions.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreErrorResponseType, CoreIdToken, CoreJwsSigningAlgorithm,
    CoreProviderMetadata, CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessTokenHash, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, HttpRequest,
    HttpResponse, IssuerUrl, LogoutRequest, Nonce, NonceVerifier, OAuth2TokenResponse, PkceCodeChallenge,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, RequestTokenError, Scope, TokenResponse,
};
use reqwest::redirect::Policy;
use serde_json::json;

use super::{HOME, RESOURCE, SCOPE, register};
use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Browser, payload};

/// What the crate wants of an HTTP client.
async fn send(http: reqwest::Client, request: HttpRequest) -> Result<HttpResponse, reqwest::Error> {
    let response = http.execute(request.try_into()?).await?;
    let (status, headers) = (response.status(), response.headers().clone());
    let mut answer = HttpResponse::new(response.bytes().await?.to_vec());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// How the crate names a method of client authentication.
fn auth_type(method: &str) -> AuthType {
    match method {
        "client_secret_basic" => AuthType::BasicAuth,
        // Without a secret this puts the `client_id` into the form.
        _ => AuthType::RequestBody,
    }
}

async fn goes_the_whole_way(
    method: &str,
    algorithm: CoreJwsSigningAlgorithm,
    other: CoreJwsSigningAlgorithm,
) {
    let app = TestApp::start().await;
    app.resource(RESOURCE, "notes:read").await;
    let name = serde_json::to_value(&algorithm).expect("a name");
    let (id, secret) = register(&app, method, name.as_str().expect("a text"), None).await;
    let plain = reqwest::Client::builder().redirect(Policy::none()).build();
    let plain = plain.expect("a client");
    let http = |request| send(plain.clone(), request);

    // Discovery
    let issuer = IssuerUrl::new(app.issuer.clone()).expect("an address");
    let metadata = CoreProviderMetadata::discover_async(issuer.clone(), &http).await;
    let secret = (method != "none").then(|| ClientSecret::new(secret));
    let redirect_uri = RedirectUrl::new(CALLBACK.to_owned()).expect("an address");
    let client =
        CoreClient::from_provider_metadata(metadata.expect("metadata"), ClientId::new(id.clone()), secret)
            .set_auth_type(auth_type(method))
            .set_redirect_uri(redirect_uri);

    // Login
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    // The crate adds `openid` by itself.
    let scopes = SCOPE.split(' ').filter(|scope| *scope != "openid");
    let (url, state, nonce) = request
        .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
        .set_pkce_challenge(challenge)
        .add_extra_param("resource", RESOURCE)
        .add_extra_param("prompt", "create")
        .url();
    let browser = Browser::new(&app);
    let page = browser.open(url.as_str()).await;
    let consent = browser.sign_up(&page, "ada@example.org").await;
    let callback = browser.submit(&consent, &[("decision", "allow")]).await;
    let callback = browser.follow(callback).await.callback();
    assert_eq!(&callback["state"], state.secret());

    // Code
    let code = AuthorizationCode::new(callback["code"].clone());
    let request = client.exchange_code(code).expect("there is a token endpoint");
    let tokens = request.set_pkce_verifier(verifier).request_async(&http).await;
    let tokens = tokens.expect("tokens");
    assert_eq!(
        payload(tokens.access_token().secret())["aud"],
        json!([RESOURCE, app.issuer])
    );
    let id_verifier = || client.id_token_verifier().set_allowed_algs([algorithm.clone()]);
    let subject = {
        let id_token = id_token(&tokens);
        let claims = id_token.claims(&id_verifier(), &nonce);
        let claims = claims.expect("a good ID token");
        assert_eq!(
            claims.email().map(|email| email.as_str()),
            Some("ada@example.org")
        );
        let others = client.id_token_verifier().set_allowed_algs([other]);
        id_token
            .claims(&others, &nonce)
            .expect_err("signed with the other algorithm");
        at_hash_matches(&tokens, &id_verifier(), &nonce);
        claims.subject().clone()
    };

    // Userinfo
    let userinfo = async |tokens: &CoreTokenResponse| -> CoreUserInfoClaims {
        let request = client.user_info(tokens.access_token().clone(), Some(subject.clone()));
        let request = request.expect("there is a userinfo endpoint");
        request
            .request_async(&http)
            .await
            .expect("claims of the same user")
    };
    let email = userinfo(&tokens).await;
    assert_eq!(email.email().map(|email| email.as_str()), Some("ada@example.org"));

    // Refresh
    let refresh = async |tokens: &CoreTokenResponse| {
        let token = tokens.refresh_token().expect("a refresh token");
        let request = client.exchange_refresh_token(token);
        request.expect("a token endpoint").request_async(&http).await
    };
    let refreshed = refresh(&tokens).await.expect("tokens");
    assert_ne!(refreshed.access_token().secret(), tokens.access_token().secret());
    let without_nonce = |nonce: Option<&Nonce>| {
        if nonce.is_none() {
            Ok(())
        } else {
            Err("a nonce".to_owned())
        }
    };
    at_hash_matches(&refreshed, &id_verifier(), without_nonce);
    userinfo(&refreshed).await;

    // Logout
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &http).await;
    let metadata = metadata.expect("metadata");
    let end_session = metadata.additional_metadata().end_session_endpoint.clone();
    let state = CsrfToken::new_random();
    let url = LogoutRequest::from(end_session.expect("logout"))
        .set_id_token_hint(id_token(&refreshed))
        .set_client_id(ClientId::new(id))
        .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(HOME.to_owned()).expect("an address"))
        .set_state(state.clone())
        .http_get_url();
    let left = browser.open(url.as_str()).await.location();
    let expected = format!("{HOME}?state={}", state.secret());
    assert_eq!(left.as_str(), expected);
    let error = refresh(&refreshed).await.expect_err("the session has ended");
    let RequestTokenError::ServerResponse(answer) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(answer.error(), &CoreErrorResponseType::InvalidGrant);
}

fn id_token(tokens: &CoreTokenResponse) -> &CoreIdToken {
    tokens.id_token().expect("an ID token")
}

/// OpenID Connect Core §3.1.3.6, as the crate counts: for EdDSA the left half of SHA-512.
fn at_hash_matches(
    tokens: &CoreTokenResponse,
    verifier: &openidconnect::core::CoreIdTokenVerifier<'_>,
    nonce: impl NonceVerifier,
) {
    let id_token = id_token(tokens);
    let claims = id_token.claims(verifier, nonce).expect("a good ID token");
    let algorithm = id_token.signing_alg().expect("an algorithm");
    let key = id_token.signing_key(verifier).expect("a published key");
    let counted = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
    assert_eq!(
        claims.access_token_hash(),
        Some(&counted.expect("a hash of that algorithm"))
    );
}

const RS256: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256;
const EDDSA: CoreJwsSigningAlgorithm = CoreJwsSigningAlgorithm::EdDsa;

#[tokio::test]
async fn a_public_client_goes_from_discovery_to_logout() {
    goes_the_whole_way("none", EDDSA, RS256).await;
    goes_the_whole_way("none", RS256, EDDSA).await;
}

#[tokio::test]
async fn a_client_with_its_secret_in_the_header_goes_from_discovery_to_logout() {
    goes_the_whole_way("client_secret_basic", EDDSA, RS256).await;
    goes_the_whole_way("client_secret_basic", RS256, EDDSA).await;
}

#[tokio::test]
async fn a_client_with_its_secret_in_the_form_goes_from_discovery_to_logout() {
    goes_the_whole_way("client_secret_post", EDDSA, RS256).await;
    goes_the_whole_way("client_secret_post", RS256, EDDSA).await;
}
