//! `state` and the callback: of this browser, of this provider, once, and not for ever.

use chrono::TimeDelta;
use reqwest::{Method, Url};

use super::pair::{Pair, entry_of, federation, register, set_out, through};
use crate::support::app::TestApp;
use crate::support::jar::{Jar, encode};

const ADA: &str = "ada@example.org";
const LOST: &str = "/api/auth/error?error=";

async fn returned() -> (Pair, Jar, Url) {
    let pair = Pair::start().await;
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    let page = jar.get("/login").await;
    let url = set_out(&mut jar, &page).await;
    let back = through(&ada, &url).await;
    (pair, jar, back)
}

async fn is_refused(jar: &mut Jar, url: &str, end: &str) {
    let answer = jar.get(url).await;
    assert!(answer.location().as_str().contains(end), "{answer:#?}");
    assert!(!jar.is_in().await);
}

#[tokio::test]
async fn the_answer_of_another_browser_signs_nobody_in() {
    let (pair, mut jar, back) = returned().await;
    let mut victim = Jar::new(&pair.below);
    is_refused(&mut victim, back.as_str(), "why=state").await;
    victim.get("/login").await;
    is_refused(&mut victim, back.as_str(), "why=state").await;
    // The browser that set out is not harmed by it.
    jar.get(back.as_str()).await;
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn an_answer_counts_once_and_for_ten_minutes() {
    let (pair, mut jar, back) = returned().await;
    jar.get(back.as_str()).await;
    assert!(jar.is_in().await);
    let page = jar.get("/account").await;
    jar.submit_to(&page, "/logout", &[("logout", "yes")]).await;
    is_refused(&mut jar, back.as_str(), "why=state").await;
    drop(pair);

    let (pair, mut jar, back) = returned().await;
    pair.below.advance(TimeDelta::minutes(11));
    is_refused(&mut jar, back.as_str(), "error=state_mismatch").await;
}

#[tokio::test]
async fn what_is_no_state_of_ours_is_told_on_a_page() {
    let pair = Pair::start().await;
    let mut jar = Jar::new(&pair.below);
    let long = "x".repeat(9000);
    for (query, code) in [
        ("code=x".to_owned(), "state_not_found"),
        ("state=x&code=x".to_owned(), "state_mismatch"),
        (
            format!("state=signet_fs_{}&code=x", "A".repeat(48)),
            "state_mismatch",
        ),
    ] {
        let answer = jar.get(&format!("/api/auth/callback/above?{query}")).await;
        assert_eq!(answer.status, 302);
        assert!(
            answer.location().as_str().ends_with(&format!("{LOST}{code}")),
            "{answer:#?}"
        );
    }
    let page = jar.get("/login").await;
    let url = set_out(&mut jar, &page).await;
    let state = url
        .query_pairs()
        .find(|(name, _)| name == "state")
        .expect("a state")
        .1;
    let answer = jar
        .get(&format!("/api/auth/callback/above?state={state}&code={long}"))
        .await;
    assert!(
        answer.location().as_str().ends_with("invalid_callback_request"),
        "{answer:#?}"
    );
}

#[tokio::test]
async fn a_code_of_another_provider_is_refused() {
    // Mix-up: the answer of one comes to the address of the other.
    let above = TestApp::start().await;
    let other = TestApp::start().await;
    let entries = format!("{}\n{}", entry_of(&above, "above"), entry_of(&other, "other"));
    let below = TestApp::with(|options| options.federation = federation(&entries)).await;
    register(&above, &below, "above").await;
    let pair = Pair { above, below };
    let ada = pair.person(ADA).await;
    let mut jar = Jar::new(&pair.below);
    let page = jar.get("/login").await;
    let url = set_out(&mut jar, &page).await;
    let back = through(&ada, &url).await;
    let at_other = back.as_str().replace("/callback/above", "/callback/other");
    is_refused(&mut jar, &at_other, "why=state").await;
    // And one that comes to the right address, but says that it is the other's (RFC 9207).
    let mut lying = back.clone();
    let pairs: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    lying
        .query_pairs_mut()
        .clear()
        .extend_pairs(pairs.iter().map(|(name, value)| {
            let value = if name == "iss" { &other.issuer } else { value };
            (name, value)
        }));
    is_refused(&mut jar, lying.as_str(), "why=refused").await;
}

#[tokio::test]
async fn a_form_that_comes_from_another_site_is_kept_until_the_browser_comes_for_it() {
    let (pair, mut jar, back) = returned().await;
    let fields: Vec<(String, String)> = back.query_pairs().into_owned().collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
    // As Apple's page sends it: without cookies, and from elsewhere.
    let mut stranger = Jar::new(&pair.below);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://appleid.apple.com"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
    ];
    let answer = stranger
        .send(Method::POST, back.path(), &headers, Some(encode(&fields)))
        .await;
    assert_eq!(answer.status, 303, "{answer:#?}");
    let location = answer.location();
    assert!(!location.as_str().contains("code="), "{location}");
    let rest = pair.below.database.client().await;
    let row = rest
        .query_one("SELECT answer_sealed FROM federation_attempts", &[])
        .await
        .expect("one");
    let sealed: String = row.get(0);
    let code = fields.iter().find(|(name, _)| *name == "code").expect("a code").1;
    assert!(!sealed.contains(code));
    jar.get(location.as_str()).await;
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn what_the_provider_refuses_is_told_and_the_request_goes_on() {
    let pair = Pair::start().await;
    pair.below.spa().await;
    let url = crate::support::browser::Browser::new(&pair.below).authorize("spa", &[]);
    let mut jar = Jar::new(&pair.below);
    let opened = jar.get(&url).await;
    let page = jar.follow(opened).await;
    for (error, says) in [
        ("access_denied", "You did not let"),
        ("server_error", "did not work"),
    ] {
        let url = set_out(&mut jar, &page).await;
        let state = url
            .query_pairs()
            .find(|(name, _)| name == "state")
            .expect("a state")
            .1;
        let back = format!("/api/auth/callback/above?state={state}&error={error}&error_description=x");
        let answer = jar.get(&back).await;
        let shown = jar.get(answer.location().as_str()).await;
        assert!(shown.body.contains(says), "{}", shown.body);
        assert!(
            shown.body.contains("Example SPA"),
            "the request is not lost: {}",
            shown.body
        );
        assert!(
            shown.body.contains("name=\"password\""),
            "other ways in are offered"
        );
    }
}

#[tokio::test]
async fn a_provider_that_is_down_costs_nobody_the_request() {
    let pair = Pair::start().await;
    pair.below.spa().await;
    let nowhere = "[[providers]]\nid = \"above\"\npreset = \"oidc\"\nissuer = \"http://127.0.0.1:9\"\n\
                   client_id = \"x\"\nclient_secret = \"y\"\nallow_private_addresses = true\nlabel = \"Above\"";
    let below = pair
        .below
        .node(|options| options.federation = federation(nowhere))
        .await;
    let url = crate::support::browser::Browser::new(&below).authorize("spa", &[]);
    let mut jar = Jar::new(&below);
    let opened = jar.get(&url).await;
    let page = jar.follow(opened).await;
    let answer = jar.submit_to(&page, "/login/with/above", &[]).await;
    let shown = jar.get(answer.location().as_str()).await;
    assert!(
        shown.body.contains("Above does not answer at present"),
        "{}",
        shown.body
    );
    assert!(shown.body.contains("Example SPA"), "{}", shown.body);
}
