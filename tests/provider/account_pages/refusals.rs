//! What each form refuses: said beside the field, with what was typed still there, and never a password.

use reqwest::Method;
use serde_json::json;
use signet::domain::ids::UserId;

use super::links::{LINKS, mailed, unproven};
use super::{ADA, NEW, ada, csrf, link_to, stored, token_of, unlimited};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::Answer;
use crate::support::jar::{Jar, encode};

const SHORT: &str = "Choose a password of at least 8 characters.";
const LONG: &str = "Choose a password of at most 128 characters.";
const WEAK: &str = "This password is easy to guess. Choose another.";
const NO_ADDRESS: &str = "Enter an e-mail address such as name@example.org.";

/// The page of a form, where it goes, and what is in it.
type Form = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// A form of a page, what is typed into it, and what is said to that.
type Refusal<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], &'a str);

/// Sends the form at `action` of a page, and expects it to be refused by these words, and nothing to have happened.
async fn refused(app: &TestApp, jar: &mut Jar, (page, action, fields, words): Refusal<'_>) {
    let before = stored(app).await;
    let form = jar.get(page).await;
    let answer = jar.submit_to(&form, action, fields).await;
    let about = format!("{page} {fields:?}: {answer:#?}");
    assert_eq!(answer.status, 422, "{about}");
    assert!(answer.body.contains("role=\"alert\""), "{about}");
    assert!(answer.body.contains(words), "{about}");
    assert!(answer.body.contains("<title>Error: "), "{about}");
    for (name, value) in fields {
        let shown = !value.is_empty() && answer.body.contains(&format!("value=\"{value}\""));
        assert_eq!(
            shown,
            !value.is_empty() && !name.contains("password"),
            "{name}: {about}"
        );
        assert!(
            !name.contains("password") || value.is_empty() || !answer.body.contains(value),
            "{about}"
        );
    }
    assert_eq!(stored(app).await, before, "{about}");
}

#[tokio::test]
async fn what_a_member_fills_in_wrongly_is_said_beside_the_field() {
    let app = unlimited().await;
    app.user(ADA, json!({})).await;
    let mut jar = ada(&app).await;
    let long = "a-long ".repeat(19);
    let current = ("current_password", PASSWORD);
    let name = "Enter your name, 200 characters at most.";
    let picture = "Enter an address that begins with https://, or leave it empty.";
    let refusals: [Refusal<'_>; 18] = [
        (
            "/account/profile",
            "/account/profile",
            &[("name", ""), ("picture", "https://a.example/a")],
            name,
        ),
        (
            "/account/profile",
            "/account/profile",
            &[("name", "Ada"), ("picture", "javascript:alert(1)")],
            picture,
        ),
        (
            "/account/profile",
            "/account/profile",
            &[("name", "Ada"), ("picture", "https://u:p@a.example")],
            picture,
        ),
        (
            "/account/profile",
            "/account/profile",
            &[("name", "Ada"), ("picture", "a.png")],
            picture,
        ),
        (
            "/account/password",
            "/account/password",
            &[("password", NEW)],
            "Enter your present password.",
        ),
        (
            "/account/password",
            "/account/password",
            &[("current_password", ""), ("password", NEW)],
            "Enter your present password.",
        ),
        (
            "/account/password",
            "/account/password",
            &[("current_password", NEW), ("password", NEW)],
            "The present password is another.",
        ),
        ("/account/password", "/account/password", &[current], SHORT),
        (
            "/account/password",
            "/account/password",
            &[current, ("password", "seven77")],
            SHORT,
        ),
        (
            "/account/password",
            "/account/password",
            &[current, ("password", &long)],
            LONG,
        ),
        (
            "/account/password",
            "/account/password",
            &[current, ("password", "password1")],
            WEAK,
        ),
        (
            "/account/email",
            "/account/email",
            &[("email", "nobody")],
            NO_ADDRESS,
        ),
        ("/account/email", "/account/email", &[("email", "")], NO_ADDRESS),
        (
            "/account/email",
            "/account/email",
            &[("email", "Ada@EXAMPLE.org")],
            "This is your address already.",
        ),
        (
            "/account/delete",
            "/account/delete",
            &[("password", "")],
            "Enter your password.",
        ),
        (
            "/account/delete",
            "/account/delete",
            &[("password", NEW)],
            "The password is wrong.",
        ),
        (
            "/account/again",
            "/account/again",
            &[("password", "")],
            "Enter your password.",
        ),
        (
            "/account/again",
            "/account/again",
            &[("password", NEW)],
            "The password is wrong.",
        ),
    ];
    for refusal in refusals {
        refused(&app, &mut jar, refusal).await;
    }
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn what_a_stranger_fills_in_wrongly_is_said_beside_the_field() {
    let app = unlimited().await;
    app.user(ADA, json!({})).await;
    let mut jar = Jar::new(&app);
    for (page, action) in [
        ("/forgot-password", "/forgot-password"),
        ("/login/link", "/login/link"),
        ("/verify-email", "/verify-email/send"),
    ] {
        for typed in ["", "nobody", "a b@example.org", "ada@", "@example.org"] {
            refused(&app, &mut jar, (page, action, &[("email", typed)], NO_ADDRESS)).await;
        }
    }
    let page = jar.get("/forgot-password").await;
    jar.submit(&page, &[("email", ADA)]).await;
    let link = link_to(&app, ADA).await;
    let long = "a-long ".repeat(19);
    for (password, words) in [
        ("", SHORT),
        ("seven77", SHORT),
        (&long, LONG),
        ("password1", WEAK),
    ] {
        refused(
            &app,
            &mut jar,
            (&link, "/reset-password", &[("password", password)], words),
        )
        .await;
    }
    // The link survives all that.
    let page = jar.get(&link).await;
    assert_eq!(
        jar.submit(&page, &[("password", NEW)]).await.location().path(),
        "/login"
    );
    assert_eq!(jar.log_in(ADA, NEW).await.location().path(), "/account");
}

/// What stands for the token of a link that is good.
const LINK: (&str, &str) = ("token", "that of a good link");

/// Every form of the pages of an account: where its CSRF field is found, where it goes, and what is in it.
const FORMS: [Form; 17] = [
    ("/forgot-password", "/forgot-password", &[("email", ADA)]),
    ("/forgot-password", "/reset-password", &[LINK, ("password", NEW)]),
    ("/verify-email", "/verify-email", &[LINK, ("answer", "me")]),
    ("/verify-email", "/verify-email/send", &[("email", ADA)]),
    ("/login/link", "/login/link", &[("email", ADA)]),
    ("/login/link", "/login/link", &[LINK]),
    ("/account/profile", "/account/profile", &[("name", "Eve")]),
    (
        "/account/password",
        "/account/password",
        &[("current_password", PASSWORD), ("password", NEW)],
    ),
    (
        "/account/email",
        "/account/email",
        &[("email", "eve@example.org")],
    ),
    ("/account/profile", "/account/email/send", &[]),
    ("/verify-email", "/account/email/confirm", &[LINK]),
    ("/verify-email", "/account/email/verify", &[LINK]),
    ("/verify-email", "/account/email/undo", &[LINK]),
    ("/account/delete", "/account/delete", &[("password", PASSWORD)]),
    ("/account/profile", "/account/delete/confirm", &[LINK]),
    ("/account/again", "/account/again", &[("password", PASSWORD)]),
    (
        "/account/profile",
        "/account/applications/withdraw",
        &[("client_id", "spa")],
    ),
];

/// The fields of a form with these CSRF fields.
fn with<'a>(csrf: &[&'a str], fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let csrf = csrf.iter().map(|value| ("csrf", *value));
    csrf.chain(fields.iter().copied()).collect()
}

/// [`FORMS`], each with a link of Ada's that is good where it spends one.
async fn forms(app: &TestApp, ada: UserId) -> Vec<(&'static str, &'static str, Vec<(&'static str, String)>)> {
    let mut links = Vec::new();
    for (kind, page, _) in LINKS {
        links.push((page, mailed(app, kind, ada).await));
    }
    let good = |action: &str| {
        let link = links.iter().find(|(page, _)| *page == action);
        token_of(&link.expect("a page that spends links").1).to_owned()
    };
    let fill = |action, (name, value): (&'static str, &str)| {
        let value = if (name, value) == LINK {
            good(action)
        } else {
            value.to_owned()
        };
        (name, value)
    };
    FORMS
        .into_iter()
        .map(|(page, action, fields)| {
            let fields = fields.iter().map(|field| fill(action, *field)).collect();
            (page, action, fields)
        })
        .collect()
}

/// Whether a form is for who is logged in.
fn is_for_members(page: &str) -> bool {
    page.starts_with("/account")
}

#[tokio::test]
async fn a_form_that_is_not_the_browsers_own_or_not_whole_does_nothing() {
    let app = unlimited().await;
    let user = unproven(&app).await;
    app.user("eve@example.org", json!({})).await;
    let mut jar = ada(&app).await;
    let mut eve = Jar::from_address(&app, "198.51.100.3");
    eve.enter("eve@example.org").await;
    let forms = forms(&app, user).await;
    let before = stored(&app).await;
    let much = "x".repeat(64 * 1024);
    for (page, action, fields) in &forms {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let own = csrf(&mut jar, page).await;
        let others = csrf(&mut eve, page).await;
        let too_much = [&fields[..], &[("more", &*much)]].concat();
        for (sent, status) in [
            (with(&[], &fields), 403),
            (with(&[""], &fields), 403),
            (with(&[&others], &fields), 403),
            (with(&[&own, &own], &fields), 400),
            (with(&[&own], &too_much), 413),
        ] {
            let answer = jar.post(action, &sent).await;
            assert_eq!(answer.status, status, "{action} {sent:?}: {answer:#?}");
        }
        let whole = with(&[&own], &fields);
        let elsewhere = [("origin", "https://evil.example")];
        let answer = jar.post_with(action, &elsewhere, &whole).await;
        assert_eq!(answer.status, 403, "{action} from elsewhere: {answer:#?}");
        let json = [("content-type", "application/json")];
        let answer = jar.send(Method::POST, action, &json, Some(encode(&whole))).await;
        assert_eq!(answer.status, 400, "{action} of another type: {answer:#?}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        for method in [Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = jar
                .send(method.clone(), action, &form, Some(encode(&whole)))
                .await;
            assert_eq!(answer.status, 405, "{method} {action}: {answer:#?}");
        }
        jar.get(&format!("{action}?{}", encode(&whole))).await;
        if is_for_members(page) {
            let answer = Jar::new(&app).post(action, &whole).await;
            assert_eq!(answer.location().path(), "/login", "{action} of a stranger");
        } else {
            let answer = Jar::new(&app).post(action, &whole).await;
            assert_eq!(answer.status, 403, "{action} of a stranger: {answer:#?}");
        }
    }
    assert_eq!(stored(&app).await, before);
    assert_eq!(app.deliver_mail().await, []);
}

#[tokio::test]
async fn a_members_form_of_an_earlier_session_of_the_same_browser_does_nothing() {
    let app = unlimited().await;
    let user = unproven(&app).await;
    let mut jar = ada(&app).await;
    let forms = forms(&app, user).await;
    let members: Vec<_> = forms.iter().filter(|(page, ..)| is_for_members(page)).collect();
    let earlier = csrf(&mut jar, "/account/profile").await;
    // The browser is the same, the session is not.
    jar.cookies
        .remove("better-auth.session_token")
        .expect("it is logged in");
    jar.enter(ADA).await;
    let before = stored(&app).await;
    for (_, action, fields) in members {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, &**value)).collect();
        let answer = jar.post(action, &with(&[&earlier], &fields)).await;
        assert_eq!(answer.status, 403, "{action}: {answer:#?}");
    }
    assert_eq!(stored(&app).await, before);
    assert_eq!(app.deliver_mail().await, []);
}

fn is_closed(answer: &Answer) {
    assert_eq!(answer.status, 403, "{answer:#?}");
    assert!(!answer.body.contains("<form"), "{answer:#?}");
}

#[tokio::test]
async fn what_the_operator_closed_is_closed_to_forms_from_before_too() {
    let open = unlimited().await;
    open.user(ADA, json!({})).await;
    let closed = open
        .node(|options| {
            options.settings.accounts.change_email = false;
            options.settings.accounts.deletion = false;
            options.settings.mail = false;
        })
        .await;
    let mut here = ada(&open).await;
    let mut there = Jar::new(&closed);
    there.cookies.clone_from(&here.cookies);
    let before = stored(&open).await;
    for (page, action, fields) in [
        (
            "/account/email",
            "/account/email",
            &[("email", "new@example.org")],
        ),
        ("/account/delete", "/account/delete", &[("password", PASSWORD)]),
        ("/forgot-password", "/forgot-password", &[("email", ADA)]),
        ("/login/link", "/login/link", &[("email", ADA)]),
        ("/verify-email", "/verify-email/send", &[("email", ADA)]),
    ] {
        let own = csrf(&mut here, page).await;
        if page == action {
            is_closed(&there.get(page).await);
        }
        is_closed(&there.post(action, &with(&[&own], fields)).await);
    }
    assert_eq!(stored(&open).await, before);
    let (shown, hidden) = (here.get("/account").await, there.get("/account").await);
    for link in ["href=\"/account/email\"", "href=\"/account/delete\""] {
        assert!(
            shown.body.contains(link) && !hidden.body.contains(link),
            "{link}: {hidden:#?}"
        );
    }
}
