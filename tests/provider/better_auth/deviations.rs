//! Where we differ from the original on purpose (`docs/better-auth.md`), as far as no other file here holds it.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::{Value, json};
use signet::storage::users;

use super::{ADA, Page, ada, app, refuses};
use crate::support::app::PASSWORD;

const COOKIE: &str = "better-auth.session_token";

#[tokio::test]
async fn two_cookies_of_one_name_are_none_unless_they_are_the_same() {
    let app = app().await;
    let mut page = ada(&app).await;
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    let cookie = |page: &Page| format!("{COOKIE}={}", page.jar.cookies[COOKIE]);
    let (own, planted) = (cookie(&page), cookie(&eve));
    page.jar.cookies.clear();
    for (cookies, email) in [
        (format!("{own}; {own}"), json!(ADA)),
        (format!("{own}; {planted}"), Value::Null),
        (format!("{planted}; {own}"), Value::Null),
    ] {
        let answer = page.get_with("/get-session", &[("cookie", &cookies)]).await;
        assert_eq!(answer.json()["user"]["email"], email, "{answer:#?}");
    }
}

#[tokio::test]
async fn who_signs_in_again_goes_on_in_the_same_session_which_is_fresh() {
    let app = app().await;
    let mut page = ada(&app).await;
    let before = page.session().await["session"].clone();
    app.advance(TimeDelta::hours(25));
    refuses(&page.get("/list-sessions").await, 403, "SESSION_NOT_FRESH");
    page.sign_in(ADA).await;
    assert_eq!(page.session().await["session"]["id"], before["id"]);
    let listed = page.get("/list-sessions").await.json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn a_disabled_user_is_told_so_once_the_password_is_right() {
    let app = app().await;
    let id = app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    page.sign_in(ADA).await;
    users::disable(app.db(), id, app.provider.now())
        .await
        .expect("disabled");
    assert_eq!(page.session().await, Value::Null);
    for (password, status, code) in [
        ("wrong", 401, "INVALID_EMAIL_OR_PASSWORD"),
        (PASSWORD, 403, "BANNED_USER"),
    ] {
        let body = json!({"email": ADA, "password": password});
        refuses(&page.post("/sign-in/email", body).await, status, code);
    }
}

#[tokio::test]
async fn without_the_database_it_is_worth_trying_again() {
    let app = app().await;
    let mut page = ada(&app).await;
    app.provider.db.close();
    let body = json!({"email": ADA, "password": PASSWORD});
    for answer in [
        page.get("/get-session").await,
        page.post("/sign-in/email", body).await,
        page.post("/change-email", json!({"newEmail": "b@example.org"}))
            .await,
    ] {
        refuses(&answer, 503, "SERVICE_UNAVAILABLE");
        let seconds = answer.header("retry-after").expect("a time");
        assert!(
            seconds.parse::<u32>().is_ok_and(|seconds| seconds > 0),
            "{seconds}"
        );
        assert_eq!(answer.header("set-cookie"), None, "nobody is logged out by it");
    }
    for path in ["/ok", "/jwks", "/error"] {
        assert_eq!(page.get(path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_clients_send_too_much_is_no_mistake() {
    let app = app().await;
    let mut page = ada(&app).await;
    for (path, body) in [
        ("/verify-password", json!({"password": PASSWORD, "x": 1})),
        ("/revoke-other-sessions", json!({"x": [1]})),
        (
            "/send-verification-email",
            json!({"email": "b@example.org", "x": null}),
        ),
    ] {
        let answer = page.post(path, body).await;
        assert_ne!(answer.json()["code"], "VALIDATION_ERROR", "{path}");
        assert_ne!(answer.status, 415, "{path}");
    }
    // No body at all, also under a type.
    for headers in [&[][..], &[("content-type", "application/json")]] {
        let origin = ("origin", &*app.url);
        let headers = [headers, &[origin]].concat();
        let answer = page
            .jar
            .send(Method::POST, "/api/auth/sign-out", &headers, None)
            .await;
        assert_eq!(answer.json(), json!({"success": true}));
    }
}
