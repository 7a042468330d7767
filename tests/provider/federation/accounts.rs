//! Whose account an arrival is: nobody comes into another's by an address.

use serde_json::{Value, json};

use super::pair::{Pair, entry_of, federation, register, session_of, sign_in};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";

async fn why(entry: &str, verified_here: bool) -> (Pair, String, Value) {
    let pair = Pair::with(entry, |_| {}).await;
    let ada = pair.person(ADA).await;
    pair.below.user(ADA, json!({})).await;
    if !verified_here {
        pair.below.sql("UPDATE users SET email_verified = false").await;
    }
    let mut jar = Jar::new(&pair.below);
    let location = sign_in(&mut jar, &ada).await.location();
    let session = session_of(&mut jar).await;
    (pair, location.to_string(), session)
}

#[tokio::test]
async fn an_identity_joins_silently_only_where_both_sides_verified_the_address_by_an_authority() {
    let authority = "authoritative_domains = [\"example.org\"]";
    let silent = "linking = \"verified-email\"";
    let (pair, _, session) = why(&format!("{silent}\n{authority}"), true).await;
    assert_eq!(session["user"]["email"], ADA);
    assert_eq!(pair.below.count("identities").await, 1);
    for (entry, verified_here) in [
        (format!("{silent}\n{authority}"), false),
        (silent.to_owned(), true),
        (authority.to_owned(), true),
        (String::new(), true),
    ] {
        let (pair, location, session) = why(&entry, verified_here).await;
        assert!(location.contains("why=taken"), "{entry}: {location}");
        assert_eq!(session, Value::Null, "{entry}");
        assert_eq!(pair.below.count("identities").await, 0, "{entry}");
    }
    let (pair, location, session) = why(&format!("linking = \"never\"\n{authority}"), true).await;
    assert!(location.contains("why=not_linked"), "{location}");
    assert_eq!(session, Value::Null);
    assert_eq!(pair.below.count("identities").await, 0);
}

#[tokio::test]
async fn an_address_that_is_not_verified_above_opens_nothing() {
    let pair = Pair::with(
        "linking = \"verified-email\"\nauthoritative_domains = [\"*\"]",
        |_| {},
    )
    .await;
    let ada = pair.person(ADA).await;
    pair.above.sql("UPDATE users SET email_verified = false").await;
    pair.below.user(ADA, json!({})).await;
    let mut jar = Jar::new(&pair.below);
    let answer = sign_in(&mut jar, &ada).await;
    assert!(answer.location().as_str().contains("why=taken"), "{answer:#?}");
    assert_eq!(session_of(&mut jar).await, Value::Null);
}

#[tokio::test]
async fn an_entry_that_gets_another_issuer_inherits_nobody() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    // Another provider takes the entry's name, and has a user of the same subject.
    let other = TestApp::start().await;
    let subject = pair.above.database.client().await;
    let subject: uuid::Uuid = subject
        .query_one("SELECT id FROM users", &[])
        .await
        .expect("one")
        .get(0);
    other.user("mallory@example.net", json!({})).await;
    other.sql(&format!("UPDATE users SET id = '{subject}'")).await;
    let below = pair
        .below
        .node(|options| options.federation = federation(&entry_of(&other, "above")))
        .await;
    register(&other, &below, "above").await;
    let browser = crate::support::browser::Browser::new(&other);
    let page = browser.open("/login").await;
    browser.log_in(&page, "mallory@example.net").await;
    let mut mallory = Jar::new(&below);
    let page = mallory.get("/login").await;
    let url = super::pair::set_out(&mut mallory, &page).await;
    let back = super::pair::through(&browser, &url).await;
    // Both nodes have one issuer, which is the first one's address.
    let path = format!("{}?{}", back.path(), back.query().unwrap_or_default());
    mallory.get(&path).await;
    let session = session_of(&mut mallory).await;
    assert_eq!(session["user"]["email"], "mallory@example.net", "{session}");
    assert_eq!(pair.below.count("users").await, 2);
}

#[tokio::test]
async fn whoever_signed_up_first_with_the_address_loses_what_they_made_when_it_is_proven() {
    // The identity is the account's own; an authority then says that its user reads the address.
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    sign_in(&mut jar, &ada).await;
    let hash = "UPDATE users SET password_hash = (SELECT password_hash FROM users WHERE email_key = 'set@example.org')
        WHERE email_key = 'ada@example.org'";
    pair.below.user("set@example.org", json!({})).await;
    pair.below.sql(hash).await;
    // Who comes again from a provider that is no authority proves nothing, and all stays.
    sign_in(&mut Jar::new(&pair.below), &ada).await;
    assert_eq!(session_of(&mut jar).await["user"]["emailVerified"], false);
    let answer = Jar::new(&pair.below).log_in(ADA, PASSWORD).await;
    assert_eq!(answer.status, 303, "{answer:#?}");
    let trusting = pair
        .below
        .node(|options| {
            let entry = format!(
                "{}\nauthoritative_domains = [\"example.org\"]",
                entry_of(&pair.above, "above")
            );
            options.federation = federation(&entry);
        })
        .await;
    let mut other = Jar::new(&trusting);
    let page = other.get("/login").await;
    let url = super::pair::set_out(&mut other, &page).await;
    let back = super::pair::through(&ada, &url).await;
    let path = format!("{}?{}", back.path(), back.query().unwrap_or_default());
    other.get(&path).await;
    assert_eq!(session_of(&mut other).await["user"]["emailVerified"], true);
    assert_eq!(
        session_of(&mut jar).await,
        Value::Null,
        "sessions of before are over"
    );
    let answer = Jar::new(&pair.below).log_in(ADA, PASSWORD).await;
    assert_eq!(answer.status, 422, "the password of before is gone");
    assert_eq!(pair.below.count("identities").await, 1);
}

#[tokio::test]
async fn named_domains_and_closed_signup_let_nobody_else_in() {
    for (entry, word) in [
        ("allowed_domains = [\"example.com\"]", "why=domain"),
        ("signup = false", "why=signup"),
    ] {
        let pair = Pair::with(entry, |_| {}).await;
        let ada = pair.person(ADA).await;
        let mut jar = Jar::new(&pair.below);
        let answer = sign_in(&mut jar, &ada).await;
        assert!(answer.location().as_str().ends_with(word), "{answer:#?}");
        assert_eq!(pair.below.count("users").await, 0);
    }
    let pair = Pair::with("", |options| options.settings.accounts.signup = false).await;
    let ada = pair.person(ADA).await;
    let answer = sign_in(&mut Jar::new(&pair.below), &ada).await;
    assert!(answer.location().as_str().ends_with("why=signup"), "{answer:#?}");
}

#[tokio::test]
async fn a_disabled_user_stays_out() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    sign_in(&mut Jar::new(&pair.below), &ada).await;
    pair.below.sql("UPDATE users SET disabled_at = now()").await;
    let mut jar = Jar::new(&pair.below);
    let answer = sign_in(&mut jar, &ada).await;
    assert!(
        answer.location().as_str().ends_with("why=disabled"),
        "{answer:#?}"
    );
    assert!(!jar.is_in().await);

    // Nothing joins the account either.
    let silent = "linking = \"verified-email\"\nauthoritative_domains = [\"example.org\"]";
    let pair = Pair::with(silent, |_| {}).await;
    let ada = pair.person(ADA).await;
    pair.below.user(ADA, json!({})).await;
    pair.below.sql("UPDATE users SET disabled_at = now()").await;
    let answer = sign_in(&mut Jar::new(&pair.below), &ada).await;
    assert!(
        answer.location().as_str().ends_with("why=disabled"),
        "{answer:#?}"
    );
    assert_eq!(pair.below.count("identities").await, 0);
}

#[tokio::test]
async fn twice_at_once_is_one_account() {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let (mut one, mut other) = (Jar::new(&pair.below), Jar::new(&pair.below));
    let mut backs = Vec::new();
    for jar in [&mut one, &mut other] {
        let page = jar.get("/login").await;
        let url = super::pair::set_out(jar, &page).await;
        backs.push(super::pair::through(&ada, &url).await);
    }
    tokio::join!(one.get(backs[0].as_str()), other.get(backs[1].as_str()));
    assert!(one.is_in().await && other.is_in().await);
    assert_eq!(pair.below.count("users").await, 1);
    assert_eq!(pair.below.count("identities").await, 1);
}
