//! Six digits by mail: what each kind is good for, how often it may be guessed at, and until when (reference §13).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::mailed::{NEW, code};
use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::{PASSWORD, TestApp};

const KINDS: [&str; 3] = ["sign-in", "email-verification", "forget-password"];

/// Asks for a code of a kind, and reads it.
async fn asked(app: &TestApp, page: &mut Page, kind: &str) -> String {
    let body = json!({"email": ADA, "type": kind});
    let answer = page.post("/email-otp/send-verification-otp", body).await;
    assert_eq!(answer.json(), json!({"success": true}), "{kind}");
    code(app).await
}

/// A code that is not this one.
fn wrong(right: &str) -> &'static str {
    if right == "000000" { "000001" } else { "000000" }
}

/// An account whose address nobody has proven, and the page that made it.
async fn unproven(app: &TestApp) -> Page {
    let mut page = Page::new(app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD});
    assert_eq!(page.post("/sign-up/email", body).await.status, 200);
    app.deliver_mail().await;
    page
}

#[tokio::test]
async fn a_code_that_is_looked_at_stays_good_however_often() {
    let app = app().await;
    unproven(&app).await;
    for kind in KINDS {
        let mut page = Page::new(&app);
        let right = asked(&app, &mut page, kind).await;
        let check = |code: &str| json!({"email": ADA, "type": kind, "otp": code});
        for _ in 0..5 {
            let answer = page
                .post("/email-otp/check-verification-otp", check(&right))
                .await;
            assert_eq!(answer.json(), json!({"success": true}), "{kind}");
        }
        // A code of one kind is none of another.
        for other in KINDS.into_iter().filter(|other| *other != kind) {
            let body = json!({"email": ADA, "type": other, "otp": right});
            let answer = page.post("/email-otp/check-verification-otp", body).await;
            assert_ne!(answer.status, 200, "{kind} as {other}");
        }
        app.sql("DELETE FROM mailed_links").await;
    }
    let nobody = json!({"email": "nobody@example.org", "type": "sign-in", "otp": "000000"});
    let mut page = Page::new(&app);
    refuses(
        &page.post("/email-otp/check-verification-otp", nobody).await,
        400,
        "INVALID_OTP",
    );
}

#[tokio::test]
async fn a_wrong_guess_counts_wherever_it_is_made() {
    let app = app().await;
    unproven(&app).await;
    for (kind, path) in [
        ("sign-in", "/sign-in/email-otp"),
        ("email-verification", "/email-otp/verify-email"),
        ("forget-password", "/email-otp/reset-password"),
    ] {
        let mut page = Page::new(&app);
        let right = asked(&app, &mut page, kind).await;
        let check = |code: &str| json!({"email": ADA, "type": kind, "otp": code});
        let spend = |code: &str| json!({"email": ADA, "otp": code, "password": NEW});
        for body in [check(wrong(&right)), check(wrong(&right))] {
            let answer = page.post("/email-otp/check-verification-otp", body).await;
            refuses(&answer, 400, "INVALID_OTP");
        }
        refuses(&page.post(path, spend(wrong(&right))).await, 400, "INVALID_OTP");
        refuses(&page.post(path, spend(&right)).await, 403, "TOO_MANY_ATTEMPTS");
        let answer = page
            .post("/email-otp/check-verification-otp", check(&right))
            .await;
        refuses(&answer, 403, "TOO_MANY_ATTEMPTS");
    }
}

#[tokio::test]
async fn a_code_is_good_for_five_minutes() {
    let app = app().await;
    unproven(&app).await;
    for (kind, path) in [
        ("sign-in", "/sign-in/email-otp"),
        ("email-verification", "/email-otp/verify-email"),
        ("forget-password", "/email-otp/reset-password"),
    ] {
        let mut page = Page::new(&app);
        let right = asked(&app, &mut page, kind).await;
        let check = json!({"email": ADA, "type": kind, "otp": right});
        app.advance(TimeDelta::seconds(299));
        let answer = page
            .post("/email-otp/check-verification-otp", check.clone())
            .await;
        assert_eq!(answer.status, 200, "{kind}");
        app.advance(TimeDelta::seconds(1));
        refuses(
            &page.post("/email-otp/check-verification-otp", check).await,
            400,
            "OTP_EXPIRED",
        );
        let body = json!({"email": ADA, "otp": right, "password": NEW});
        refuses(&page.post(path, body).await, 400, "OTP_EXPIRED");
    }
}

#[tokio::test]
async fn a_code_proves_an_address_and_logs_in_where_the_operator_says_so() {
    for logs_in in [false, true] {
        let app = app_with(|options| options.settings.accounts.login_after_verification = logs_in).await;
        let mut page = unproven(&app).await;
        page.post("/sign-out", json!({})).await;
        let right = asked(&app, &mut page, "email-verification").await;
        let body = json!({"email": ADA, "otp": right});
        let answer = page.post("/email-otp/verify-email", body.clone()).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let said = answer.json();
        assert_eq!(
            (
                &said["status"],
                &said["user"]["email"],
                &said["user"]["emailVerified"]
            ),
            (&json!(true), &json!(ADA), &json!(true))
        );
        assert_eq!(said["token"].is_string(), logs_in, "{said}");
        assert_eq!(page.session().await.is_null(), !logs_in);
        refuses(
            &page.post("/email-otp/verify-email", body).await,
            400,
            "INVALID_OTP",
        );
        // The browser made the account, so that its password stays.
        Page::new(&app).sign_in(ADA).await;
    }
}

#[tokio::test]
async fn a_code_sets_a_new_password_and_proves_the_address() {
    let app = app().await;
    unproven(&app).await;
    for (round, path) in ["/email-otp/request-password-reset", "/forget-password/email-otp"]
        .into_iter()
        .enumerate()
    {
        let mut page = Page::new(&app);
        for email in ["nobody@example.org", ADA] {
            let answer = page.post(path, json!({"email": email})).await;
            assert_eq!(answer.json(), json!({"success": true}), "{email}");
        }
        let right = code(&app).await;
        let password = format!("{NEW}{round}");
        let reset = |password: &str| json!({"email": ADA, "otp": right, "password": password});
        let long = "x".repeat(129);
        for (chosen, code) in [
            ("short", "PASSWORD_TOO_SHORT"),
            (&*long, "PASSWORD_TOO_LONG"),
            ("password1", "PASSWORD_TOO_WEAK"),
            ("password1", "PASSWORD_TOO_WEAK"),
            ("password1", "PASSWORD_TOO_WEAK"),
            ("password1", "PASSWORD_TOO_WEAK"),
        ] {
            let answer = page.post("/email-otp/reset-password", reset(chosen)).await;
            refuses(&answer, 400, code);
        }
        let answer = page.post("/email-otp/reset-password", reset(&password)).await;
        assert_eq!(answer.json(), json!({"success": true}), "{answer:#?}");
        let answer = page.post("/email-otp/reset-password", reset(&password)).await;
        refuses(&answer, 400, "INVALID_OTP");
        assert_eq!(page.session().await, Value::Null, "a reset logs nobody in");
        let body = json!({"email": ADA, "password": password});
        let answer = page.post("/sign-in/email", body).await;
        assert_eq!(answer.json()["user"]["emailVerified"], true, "{answer:#?}");
        // The news of the change.
        app.deliver_mail().await;
    }
}

#[tokio::test]
async fn a_code_at_the_new_address_changes_it() {
    let app = app().await;
    let mut page = ada(&app).await;
    let new = "countess@example.org";
    let ask = json!({"newEmail": new});
    refuses(
        &Page::new(&app)
            .post("/email-otp/request-email-change", ask.clone())
            .await,
        401,
        "UNAUTHORIZED",
    );
    refuses(
        &page
            .post("/email-otp/request-email-change", json!({"newEmail": ADA}))
            .await,
        400,
        "",
    );
    let answer = page.post("/email-otp/request-email-change", ask.clone()).await;
    assert_eq!(answer.json(), json!({"success": true}));
    let mails = app.deliver_mail().await;
    let to: Vec<_> = mails.iter().map(|mail| &*mail.to).collect();
    assert_eq!(to, [new]);
    let right = super::mailed::digits(&mails[0].text);
    let change = |code: &str| json!({"newEmail": new, "otp": code});
    // It is good for who asked alone.
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    refuses(
        &eve.post("/email-otp/change-email", change(&right)).await,
        400,
        "INVALID_OTP",
    );
    refuses(
        &page.post("/email-otp/change-email", change(wrong(&right))).await,
        400,
        "INVALID_OTP",
    );
    let answer = page.post("/email-otp/change-email", change(&right)).await;
    assert_eq!(answer.json(), json!({"success": true}), "{answer:#?}");
    assert!(answer.header("set-auth-token").is_some());
    let user = page.session().await["user"].clone();
    assert_eq!(
        (&user["email"], &user["emailVerified"]),
        (&json!(new), &json!(true))
    );
    let told = app.deliver_mail().await;
    assert!(told.iter().any(|mail| mail.to == ADA), "the old address is told");

    let closed = app_with(|options| options.settings.accounts.change_email = false).await;
    let mut page = ada(&closed).await;
    for (path, body) in [
        ("/email-otp/request-email-change", ask),
        ("/email-otp/change-email", change("000000")),
    ] {
        let answer = page.post(path, body).await;
        refuses(&answer, 400, "");
        assert_eq!(answer.json()["message"], "Change email with OTP is disabled");
    }
}

#[tokio::test]
async fn a_taken_address_is_not_given_away_by_its_code() {
    let app = app().await;
    let mut page = ada(&app).await;
    app.user("eve@example.org", json!({})).await;
    let body = json!({"newEmail": "eve@example.org"});
    let answer = page.post("/email-otp/request-email-change", body).await;
    assert_eq!(answer.json(), json!({"success": true}));
    assert_eq!(app.deliver_mail().await.len(), 0);
}
