//! What a client asks to be done about the user: `prompt`, `max_age`, hints and `claims` (OpenID Connect Core
//! §3.1.2.1, §5.5; Initiating User Registration).

mod claims;

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::ids::UserId;

use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{Answer, Api, Browser, payload};

const ADA: &str = "ada@example.org";
const BOB: &str = "bob@example.org";

/// The claims of the ID token that an authorization response gives.
async fn id_token(app: &TestApp, client: &str, answer: &Answer) -> Value {
    let tokens = Api::new(app).redeem(client, &answer.code()).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:#?}");
    payload(tokens.json()["id_token"].as_str().expect("a token"))
}

/// Asserts that the browser stands at the page of this path.
fn stands_at(page: &Answer, path: &str) {
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    assert_eq!(page.url.path(), path, "{page:#?}");
}

/// An ID token hint for a user, of now.
async fn hint_for(app: &TestApp, client: &str, user: UserId) -> String {
    let keys = app.provider.keys();
    let now = app.provider.now();
    let key = keys
        .ring
        .signing_key(signet::oauth::signing_algorithm::SigningAlgorithm::EdDsa, now);
    let claims = json!({
        "iss": app.issuer, "sub": user, "aud": client, "iat": now.timestamp(), "exp": now.timestamp() + 600,
        "auth_time": now.timestamp(), "acr": "1", "amr": ["pwd"], "azp": client,
    });
    let key = key.expect("a key");
    key.sign(signet::jose::TokenType::IdToken, &claims)
        .await
        .expect("a token")
}

#[tokio::test]
async fn none_shows_nothing_and_stores_nothing() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.client(json!({
        "client_id": "third", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none", "scope": "openid",
    }))
    .await;
    let stranger = Browser::new(&app);
    let browser = logged_in(&app, ADA).await;
    let other = app.user(BOB, json!({})).await;
    let hint = hint_for(&app, &client, other).await;
    let sub = json!({"id_token": {"sub": {"value": other}}}).to_string();
    let acr = json!({"id_token": {"acr": {"essential": true, "values": ["phrh"]}}}).to_string();
    app.advance(TimeDelta::seconds(100));
    for (who, client, further, error) in [
        (&stranger, &*client, &[][..], "login_required"),
        (&browser, "third", &[("scope", "openid")], "consent_required"),
        (&browser, &client, &[("max_age", "0")], "login_required"),
        (&browser, &client, &[("max_age", "99")], "login_required"),
        (&browser, &client, &[("id_token_hint", &*hint)], "login_required"),
        (&browser, &client, &[("claims", &*sub)], "login_required"),
        (
            &browser,
            &client,
            &[("claims", &*acr)],
            "unmet_authentication_requirements",
        ),
    ] {
        let further = [further, &[("prompt", "none")]].concat();
        let answer = who.get(&browser.authorize(client, &further)).await;
        let (_, told) = answer.response();
        assert_eq!(told["error"], error, "{further:?}");
        assert_eq!(told["state"], "af0ifjsldkj");
        assert_eq!(told["iss"], app.issuer);
    }
    for further in [
        &[][..],
        &[("max_age", "101")],
        &[("acr_values", "phrh 7")],
        &[("ui_locales", "de fr-CA x-klingon")],
        &[("login_hint", BOB)],
        &[("display", "popup"), ("unheard_of", "1")],
    ] {
        let further = [further, &[("prompt", "none")]].concat();
        browser.get(&browser.authorize(&client, &further)).await.code();
    }
    assert_eq!(app.count("authorization_requests").await, 0);
}

#[tokio::test]
async fn login_asks_again_and_keeps_the_session() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    let before = id_token(
        &app,
        &client,
        &browser.get(&browser.authorize(&client, &[])).await,
    )
    .await;
    for further in [
        &[("prompt", "login")][..],
        &[("max_age", "0")],
        &[("max_age", "5")],
    ] {
        app.advance(TimeDelta::seconds(5));
        let request = browser.authorize(&client, further);
        let page = browser.open(&request).await;
        stands_at(&page, "/login");
        assert!(!page.body.contains("Continue as"), "{}", page.body);
        // The dispatcher does not believe that it was done.
        let id = page
            .url
            .query()
            .expect("a query")
            .trim_start_matches("request=")
            .to_owned();
        stands_at(&browser.open(&format!("/oauth2/authorize/{id}")).await, "/login");
        let (action, mut fields) = page.form();
        fields.retain(|(name, _)| name == "csrf");
        let skip = action.join("/login/continue?").expect("an address");
        let skip = format!("{skip}request={id}").parse().expect("an address");
        let posted = browser.post(skip, &[("csrf", &fields[0].1)]).await;
        stands_at(&browser.follow(posted).await, "/login");
        // A wrong password changes nothing.
        let wrong = [("email", ADA), ("password", "wrong")];
        assert_eq!(
            browser.submit(&page, &wrong).await.status,
            StatusCode::UNPROCESSABLE_ENTITY
        );
        stands_at(&browser.open(&format!("/oauth2/authorize/{id}")).await, "/login");
        let after = id_token(&app, &client, &browser.log_in(&page, ADA).await).await;
        assert_eq!(after["sid"], before["sid"]);
        assert_eq!(after["auth_time"], app.provider.now().timestamp());
        // Once is enough, and only for the request that asked.
        stands_at(
            &browser
                .open(&browser.authorize(&client, &[("prompt", "login")]))
                .await,
            "/login",
        );
    }
    let silent = browser
        .get(&browser.authorize(&client, &[("prompt", "none")]))
        .await;
    assert_eq!(id_token(&app, &client, &silent).await["sid"], before["sid"]);
}

#[tokio::test]
async fn a_login_for_one_request_is_none_for_another() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    let request = browser.authorize(&client, &[("prompt", "login")]);
    let (one, two) = (browser.open(&request).await, browser.open(&request).await);
    browser.log_in(&one, ADA).await.code();
    let dispatcher = two.url.as_str().replace("/login?request=", "/oauth2/authorize/");
    stands_at(&browser.open(&dispatcher).await, "/login");
    browser.log_in(&two, ADA).await.code();
}

#[tokio::test]
async fn max_age_is_from_the_request_or_the_registration() {
    let app = TestApp::start().await;
    let client = app
        .client(json!({
            "client_id": "bank", "redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none",
            "scope": "openid", "first_party": true, "default_max_age": 60,
        }))
        .await
        .0;
    let browser = logged_in(&app, ADA).await;
    let logged_in_at = app.provider.now().timestamp();
    app.advance(TimeDelta::seconds(59));
    let fresh = browser.get(&browser.authorize(&client, &[])).await;
    assert_eq!(id_token(&app, &client, &fresh).await["auth_time"], logged_in_at);
    app.advance(TimeDelta::seconds(2));
    let silent = browser
        .get(&browser.authorize(&client, &[("prompt", "none")]))
        .await;
    assert_eq!(silent.refusal(), "login_required");
    // The request's own goes before, in both directions.
    let longer = browser
        .get(&browser.authorize(&client, &[("max_age", "62")]))
        .await;
    assert_eq!(id_token(&app, &client, &longer).await["auth_time"], logged_in_at);
    let page = browser.open(&browser.authorize(&client, &[])).await;
    stands_at(&page, "/login");
    let again = id_token(&app, &client, &browser.log_in(&page, ADA).await).await;
    assert_eq!(again["auth_time"], logged_in_at + 61);
    app.advance(TimeDelta::seconds(10));
    stands_at(
        &browser
            .open(&browser.authorize(&client, &[("max_age", "5")]))
            .await,
        "/login",
    );
}

#[tokio::test]
async fn select_account_goes_on_as_somebody_or_becomes_another() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let stranger = Browser::new(&app);
    let select = [("prompt", "select_account")];
    stands_at(
        &stranger.open(&stranger.authorize(&client, &select)).await,
        "/login",
    );
    let browser = logged_in(&app, ADA).await;
    app.user(BOB, json!({})).await;
    let before = app.provider.now().timestamp();
    app.advance(TimeDelta::seconds(9));

    let page = browser.open(&browser.authorize(&client, &select)).await;
    stands_at(&page, "/login");
    assert!(page.body.contains("Continue as"), "{}", page.body);
    assert!(page.body.contains(ADA));
    let answer = go_on(&browser, &page).await;
    let ada = id_token(&app, &client, &answer).await;
    assert_eq!(ada["auth_time"], before, "choosing is no authentication");

    let page = browser.open(&browser.authorize(&client, &select)).await;
    let bob = id_token(&app, &client, &browser.log_in(&page, BOB).await).await;
    assert_ne!(bob["sub"], ada["sub"]);
    assert_ne!(bob["sid"], ada["sid"]);
    assert_eq!(bob["auth_time"], before + 9);

    // Where a new login is asked for too, going on is no choice; nor where somebody else is asked for.
    app.advance(TimeDelta::seconds(9));
    let ada: UserId = ada["sub"].as_str().expect("a text").parse().expect("an id");
    let hint = hint_for(&app, &client, ada).await;
    for further in [
        &[("prompt", "select_account login")][..],
        &[("prompt", "select_account"), ("max_age", "0")],
        &[("prompt", "select_account"), ("max_age", "9")],
        &[("prompt", "select_account"), ("id_token_hint", &hint)],
    ] {
        let page = browser.open(&browser.authorize(&client, further)).await;
        stands_at(&page, "/login");
        assert!(!page.body.contains("Continue as"), "{further:?}");
        let posted = go_on(&browser, &page).await;
        stands_at(&posted, "/login");
    }
}

/// Presses "Continue as", whether or not the page has it.
async fn go_on(browser: &Browser, page: &Answer) -> Answer {
    let (action, fields) = page.form();
    let path = format!("/login/continue?{}", action.query().expect("a query"));
    let csrf = fields.iter().find(|(name, _)| name == "csrf").expect("a code");
    let there = action.join(&path).expect("an address");
    let posted = browser.post(there, &[("csrf", &csrf.1)]).await;
    browser.follow(posted).await
}

#[tokio::test]
async fn create_offers_an_account_even_to_somebody() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    let create = [("prompt", "create"), ("login_hint", "new@example.org")];
    let page = browser.open(&browser.authorize(&client, &create)).await;
    stands_at(&page, "/signup");
    assert!(page.body.contains("value=\"new@example.org\""), "{}", page.body);
    let ada = id_token(
        &app,
        &client,
        &browser.get(&browser.authorize(&client, &[])).await,
    )
    .await;
    let new = id_token(&app, &client, &browser.sign_up(&page, "new@example.org").await).await;
    assert_ne!(new["sub"], ada["sub"]);
    // Who has an account after all signs in instead.
    let page = browser.open(&browser.authorize(&client, &create)).await;
    let login = page.url.as_str().replace("/signup?", "/login?");
    let page = browser.get(&login).await;
    let again = id_token(&app, &client, &browser.log_in(&page, ADA).await).await;
    assert_eq!(again["sub"], ada["sub"]);
}

#[tokio::test]
async fn create_is_a_login_where_nobody_may_sign_up() {
    let app = TestApp::with(|options| options.settings.accounts.signup = false).await;
    let client = app.spa().await;
    app.user(ADA, json!({})).await;
    let browser = Browser::new(&app);
    let page = browser
        .open(&browser.authorize(&client, &[("prompt", "create")]))
        .await;
    stands_at(&page, "/login");
    browser.log_in(&page, ADA).await.code();
}

#[tokio::test]
async fn the_login_hint_stands_in_the_field_and_nowhere_else() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = Browser::new(&app);
    for (hint, shown) in [
        (ADA, "value=\"ada@example.org\""),
        ("\"><script>alert(1)</script>", "&lt;script&gt;"),
        ("{{ 7 * 7 }}", "{{ 7 * 7 }}"),
    ] {
        let page = browser
            .open(&browser.authorize(&client, &[("login_hint", hint)]))
            .await;
        stands_at(&page, "/login");
        assert!(page.body.contains(shown), "{}", page.body);
        assert!(!page.body.contains("<script>alert"), "{}", page.body);
    }
}

#[tokio::test]
async fn a_hint_of_another_user_asks_for_that_user() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    let bob = app.user(BOB, json!({})).await;
    let hint = hint_for(&app, &client, bob).await;
    let sub = json!({"id_token": {"sub": {"value": bob}}}).to_string();
    for further in [[("id_token_hint", &*hint)], [("claims", &*sub)]] {
        let request = browser.authorize(&client, &further);
        let page = browser.open(&request).await;
        stands_at(&page, "/login");
        // Whoever logs in as somebody else is somebody else.
        let answer = browser.log_in(&page, ADA).await;
        assert_eq!(answer.refusal(), "login_required");
        let page = browser.open(&request).await;
        stands_at(&page, "/login");
        let claims = id_token(&app, &client, &browser.log_in(&page, BOB).await).await;
        assert_eq!(claims["sub"], json!(bob));
        // Now it is no question any more.
        browser.get(&request).await.code();
        let page = browser
            .open(&browser.authorize(&client, &[("prompt", "login")]))
            .await;
        browser.log_in(&page, ADA).await.code();
    }
}

#[tokio::test]
async fn a_login_as_another_user_is_another_session() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, ADA).await;
    app.user(BOB, json!({})).await;
    let ada = id_token(
        &app,
        &client,
        &browser.get(&browser.authorize(&client, &[])).await,
    )
    .await;
    let page = browser
        .open(&browser.authorize(&client, &[("prompt", "login")]))
        .await;
    let answer = browser
        .submit(&page, &[("email", BOB), ("password", PASSWORD)])
        .await;
    let bob = id_token(&app, &client, &browser.follow(answer).await).await;
    assert_ne!(ada["sid"], bob["sid"]);
    assert_ne!(ada["sub"], bob["sub"]);
}
