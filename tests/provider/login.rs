//! Logging in with a password: what it changes, and what it does not tell.

use std::task::Poll;
use std::time::Duration;

use futures_util::poll;
use reqwest::StatusCode;
use serde_json::json;
use signet::domain::ids::UserId;
use signet::domain::password::{Password, PasswordHash};
use signet::password::{HashParams, Hasher, Verification};
use signet::storage::users;

use crate::support::app::{Options, PASSWORD, TestApp};
use crate::support::browser::Answer;
use crate::support::jar::Jar;

const WRONG: &str = "The e-mail address or the password is wrong.";

async fn stored_hash(app: &TestApp, user: UserId) -> String {
    let client = app.database.client().await;
    let row = client
        .query_one("SELECT password_hash FROM users WHERE id = $1", &[user.as_uuid()])
        .await;
    row.expect("there is such a user").get(0)
}

/// Headers by name, sorted.
type Headers = Vec<(String, String)>;

/// Everything of an answer that a stranger can compare: without the request's id, the date, the browser's code
/// and the address that was typed.
fn comparable(answer: &Answer, typed: &str) -> (StatusCode, Headers, String) {
    let (_, hidden) = answer.form();
    let code = &hidden.iter().find(|(name, _)| name == "csrf").expect("a code").1;
    let headers = answer.headers.iter().filter(|(name, _)| {
        let name = name.as_str();
        // The length of the typed address is in the body's.
        name != "date" && name != "x-request-id" && name != "content-length"
    });
    let mut headers: Vec<_> = headers
        .map(|(name, value)| (name.to_string(), format!("{value:?}")))
        .collect();
    headers.sort();
    let body = answer.body.replace(&**code, "CODE").replace(typed, "TYPED");
    (answer.status, headers, body)
}

#[tokio::test]
async fn an_unknown_address_and_a_wrong_password_look_the_same_and_cost_the_same() {
    let app = TestApp::start().await;
    let user = app.user("ada@example.org", json!({})).await;
    let foreign = app.user("old@example.org", json!({})).await;
    app.sql(&format!(
        "UPDATE users SET password_hash = '$9$of-a-kind-that-nobody-knows' \
         WHERE id = '{foreign}'"
    ))
    .await;
    let without = app.user("none@example.org", json!({})).await;
    app.sql(&format!(
        "UPDATE users SET password_hash = NULL WHERE id = '{without}'"
    ))
    .await;
    let disabled = app.user("off@example.org", json!({})).await;
    users::disable(app.db(), disabled, app.provider.now())
        .await
        .expect("disabled");

    let mut seen = Vec::new();
    for email in [
        "ada@example.org",
        "old@example.org",
        "none@example.org",
        "off@example.org",
        "eve@example.org",
        "no address at all",
        "jose\u{301}@example.org",
    ] {
        let before = app.provider.passwords.counts();
        let answer = Jar::new(&app).log_in(email, "another password").await;
        let after = app.provider.passwords.counts();
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.body.contains(WRONG), "{}", answer.body);
        assert!(!answer.body.contains("another password"));
        let work = (after.hashes - before.hashes, after.filled_kib - before.filled_kib);
        assert_eq!(work, (1, 64), "{email}");
        seen.push((email, comparable(&answer, email)));
    }
    for (email, page) in &seen {
        assert_eq!(*page, seen[0].1, "{email}");
    }
    assert_eq!(app.count("sessions").await, 0);
    assert!(Jar::new(&app).log_in("ada@example.org", PASSWORD).await.status == 303);
    assert!(stored_hash(&app, user).await.starts_with("$argon2id$"));
}

#[tokio::test]
async fn a_hash_of_another_cost_is_replaced_at_login_and_not_before() {
    let app = TestApp::start().await;
    let user = app.user("ada@example.org", json!({})).await;
    let old = Hasher::start(&signet::password::HasherSettings {
        params: HashParams {
            memory_kib: 32,
            iterations: 2,
            parallelism: 1,
        },
        ..Options::default().hasher
    })
    .expect("threads start");
    let hash = old.hash(&Password::presented(PASSWORD), [3; 16]).await;
    let hash = hash.expect("hashed");
    assert!(hash.as_str().contains("m=32,t=2"));
    app.sql(&format!(
        "UPDATE users SET password_hash = '{}' WHERE id = '{user}'",
        hash.as_str()
    ))
    .await;

    let mut jar = Jar::new(&app);
    jar.log_in("ada@example.org", "another password").await;
    assert_eq!(stored_hash(&app, user).await, hash.as_str());
    jar.enter("ada@example.org").await;
    let new = stored_hash(&app, user).await;
    assert!(new.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{new}");
    // The password is the same, and so are the sessions.
    assert!(jar.is_in().await);
    Jar::new(&app).enter("ada@example.org").await;
    assert_eq!(stored_hash(&app, user).await, new);
}

#[tokio::test]
async fn a_disabled_user_is_told_so_only_with_the_right_password() {
    let app = TestApp::start().await;
    let user = app.user("ada@example.org", json!({})).await;
    users::disable(app.db(), user, app.provider.now())
        .await
        .expect("disabled");
    let mut jar = Jar::new(&app);
    let answer = jar.log_in("ada@example.org", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("This account is disabled."));
    assert!(answer.set_cookies().is_empty(), "{answer:#?}");
    assert!(!jar.is_in().await);
    assert_eq!(app.count("sessions").await, 0);
    assert_eq!(app.count("devices").await, 0);
    users::enable(app.db(), user).await.expect("enabled");
    jar.enter("ada@example.org").await;
}

#[tokio::test]
async fn an_empty_field_costs_no_attempt_and_keeps_the_address() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for _ in 0..15 {
        let page = jar.log_in("ada@example.org", "").await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(
            page.body
                .contains("id=\"password-error\" role=\"alert\">Enter your password.")
        );
        assert!(page.body.contains("value=\"ada@example.org\""));
        assert!(!page.body.contains("email-error"));
    }
    let page = jar.log_in("  ", "a password").await;
    assert!(
        page.body
            .contains("id=\"email-error\" role=\"alert\">Enter your e-mail address.")
    );
    assert_eq!(app.count("login_attempts").await, 0);
    assert_eq!(app.provider.passwords.counts().hashes, 0);
}

#[tokio::test]
async fn who_logs_in_is_not_asked_again_without_reason() {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    jar.enter("ada@example.org").await;
    let answer = jar.get("/login").await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.location().path(), "/account");
    let home = jar.get("/").await;
    assert_eq!(home.location().path(), "/account");
}

/// A hash that takes a thread a while, whatever new ones cost.
const SLOW: &str =
    "$argon2id$v=19$m=65536,t=24,p=1$c2FsdHNhbHRzYWx0$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[tokio::test]
async fn a_full_queue_is_a_503_that_costs_no_attempt() {
    let app = TestApp::with(|options| {
        options.hasher.threads = 1;
        options.hasher.queue_length = 1;
    })
    .await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;

    let hasher = app.provider.passwords.clone();
    let (password, slow) = (Password::presented("x"), PasswordHash::from_stored(SLOW));
    let mut worked = Box::pin(hasher.verify(&password, Some(&slow)));
    assert_eq!(poll!(worked.as_mut()), Poll::Pending);
    while hasher.counts().waiting > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut waits = Box::pin(hasher.verify(&password, Some(&slow)));
    assert_eq!(poll!(waits.as_mut()), Poll::Pending);

    // More of them than an address, or a known browser, has attempts.
    for _ in 0..12 {
        let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
        let answer = jar.submit(&page, &fields).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:#?}");
        assert_eq!(answer.header("retry-after"), Some("10"));
        assert!(answer.body.contains("Nothing is wrong with your account."));
    }
    let signup = jar.sign_up("Eve", "eve@example.org", PASSWORD).await;
    assert_eq!(signup.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(signup.header("retry-after").is_some());
    assert_eq!(app.count("users").await, 1);
    let client = app.database.client().await;
    let left = client
        .query_one("SELECT max(attempts) FROM login_attempts", &[])
        .await;
    assert_eq!(left.expect("one bucket").get::<_, i32>(0), 0);
    drop(waits);
    assert_eq!(worked.await, Ok(Verification::Wrong));
    jar.enter("ada@example.org").await;
}
