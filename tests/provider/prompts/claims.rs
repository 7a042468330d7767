//! The `claims` parameter (OpenID Connect Core §5.5): single claims for userinfo and the ID token, and values
//! that must hold.

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{ADA, BOB, id_token};
use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser, payload};

/// A browser of Ada, who has a profile, and the id of somebody else.
async fn ada(app: &TestApp) -> Browser {
    let profile = json!({
        "nickname": "Countess", "phone_number": "+44 1", "locale": "en-GB", "address": {"country": "GB"},
    });
    app.user(ADA, profile).await;
    let browser = Browser::new(app);
    let page = browser.open("/login").await;
    browser.log_in(&page, ADA).await;
    browser
}

#[tokio::test]
async fn single_claims_go_where_they_were_asked_for() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = ada(&app).await;
    let api = Api::new(&app);
    let claims = json!({
        "userinfo": {"nickname": null, "phone_number": {"essential": true}, "unheard_of": null, "password_hash": null},
        "id_token": {
            "locale": {"value": "en-GB"}, "email": {"values": ["x@example.org", ADA]}, "name": {"value": "Bob"},
            "auth_time": {"essential": true}, "acr": {"values": ["phrh", "1"]}, "iss": {"value": "x"},
        },
        "verified_claims": {"trust_framework": null},
    })
    .to_string();
    let request = browser.authorize(&client, &[("scope", "openid"), ("claims", &claims)]);
    let code = browser.get(&request).await.code();
    let tokens = api.redeem(&client, &code).await.json();
    let id_token = payload(tokens["id_token"].as_str().expect("a token"));
    assert_eq!(id_token["locale"], "en-GB");
    assert_eq!(id_token["email"], ADA);
    assert_eq!(id_token.get("name"), None, "it has another value");
    assert_eq!(id_token.get("nickname"), None);
    assert_eq!(id_token["acr"], "1");
    assert_eq!(id_token["iss"], app.issuer);
    assert!(id_token["auth_time"].is_i64());
    let userinfo = api
        .userinfo(tokens["access_token"].as_str().expect("a token"))
        .await;
    assert_eq!(userinfo.status, StatusCode::OK, "{userinfo:#?}");
    let userinfo = userinfo.json();
    let names: Vec<_> = userinfo.as_object().expect("an object").keys().collect();
    assert_eq!(names, ["nickname", "phone_number", "sub"]);
}

#[tokio::test]
async fn an_essential_acr_that_cannot_be_had_fails_the_request() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = ada(&app).await;
    let ask = async |acr: Value, further: &[(&str, &str)]| {
        let claims = json!({"id_token": {"acr": acr}}).to_string();
        let all = [further, &[("claims", &*claims)]].concat();
        browser.open(&browser.authorize(&client, &all)).await
    };
    for acr in [
        json!({"essential": true, "values": ["phrh", "phr"]}),
        json!({"essential": true, "value": "phrh"}),
        json!({"essential": true, "value": 1}),
    ] {
        let answer = ask(acr.clone(), &[]).await;
        assert_eq!(answer.refusal(), "unmet_authentication_requirements", "{acr}");
        // Logging in again does not help, and says so at its end.
        let page = ask(acr, &[("prompt", "login")]).await;
        let answer = browser.log_in(&page, ADA).await;
        assert_eq!(answer.refusal(), "unmet_authentication_requirements");
    }
    for acr in [
        json!(null),
        json!({"essential": true}),
        json!({"essential": true, "values": ["phrh", "1"]}),
        json!({"essential": true, "value": "1"}),
        json!({"essential": false, "values": ["phrh"]}),
        json!({"values": ["phrh"]}),
    ] {
        let answer = ask(acr.clone(), &[]).await;
        assert_eq!(id_token(&app, &client, &answer).await["acr"], "1", "{acr}");
    }
}

#[tokio::test]
async fn a_sub_that_nobody_is_is_nobody() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = ada(&app).await;
    let bob = app.user(BOB, json!({})).await;
    let ada = id_token(
        &app,
        &client,
        &browser.get(&browser.authorize(&client, &[])).await,
    )
    .await;
    for sub in [
        json!(bob),
        json!("nobody"),
        json!(""),
        json!(7),
        json!(["x"]),
        json!("00000000-0000-0000-0000-000000000000"),
    ] {
        let claims = json!({"id_token": {"sub": {"value": sub}}}).to_string();
        for prompt in ["none", ""] {
            let further = [("claims", &*claims), ("prompt", prompt)];
            let answer = browser.open(&browser.authorize(&client, &further)).await;
            if prompt == "none" {
                assert_eq!(answer.refusal(), "login_required", "{claims}");
            } else {
                assert_eq!(answer.url.path(), "/login", "{claims}");
                let answer = browser.log_in(&answer, ADA).await;
                assert_eq!(answer.refusal(), "login_required", "{claims}");
            }
        }
    }
    let claims = json!({"id_token": {"sub": {"value": ada["sub"]}}}).to_string();
    let hint = super::hint_for(&app, &client, bob).await;
    let silent = [("claims", &*claims), ("prompt", "none")];
    browser.get(&browser.authorize(&client, &silent)).await.code();
    let both = [("claims", &*claims), ("id_token_hint", &*hint)];
    let answer = browser.get(&browser.authorize(&client, &both)).await;
    assert_eq!(answer.refusal(), "invalid_request", "two users at once");
}
