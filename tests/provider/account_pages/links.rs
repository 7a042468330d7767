//! Mailed links: each opens its own page and no other, as long as it lives, and looking at it does nothing.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use signet::domain::ids::UserId;
use signet::domain::mail::{MailKind, MailParams};

use super::{ADA, NEW, ada, csrf, is_dead, path_in, stored, token_of, unlimited};
use crate::mail;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::Answer;
use crate::support::jar::Jar;

/// Every mail with a link: its page, and how long the link lives.
pub(super) const LINKS: [(MailKind, &str, TimeDelta); 7] = [
    (MailKind::VerifyEmail, "/verify-email", TimeDelta::hours(1)),
    (MailKind::ResetPassword, "/reset-password", TimeDelta::minutes(30)),
    (
        MailKind::ConfirmEmailChange,
        "/account/email/confirm",
        TimeDelta::hours(1),
    ),
    (
        MailKind::VerifyNewEmail,
        "/account/email/verify",
        TimeDelta::hours(1),
    ),
    (MailKind::EmailChanged, "/account/email/undo", TimeDelta::days(7)),
    (
        MailKind::DeleteAccount,
        "/account/delete/confirm",
        TimeDelta::days(1),
    ),
    (MailKind::SignIn, "/login/link", TimeDelta::minutes(5)),
];

/// Ada, whose address is still to be proven, so that she can be mailed everything.
pub(super) async fn unproven(app: &TestApp) -> UserId {
    let user = app.user(ADA, json!({})).await;
    app.sql("UPDATE users SET email_verified = false").await;
    user
}

/// The path of a link that Ada is mailed.
pub(super) async fn mailed(app: &TestApp, kind: MailKind, user: UserId) -> String {
    let new = "new@example.org";
    let to = match kind {
        MailKind::VerifyNewEmail => new,
        MailKind::EmailChanged => "old@example.org",
        _ => ADA,
    };
    let params = MailParams {
        new_email: Some(new.to_owned()),
        ..MailParams::default()
    };
    mail::ask(app, kind, to, Some(user), &params).await;
    let mails = app.deliver_mail().await;
    assert_eq!(mails.len(), 1, "{kind:?}");
    path_in(app, &mails[0].text)
}

/// Where the form of a page gets its CSRF field from: that of a page for members is the session's.
fn form_like(page: &str) -> &'static str {
    if page == "/account/delete/confirm" {
        "/account/profile"
    } else {
        "/forgot-password"
    }
}

/// Posts a token to a page, as its own form would.
async fn press(jar: &mut Jar, page: &str, token: &str) -> Answer {
    let own = csrf(jar, form_like(page)).await;
    let fields = [
        ("csrf", &*own),
        ("token", token),
        ("password", NEW),
        ("answer", "me"),
    ];
    jar.post(page, &fields).await
}

#[tokio::test]
async fn a_link_is_dead_at_every_page_but_its_own() {
    let app = unlimited().await;
    let user = unproven(&app).await;
    let mut jar = ada(&app).await;
    for (kind, own, _) in LINKS {
        let path = mailed(&app, kind, user).await;
        assert!(path.starts_with(&format!("{own}?token=")), "{path}");
        let token = token_of(&path);
        let before = stored(&app).await;
        for (_, other, _) in LINKS.into_iter().filter(|(_, page, _)| *page != own) {
            let shown = jar.get(&format!("{other}?token={token}")).await;
            assert!(is_dead(&shown), "{kind:?} at {other}: {shown:#?}");
            let acted = press(&mut jar, other, token).await;
            assert!(is_dead(&acted), "{kind:?} at {other}: {acted:#?}");
        }
        assert_eq!(stored(&app).await, before, "{kind:?}");
        // It was alive all the while.
        let shown = jar.get(&path).await;
        assert_eq!(shown.status, 200, "{kind:?}: {shown:#?}");
        assert!(!is_dead(&shown), "{kind:?}: {shown:#?}");
    }
}

#[tokio::test]
async fn whoever_only_looks_at_a_link_changes_nothing() {
    let app = unlimited().await;
    let user = unproven(&app).await;
    let mut jar = ada(&app).await;
    for (kind, ..) in LINKS {
        let path = mailed(&app, kind, user).await;
        let before = stored(&app).await;
        // The owner, and whatever looks through mail before people do.
        for browser in [&mut jar, &mut Jar::from_address(&app, "198.51.100.3")] {
            for method in [Method::HEAD, Method::GET, Method::GET] {
                let shown = browser.send(method, &path, &[], None).await;
                assert_eq!(shown.status, 200, "{kind:?}: {shown:#?}");
            }
        }
        assert_eq!(stored(&app).await, before, "{kind:?}");
        let form = jar.get(&path).await;
        let (_, hidden) = form.form();
        assert!(
            hidden
                .iter()
                .any(|(name, value)| name == "token" && value == token_of(&path)),
            "{kind:?}: it still works: {form:#?}"
        );
    }
}

#[tokio::test]
async fn a_link_works_until_its_time_is_over_and_then_for_nobody() {
    for (kind, page, lifetime) in LINKS {
        let app = unlimited().await;
        let user = unproven(&app).await;
        let mut jar = ada(&app).await;
        let path = mailed(&app, kind, user).await;
        app.advance(lifetime - TimeDelta::seconds(1));
        if kind == MailKind::EmailChanged {
            // Nobody need be logged in for it, and by then nobody is.
            jar = Jar::new(&app);
        }
        let alive = jar.get(&path).await;
        assert!(alive.status == 200 && !is_dead(&alive), "{kind:?}: {alive:#?}");
        app.advance(TimeDelta::seconds(1));
        let before = stored(&app).await;
        let shown = jar.get(&path).await;
        let acted = press(&mut jar, page, token_of(&path)).await;
        for late in [shown, acted] {
            assert_eq!(late.status, 400, "{kind:?}: {late:#?}");
            let told = is_dead(&late) || late.body.contains("<h1>This link is too old</h1>");
            assert!(told, "{kind:?}: {late:#?}");
        }
        assert_eq!(stored(&app).await, before, "{kind:?}");
    }
}

#[tokio::test]
async fn a_link_that_was_pressed_is_dead() {
    for (kind, page, _) in LINKS {
        let app = unlimited().await;
        let user = unproven(&app).await;
        let mut jar = ada(&app).await;
        let path = mailed(&app, kind, user).await;
        let pressed = press(&mut jar, page, token_of(&path)).await;
        assert!(!is_dead(&pressed), "{kind:?}: {pressed:#?}");
        let before = stored(&app).await;
        let mut jar = Jar::new(&app);
        if kind == MailKind::DeleteAccount {
            // There is nobody left who could press it.
            let shown = jar.get(&path).await;
            assert!(shown.body.contains("Sign in first"), "{shown:#?}");
        } else {
            let again = press(&mut jar, page, token_of(&path)).await;
            // What is proven stays proven, and who says so once more is told.
            let done =
                kind == MailKind::VerifyEmail && again.header("location") == Some("/login?done=verified");
            assert!(done || is_dead(&again), "{kind:?}: {again:#?}");
        }
        assert_eq!(stored(&app).await, before, "{kind:?}");
    }
}

#[tokio::test]
async fn of_a_disabled_user_no_address_is_asked_changed_or_given_back() {
    for (kind, page, _) in LINKS {
        if !page.starts_with("/account/email") {
            continue;
        }
        let app = unlimited().await;
        let user = app.user(ADA, json!({})).await;
        let path = mailed(&app, kind, user).await;
        app.sql("UPDATE users SET disabled_at = created_at").await;
        let mut jar = Jar::new(&app);
        let before = stored(&app).await;
        let shown = jar.get(&path).await;
        assert!(is_dead(&shown), "{kind:?}: {shown:#?}");
        let acted = press(&mut jar, page, token_of(&path)).await;
        assert!(is_dead(&acted), "{kind:?}: {acted:#?}");
        assert_eq!(stored(&app).await, before, "{kind:?}");
    }
}

#[tokio::test]
async fn an_address_is_given_back_unless_somebody_proved_it_meanwhile() {
    for proven in [false, true] {
        let app = unlimited().await;
        let user = app.user(ADA, json!({})).await;
        let mut jar = ada(&app).await;
        let path = mailed(&app, MailKind::EmailChanged, user).await;
        app.user("old@example.org", json!({})).await;
        app.sql(&format!(
            "UPDATE users SET email_verified = {proven} WHERE email = 'old@example.org'"
        ))
        .await;
        let before = stored(&app).await;
        let pressed = press(&mut Jar::new(&app), "/account/email/undo", token_of(&path)).await;
        assert_eq!(is_dead(&pressed), proven, "{pressed:#?}");
        let of_ada = format!(
            "users WHERE id = '{}' AND email = 'old@example.org'",
            user.as_uuid()
        );
        assert_eq!(app.count(&of_ada).await, i64::from(!proven));
        if proven {
            assert_eq!(stored(&app).await, before);
        } else {
            assert!(!jar.is_in().await, "whoever was in the account is out");
            let answer = jar.log_in("old@example.org", PASSWORD).await;
            assert_eq!(answer.status, 422, "and the password is gone: {answer:#?}");
        }
    }
}

/// The kinds of mail to a thief that are still to be sent, after Ada pressed a link of this kind.
async fn left_to_thief(app: &TestApp, user: UserId, pressed: MailKind) -> String {
    let path = mailed(app, pressed, user).await;
    let thief = "thief@evil.example";
    let params = MailParams {
        new_email: Some(thief.to_owned()),
        ..MailParams::default()
    };
    for kind in [
        MailKind::ConfirmEmailChange,
        MailKind::VerifyNewEmail,
        MailKind::VerifyNewEmailCode,
        MailKind::EmailChanged,
    ] {
        mail::ask(app, kind, thief, Some(user), &params).await;
    }
    // The thief's server lets them wait.
    app.sql("UPDATE outgoing_mails SET next_attempt_at = next_attempt_at + interval '10 minutes'")
        .await;
    let mut links = LINKS.into_iter();
    let (_, page, _) = links.find(|(kind, ..)| *kind == pressed).expect("its page");
    let answer = press(&mut ada(app).await, page, token_of(&path)).await;
    assert!(!is_dead(&answer), "{pressed:?}: {answer:#?}");
    let client = app.database.client().await;
    let row = client
        .query_one(
            "SELECT coalesce(string_agg(kind, ' ' ORDER BY kind), '') FROM outgoing_mails WHERE email = $1",
            &[&thief],
        )
        .await;
    row.expect("read").get(0)
}

#[tokio::test]
async fn mail_that_waited_brings_no_link_that_would_be_dead_by_then() {
    for pressed in [MailKind::ResetPassword, MailKind::SignIn, MailKind::EmailChanged] {
        let app = unlimited().await;
        let user = unproven(&app).await;
        assert_eq!(left_to_thief(&app, user, pressed).await, "", "{pressed:?}");
        app.advance(TimeDelta::minutes(10));
        let mails = app.deliver_mail().await;
        let to_thief = mails.iter().filter(|mail| mail.text.contains("evil.example"));
        assert_eq!(to_thief.count(), 0, "{pressed:?}: {mails:#?}");
    }
    // Of an account that was its user's all the while a change of address can still be undone.
    for pressed in [MailKind::ResetPassword, MailKind::VerifyNewEmail] {
        let app = unlimited().await;
        let user = app.user(ADA, json!({})).await;
        assert_eq!(
            left_to_thief(&app, user, pressed).await,
            "email_changed",
            "{pressed:?}"
        );
    }
}

#[tokio::test]
async fn a_deletion_is_confirmed_by_who_is_logged_in_to_that_account_alone() {
    let app = unlimited().await;
    let user = unproven(&app).await;
    app.user("eve@example.org", json!({})).await;
    let path = mailed(&app, MailKind::DeleteAccount, user).await;
    let mut eve = Jar::from_address(&app, "198.51.100.3");
    let stranger = eve.get(&path).await;
    assert!(stranger.body.contains("Sign in first"), "{stranger:#?}");
    eve.enter("eve@example.org").await;
    assert!(is_dead(&eve.get(&path).await));
    assert!(is_dead(
        &press(&mut eve, "/account/delete/confirm", token_of(&path)).await
    ));
    assert_eq!(app.count("users").await, 2);
    let gone = press(&mut ada(&app).await, "/account/delete/confirm", token_of(&path)).await;
    assert_eq!(gone.location().path(), "/login");
    assert_eq!(app.count("users WHERE email = 'ada@example.org'").await, 0);
}
