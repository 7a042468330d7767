//! Somebody signs up with another's address. When its owner proves to read it, nothing of what the first one made is
//! left: no password, no session, no token, no link. Only the link that the signup itself mailed keeps it, confirmed
//! where the signup was made, or by whoever was shown it.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::Answer;
use crate::support::jar::Jar;

const ADDRESS: &str = "owner@example.org";
const OWN: &str = "wooden-spoon lantern meadow 9";

/// Calls the Better Auth face as a page of our own would.
async fn call(app: &TestApp, jar: &mut Jar, path: &str, body: Value) -> Answer {
    let origin = app.issuer.clone();
    let headers = [("content-type", "application/json"), ("origin", &*origin)];
    let path = format!("/api/auth{path}");
    jar.send(Method::POST, &path, &headers, Some(body.to_string()))
        .await
}

async fn session_of(jar: &mut Jar) -> Value {
    let answer = jar.get("/api/auth/get-session").await;
    serde_json::from_str(&answer.body).expect("JSON")
}

/// A first one, with the address of somebody else; and what they were mailed.
async fn squatter(app: &TestApp) -> (Jar, String) {
    let mut jar = Jar::new(app);
    jar.sign_up("Mallory", ADDRESS, PASSWORD).await;
    assert_eq!(session_of(&mut jar).await["user"]["emailVerified"], false);
    let link = link_in(app, "/verify-email?").await;
    (jar, link)
}

/// The path of a link that has just been mailed to the address.
async fn link_in(app: &TestApp, path: &str) -> String {
    let mails = app.deliver_mail().await;
    let to_owner = mails.iter().filter(|mail| mail.to == ADDRESS);
    let mut words = to_owner.flat_map(|mail| mail.text.split_whitespace());
    let link = words.find(|word| word.contains(path));
    let link = link.expect("a link").strip_prefix(&*app.issuer);
    link.expect("a link to the issuer").to_owned()
}

async fn code_in(app: &TestApp) -> String {
    let mails = app.deliver_mail().await;
    let digits = |word: &&str| word.len() == 6 && word.bytes().all(|byte| byte.is_ascii_digit());
    let code = mails
        .iter()
        .filter(|mail| mail.to == ADDRESS)
        .find_map(|mail| mail.text.split_whitespace().find(digits));
    code.expect("a code").to_owned()
}

/// The first one is out, and stays out; the address is proven.
async fn is_gone(app: &TestApp, mut squatter: Jar, link: &str) {
    assert_eq!(session_of(&mut squatter).await, Value::Null);
    let answer = call(
        app,
        &mut Jar::new(app),
        "/sign-in/email",
        json!({"email": ADDRESS, "password": PASSWORD}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{}", answer.body);
    let page = squatter.get(link).await;
    assert!(!page.body.contains("name=\"answer\""), "{}", page.body);
    let sql = app.database.client().await;
    let row = sql
        .query_one(
            "SELECT email_verified, signup_browser_hash IS NULL,
                (SELECT count(*) FROM sessions s WHERE s.user_id = u.id AND s.epoch = u.epoch AND s.ended_at IS NULL)
                    <= 1,
                (SELECT count(*) FROM consents c WHERE c.user_id = u.id) = 0
             FROM users u WHERE email_key = $1",
            &[&ADDRESS],
        )
        .await
        .expect("the account is there");
    for column in 0..4 {
        assert!(row.get::<_, bool>(column), "column {column}");
    }
}

#[tokio::test]
async fn a_reset_leaves_nothing_of_who_never_proved_the_address() {
    let app = TestApp::start().await;
    let (squatter, old) = squatter(&app).await;
    let mut owner = Jar::new(&app);
    call(
        &app,
        &mut owner,
        "/request-password-reset",
        json!({"email": ADDRESS, "redirectTo": "/"}),
    )
    .await;
    let link = link_in(&app, "/reset-password/").await;
    let token = link.split(['/', '?']).find(|part| part.starts_with("signet_ml_"));
    let answer = call(
        &app,
        &mut owner,
        "/reset-password",
        json!({"newPassword": OWN, "token": token}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    is_gone(&app, squatter, &old).await;
    let answer = call(
        &app,
        &mut owner,
        "/sign-in/email",
        json!({"email": ADDRESS, "password": OWN}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
}

#[tokio::test]
async fn a_login_by_link_leaves_nothing_of_who_never_proved_the_address() {
    let app = TestApp::start().await;
    let (squatter, old) = squatter(&app).await;
    let mut owner = Jar::new(&app);
    call(&app, &mut owner, "/sign-in/magic-link", json!({"email": ADDRESS})).await;
    let link = link_in(&app, "/magic-link/verify").await;
    let answer = owner.get(&link).await;
    assert_eq!(answer.status, StatusCode::FOUND, "{}", answer.body);
    assert_eq!(session_of(&mut owner).await["user"]["email"], ADDRESS);
    is_gone(&app, squatter, &old).await;
}

#[tokio::test]
async fn a_login_by_code_leaves_nothing_of_who_never_proved_the_address() {
    let app = TestApp::start().await;
    let (squatter, old) = squatter(&app).await;
    let mut owner = Jar::new(&app);
    let asked = json!({"email": ADDRESS, "type": "sign-in"});
    call(&app, &mut owner, "/email-otp/send-verification-otp", asked).await;
    let otp = code_in(&app).await;
    let answer = call(
        &app,
        &mut owner,
        "/sign-in/email-otp",
        json!({"email": ADDRESS, "otp": otp}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    is_gone(&app, squatter, &old).await;
}

#[tokio::test]
async fn a_code_that_proves_the_address_elsewhere_leaves_nothing_either() {
    let app = TestApp::start().await;
    let (squatter, old) = squatter(&app).await;
    let mut owner = Jar::new(&app);
    let asked = json!({"email": ADDRESS, "type": "email-verification"});
    call(&app, &mut owner, "/email-otp/send-verification-otp", asked).await;
    let otp = code_in(&app).await;
    let answer = call(
        &app,
        &mut owner,
        "/email-otp/verify-email",
        json!({"email": ADDRESS, "otp": otp}),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    is_gone(&app, squatter, &old).await;
}

#[tokio::test]
async fn a_change_of_address_takes_it_from_who_never_proved_it() {
    let app = TestApp::start().await;
    let (mut squatter, old) = squatter(&app).await;
    app.user("old@example.org", json!({})).await;
    let mut owner = Jar::new(&app);
    owner.log_in("old@example.org", PASSWORD).await;
    call(&app, &mut owner, "/change-email", json!({"newEmail": ADDRESS})).await;
    let mails = app.deliver_mail().await;
    let agree = mails
        .iter()
        .find(|mail| mail.to == "old@example.org")
        .expect("asked");
    let agree = agree
        .text
        .split_whitespace()
        .find(|word| word.contains("/verify-email"));
    let agree = agree
        .and_then(|link| link.strip_prefix(&*app.issuer))
        .expect("a link");
    assert_eq!(owner.get(agree).await.status, StatusCode::FOUND);
    let link = link_in(&app, "/verify-email").await;
    assert_eq!(owner.get(&link).await.status, StatusCode::FOUND);
    assert_eq!(session_of(&mut owner).await["user"]["email"], ADDRESS);
    // The other account is still somebody's, but no longer with this address.
    let left = session_of(&mut squatter).await;
    assert!(
        left["user"]["email"]
            .as_str()
            .is_some_and(|email| email.ends_with("@released.invalid")),
        "{left}"
    );
    let page = squatter.get(&old).await;
    assert!(!page.body.contains("name=\"answer\""), "{}", page.body);
}

#[tokio::test]
async fn the_link_of_the_signup_is_confirmed_where_it_was_made_or_by_who_was_shown_it() {
    // Where it was made: one button, and everything stays.
    let app = TestApp::start().await;
    let (mut maker, link) = squatter(&app).await;
    let page = maker.get(&link).await;
    assert!(page.body.contains("value=\"here\""), "{}", page.body);
    maker.submit(&page, &[("answer", "here")]).await;
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], true);

    // Elsewhere nothing happens by itself, whatever is sent; the page names the signup.
    let app = TestApp::start().await;
    let (mut maker, link) = squatter(&app).await;
    app.user("eve@example.org", json!({})).await;
    let mut reader = Jar::new(&app);
    reader.enter("eve@example.org").await;
    let page = reader.get(&link).await;
    assert!(
        page.body.contains("Mallory") && page.body.contains("Firefox on Linux"),
        "{}",
        page.body
    );
    reader.submit(&page, &[("answer", "here")]).await;
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], false);
    reader.submit(&page, &[("answer", "me")]).await;
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], true);

    // Where the operator lets a link log in, it does so where the account was made.
    let app = TestApp::with(|options| options.settings.accounts.login_after_verification = true).await;
    let (mut maker, link) = squatter(&app).await;
    let mut reader = Jar::new(&app);
    let page = reader.get(&link).await;
    reader.submit(&page, &[("answer", "me")]).await;
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], true);
    assert_eq!(session_of(&mut reader).await, Value::Null);

    // It was somebody else: nothing is left.
    let app = TestApp::start().await;
    let (mut maker, link) = squatter(&app).await;
    let mut reader = Jar::new(&app);
    let page = reader.get(&link).await;
    reader.submit(&page, &[("answer", "not_me")]).await;
    assert_eq!(session_of(&mut maker).await, Value::Null);
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn a_link_of_the_protocol_acts_by_itself_only_where_it_was_asked_for() {
    let app = TestApp::start().await;
    let mut maker = Jar::new(&app);
    let signup = json!({"name": "Mallory", "email": ADDRESS, "password": PASSWORD, "callbackURL": "/done"});
    call(&app, &mut maker, "/sign-up/email", signup).await;
    let link = link_in(&app, "/api/auth/verify-email").await;
    // A scanner of mail, or whoever else: shown the page, and nothing has happened.
    let mut scanner = Jar::new(&app);
    let answer = scanner.get(&link).await;
    assert_eq!(answer.status, StatusCode::FOUND);
    assert!(answer.location().path().ends_with("/verify-email"), "{answer:?}");
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], false);
    let answer = maker.get(&link).await;
    assert_eq!(
        (answer.status, answer.location().path()),
        (StatusCode::FOUND, "/done")
    );
    assert_eq!(session_of(&mut maker).await["user"]["emailVerified"], true);
}

/// The token of a reset link that is mailed when somebody asks for one, with these headers.
async fn reset_token(app: &TestApp, headers: &[(&str, &str)]) -> String {
    let mut jar = Jar::new(app);
    let mut all = vec![("content-type", "application/json")];
    all.extend(headers);
    let body = json!({"email": ADDRESS, "redirectTo": "/"}).to_string();
    let path = "/api/auth/request-password-reset";
    let answer = jar.send(Method::POST, path, &all, Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    let link = link_in(app, "/reset-password/").await;
    let token = link.split(['/', '?']).find(|part| part.starts_with("signet_ml_"));
    token.expect("a token").to_owned()
}

#[tokio::test]
async fn no_header_leads_a_mailed_link_elsewhere() {
    let app = TestApp::start().await;
    app.user(ADDRESS, json!({})).await;
    // `link_in` finds links to the issuer alone.
    reset_token(
        &app,
        &[
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "gopher"),
            ("forwarded", "host=evil.example;proto=gopher"),
        ],
    )
    .await;
    let mails = app.mails();
    assert!(
        mails
            .iter()
            .all(|mail| !mail.text.contains("evil") && !mail.html.contains("evil"))
    );
}

#[tokio::test]
async fn a_reset_is_done_once_and_older_links_die_with_it() {
    let app = TestApp::start().await;
    app.user(ADDRESS, json!({})).await;
    let older = reset_token(&app, &[]).await;
    let newer = reset_token(&app, &[]).await;
    let set = async |token: &str, password: &str| {
        let body = json!({"newPassword": password, "token": token});
        call(&app, &mut Jar::new(&app), "/reset-password", body).await
    };
    assert_eq!(set(&newer, "short").await.json()["code"], "PASSWORD_TOO_SHORT");
    assert_eq!(set(&newer, OWN).await.status, StatusCode::OK);
    for token in [&newer, &older] {
        let answer = set(token, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.json()["code"], "INVALID_TOKEN", "{}", answer.body);
    }
    // One that comes too late is as dead.
    let late = reset_token(&app, &[]).await;
    app.advance(chrono::TimeDelta::minutes(31));
    assert_eq!(set(&late, PASSWORD).await.json()["code"], "INVALID_TOKEN");
}
