//! Whatever the document promises is there, and is accepted.

use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::flows::clients::metadata;

use super::document;
use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, Browser, VERIFIER, header, payload};

fn texts(document: &Value, member: &str) -> Vec<String> {
    let list = document[member]
        .as_array()
        .unwrap_or_else(|| panic!("{member} is a list"));
    list.iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}

#[tokio::test]
async fn every_endpoint_answers() {
    let app = TestApp::start().await;
    let (document, api) = (document(&app).await, Api::new(&app));
    let mut endpoints = 0;
    for (name, value) in document.as_object().expect("an object") {
        if !name.ends_with("_endpoint") && name != "jwks_uri" {
            continue;
        }
        endpoints += 1;
        let path = value.as_str().expect("a text").strip_prefix(&app.issuer);
        let path = path.expect("below the issuer");
        let (get, post) = (api.get(path).await, api.post(path, &[]).await);
        let expected = match &**name {
            "authorization_endpoint" => (StatusCode::BAD_REQUEST, StatusCode::BAD_REQUEST),
            "end_session_endpoint" => (StatusCode::OK, StatusCode::SEE_OTHER),
            "userinfo_endpoint" => (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED),
            "jwks_uri" => (StatusCode::OK, post.status),
            // What only programs post to.
            _ => (get.status, StatusCode::UNAUTHORIZED),
        };
        assert_eq!((get.status, post.status), expected, "{name}");
        for answer in [get, post] {
            assert_ne!(answer.status, StatusCode::NOT_FOUND, "{name}");
            assert!(!answer.status.is_server_error(), "{name}");
        }
    }
    assert_eq!(endpoints, 7);
}

#[tokio::test]
async fn every_value_of_a_request_is_accepted() {
    let app = TestApp::start().await;
    app.resource("https://notes.example", "notes:read").await;
    let document = document(&app).await;
    let scopes = texts(&document, "scopes_supported");
    let client = app
        .client(json!({
            "client_id": "all", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
            "first_party": true, "scope": scopes.join(" "), "grant_types": ["authorization_code", "refresh_token"],
        }))
        .await
        .0;
    let browser = logged_in(&app, "ada@example.org").await;
    let api = Api::new(&app);
    let ask = async |further: &[(&str, &str)]| browser.get(&browser.authorize(&client, further)).await;
    for scope in &scopes {
        let asked = format!("openid {scope}");
        let code = ask(&[("scope", &asked), ("resource", "https://notes.example")])
            .await
            .code();
        let granted = api.redeem(&client, &code).await.json()["scope"].clone();
        let granted = granted.as_str().expect("a text").to_owned();
        assert!(
            granted.split(' ').any(|token| token == scope),
            "{scope}: {granted}"
        );
    }
    for kind in texts(&document, "response_types_supported") {
        ask(&[("response_type", &kind)]).await.code();
    }
    for mode in texts(&document, "response_modes_supported") {
        ask(&[("response_mode", &mode)]).await.code();
    }
    for method in texts(&document, "code_challenge_methods_supported") {
        ask(&[("code_challenge_method", &method)]).await.code();
    }
    for acr in texts(&document, "acr_values_supported") {
        let claims = json!({"id_token": {"acr": {"essential": true, "value": acr}}}).to_string();
        ask(&[("claims", &claims), ("acr_values", &acr)]).await.code();
    }
    for (prompt, path) in texts(&document, "prompt_values_supported").iter().zip([
        None,
        Some("/login"),
        Some("/consent"),
        Some("/login"),
        Some("/signup"),
    ]) {
        let answer = ask(&[("prompt", prompt)]).await;
        match path {
            None => assert!(answer.response().1.contains_key("code")),
            Some(path) => assert_eq!(answer.location().path(), path, "{prompt}"),
        }
    }
    for locale in texts(&document, "ui_locales_supported") {
        let further = [("prompt", "login"), ("ui_locales", &*locale)];
        let page = browser.open(&browser.authorize(&client, &further)).await;
        assert!(
            page.body.contains(&format!("<html lang=\"{locale}\"")),
            "{}",
            page.body
        );
    }
}

#[tokio::test]
async fn create_is_promised_only_where_it_is_kept() {
    let app = TestApp::with(|options| options.settings.accounts.signup = false).await;
    let prompts = texts(&document(&app).await, "prompt_values_supported");
    assert_eq!(prompts, ["none", "login", "consent", "select_account"]);
    assert_eq!(
        Browser::new(&app).get("/signup").await.status,
        StatusCode::FORBIDDEN
    );
}

#[tokio::test]
async fn every_claim_is_told_of_whoever_has_it() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let profile = json!({
        "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "Countess",
        "preferred_username": "ada", "profile": "https://ada.example", "picture": "https://ada.example/p.png",
        "website": "https://ada.example", "gender": "female", "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 1", "phone_number_verified": true,
        "address": {"country": "GB"},
    });
    app.user("ada@example.org", profile).await;
    let browser = Browser::new(&app);
    let further = [("scope", "openid profile email address phone"), ("nonce", "n")];
    let page = browser.open(&browser.authorize(&client, &further)).await;
    let code = browser.log_in(&page, "ada@example.org").await.code();
    let tokens = Api::new(&app).redeem(&client, &code).await.json();
    let id_token = payload(tokens["id_token"].as_str().expect("a token"));
    for claim in texts(&document(&app).await, "claims_supported") {
        assert!(
            id_token.get(&claim).is_some_and(|value| !value.is_null()),
            "{claim}: {id_token}"
        );
    }
}

#[tokio::test]
async fn every_algorithm_signs_and_every_method_and_grant_can_be_registered() {
    let app = TestApp::start().await;
    let document = document(&app).await;
    let browser = logged_in(&app, "ada@example.org").await;
    let api = Api::new(&app);
    for algorithm in texts(&document, "id_token_signing_alg_values_supported") {
        let (client, secret) = app
            .client(json!({
                "redirect_uris": [CALLBACK], "first_party": true, "id_token_signed_response_alg": algorithm,
            }))
            .await;
        let code = browser.get(&browser.authorize(&client, &[])).await.code();
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", &*code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let tokens = api
            .post_as((&client, &secret), "/oauth2/token", &fields)
            .await
            .json();
        let signed = tokens["id_token"].as_str().expect("a token");
        assert_eq!(header(signed)["alg"], *algorithm);
    }
    for (member, value) in [
        (
            "token_endpoint_auth_methods_supported",
            "token_endpoint_auth_method",
        ),
        (
            "id_token_signing_alg_values_supported",
            "id_token_signed_response_alg",
        ),
        ("subject_types_supported", "subject_type"),
    ] {
        for promised in texts(&document, member) {
            let (_, warnings) = metadata::parse(&json!({(value): promised})).expect("metadata");
            assert!(warnings.is_empty(), "{promised}: {warnings:?}");
        }
    }
    for grant in texts(&document, "grant_types_supported") {
        let (_, warnings) = metadata::parse(&json!({"grant_types": [grant]})).expect("metadata");
        assert!(warnings.is_empty(), "{grant}: {warnings:?}");
        let fields = [("grant_type", &*grant), ("client_id", "nobody")];
        let answer: Answer = api.post("/oauth2/token", &fields).await;
        assert_ne!(answer.json()["error"], "unsupported_grant_type", "{grant}");
    }
    let unknown = [("grant_type", "password"), ("client_id", "nobody")];
    assert_ne!(api.post("/oauth2/token", &unknown).await.status, StatusCode::OK);
}
