//! What is wrong with a request whose client and redirect URI are proven: a row a fault.

use reqwest::StatusCode;
use serde_json::json;

use super::{both_ways, logged_in};
use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Api, challenge};

/// Parameters that are otherwise than in a good request, the error, and a word of its description.
type Row<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);

#[tokio::test]
async fn every_other_fault_goes_to_the_client() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.resource("https://notes.example", "notes:read").await;
    app.resource("https://other.example", "other").await;
    app.client(json!({
        "client_id": "narrow", "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK], "scope": "openid",
        "resources": ["https://notes.example"],
    }))
    .await;
    app.client(json!({
        "client_id": "robot", "redirect_uris": [CALLBACK], "grant_types": ["client_credentials"],
    }))
    .await;
    let (browser, api) = (logged_in(&app, "ada@example.org").await, Api::new(&app));
    let scope_1025 = format!("openid {}", "s".repeat(1018));
    let long = "x".repeat(4097);
    let half = challenge()[..42].to_owned();
    let padded = format!("{}=", challenge());
    let rows: &[Row<'_>] = &[
        (&[("nonce", "1"), ("nonce", "1")], "invalid_request", "repeated"),
        (
            &[("scope", "openid"), ("scope", "email")],
            "invalid_request",
            "repeated",
        ),
        (
            &[("prompt", "none"), ("prompt", "login")],
            "invalid_request",
            "repeated",
        ),
        (
            &[("unknown", "1"), ("unknown", "1")],
            "invalid_request",
            "repeated",
        ),
        (&[("response_type", "")], "invalid_request", "response_type"),
        (&[("response_type", "token")], "unsupported_response_type", "code"),
        (
            &[("response_type", "id_token")],
            "unsupported_response_type",
            "code",
        ),
        (
            &[("response_type", "code id_token")],
            "unsupported_response_type",
            "code",
        ),
        (&[("response_type", "none")], "unsupported_response_type", "code"),
        (&[("response_type", "CODE")], "unsupported_response_type", "code"),
        (&[("client_id", "robot")], "unauthorized_client", "grant"),
        (
            &[("response_mode", "fragment")],
            "invalid_request",
            "response_mode",
        ),
        (
            &[("response_mode", "web_message")],
            "invalid_request",
            "response_mode",
        ),
        (&[("response_mode", "QUERY")], "invalid_request", "response_mode"),
        (
            &[("code_challenge", ""), ("code_challenge_method", "")],
            "invalid_request",
            "PKCE",
        ),
        (&[("code_challenge_method", "plain")], "invalid_request", "S256"),
        (&[("code_challenge_method", "")], "invalid_request", "S256"),
        (&[("code_challenge_method", "s256")], "invalid_request", "S256"),
        (&[("code_challenge", "")], "invalid_request", "code_challenge"),
        (&[("code_challenge", &half)], "invalid_request", "code_challenge"),
        (
            &[("code_challenge", &padded)],
            "invalid_request",
            "code_challenge",
        ),
        (&[("code_challenge", &long)], "invalid_request", "too long"),
        (
            &[("request", "eyJhbGciOiJub25lIn0.e30.")],
            "request_not_supported",
            "request",
        ),
        (
            &[("request_uri", "https://evil.example/r")],
            "request_uri_not_supported",
            "request_uri",
        ),
        (
            &[("registration", "{}")],
            "registration_not_supported",
            "registration",
        ),
        (&[("prompt", "none login")], "invalid_request", "prompt"),
        (&[("prompt", "none none consent")], "invalid_request", "prompt"),
        (&[("prompt", "magic")], "invalid_request", "prompt"),
        (&[("prompt", "NONE")], "invalid_request", "prompt"),
        (&[("max_age", "-1")], "invalid_request", "max_age"),
        (&[("max_age", "+1")], "invalid_request", "max_age"),
        (&[("max_age", "1.5")], "invalid_request", "max_age"),
        (&[("max_age", "soon")], "invalid_request", "max_age"),
        (&[("max_age", "٣")], "invalid_request", "max_age"),
        (
            &[("max_age", "99999999999999999999")],
            "invalid_request",
            "max_age",
        ),
        (&[("claims", "email")], "invalid_request", "claims"),
        (&[("claims", "{")], "invalid_request", "claims"),
        (&[("claims", "[]")], "invalid_request", "claims"),
        (&[("claims", "null")], "invalid_request", "claims"),
        (&[("claims", "{\"id_token\":[]}")], "invalid_request", "claims"),
        (
            &[("claims", "{\"id_token\":{\"email\":true}}")],
            "invalid_request",
            "claims",
        ),
        (
            &[("claims", "{\"id_token\":{\"email\":[true]}}")],
            "invalid_request",
            "claims",
        ),
        (
            &[("claims", "{\"id_token\":{\"email\":{\"essential\":\"yes\"}}}")],
            "invalid_request",
            "claims",
        ),
        // The database cannot keep a NUL, not even in JSON.
        (
            &[("claims", "{\"id_token\":{\"email\":{\"value\":\"\\u0000\"}}}")],
            "invalid_request",
            "claims",
        ),
        (
            &[("claims", "{\"userinfo\":{\"\\u0000\":null}}")],
            "invalid_request",
            "claims",
        ),
        (
            &[("resource", "https://unknown.example")],
            "invalid_target",
            "resource",
        ),
        (
            &[("resource", "https://notes.example/")],
            "invalid_target",
            "resource",
        ),
        (
            &[("resource", "https://notes.example"), ("resource", "notes")],
            "invalid_target",
            "resource",
        ),
        (
            &[("client_id", "narrow"), ("resource", "https://other.example")],
            "invalid_target",
            "resource",
        ),
        (&[("scope", "openid \"quoted\"")], "invalid_scope", "malformed"),
        (&[("scope", "openid\ttab")], "invalid_scope", "malformed"),
        (&[("scope", "openid é")], "invalid_scope", "malformed"),
        (&[("scope", &scope_1025)], "invalid_scope", "too long"),
        (&[("scope", "admin root")], "invalid_scope", "none of these"),
        (&[("scope", &long)], "invalid_request", "too long"),
        (&[("login_hint", &long)], "invalid_request", "too long"),
        (&[("nonce", &long)], "invalid_request", "too long"),
        (&[("unknown", &long)], "invalid_request", "too long"),
    ];
    let mut wrong = Vec::new();
    for (further, error, said) in rows {
        for mode in ["query", "form_post"] {
            let mut all = further.to_vec();
            if all.iter().any(|(name, _)| *name == "response_mode") {
                if mode == "form_post" {
                    continue;
                }
            } else {
                all.push(("response_mode", mode));
            }
            for answer in both_ways(&browser, &api, &browser.authorize(&client, &all)).await {
                let told = answer.is_authorization_response().then(|| answer.response());
                let is_right = told.as_ref().is_some_and(|(target, told)| {
                    let description = told.get("error_description").map(String::as_str);
                    let description = description.unwrap_or_default();
                    // RFC 6749 §4.1.2.1: printable ASCII without quote and backslash.
                    let plain = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
                    target == CALLBACK
                        && (answer.status == StatusCode::OK) == (mode == "form_post")
                        && told.get("error").is_some_and(|code| code == error)
                        && told.get("state").is_some_and(|state| state == "af0ifjsldkj")
                        && told.get("iss") == Some(&app.issuer)
                        && told.len() == 4
                        && description.contains(said)
                        && description.chars().all(plain)
                });
                if !is_right {
                    wrong.push(format!("{further:?} by {mode}: {} {told:?}", answer.status));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(app.count("authorization_requests").await, 0);
    assert_eq!(app.count("authorization_codes").await, 0);
}
