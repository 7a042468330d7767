//! What is done by mail (reference §§7.4 to 7.6, 12, 13).

use reqwest::Url;
use serde_json::{Value, json};
use signet::domain::mail::{MailKind, MailParams};

use super::{ADA, Page, ada, app, app_with, refuses};
use crate::mail;
use crate::support::app::{PASSWORD, TestApp};

pub const NEW: &str = "another horse, battery 9";

/// The path of the one link in the one new mail.
pub async fn link(app: &TestApp) -> String {
    let mails = app.deliver_mail().await;
    let text = &mails.first().expect("a mail").text;
    let begins = text
        .find(&format!("{}/api/auth/", app.url))
        .unwrap_or_else(|| panic!("no link: {text}"));
    let link = text[begins..].split_whitespace().next().expect("a link");
    let url: Url = link.parse().expect("a URL");
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    format!("{}{query}", url.path().trim_start_matches("/api/auth"))
}

/// The six digits in the one new mail.
pub async fn code(app: &TestApp) -> String {
    let mails = app.deliver_mail().await;
    digits(&mails.first().expect("a mail").text)
}

/// The six digits in a text.
pub fn digits(text: &str) -> String {
    text.split(|character: char| !character.is_ascii_digit())
        .find(|word| word.len() == 6)
        .unwrap_or_else(|| panic!("no code: {text}"))
        .to_owned()
}

#[tokio::test]
async fn an_address_is_verified_where_it_was_signed_up_and_elsewhere_a_page_asks() {
    let app = app_with(|options| options.settings.accounts.require_verified_email = true).await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD, "callbackURL": "/welcome"});
    page.post("/sign-up/email", body).await;
    let link = link(&app).await;
    let scanner = Page::new(&app).get(&link).await;
    assert_eq!(
        (scanner.status.as_u16(), scanner.location().path()),
        (302, "/verify-email")
    );
    refuses(
        &page
            .post("/sign-in/email", json!({"email": ADA, "password": PASSWORD}))
            .await,
        403,
        "EMAIL_NOT_VERIFIED",
    );
    let answer = page.get(&link).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (302, Some("/welcome"))
    );
    page.sign_in(ADA).await;
    let mut dead = Page::new(&app);
    refuses(&dead.get("/verify-email?token=x").await, 401, "INVALID_TOKEN");
    let told = dead.get("/verify-email?token=x&callbackURL=%2Fa%3Fb%23c").await;
    assert_eq!(told.header("location"), Some("/a?b&error=INVALID_TOKEN#c"));
    let body = json!({"email": ADA});
    refuses(
        &page.post("/send-verification-email", body).await,
        400,
        "EMAIL_ALREADY_VERIFIED",
    );
    let body = json!({"email": "b@example.org"});
    refuses(
        &page.post("/send-verification-email", body.clone()).await,
        400,
        "EMAIL_MISMATCH",
    );
    let unknown = dead.post("/send-verification-email", body).await;
    assert_eq!(unknown.json(), json!({"status": true}));
    assert_eq!(app.deliver_mail().await.len(), 0);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once_by_link() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let mut said = Vec::new();
    for email in ["nobody@example.org", ADA] {
        let body = json!({"email": email, "redirectTo": "/new-password"});
        let answer = page.post("/request-password-reset", body).await;
        said.push((answer.status, answer.body));
    }
    assert_eq!(said[0], said[1]);
    let link = link(&app).await;
    let sent = page.get(&link).await;
    let target = sent.location();
    assert_eq!(
        (target.path(), target.host_str()),
        ("/new-password", Some("127.0.0.1"))
    );
    let token = target
        .query_pairs()
        .find(|(name, _)| name == "token")
        .expect("a token")
        .1
        .into_owned();
    let reset = |password: &str| json!({"newPassword": password, "token": token});
    refuses(
        &page.post("/reset-password", reset("short")).await,
        400,
        "PASSWORD_TOO_SHORT",
    );
    assert_eq!(
        page.post("/reset-password", reset(NEW)).await.json(),
        json!({"status": true})
    );
    refuses(
        &page.post("/reset-password", reset(PASSWORD)).await,
        400,
        "INVALID_TOKEN",
    );
    let again = page.get(&link).await.location();
    assert_eq!(again.query(), Some("error=INVALID_TOKEN"));
    let body = json!({"email": ADA, "password": NEW});
    assert_eq!(page.post("/sign-in/email", body).await.status, 200);
}

#[tokio::test]
async fn a_magic_link_logs_in_the_browser_that_asked() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = json!({"email": ADA, "name": "Ada", "callbackURL": "/home", "newUserCallbackURL": "/welcome"});
    assert_eq!(
        page.post("/sign-in/magic-link", body).await.json(),
        json!({"status": true})
    );
    let link = link(&app).await;
    let elsewhere = Page::new(&app).get(&link).await;
    assert_eq!(elsewhere.location().path(), "/login/link");
    let answer = page.get(&link).await;
    assert_eq!(
        (answer.status.as_u16(), answer.location().path()),
        (302, "/welcome"),
        "{answer:#?}"
    );
    let user = page.session().await["user"].clone();
    assert_eq!(
        (&user["email"], &user["emailVerified"], &user["name"]),
        (&json!(ADA), &json!(true), &json!("Ada"))
    );
    let again = page.get(&link).await.location();
    assert_eq!(
        (again.path(), again.query()),
        ("/home", Some("error=INVALID_TOKEN"))
    );
}

#[tokio::test]
async fn a_link_that_no_browser_asked_for_logs_none_in_by_itself() {
    let app = app().await;
    let user = app.user(ADA, json!({})).await;
    let params = MailParams {
        better_auth: true,
        ..MailParams::default()
    };
    mail::ask(&app, MailKind::SignIn, ADA, Some(user), &params).await;
    let link = link(&app).await;
    let mut page = Page::new(&app);
    assert!(page.jar.cookies.is_empty(), "it has no token of its own either");
    let answer = page.get(&link).await;
    assert_eq!(answer.location().path(), "/login/link", "{answer:#?}");
    assert_eq!(page.session().await, Value::Null);
}

#[tokio::test]
async fn a_code_logs_in_and_is_guessed_at_three_times_at_most() {
    let app = app().await;
    let mut page = Page::new(&app);
    let send = json!({"email": ADA, "type": "sign-in"});
    let answer = page.post("/email-otp/send-verification-otp", send.clone()).await;
    assert_eq!(answer.json(), json!({"success": true}));
    let right = code(&app).await;
    let answer = page
        .post("/sign-in/email-otp", json!({"email": ADA, "otp": right}))
        .await;
    assert_eq!(answer.json()["user"]["email"], ADA, "{answer:#?}");
    let used = page
        .post("/sign-in/email-otp", json!({"email": ADA, "otp": right}))
        .await;
    refuses(&used, 400, "INVALID_OTP");
    app.advance(chrono::TimeDelta::seconds(1));
    let mut guesser = Page::new(&app);
    guesser.post("/email-otp/send-verification-otp", send).await;
    let right = code(&app).await;
    let wrong = if right == "000000" { "000001" } else { "000000" };
    for _ in 0..3 {
        let answer = guesser
            .post("/sign-in/email-otp", json!({"email": ADA, "otp": wrong}))
            .await;
        refuses(&answer, 400, "INVALID_OTP");
    }
    let answer = guesser
        .post("/sign-in/email-otp", json!({"email": ADA, "otp": right}))
        .await;
    refuses(&answer, 403, "TOO_MANY_ATTEMPTS");
    for (kind, code) in [("change-email", ""), ("other", "VALIDATION_ERROR")] {
        let body = json!({"email": ADA, "type": kind});
        refuses(
            &page.post("/email-otp/send-verification-otp", body).await,
            400,
            code,
        );
    }
    let body = json!({"email": "x", "type": "sign-in"});
    refuses(
        &page.post("/email-otp/send-verification-otp", body).await,
        400,
        "INVALID_EMAIL",
    );
}

#[tokio::test]
async fn an_address_changes_when_both_have_agreed() {
    let app = app().await;
    let mut page = ada(&app).await;
    let body = |email: &str| json!({"newEmail": email, "callbackURL": "/done"});
    refuses(&page.post("/change-email", body(ADA)).await, 400, "");
    assert_eq!(
        page.post("/change-email", body("new@example.org")).await.json(),
        json!({"status": true})
    );
    let agree = link(&app).await;
    assert_eq!(
        Page::new(&app).get(&agree).await.location().path(),
        "/account/email/confirm"
    );
    assert_eq!(page.get(&agree).await.header("location"), Some("/done"));
    assert_eq!(page.session().await["user"]["email"], ADA);
    let prove = link(&app).await;
    assert_eq!(page.get(&prove).await.header("location"), Some("/done"));
    let mut there = Page::new(&app);
    there.sign_in("new@example.org").await;
    app.advance(chrono::TimeDelta::hours(25));
    refuses(
        &there.post("/change-email", body("b@example.org")).await,
        403,
        "SESSION_NOT_FRESH",
    );
}

#[tokio::test]
async fn an_account_is_deleted_by_its_user() {
    let app = app().await;
    let mut page = ada(&app).await;
    refuses(
        &page.post("/delete-user", json!({"password": "wrong"})).await,
        400,
        "INVALID_PASSWORD",
    );
    refuses(
        &page.post("/delete-user", json!({"token": "x"})).await,
        404,
        "INVALID_TOKEN",
    );
    refuses(
        &Page::new(&app).get("/delete-user/callback?token=x").await,
        404,
        "FAILED_TO_GET_USER_INFO",
    );
    app.advance(chrono::TimeDelta::hours(25));
    refuses(
        &page.post("/delete-user", json!({})).await,
        400,
        "SESSION_EXPIRED",
    );
    let gone = page.post("/delete-user", json!({"password": PASSWORD})).await;
    assert_eq!(gone.json(), json!({"success": true, "message": "User deleted"}));
    assert_eq!(app.count("users").await, 0);
    assert!(!page.jar.cookies.contains_key("better-auth.session_token"));
}

#[tokio::test]
async fn without_a_mailer_nothing_is_promised() {
    let app = app_with(|options| options.settings.mail = false).await;
    let mut page = Page::new(&app);
    let body = json!({"email": ADA});
    refuses(
        &page.post("/request-password-reset", body.clone()).await,
        400,
        "RESET_PASSWORD_DISABLED",
    );
    for path in ["/send-verification-email", "/sign-in/magic-link"] {
        refuses(
            &page.post(path, body.clone()).await,
            400,
            "VERIFICATION_EMAIL_NOT_ENABLED",
        );
    }
}
