//! Sessions, their cookies and their ages, and what users change of themselves (reference §§3, 4, 7.3, 7.4, 7.7).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::PASSWORD;

const COOKIE: &str = "better-auth.session_token";

fn line<'a>(lines: &'a [&'a str], name: &str) -> &'a str {
    let begins = format!("{name}=");
    lines
        .iter()
        .find(|line| line.starts_with(&begins))
        .unwrap_or_else(|| panic!("no {name}: {lines:?}"))
}

#[tokio::test]
async fn a_cookie_has_the_attributes_that_clients_and_browsers_know() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let answer = page
        .post("/sign-in/email", json!({"email": ADA, "password": PASSWORD}))
        .await;
    let lines = answer.set_cookies();
    let session = line(&lines, COOKIE);
    assert!(
        session.ends_with("; Max-Age=604800; Path=/; HttpOnly; SameSite=Lax"),
        "{session}"
    );
    assert!(
        session.contains("%3D;"),
        "a signature in standard base64: {session}"
    );

    let mut brief = Page::new(&app);
    let body = json!({"email": ADA, "password": PASSWORD, "rememberMe": false});
    let answer = brief.post("/sign-in/email", body).await;
    let lines = answer.set_cookies();
    assert!(!line(&lines, COOKIE).contains("Max-Age"));
    assert!(line(&lines, "better-auth.dont_remember").starts_with("better-auth.dont_remember=true."));
    app.advance(TimeDelta::hours(23));
    assert_eq!(brief.session().await["user"]["email"], ADA);
    app.advance(TimeDelta::hours(2));
    let over = brief.get("/get-session").await;
    assert_eq!(over.json(), Value::Null);
    let lines = over.set_cookies();
    for name in [COOKIE, "better-auth.session_data", "better-auth.dont_remember"] {
        assert!(
            line(&lines, name).starts_with(&format!("{name}=; Max-Age=0;")),
            "{lines:?}"
        );
    }
}

#[tokio::test]
async fn on_https_the_cookies_have_their_prefix_and_a_page_knows_the_session() {
    let app = app_with(|options| options.issuer = Some("https://id.example.org".to_owned())).await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    page.origin = "https://id.example.org".to_owned();
    page.sign_in(ADA).await;
    for name in ["__Secure-better-auth.session_token", "__Host-signet.bind"] {
        assert!(page.jar.cookies.contains_key(name), "{:?}", page.jar.cookies);
    }
    assert!(page.jar.is_in().await);
}

#[tokio::test]
async fn a_session_is_extended_once_a_day_and_the_cookie_with_it() {
    let app = app().await;
    let mut page = ada(&app).await;
    let begun = page.session().await["session"]["expiresAt"].clone();
    app.advance(TimeDelta::hours(23));
    let answer = page.get("/get-session").await;
    assert_eq!(
        (&answer.json()["session"]["expiresAt"], answer.set_cookies().len()),
        (&begun, 0)
    );
    app.advance(TimeDelta::hours(2));
    let answer = page.get("/get-session?disableRefresh=true").await;
    assert_eq!(
        (&answer.json()["session"]["expiresAt"], answer.set_cookies().len()),
        (&begun, 0)
    );
    let answer = page.get("/get-session").await;
    assert_ne!(answer.json()["session"]["expiresAt"], begun);
    line(&answer.set_cookies(), COOKIE);
    assert!(answer.header("set-auth-token").is_some());
    // It was used, but the login is no younger for that.
    refuses(&page.get("/list-sessions").await, 403, "SESSION_NOT_FRESH");
    page.sign_in(ADA).await;
    assert_eq!(page.get("/list-sessions").await.status, 200);
}

#[tokio::test]
async fn nobody_is_logged_in_is_null_and_elsewhere_401() {
    let app = app().await;
    let mut page = Page::new(&app);
    let answer = page.get("/get-session").await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "null"));
    assert_eq!(
        (answer.header("cache-control"), answer.header("pragma")),
        (Some("no-store"), Some("no-cache"))
    );
    refuses(
        &page.post("/get-session", json!({})).await,
        405,
        "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED",
    );
    for path in ["/list-sessions", "/list-accounts", "/token"] {
        refuses(&page.get(path).await, 401, "UNAUTHORIZED");
    }
    for (path, body) in [
        ("/revoke-session", json!({"token": "x"})),
        ("/revoke-sessions", json!({})),
        ("/revoke-other-sessions", json!({})),
        ("/update-session", json!({})),
        (
            "/change-password",
            json!({"currentPassword": "x", "newPassword": PASSWORD}),
        ),
        ("/verify-password", json!({"password": "x"})),
        ("/change-email", json!({"newEmail": "b@example.org"})),
        ("/delete-user", json!({})),
        ("/unlink-account", json!({"accountId": "x"})),
    ] {
        refuses(&page.post(path, body).await, 401, "UNAUTHORIZED");
    }
    for path in ["/get-access-token", "/refresh-token"] {
        let answer = page.post(path, json!({"accountId": "x"})).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (401, ""));
    }
    page.jar
        .cookies
        .insert(COOKIE.to_owned(), "forged.AAAA".to_owned());
    let answer = page.get("/get-session").await;
    assert_eq!((&*answer.body, answer.set_cookies().len()), ("null", 0));
}

#[tokio::test]
async fn sessions_of_both_faces_are_seen_and_ended_by_each_other() {
    let app = app().await;
    let mut page = ada(&app).await;
    assert!(page.jar.is_in().await);
    let mut other = Page::new(&app);
    other.jar.enter(ADA).await;
    assert_eq!(other.session().await["user"]["email"], ADA);
    let own = page.session().await["session"]["id"].clone();
    let listed = page.get("/list-sessions").await.json();
    let others = listed
        .as_array()
        .expect("a list")
        .iter()
        .find(|session| session["id"] != own);
    let token = others.expect("the other")["token"].clone();
    // The handle is its owner's alone.
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    for (who, ends) in [(&mut eve, false), (&mut page, true)] {
        let answer = who.post("/revoke-session", json!({"token": token})).await;
        assert_eq!(answer.json(), json!({"status": true}));
        assert_eq!(other.session().await.is_null(), ends);
    }
    other.jar.enter(ADA).await;
    page.post("/revoke-other-sessions", json!({})).await;
    assert!(!other.jar.is_in().await);
    let answer = page.post("/revoke-sessions", json!({})).await;
    assert!(line(&answer.set_cookies(), COOKIE).contains("Max-Age=0"));
    assert!(!page.jar.is_in().await);
}

#[tokio::test]
async fn a_cached_session_is_believed_beside_its_cookie_until_it_ends() {
    let app = app_with(|options| options.site.better_auth.cookie_cache_max_age = TimeDelta::minutes(5)).await;
    let mut page = ada(&app).await;
    let kept = page.jar.cookies["better-auth.session_data"].clone();
    app.sql("UPDATE sessions SET ended_at = now()").await;
    assert_eq!(page.session().await["user"]["email"], ADA);
    let fresh = page.get("/get-session?disableCookieCache=true").await;
    assert_eq!(fresh.json(), Value::Null);
    let mut alone = Page::new(&app);
    alone
        .jar
        .cookies
        .insert("better-auth.session_data".to_owned(), kept);
    assert_eq!(alone.session().await, Value::Null);
}

#[tokio::test]
async fn users_change_their_name_and_picture_and_nothing_else() {
    let app = app().await;
    let mut page = ada(&app).await;
    for (body, status, code) in [
        (json!({}), 400, ""),
        (json!({"role": "admin", "emailVerified": false}), 400, ""),
        (json!({"email": "b@example.org"}), 400, "EMAIL_CAN_NOT_BE_UPDATED"),
        (json!([]), 400, "VALIDATION_ERROR"),
        (json!({"name": 5}), 400, "VALIDATION_ERROR"),
        (json!({"name": "a\u{0}b"}), 400, "VALIDATION_ERROR"),
        (json!({"image": "x".repeat(1025)}), 400, "VALIDATION_ERROR"),
    ] {
        refuses(&page.post("/update-user", body).await, status, code);
    }
    let answer = page
        .post("/update-user", json!({"name": "Countess", "image": "/a.png"}))
        .await;
    assert_eq!(answer.json(), json!({"status": true}));
    line(&answer.set_cookies(), COOKIE);
    let user = page.session().await["user"].clone();
    assert_eq!(
        (&user["name"], &user["image"]),
        (&json!("Countess"), &json!("/a.png"))
    );
    page.post("/update-user", json!({"image": null})).await;
    assert_eq!(page.session().await["user"]["image"], Value::Null);
    refuses(&page.post("/update-session", json!({"x": 1})).await, 400, "");
}

#[tokio::test]
async fn the_password_is_an_account_that_has_no_tokens_and_stays() {
    let app = app().await;
    let mut page = ada(&app).await;
    let accounts = page.get("/list-accounts").await.json();
    let account = &accounts[0];
    assert_eq!(
        (&account["providerId"], &account["scopes"]),
        (&json!("credential"), &json!([]))
    );
    let id = account["id"].as_str().expect("an id");
    let named = json!({"accountId": id});
    refuses(
        &page.post("/unlink-account", named.clone()).await,
        400,
        "FAILED_TO_UNLINK_LAST_ACCOUNT",
    );
    for path in ["/get-access-token", "/refresh-token"] {
        refuses(
            &page.post(path, named.clone()).await,
            400,
            "PROVIDER_NOT_SUPPORTED",
        );
        refuses(
            &page.post(path, json!({"accountId": "x"})).await,
            400,
            "ACCOUNT_NOT_FOUND",
        );
        refuses(
            &page.post(path, json!({"accountId": id, "x": 1})).await,
            400,
            "VALIDATION_ERROR",
        );
    }
    refuses(
        &page.get(&format!("/account-info?accountId={id}")).await,
        400,
        "PROVIDER_NOT_CONFIGURED",
    );
}

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let app = app().await;
    let mut page = ada(&app).await;
    let mut other = Page::new(&app);
    other.sign_in(ADA).await;
    let new = "another horse, battery 9";
    for (current, chosen, code) in [
        (PASSWORD, "short", "PASSWORD_TOO_SHORT"),
        (PASSWORD, "password1", "PASSWORD_TOO_WEAK"),
        ("wrong", new, "INVALID_PASSWORD"),
    ] {
        let body = json!({"currentPassword": current, "newPassword": chosen});
        refuses(&page.post("/change-password", body).await, 400, code);
    }
    let body = json!({"currentPassword": PASSWORD, "newPassword": new});
    let answer = page.post("/change-password", body).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.json()["token"]),
        (200, &Value::Null),
        "{answer:#?}"
    );
    assert_eq!(other.session().await["user"]["email"], ADA);
    let body = json!({"currentPassword": new, "newPassword": PASSWORD, "revokeOtherSessions": true});
    let answer = page.post("/change-password", body).await;
    assert!(answer.json()["token"].is_string(), "{answer:#?}");
    assert_eq!(other.session().await, Value::Null);
    assert_eq!(page.session().await["user"]["email"], ADA);
    refuses(
        &page.post("/verify-password", json!({"password": new})).await,
        400,
        "INVALID_PASSWORD",
    );
    let right = page.post("/verify-password", json!({"password": PASSWORD})).await;
    assert_eq!(right.json(), json!({"status": true}));
}
