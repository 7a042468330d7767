//! The main job, end to end: sign up through an OpenID login redirect, and everything that the tokens open.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser, header, payload};

#[tokio::test]
async fn a_newcomer_signs_up_and_the_tokens_open_what_they_should() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = Browser::new(&app);
    let api = Api::new(&app);

    let request = browser.authorize(&client, &[("prompt", "create"), ("nonce", "n-0S6_WzA2Mj")]);
    let page = browser.open(&request).await;
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    assert!(page.body.contains("Example SPA"));
    let callback = browser.sign_up(&page, "ada@example.org").await.callback();
    assert_eq!(callback["state"], "af0ifjsldkj");
    assert_eq!(callback["iss"], app.issuer);

    let tokens = api.redeem(&client, &callback["code"]).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:#?}");
    assert_eq!(tokens.header("cache-control"), Some("no-store"));
    let tokens = tokens.json();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 600);
    assert_eq!(tokens["scope"], "openid profile email");

    let access_token = tokens["access_token"].as_str().expect("a token");
    assert_eq!(header(access_token)["typ"], "at+jwt");
    assert_eq!(header(access_token)["alg"], "EdDSA");
    let claims = payload(access_token);
    assert_eq!(claims["iss"], app.issuer);
    assert_eq!(claims["aud"], app.issuer);
    assert_eq!(claims["client_id"], client);
    assert_eq!(claims["amr"], json!(["pwd"]));

    let id_token = payload(tokens["id_token"].as_str().expect("a token"));
    assert_eq!(id_token["aud"], client);
    assert_eq!(id_token["nonce"], "n-0S6_WzA2Mj");
    assert_eq!(id_token["sub"], claims["sub"]);
    assert_eq!(id_token["sid"], claims["sid"]);
    assert_eq!(id_token["email"], "ada@example.org");

    let userinfo = api.userinfo(access_token).await;
    assert_eq!(userinfo.status, StatusCode::OK, "{userinfo:#?}");
    let userinfo = userinfo.json();
    assert_eq!(userinfo["sub"], claims["sub"]);
    assert_eq!(userinfo["email"], "ada@example.org");
    assert_eq!(userinfo["email_verified"], false);
    assert_eq!(userinfo["name"], "Ada Lovelace");

    app.advance(TimeDelta::seconds(1));
    let refreshed = api
        .refresh(&client, tokens["refresh_token"].as_str().expect("a token"))
        .await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:#?}");
    assert_ne!(refreshed.json()["refresh_token"], tokens["refresh_token"]);
    let again = payload(refreshed.json()["id_token"].as_str().expect("a token"));
    assert_eq!(again["auth_time"], id_token["auth_time"]);
    assert!(again.get("nonce").is_none());

    // Logged in already: the next request needs no page.
    let silent = browser
        .open(&browser.authorize(&client, &[("prompt", "none")]))
        .await;
    assert!(silent.callback().contains_key("code"));
}
