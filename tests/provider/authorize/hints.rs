//! `id_token_hint`: only our own ID tokens, expired or not (OpenID Connect Core §3.1.2.1, RFC 8725).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::jose::TokenType;
use signet::oauth::signing_algorithm::SigningAlgorithm;

use super::logged_in;
use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser, header, payload};

async fn tokens(app: &TestApp, browser: &Browser, client: &str) -> Value {
    let code = browser.get(&browser.authorize(client, &[])).await.code();
    Api::new(app).redeem(client, &code).await.json()
}

/// A token with these claims that the app's own key signed.
async fn signed(app: &TestApp, typ: TokenType, claims: &Value) -> String {
    let keys = app.provider.keys();
    let key = keys.ring.signing_key(SigningAlgorithm::EdDsa, app.provider.now());
    key.expect("a key").sign(typ, claims).await.expect("a token")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

#[tokio::test]
async fn a_hint_of_ours_is_believed_even_long_after() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let tokens = tokens(&app, &browser, &client).await;
    let hint = tokens["id_token"].as_str().expect("a token");
    let request = browser.authorize(&client, &[("id_token_hint", hint), ("prompt", "none")]);
    browser.get(&request).await.code();
    app.advance(TimeDelta::days(2));
    browser.get(&request).await.code();
}

#[tokio::test]
async fn a_hint_that_is_not_ours_is_refused() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let mine = tokens(&app, &browser, &client).await;
    let hint = mine["id_token"].as_str().expect("a token");
    let claims = payload(hint);

    // Signed with other keys under the same issuer, and by ours under another.
    let stranger = TestApp::with(|options| options.issuer = Some(app.issuer.clone())).await;
    let strange = signed(&stranger, TokenType::IdToken, &claims).await;
    let mut elsewhere = claims.clone();
    elsewhere["iss"] = json!("https://other.example");
    let mut nobody = claims.clone();
    nobody["sub"] = json!("no sub has an \u{fc}");

    let unsigned = |alg: &str| {
        let head = encoded(&json!({"alg": alg, "typ": "JWT", "kid": header(hint)["kid"]}));
        format!("{head}.{}.", encoded(&claims))
    };
    let other_sub = {
        let mut forged = claims.clone();
        forged["sub"] = json!("00000000-0000-4000-8000-000000000000");
        let parts: Vec<&str> = hint.split('.').collect();
        format!("{}.{}.{}", parts[0], encoded(&forged), parts[2])
    };
    for (what, wrong) in [
        ("garbage", "x".to_owned()),
        ("five parts", "a.b.c.d.e".to_owned()),
        ("alg none", unsigned("none")),
        ("alg None", unsigned("None")),
        ("no signature", unsigned("EdDSA")),
        ("HS256", unsigned("HS256")),
        ("a changed sub", other_sub),
        ("padded", format!("{hint}=")),
        ("a strange key", strange),
        (
            "another issuer",
            signed(&app, TokenType::IdToken, &elsewhere).await,
        ),
        ("no user's sub", signed(&app, TokenType::IdToken, &nobody).await),
        (
            "an access token",
            mine["access_token"].as_str().expect("a token").to_owned(),
        ),
        (
            "the type of another",
            signed(&app, TokenType::AccessToken, &claims).await,
        ),
        ("9 KiB", format!("{hint}{}", "A".repeat(9000))),
    ] {
        for prompt in ["none", ""] {
            let further = [("id_token_hint", &*wrong), ("prompt", prompt)];
            let answer = browser.get(&browser.authorize(&client, &further)).await;
            assert_eq!(answer.refusal(), "invalid_request", "{what}");
        }
    }
}
