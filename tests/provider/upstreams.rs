//! Signing in through other providers that are no Signet: programs of others that are like Google, Microsoft and Apple,
//! and servers that answer as the documentations of GitHub, Discord and Facebook say.

mod apple;
mod attacks;
mod clients;
mod failures;
mod ways;

use std::fmt::Debug;

use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::Answer;
use crate::support::jar::Jar;
use crate::support::upstream::{Kind, Return, Upstream, federation};

/// An app that knows one provider, which knows it.
async fn app_of(upstream: &Upstream, further: &str) -> TestApp {
    let entry = upstream.entry(further);
    let app = TestApp::with(|options| {
        options.federation = federation(&[entry]);
        // One address comes here far more often than anybody does; limits have tests of their own.
        options.settings.rate_limits = false;
    })
    .await;
    upstream.knows(&app).await;
    app
}

/// One person that every kind can have: Ada, at an address whose domain nobody is an authority for.
fn ada(kind: Kind) -> Value {
    json!({"ada": kind.account(1, "ada@example.org", true, "Ada Lovelace")})
}

/// Presses the button of a provider on the login page; where the browser is sent.
async fn set_out(jar: &mut Jar, id: &str) -> Answer {
    let page = jar.get("/login").await;
    assert_eq!(page.status, 200, "{page:#?}");
    jar.submit_to(&page, &format!("/login/with/{id}"), &[]).await
}

/// Goes to the provider and comes back, not yet into the app.
async fn visit(jar: &mut Jar, upstream: &Upstream, account: &str) -> Return {
    let sent = set_out(jar, upstream.kind.preset()).await;
    assert_eq!(sent.status, 303, "{sent:#?}");
    upstream.log_in(jar, &sent.location(), account).await
}

/// Signs in, or up, and returns the answer of the callback.
async fn sign_in(jar: &mut Jar, upstream: &Upstream, account: &str) -> Answer {
    let back = visit(jar, upstream, account).await;
    back.follow(jar, upstream).await
}

/// The answer leads to the login page, which says why and has every other way in.
async fn is_turned_away(jar: &mut Jar, answer: &Answer, why: &str, what: &impl Debug) {
    assert_eq!(answer.status, 303, "{what:?}: {answer:#?}");
    let to = answer.location();
    assert_eq!(to.path(), "/login", "{what:?}: {answer:#?}");
    let told = to.query_pairs().find(|(name, _)| name == "why");
    assert_eq!(told.expect("a word").1, why, "{what:?}: {answer:#?}");
    assert!(!jar.is_in().await, "{what:?}");
    let page = jar.get(to.as_str()).await;
    assert_eq!(page.status, 200, "{what:?}: {page:#?}");
    assert!(page.body.contains("role=\"alert\""), "{what:?}: {page:#?}");
    assert!(page.body.contains("name=\"password\""), "{what:?}: {page:#?}");
}
