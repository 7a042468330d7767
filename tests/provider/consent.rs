//! Consent: third-party clients get what the user let them have, no more, and only the user can say so.

mod pages;

use chrono::TimeDelta;
use reqwest::{StatusCode, Url};
use serde_json::json;

use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, Browser};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";
const NOTES: &str = "https://notes.example";
const FILES: &str = "https://files.example";

/// Two APIs that share a scope, and a client of somebody else.
async fn third_party(app: &TestApp) -> String {
    app.resource(NOTES, "read write").await;
    app.resource(FILES, "read delete").await;
    app.client(json!({
        "client_id": "third", "client_name": "Third Party", "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access read write delete",
    }))
    .await
    .0
}

/// Asserts that the browser stands at the consent page.
fn asks(page: &Answer) {
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    assert_eq!(page.url.path(), "/consent", "{page:#?}");
}

async fn decide(browser: &Browser, page: &Answer, decision: &str) -> Answer {
    asks(page);
    let answer = browser.submit(page, &[("decision", decision)]).await;
    browser.follow(answer).await
}

#[tokio::test]
async fn what_was_allowed_is_remembered_and_more_is_asked_for() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let claims = |text: &str| text.to_owned();
    let nickname = claims("{\"userinfo\":{\"nickname\":null}}");
    let acr = claims("{\"id_token\":{\"acr\":{\"values\":[\"1\"]},\"auth_time\":null,\"sub\":null}}");
    let email = claims("{\"userinfo\":{\"email\":{\"essential\":true}}}");
    let unknown = claims("{\"userinfo\":{\"unheard_of\":null}}");
    let read = &[("scope", "openid read"), ("resource", NOTES)][..];
    // In this order: a request, and whether the user is asked.
    for (number, (further, is_asked)) in [
        (&[("scope", "openid")][..], true),
        (&[("scope", "openid")], false),
        (&[("scope", "openid profile")], true),
        (&[("scope", "profile openid profile")], false),
        (&[("scope", "openid email offline_access")], true),
        (&[("scope", "openid profile email")], false),
        // Beyond the client's registration there is nothing to ask for.
        (&[("scope", "openid phone")], false),
        // Claims that tell nothing new, or nothing at all.
        (&[("scope", "openid"), ("claims", &*acr)], false),
        (&[("scope", "openid"), ("claims", &*email)], false),
        (&[("scope", "openid"), ("claims", &*unknown)], false),
        (&[("scope", "openid profile"), ("claims", &*nickname)], false),
        (read, true),
        (read, false),
        (&[("scope", "openid read write"), ("resource", NOTES)], true),
        (&[("scope", "openid delete"), ("resource", FILES)], true),
        // To read the notes is not to read the files.
        (&[("scope", "openid read"), ("resource", FILES)], true),
        (&[("scope", "openid read write"), ("resource", NOTES)], false),
        (
            &[("scope", "openid read"), ("resource", FILES), ("resource", NOTES)],
            false,
        ),
        (&[("scope", "openid profile read"), ("resource", NOTES)], false),
    ]
    .into_iter()
    .enumerate()
    {
        let request = browser.authorize(&client, further);
        let silent = [further, &[("prompt", "none")]].concat();
        let silent = browser.get(&browser.authorize(&client, &silent)).await;
        let page = browser.open(&request).await;
        if is_asked {
            assert_eq!(silent.refusal(), "consent_required", "{number}: {further:?}");
            decide(&browser, &page, "allow").await.code();
        } else {
            silent.code();
            page.code();
        }
    }
    assert_eq!(app.count("consents").await, 1);
    // Another user was not asked, nor was this one about another client.
    let bob = logged_in(&app, BOB).await;
    asks(&bob.open(&bob.authorize(&client, &[("scope", "openid")])).await);
    app.client(json!({
        "client_id": "fourth", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "scope": "openid",
    }))
    .await;
    asks(&browser.open(&browser.authorize("fourth", &[])).await);
}

#[tokio::test]
async fn a_single_claim_is_asked_for_by_its_name() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let claims = "{\"userinfo\":{\"phone_number\":null,\"account is locked, call 0900\":null},\
        \"id_token\":{\"nickname\":null,\"acr\":null,\"auth_time\":null}}";
    let request = browser.authorize(&client, &[("scope", "openid"), ("claims", claims)]);
    let page = browser.open(&request).await;
    asks(&page);
    assert!(page.body.contains("Your phone number"), "{}", page.body);
    assert!(page.body.contains("Your nickname"));
    // A client writes no sentences into our page.
    for nothing in ["0900", "Your acr", "Your auth time"] {
        assert!(!page.body.contains(nothing), "{nothing}: {}", page.body);
    }
    decide(&browser, &page, "allow").await.code();
    browser.get(&request).await.code();
    let more = claims.replace("nickname", "birthdate");
    let request = browser.authorize(&client, &[("scope", "openid"), ("claims", &more)]);
    asks(&browser.open(&request).await);
}

#[tokio::test]
async fn a_denial_is_told_and_not_remembered() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    for mode in ["query", "form_post"] {
        let request = browser.authorize(&client, &[("response_mode", mode)]);
        let page = browser.open(&request).await;
        let answer = decide(&browser, &page, "deny").await;
        let (target, told) = answer.response();
        assert_eq!(target, CALLBACK);
        assert_eq!(told["error"], "access_denied");
        assert_eq!(told["state"], "af0ifjsldkj");
        assert_eq!(told["iss"], app.issuer);
        // The answer was given: no second thoughts.
        browser
            .submit(&page, &[("decision", "allow")])
            .await
            .is_dead_end();
        asks(&browser.open(&request).await);
    }
    assert_eq!(app.count("consents").await, 0);
    assert_eq!(app.count("authorization_codes").await, 0);
}

#[tokio::test]
async fn prompt_consent_asks_in_any_case() {
    let app = TestApp::start().await;
    let third = third_party(&app).await;
    let first = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    let page = browser.open(&browser.authorize(&third, &[])).await;
    decide(&browser, &page, "allow").await.code();
    browser.get(&browser.authorize(&third, &[])).await.code();
    browser.get(&browser.authorize(&first, &[])).await.code();
    for client in [&third, &first] {
        let request = browser.authorize(client, &[("prompt", "consent")]);
        for _ in 0..2 {
            let page = browser.open(&request).await;
            decide(&browser, &page, "allow").await.code();
        }
        let page = browser.open(&request).await;
        assert_eq!(decide(&browser, &page, "deny").await.refusal(), "access_denied");
    }
    // With a login beside it, both.
    let page = browser
        .open(&browser.authorize(&third, &[("prompt", "login consent")]))
        .await;
    assert_eq!(page.url.path(), "/login");
    let page = browser.log_in(&page, ADA).await;
    decide(&browser, &page, "allow").await.code();
}

#[tokio::test]
async fn one_user_does_not_decide_for_another() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let bob = logged_in(&app, BOB).await;
    let page = bob.open(&bob.authorize(&client, &[])).await;
    decide(&bob, &page, "allow").await.code();
    let browser = logged_in(&app, ADA).await;
    let page = browser
        .open(&browser.authorize(&client, &[("prompt", "consent")]))
        .await;
    asks(&page);
    // Ada decides, but before the browser goes on, Bob signs in at the same request.
    let login = browser
        .get(page.url.as_str().replace("/consent?", "/login?").as_str())
        .await;
    let decided = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(decided.status, StatusCode::SEE_OTHER);
    asks(&browser.log_in(&login, BOB).await);
    // Ada's page decides nothing for Bob, who has the browser now.
    let refused = browser.submit(&page, &[("decision", "allow")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    refused.is_dead_end();
}

#[tokio::test]
async fn nobody_decides_for_the_user() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let mallory = logged_in(&app, BOB).await;
    let page = browser.open(&browser.authorize(&client, &[])).await;
    let hers = mallory.open(&mallory.authorize(&client, &[])).await;
    let anybodys = browser.open("/signup").await;
    asks(&page);
    let (action, own) = page.form();
    let code = |page: &Answer| {
        let (_, fields) = page.form();
        let code = fields.iter().find(|(name, _)| name == "csrf");
        code.expect("a code").1.clone()
    };
    for csrf in [String::new(), "x".to_owned(), code(&hers), code(&anybodys)] {
        for decision in ["allow", "deny"] {
            let fields = [("csrf", &*csrf), ("decision", decision)];
            let answer = browser.post(action.clone(), &fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN);
            answer.is_dead_end();
        }
    }
    // The right code, but from another site, or another browser, or twice over.
    let csrf = own
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("a code")
        .1
        .clone();
    let fields = [("csrf", &*csrf), ("decision", "allow")];
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let answer = browser.post_with(action.clone(), &fields, name, value).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{name}: {value}");
    }
    mallory.post(action.clone(), &fields).await.is_dead_end();
    let twice = [("csrf", &*csrf), ("decision", "deny"), ("decision", "allow")];
    browser.post(action.clone(), &twice).await.is_dead_end();
    for nonsense in ["", "maybe", "ALLOW"] {
        let fields = [("csrf", &*csrf), ("decision", nonsense)];
        let answer = browser.post(action.clone(), &fields).await;
        asks(&browser.follow(answer).await);
    }
    assert_eq!(app.count("consents").await, 0);
    browser.post(action.clone(), &fields).await;
    assert_eq!(app.count("consents").await, 1);
}

#[tokio::test]
async fn whoever_is_not_logged_in_any_more_decides_nothing() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let page = browser.open(&browser.authorize(&client, &[])).await;
    asks(&page);
    app.advance(TimeDelta::minutes(1));
    app.sql("UPDATE sessions SET ended_at = created_at").await;
    let answer = browser.submit(&page, &[("decision", "allow")]).await;
    let answer = browser.follow(answer).await;
    assert_eq!(answer.url.path(), "/login", "{answer:#?}");
    assert_eq!(app.count("consents").await, 0);
    // The way goes on from there.
    let page = browser.log_in(&answer, ADA).await;
    decide(&browser, &page, "allow").await.code();
    // Without a request there is nothing to decide.
    let answer = browser.get("/consent").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location().path(), "/account");
    let url: Url = format!("{}/consent", app.url).parse().expect("an address");
    let answer = browser.post(url, &[("decision", "allow")]).await;
    assert_eq!(answer.location().path(), "/account");
}

#[tokio::test]
async fn the_tokens_hold_what_was_allowed() {
    let app = TestApp::start().await;
    let client = third_party(&app).await;
    let browser = logged_in(&app, ADA).await;
    let further = [("scope", "openid read write delete root"), ("resource", NOTES)];
    let page = browser.open(&browser.authorize(&client, &further)).await;
    let code = decide(&browser, &page, "allow").await.code();
    let tokens = Api::new(&app).redeem(&client, &code).await.json();
    assert_eq!(tokens["scope"], "openid read write");
}
