//! What remains of passwords and addresses: resets by link and how long they wait, accounts without a password, wishes
//! for an address that cannot be had, and who comes by mail for the first time (reference §§7.4, 7.6, 12, 13).

use chrono::TimeDelta;
use reqwest::Url;
use serde_json::{Value, json};

use super::mailed::{NEW, code, link};
use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::{PASSWORD, TestApp};

/// The token of a link that resets a password.
fn token_of(link: &str) -> String {
    let path = link.split('?').next().expect("a path");
    path.strip_prefix("/reset-password/")
        .unwrap_or_else(|| panic!("another link: {link}"))
        .to_owned()
}

/// Asks for a link that resets Ada's password, and reads it.
async fn reset_link(app: &TestApp, page: &mut Page, body: Value) -> String {
    let answer = page.post("/request-password-reset", body).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    link(app).await
}

/// Somebody who came by a mailed link, and never chose a password.
async fn without_password(app: &TestApp) -> Page {
    let mut page = Page::new(app);
    page.post("/sign-in/magic-link", json!({"email": ADA})).await;
    page.get(&link(app).await).await;
    assert_eq!(page.session().await["user"]["email"], ADA);
    page
}

#[tokio::test]
async fn a_link_without_a_page_that_asks_for_the_password_leads_to_the_page_of_errors() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let link = reset_link(&app, &mut page, json!({"email": ADA})).await;
    assert!(link.ends_with("?callbackURL="), "{link}");
    let answer = page.get(&link).await;
    let target = format!("{}/api/auth/error?error=INVALID_TOKEN", app.issuer);
    assert_eq!(answer.header("location"), Some(&*target));
    assert_eq!(
        (
            answer.status.as_u16(),
            answer.header("content-type"),
            &*answer.body
        ),
        (302, Some("application/json"), "")
    );
    let bare = format!("/reset-password/{}", token_of(&link));
    refuses(&page.get(&bare).await, 400, "VALIDATION_ERROR");
    // The token itself is good, and may stand in the address.
    let path = format!("/reset-password?token={}", token_of(&link));
    let answer = page.post(&path, json!({"newPassword": NEW})).await;
    assert_eq!(answer.json(), json!({"status": true}), "{answer:#?}");
    assert_eq!(page.session().await, Value::Null, "a reset logs nobody in");
    refuses(
        &page.post("/reset-password", json!({"newPassword": NEW})).await,
        400,
        "INVALID_TOKEN",
    );
}

#[tokio::test]
async fn a_reset_that_came_too_late_sets_nothing() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let body = json!({"email": ADA, "redirectTo": "/new?a=b"});
    let link = reset_link(&app, &mut page, body).await;
    app.advance(TimeDelta::minutes(30) - TimeDelta::seconds(1));
    let good = page.get(&link).await.location();
    let query = format!("a=b&token={}", token_of(&link));
    assert_eq!((good.path(), good.query()), ("/new", Some(&*query)));
    app.advance(TimeDelta::seconds(1));
    let late = page.get(&link).await.location();
    assert_eq!(late.query(), Some("a=b&error=INVALID_TOKEN"));
    let reset = |password: &str| json!({"newPassword": password, "token": token_of(&link)});
    // Its length is looked at before the token.
    let long = "x".repeat(129);
    for (password, code) in [
        ("short", "PASSWORD_TOO_SHORT"),
        (&*long, "PASSWORD_TOO_LONG"),
        (NEW, "INVALID_TOKEN"),
    ] {
        let answer = page.post("/reset-password", reset(password)).await;
        refuses(&answer, 400, code);
    }
    page.sign_in(ADA).await;
}

#[tokio::test]
async fn a_reset_ends_the_sessions_unless_the_operator_keeps_them() {
    for ends in [true, false] {
        let app = app_with(|options| options.settings.accounts.reset_ends_sessions = ends).await;
        let mut elsewhere = ada(&app).await;
        let mut page = Page::new(&app);
        let link = reset_link(&app, &mut page, json!({"email": ADA})).await;
        let body = json!({"newPassword": NEW, "token": token_of(&link)});
        let answer = page.post("/reset-password", body).await;
        assert_eq!(answer.json(), json!({"status": true}));
        assert_eq!(elsewhere.session().await.is_null(), ends);
        let body = json!({"email": ADA, "password": PASSWORD});
        refuses(
            &page.post("/sign-in/email", body).await,
            401,
            "INVALID_EMAIL_OR_PASSWORD",
        );
    }
}

#[tokio::test]
async fn who_has_no_password_gets_one_by_a_reset_alone() {
    let app = app().await;
    let mut page = without_password(&app).await;
    let change = json!({"currentPassword": PASSWORD, "newPassword": NEW});
    for (path, body, code) in [
        ("/change-password", change, "CREDENTIAL_ACCOUNT_NOT_FOUND"),
        (
            "/delete-user",
            json!({"password": PASSWORD}),
            "CREDENTIAL_ACCOUNT_NOT_FOUND",
        ),
        (
            "/verify-password",
            json!({"password": PASSWORD}),
            "INVALID_PASSWORD",
        ),
    ] {
        refuses(&page.post(path, body).await, 400, code);
    }
    assert_eq!(page.get("/list-accounts").await.json(), json!([]));
    let body = json!({"email": ADA, "password": PASSWORD});
    refuses(
        &page.post("/sign-in/email", body.clone()).await,
        401,
        "INVALID_EMAIL_OR_PASSWORD",
    );
    let link = reset_link(&app, &mut page, json!({"email": ADA})).await;
    let reset = json!({"newPassword": PASSWORD, "token": token_of(&link)});
    assert_eq!(page.post("/reset-password", reset).await.status, 200);
    assert_eq!(page.post("/sign-in/email", body).await.status, 200);
    let accounts = page.get("/list-accounts").await.json();
    assert_eq!(accounts[0]["providerId"], "credential", "{accounts}");
}

#[tokio::test]
async fn a_fresh_login_deletes_an_account_that_has_no_password() {
    let app = app().await;
    let mut page = without_password(&app).await;
    let gone = page.post("/delete-user", json!({})).await;
    assert_eq!(gone.json(), json!({"success": true, "message": "User deleted"}));
    assert_eq!(app.count("users").await, 0);
    assert_eq!(page.session().await, Value::Null);
}

#[tokio::test]
async fn whether_somebody_has_an_address_is_not_told_to_who_wants_it() {
    let app = app().await;
    let eve = "eve@example.org";
    app.user(eve, json!({})).await;
    let mut page = ada(&app).await;
    let mut told = Vec::new();
    for email in [eve, "free@example.org"] {
        let answer = page.post("/change-email", json!({"newEmail": email})).await;
        assert_eq!(answer.json(), json!({"status": true}), "{email}");
        let mails = app.deliver_mail().await;
        told.push(mails.into_iter().map(|mail| mail.to).collect::<Vec<_>>());
    }
    assert_eq!(told[0], [ADA]);
    assert_eq!(told[0], told[1]);
}

#[tokio::test]
async fn an_address_that_is_taken_is_never_moved_to() {
    let app = app().await;
    let eve = "eve@example.org";
    app.user(eve, json!({})).await;
    let mut page = ada(&app).await;
    page.post("/change-email", json!({"newEmail": eve})).await;
    let agree = link(&app).await;
    assert_eq!(page.get(&agree).await.header("location"), Some("/"));
    assert_eq!(app.deliver_mail().await.len(), 0, "Eve is not written to");
    assert_eq!(page.session().await["user"]["email"], ADA);
}

#[tokio::test]
async fn an_address_that_was_never_proven_is_not_asked_whether_it_may_change() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD});
    page.post("/sign-up/email", body).await;
    app.deliver_mail().await;
    let new = "countess@example.org";
    let body = json!({"newEmail": new, "callbackURL": "/done"});
    assert_eq!(page.post("/change-email", body).await.status, 200);
    let mails = app.deliver_mail().await;
    let to: Vec<_> = mails.iter().map(|mail| &*mail.to).collect();
    assert_eq!(to, [new]);
}

#[tokio::test]
async fn where_addresses_stay_or_no_mail_leaves_nobody_asks_for_another() {
    let new = json!({"newEmail": "b@example.org"});
    let stays = app_with(|options| options.settings.accounts.change_email = false).await;
    let answer = ada(&stays).await.post("/change-email", new.clone()).await;
    refuses(&answer, 400, "CHANGE_EMAIL_DISABLED");
    let silent = app_with(|options| options.settings.mail = false).await;
    let answer = ada(&silent).await.post("/change-email", new).await;
    refuses(&answer, 400, "");
    assert_eq!(answer.json()["message"], "Verification email isn't enabled");
}

#[tokio::test]
async fn who_comes_by_mail_for_the_first_time_finds_the_door_that_the_operator_left() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = json!({"email": ADA, "callbackURL": "/home", "errorCallbackURL": "/oh"});
    page.post("/sign-in/magic-link", body).await;
    let link = link(&app).await;
    let mut otp = Page::new(&app);
    let body = json!({"email": "eve@example.org", "type": "sign-in"});
    otp.post("/email-otp/send-verification-otp", body).await;
    let right = code(&app).await;
    // The operator closes it while the mails are on their way.
    let closed = app
        .node(|options| {
            options.settings.rate_limits = false;
            options.settings.accounts.signup = false;
        })
        .await;
    let mut there = Page::new(&closed);
    there.origin.clone_from(&app.url);
    there.jar.cookies = page.jar.cookies.clone();
    let target = there.get(&link).await.location();
    assert_eq!(
        (target.path(), target.query()),
        ("/oh", Some("error=new_user_signup_disabled"))
    );
    there.jar.cookies = otp.jar.cookies.clone();
    let body = json!({"email": "eve@example.org", "otp": right});
    refuses(&there.post("/sign-in/email-otp", body).await, 400, "INVALID_OTP");
    assert_eq!(app.count("users").await, 0);
}

#[tokio::test]
async fn a_name_and_a_picture_come_with_the_code_of_a_new_user_alone() {
    let app = app().await;
    let send = json!({"email": ADA, "type": "sign-in"});
    for (name, image) in [("Ada", "/ada.png"), ("Eve", "/eve.png")] {
        let mut page = Page::new(&app);
        page.post("/email-otp/send-verification-otp", send.clone()).await;
        let right = code(&app).await;
        let body = |name: &str| json!({"email": ADA, "otp": right, "name": name, "image": image});
        let answer = page.post("/sign-in/email-otp", body(&"x".repeat(201))).await;
        refuses(&answer, 400, "VALIDATION_ERROR");
        let answer = page.post("/sign-in/email-otp", body(name)).await;
        let user = &answer.json()["user"];
        assert_eq!(
            (&user["name"], &user["image"], &user["emailVerified"]),
            (&json!("Ada"), &json!("/ada.png"), &json!(true)),
            "{answer:#?}"
        );
        app.advance(TimeDelta::seconds(1));
    }
}

#[tokio::test]
async fn a_dead_link_that_says_nothing_else_leads_to_the_start() {
    let app = app().await;
    let answer = Page::new(&app).get("/magic-link/verify?token=x").await;
    let start: Url = format!("{}/?error=INVALID_TOKEN", app.issuer)
        .parse()
        .expect("a URL");
    assert_eq!((answer.status.as_u16(), answer.location()), (302, start));
    let answer = Page::new(&app)
        .get("/magic-link/verify?token=x&callbackURL=%2Fa")
        .await;
    assert_eq!(answer.location().path(), "/a");
}
