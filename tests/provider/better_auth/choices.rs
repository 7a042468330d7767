//! What operators may choose otherwise: mails that confirm a deletion, links that act anywhere, logins by proof, what
//! JWTs say, and copies of sessions that applications check for themselves (reference §§3, 7.4, 7.5, 8, 12, 17).

use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::flows::user_token::UserField;
use signet::http::better_auth::MailedLinks;

use super::mailed::link;
use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::{header, payload};
use crate::support::programs::Program;

async fn confirming() -> TestApp {
    app_with(|options| options.settings.accounts.confirm_deletion = true).await
}

#[tokio::test]
async fn a_deletion_is_confirmed_by_mail_in_a_session_of_its_user() {
    let app = confirming().await;
    let mut page = ada(&app).await;
    let wrong = page.post("/delete-user", json!({"password": "wrong"})).await;
    refuses(&wrong, 400, "INVALID_PASSWORD");
    let body = json!({"password": PASSWORD, "callbackURL": "/bye"});
    let answer = page.post("/delete-user", body).await;
    assert_eq!(
        answer.json(),
        json!({"success": true, "message": "Verification email sent"})
    );
    assert_eq!(app.count("users").await, 1);
    let link = link(&app).await;
    assert!(link.starts_with("/delete-user/callback?token="), "{link}");
    assert!(link.ends_with("&callbackURL=%2Fbye"), "{link}");
    refuses(&Page::new(&app).get(&link).await, 404, "FAILED_TO_GET_USER_INFO");
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    refuses(&eve.get(&link).await, 404, "INVALID_TOKEN");
    let gone = page.get(&link).await;
    assert_eq!(
        (gone.status.as_u16(), gone.header("location")),
        (302, Some("/bye")),
        "{gone:#?}"
    );
    let cookies = gone.set_cookies();
    let taken = "better-auth.session_token=; Max-Age=0;";
    assert!(cookies.iter().any(|line| line.starts_with(taken)), "{cookies:?}");
    assert_eq!(app.count("users").await, 1, "Eve stays");
    assert_eq!(page.session().await, Value::Null);
    eve.sign_in("eve@example.org").await;
}

#[tokio::test]
async fn a_deletion_by_mail_is_good_for_a_day_and_once() {
    let app = confirming().await;
    let mut page = ada(&app).await;
    page.post("/delete-user", json!({})).await;
    let late = link(&app).await;
    app.advance(TimeDelta::hours(24));
    refuses(&page.get(&late).await, 404, "INVALID_TOKEN");
    page.post("/delete-user", json!({})).await;
    let link = link(&app).await;
    let url: reqwest::Url = format!("http://localhost{link}").parse().expect("a URL");
    let token = url.query_pairs().find(|(name, _)| name == "token");
    let token = token.expect("a token").1.into_owned();
    // The same by a script of the application.
    let gone = page.post("/delete-user", json!({"token": token})).await;
    assert_eq!(gone.json(), json!({"success": true, "message": "User deleted"}));
    assert_eq!(app.count("users").await, 0);
    refuses(&page.get(&link).await, 404, "FAILED_TO_GET_USER_INFO");
}

#[tokio::test]
async fn where_nobody_may_leave_the_address_is_not_there() {
    let app = app_with(|options| options.settings.accounts.deletion = false).await;
    let mut page = ada(&app).await;
    let answer = page.post("/delete-user", json!({"password": PASSWORD})).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (404, ""));
    assert_eq!(app.count("users").await, 1);
}

#[tokio::test]
async fn a_proven_address_logs_in_the_browser_that_signed_up_and_no_other() {
    let app = app_with(|options| {
        let accounts = &mut options.settings.accounts;
        (accounts.login_after_verification, accounts.require_verified_email) = (true, true);
    })
    .await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD});
    let answer = page.post("/sign-up/email", body).await;
    assert_eq!(answer.json()["token"], Value::Null);
    let link = link(&app).await;
    assert!(link.ends_with("&callbackURL=%2F"), "{link}");
    let mut elsewhere = Page::new(&app);
    elsewhere.get(&link).await;
    assert_eq!(elsewhere.session().await, Value::Null);
    let answer = page.get(&link).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (302, Some("/"))
    );
    assert!(answer.header("set-auth-token").is_some());
    assert_eq!(page.session().await["user"]["emailVerified"], true);
    // A link that was used is no way in, for nobody.
    elsewhere.get(&link).await;
    assert_eq!(elsewhere.session().await, Value::Null);
    page.post("/sign-out", json!({})).await;
    page.get(&link).await;
    assert_eq!(page.session().await, Value::Null);
}

async fn direct() -> TestApp {
    app_with(|options| options.site.better_auth.links = MailedLinks::Direct).await
}

#[tokio::test]
async fn links_act_in_any_browser_where_the_operator_says_so() {
    let app = direct().await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD, "callbackURL": "/welcome"});
    page.post("/sign-up/email", body).await;
    let verify = link(&app).await;
    let answer = Page::new(&app).get(&verify).await;
    assert_eq!(answer.header("location"), Some("/welcome"), "{answer:#?}");
    assert_eq!(page.session().await["user"]["emailVerified"], true);

    page.post("/sign-in/magic-link", json!({"email": ADA})).await;
    let magic = link(&app).await;
    let mut elsewhere = Page::new(&app);
    assert_eq!(elsewhere.get(&magic).await.status, 302);
    assert_eq!(elsewhere.session().await["user"]["email"], ADA);

    let new = "countess@example.org";
    page.post("/change-email", json!({"newEmail": new})).await;
    for _ in ["the present address", "the new one"] {
        let agree = link(&app).await;
        let answer = Page::new(&app).get(&agree).await;
        assert_eq!(answer.header("location"), Some("/"), "{answer:#?}");
    }
    Page::new(&app).sign_in(new).await;
}

#[tokio::test]
async fn a_link_without_an_address_to_go_to_answers_in_json() {
    let app = app().await;
    let mut page = Page::new(&app);
    let bare = |link: &str| link.split("&callbackURL").next().expect("a start").to_owned();
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD});
    page.post("/sign-up/email", body).await;
    let verify = bare(&link(&app).await);
    for _ in ["verified now", "verified before"] {
        let answer = page.get(&verify).await;
        assert_eq!(answer.json(), json!({"status": true, "user": null}));
    }
    page.post("/sign-in/magic-link", json!({"email": ADA})).await;
    let answer = page.get(&bare(&link(&app).await)).await;
    let said = answer.json();
    assert_eq!(
        (&said["user"]["email"], answer.status.as_u16()),
        (&json!(ADA), 200)
    );
    assert!(
        said["token"].is_string() && said["session"]["id"].is_string(),
        "{said}"
    );
    let new = json!({"newEmail": "countess@example.org"});
    page.post("/change-email", new).await;
    let answer = page.get(&bare(&link(&app).await)).await;
    assert_eq!(answer.json(), json!({"status": true}));
    let prove = bare(&link(&app).await);
    let answer = page.get(&prove).await;
    assert_eq!(
        answer.json()["user"]["email"],
        "countess@example.org",
        "{answer:#?}"
    );
    refuses(&page.get(&prove).await, 401, "INVALID_TOKEN");
}

#[tokio::test]
async fn a_link_that_came_too_late_says_so() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD, "callbackURL": "/a?b=c"});
    page.post("/sign-up/email", body).await;
    let verify = link(&app).await;
    app.advance(TimeDelta::hours(1));
    let answer = page.get(&verify).await;
    assert_eq!(answer.header("location"), Some("/a?b=c&error=TOKEN_EXPIRED"));
    let bare = verify.split("&callbackURL").next().expect("a start");
    refuses(&page.get(bare).await, 401, "TOKEN_EXPIRED");
    let body = json!({"email": ADA, "callbackURL": "/home", "errorCallbackURL": "/oh#x"});
    page.post("/sign-in/magic-link", body).await;
    let magic = link(&app).await;
    app.advance(TimeDelta::minutes(5));
    let target = page.get(&magic).await.location();
    assert_eq!(
        (target.path(), target.query(), target.fragment()),
        ("/oh", Some("error=INVALID_TOKEN"), Some("x"))
    );
}

#[tokio::test]
async fn a_link_to_another_user_s_address_does_nothing_in_this_session() {
    let app = app().await;
    let mut page = ada(&app).await;
    page.post("/change-email", json!({"newEmail": "countess@example.org"}))
        .await;
    let agree = link(&app).await;
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    let answer = eve.get(&agree).await;
    assert_eq!(answer.header("location"), Some("/?error=INVALID_USER"));
    assert_eq!(app.deliver_mail().await.len(), 0);
}

#[tokio::test]
async fn a_jwt_says_what_the_operator_wants_told() {
    let app = app_with(|options| {
        let tokens = &mut options.settings.user_tokens;
        tokens.issuer = Some("https://issuer.example".to_owned());
        tokens.audience = Some("notes".to_owned());
        tokens.ttl = TimeDelta::hours(1);
        tokens.claims = vec![UserField::Email, UserField::EmailVerified];
        options.site.better_auth.set_auth_jwt = false;
    })
    .await;
    let mut page = ada(&app).await;
    let told = page.get("/token").await.json();
    let token = told["token"].as_str().expect("a token");
    let claims = payload(token);
    let mut names: Vec<_> = claims.as_object().expect("claims").keys().collect();
    names.sort();
    assert_eq!(
        names,
        ["aud", "email", "emailVerified", "exp", "iat", "iss", "sub"]
    );
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["email"]),
        (&json!("https://issuer.example"), &json!("notes"), &json!(ADA))
    );
    assert_eq!(
        claims["exp"]
            .as_i64()
            .zip(claims["iat"].as_i64())
            .map(|(exp, iat)| exp - iat),
        Some(3600)
    );
    assert_eq!(header(token)["typ"], Value::Null);
    let answer = page.get("/get-session").await;
    assert_eq!(answer.header("set-auth-jwt"), None);
}

#[tokio::test]
async fn an_application_checks_the_copy_of_a_session_by_itself() {
    let app = app_with(|options| options.site.better_auth.cookie_cache_max_age = TimeDelta::minutes(5)).await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    page.sign_in(ADA).await;
    // What JavaScript writes as it is, and what it escapes.
    page.post("/update-user", json!({"name": "Ada \"/\\\t</é\u{1f600}\u{2028}"}))
        .await;
    let session = page.session().await;
    let keys = app.provider.keys();
    let secret = keys.mac.cookie.current().1.expose();
    let secret = std::str::from_utf8(secret).expect("it is text");
    let reads = |cookie: String, secret: String| async move {
        Program::node("better_auth_cookie.mjs")
            .setting("COOKIE", &cookie)
            .setting("SECRET", &secret)
            .run("")
            .await
            .unwrap_or_else(|error| panic!("{error}"))["copy"]
            .clone()
    };
    let cookie = page.jar.cookie_header();
    let copy = reads(cookie.clone(), secret.to_owned()).await;
    assert_eq!(
        (&copy["user"], &copy["session"]),
        (&session["user"], &session["session"])
    );
    assert_eq!(reads(cookie, format!("{secret}x")).await, Value::Null);
}
