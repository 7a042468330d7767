//! Providers that do not work: the user gets a page with another way on, soon, and nobody else is harmed.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{ada, app_of, set_out, sign_in};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::{Answer, Browser};
use crate::support::jar::Jar;
use crate::support::upstream::{Kind, Upstream};

const BOB: &str = "bob@example.org";

/// The longest that anybody may wait for a page.
const PATIENCE: Duration = Duration::from_secs(10);

/// So many may wait for one provider.
const AT_ONCE: usize = 32;

/// An app with a user who has a password, an application, and this provider.
async fn started(upstream: &Upstream) -> TestApp {
    let app = app_of(upstream, "").await;
    app.spa().await;
    app.user(BOB, json!({})).await;
    app
}

/// The login page of an application that waits.
async fn asked_to_log_in(app: &TestApp, jar: &mut Jar) -> Answer {
    let opened = jar.get(&Browser::new(app).authorize("spa", &[])).await;
    jar.follow(opened).await
}

/// The page that `answer` leads to says what is the matter, and the password on it leads to the application.
async fn has_a_way_on(jar: &mut Jar, answer: &Answer, what: &Value) {
    assert_eq!(answer.status, 303, "{what}: {answer:#?}");
    assert!(
        answer.location().as_str().contains("why=unavailable"),
        "{what}: {answer:#?}"
    );
    let page = jar.get(answer.location().as_str()).await;
    assert!(
        page.body.contains("does not answer at present"),
        "{what}: {page:#?}"
    );
    assert!(page.body.contains("Example SPA"), "{what}: {page:#?}");
    let answer = jar.submit(&page, &[("email", BOB), ("password", PASSWORD)]).await;
    let answer = jar.follow(answer).await;
    assert!(answer.callback().contains_key("code"), "{what}: {answer:#?}");
}

/// Somebody comes back while `place` fails so.
async fn comes_back_to(app: &TestApp, upstream: &Upstream, place: &str, fault: &Value) {
    let mut jar = Jar::new(app);
    let page = asked_to_log_in(app, &mut jar).await;
    let button = format!("/login/with/{}", upstream.kind.preset());
    let sent = jar.submit_to(&page, &button, &[]).await;
    let back = upstream.log_in(&mut jar, &sent.location(), "ada").await;
    upstream.fails(place, fault.clone()).await;
    let began = Instant::now();
    let answer = back.follow(&mut jar, upstream).await;
    let waited = began.elapsed();
    assert!(waited < PATIENCE, "{place}, {fault}: {waited:?}");
    assert!(upstream.asked(place).await > 0, "{place} is not asked");
    upstream.heals().await;
    has_a_way_on(&mut jar, &answer, &json!({place: fault})).await;
    // The provider is well again, and asked again.
    let mut jar = Jar::new(app);
    sign_in(&mut jar, upstream, "ada").await;
    assert!(jar.is_in().await, "after {place}, {fault}");
}

fn faults() -> Vec<Value> {
    let plain = [
        "error",
        "hang",
        "reset",
        "bad_json",
        "page",
        "oversized",
        "endless",
        "drip",
    ];
    plain.into_iter().map(Value::from).collect()
}

#[tokio::test]
async fn a_token_endpoint_that_fails_costs_nobody_the_request() {
    let kind = Kind::Google("ES256");
    let upstream = Upstream::start(kind, ada(kind)).await;
    let app = started(&upstream).await;
    for fault in faults() {
        comes_back_to(&app, &upstream, "token", &fault).await;
    }
}

#[tokio::test]
async fn a_userinfo_endpoint_that_fails_costs_nobody_the_request() {
    let kind = Kind::Google("ES256");
    let settings = json!({"accounts": ada(kind), "userinfo_only": true});
    let upstream = Upstream::with(kind, settings).await;
    let app = started(&upstream).await;
    for fault in faults() {
        comes_back_to(&app, &upstream, "userinfo", &fault).await;
    }
}

#[tokio::test]
async fn an_api_that_fails_costs_nobody_the_request() {
    let upstream = Upstream::start(Kind::GitHub, ada(Kind::GitHub)).await;
    let app = started(&upstream).await;
    for place in ["token", "user", "emails"] {
        for fault in ["error", "bad_json", "oversized", "endless"] {
            comes_back_to(&app, &upstream, place, &json!(fault)).await;
        }
    }
    for kind in [Kind::GitHub, Kind::Discord] {
        let upstream = Upstream::start(kind, ada(kind)).await;
        let app = started(&upstream).await;
        let mut jar = Jar::new(&app);
        let page = asked_to_log_in(&app, &mut jar).await;
        let button = format!("/login/with/{}", kind.preset());
        let sent = jar.submit_to(&page, &button, &[]).await;
        let back = upstream.log_in(&mut jar, &sent.location(), "ada").await;
        upstream.told(json!({"limited": true})).await;
        let answer = back.follow(&mut jar, &upstream).await;
        has_a_way_on(&mut jar, &answer, &json!("limited")).await;
    }
}

#[tokio::test]
async fn a_provider_that_cannot_be_found_is_left_alone_for_a_while() {
    let kind = Kind::Google("RS256");
    let upstream = Upstream::start(kind, ada(kind)).await;
    let app = started(&upstream).await;
    let button = "/login/with/google";
    for fault in ["error", "hang", "bad_json", "page", "reset"] {
        upstream.fails("discovery", json!(fault)).await;
        let mut jar = Jar::new(&app);
        let page = asked_to_log_in(&app, &mut jar).await;
        let began = Instant::now();
        let answer = jar.submit_to(&page, button, &[]).await;
        assert!(began.elapsed() < PATIENCE, "{fault}");
        has_a_way_on(&mut jar, &answer, &json!(fault)).await;
    }
    upstream.heals().await;
    let asked = upstream.asked("discovery").await;
    assert_eq!(asked, 5);
    let mut jar = Jar::new(&app);
    let page = asked_to_log_in(&app, &mut jar).await;
    let answer = jar.submit_to(&page, button, &[]).await;
    has_a_way_on(&mut jar, &answer, &json!("it rests")).await;
    assert_eq!(upstream.asked("discovery").await, asked);

    app.advance(TimeDelta::seconds(31));
    let mut jar = Jar::new(&app);
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn a_provider_that_dies_half_way_costs_nobody_the_request() {
    for kind in [Kind::Google("RS256"), Kind::GitHub] {
        let mut upstream = Upstream::start(kind, ada(kind)).await;
        let app = started(&upstream).await;
        let mut jar = Jar::new(&app);
        let page = asked_to_log_in(&app, &mut jar).await;
        let button = format!("/login/with/{}", kind.preset());
        let sent = jar.submit_to(&page, &button, &[]).await;
        let back = upstream.log_in(&mut jar, &sent.location(), "ada").await;
        upstream.kill().await;
        let began = Instant::now();
        let answer = back.follow(&mut jar, &upstream).await;
        assert!(began.elapsed() < PATIENCE, "{kind:?}");
        has_a_way_on(&mut jar, &answer, &json!("killed")).await;
    }
}

/// How long a password login takes, from a browser of its own.
async fn password_login(app: &TestApp, number: u8) -> Duration {
    let mut jar = Jar::from_address(app, &format!("198.51.100.{number}"));
    let began = Instant::now();
    jar.enter(BOB).await;
    began.elapsed()
}

#[tokio::test]
async fn two_hundred_who_wait_for_a_provider_that_hangs_hold_up_nobody_else() {
    let upstream = Upstream::start(Kind::GitHub, ada(Kind::GitHub)).await;
    let app = started(&upstream).await;
    let mut before = Duration::ZERO;
    for number in 0..5 {
        before = before.max(password_login(&app, number).await);
    }
    let mut ways = Vec::new();
    for number in 0..200 {
        let mut jar = Jar::from_address(&app, &format!("203.0.113.{number}"));
        let sent = set_out(&mut jar, "github").await.location();
        let state = sent.query_pairs().find(|(name, _)| name == "state");
        let state = state.expect("a state").1.into_owned();
        ways.push((jar, format!("/api/auth/callback/github?code=x&state={state}")));
    }
    upstream.fails("token", json!("hang")).await;
    let mut flows = JoinSet::new();
    for (mut jar, back) in ways {
        flows.spawn(async move {
            let began = Instant::now();
            (jar.get(&back).await, began.elapsed())
        });
    }
    let hang = async {
        while upstream.asked("token").await < AT_ONCE as u64 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, hang)
        .await
        .expect("they wait for it");
    // In the middle of all this.
    for number in 5..10 {
        let during = password_login(&app, number).await;
        assert!(
            during < before * 10 + Duration::from_millis(500),
            "{during:?}, and {before:?} before"
        );
    }
    let mut ended = Vec::new();
    while let Some(flow) = flows.try_join_next() {
        ended.push(flow.expect("it ends"));
    }
    assert!(flows.len() >= AT_ONCE, "{} still hang", flows.len());
    ended.extend(flows.join_all().await);
    assert_eq!(ended.len(), 200);
    for (answer, waited) in ended {
        assert!(waited < PATIENCE, "{waited:?}");
        assert!(
            answer.location().as_str().ends_with("why=unavailable"),
            "{answer:#?}"
        );
    }
    assert_eq!(upstream.asked("token").await, AT_ONCE as u64);

    upstream.heals().await;
    app.advance(TimeDelta::seconds(31));
    let mut jar = Jar::new(&app);
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.is_in().await);
}
