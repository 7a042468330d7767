//! The queue: nothing is lost, little is told twice, and nobody keeps others waiting.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use signet::flows::backchannel_logout::{self, AT_ONCE, Outcome};
use signet::jobs::deliver_logouts::Courier;
use signet::jobs::sweep_expired;
use signet::outbound::{Client, Policy, Reach};
use tokio_util::sync::CancellationToken;

use super::receiver::{Answer, Receiver};
use super::{courier, log_out, outbound, round, session, told_client};
use crate::support::app::TestApp;
use crate::support::browser::{Browser, payload};
use crate::support::tokens::{EMAIL, Walk};

/// A client that is told, and a session that has just ended.
async fn ended(receiver: &Receiver) -> Walk {
    let walk = Walk::start().await;
    let web = told_client(&walk, "web", receiver).await;
    let tokens = walk.tokens_of(&web, &[]).await;
    log_out(&walk.app, session(&tokens)).await;
    walk
}

async fn events(app: &TestApp) -> i64 {
    app.count("events WHERE kind = 'logout_undelivered'").await
}

/// How many different logouts these tokens tell of.
fn different(tokens: &[String]) -> usize {
    let ids: BTreeSet<String> = tokens
        .iter()
        .map(|token| payload(token)["jti"].to_string())
        .collect();
    ids.len()
}

#[tokio::test]
async fn a_client_that_fails_is_told_again_ever_more_rarely_by_the_same_id() {
    let receiver = Receiver::start().await;
    let walk = ended(&receiver).await;
    let mut courier = courier(&walk.app);
    // A redirect is not followed, and silence ends.
    receiver.will_answer(&[
        Answer::Status(503),
        Answer::Status(302),
        Answer::Silence,
        Answer::Status(404),
    ]);
    for attempt in 1..=5 {
        round(&mut courier).await;
        assert_eq!(receiver.tokens().len(), attempt);
        // Half of the pause is never too late.
        let pause = TimeDelta::seconds(1 << (attempt - 1));
        walk.app.advance(pause / 2 - TimeDelta::milliseconds(1));
        round(&mut courier).await;
        assert_eq!(receiver.tokens().len(), attempt, "too early");
        walk.app.advance(pause / 2 + TimeDelta::milliseconds(1));
    }
    walk.app.advance(TimeDelta::hours(1));
    walk.app.provider.reload().await.expect("read");
    round(&mut courier).await;
    let tokens = receiver.tokens();
    assert_eq!((tokens.len(), different(&tokens)), (5, 1));
    assert!(payload(&tokens[0])["iat"].as_i64() < payload(&tokens[4])["iat"].as_i64());
    assert_eq!(walk.app.count("logout_deliveries").await, 0);
    assert_eq!(events(&walk.app).await, 0);
}

#[tokio::test]
async fn any_answer_of_success_will_do() {
    for status in [200, 202, 204] {
        let receiver = Receiver::start().await;
        receiver.always_answers(Answer::Status(status));
        let walk = ended(&receiver).await;
        round(&mut courier(&walk.app)).await;
        assert_eq!(walk.app.count("logout_deliveries").await, 0, "{status}");
    }
}

#[tokio::test]
async fn a_client_that_will_not_have_it_is_not_told_again() {
    let receiver = Receiver::start().await;
    receiver.always_answers(Answer::Status(400));
    let walk = ended(&receiver).await;
    round(&mut courier(&walk.app)).await;
    assert_eq!(walk.app.count("logout_deliveries").await, 0);
    assert_eq!(events(&walk.app).await, 1);
}

#[tokio::test]
async fn a_client_that_is_down_for_a_day_is_given_up() {
    let receiver = Receiver::start().await;
    receiver.always_answers(Answer::Status(500));
    let walk = ended(&receiver).await;
    let mut courier = courier(&walk.app);
    round(&mut courier).await;
    let mut quarters = 0;
    while walk.app.count("logout_deliveries").await == 1 {
        walk.app.advance(TimeDelta::minutes(15));
        round(&mut courier).await;
        quarters += 1;
    }
    // 96 quarters of an hour are a day.
    assert!((95..=98).contains(&quarters), "{quarters}");
    assert_eq!(events(&walk.app).await, 1);
    let tokens = receiver.tokens();
    assert_eq!(different(&tokens), 1);
}

#[tokio::test]
async fn what_a_node_had_claimed_when_it_died_another_one_tells() {
    let receiver = Receiver::start().await;
    let walk = ended(&receiver).await;
    let (app, now) = (&walk.app, walk.app.provider.now());
    let other = app.second_node().await;
    let mut courier = courier(&other);
    backchannel_logout::enqueue(app.db(), now).await.expect("queued");
    let claimed = backchannel_logout::claim(&app.provider, &HashMap::new(), now).await;
    assert_eq!(claimed.expect("claimed").len(), 1);
    round(&mut courier).await;
    // Half a minute, and what clocks may differ by.
    app.advance(TimeDelta::seconds(89));
    round(&mut courier).await;
    assert_eq!(receiver.tokens(), [""; 0], "it is being told");
    app.advance(TimeDelta::seconds(2));
    round(&mut courier).await;
    assert_eq!(receiver.tokens().len(), 1);
}

#[tokio::test]
async fn what_a_node_told_but_could_not_write_down_is_told_again_by_the_same_id() {
    let receiver = Receiver::start().await;
    let walk = ended(&receiver).await;
    let (app, now) = (&walk.app, walk.app.provider.now());
    let other = app.second_node().await;
    backchannel_logout::enqueue(app.db(), now).await.expect("queued");
    let claimed = backchannel_logout::claim(&app.provider, &HashMap::new(), now).await;
    walk.lose_database();
    let delivered =
        backchannel_logout::deliver(&app.provider, &outbound(), &claimed.expect("claimed")[0]).await;
    assert!(delivered.expect_err("not written down").is_unavailable());
    app.advance(TimeDelta::seconds(91));
    round(&mut courier(&other)).await;
    let tokens = receiver.tokens();
    assert_eq!((tokens.len(), different(&tokens)), (2, 1));
    assert_eq!(other.count("logout_deliveries").await, 0);
}

#[tokio::test]
async fn of_two_nodes_at_once_each_logout_is_told_by_one() {
    let walk = Walk::start().await;
    let receiver = Receiver::start().await;
    let web = told_client(&walk, "web", &receiver).await;
    let mut sessions = Vec::new();
    for _ in 0..6 {
        sessions.push(elsewhere(&walk, &web).await);
    }
    let other = walk.app.second_node().await;
    for session in &sessions {
        log_out(&walk.app, *session).await;
    }
    let (mut ours, mut theirs) = (courier(&walk.app), courier(&other));
    for _ in 0..3 {
        tokio::join!(round(&mut ours), round(&mut theirs));
    }
    let tokens = receiver.tokens();
    assert_eq!((tokens.len(), different(&tokens)), (6, 6));
}

/// A session of the user in a browser of its own, of which `client` has something.
async fn elsewhere(walk: &Walk, client: &(String, String)) -> signet::domain::ids::SessionId {
    let browser = Browser::new(&walk.app);
    let page = browser.open(&browser.authorize(&client.0, &[])).await;
    let code = browser.log_in(&page, EMAIL).await.callback()["code"].clone();
    session(&walk.redeem_as(client, &code, &[]).await.json())
}

#[tokio::test]
async fn a_client_that_never_answers_keeps_nobody_waiting_and_is_asked_little_at_once() {
    let walk = Walk::start().await;
    let [silent, quick] = [Receiver::start().await, Receiver::start().await];
    silent.always_answers(Answer::Silence);
    let slow = told_client(&walk, "slow", &silent).await;
    let fast = told_client(&walk, "fast", &quick).await;
    for _ in 0..=AT_ONCE {
        for client in [&slow, &fast] {
            let session = elsewhere(&walk, client).await;
            log_out(&walk.app, session).await;
        }
    }
    let patient = Client::new(Policy::OPERATORS);
    let mut courier = Courier::new(Arc::clone(&walk.app.provider), patient);
    let began = Instant::now();
    while quick.tokens().len() <= AT_ONCE {
        assert!(began.elapsed() < Policy::OPERATORS.timeout, "it is kept waiting");
        courier.round().await.expect("the database answers");
        courier.one_ended().await;
    }
    assert_eq!(silent.tokens().len(), AT_ONCE);
}

#[tokio::test]
async fn no_private_address_is_reached_unless_it_is_allowed() {
    let receiver = Receiver::start().await;
    let walk = ended(&receiver).await;
    let strangers = Client::new(Policy {
        reach: Reach::Public,
        timeout: Duration::from_secs(2),
        ..Policy::OPERATORS
    });
    let provider = Arc::clone(&walk.app.provider);
    round(&mut Courier::new(provider, strangers)).await;
    assert_eq!(receiver.tokens(), [""; 0]);
    assert_eq!(walk.app.count("logout_deliveries WHERE attempts = 1").await, 1);
    // The operator who then allows it loses nothing.
    walk.app.advance(TimeDelta::seconds(1));
    round(&mut courier(&walk.app)).await;
    assert_eq!(receiver.tokens().len(), 1);
}

#[tokio::test]
async fn a_client_that_is_gone_is_not_told_and_leaves_no_row() {
    let receiver = Receiver::start().await;
    let walk = ended(&receiver).await;
    let (app, now) = (&walk.app, walk.app.provider.now());
    let mut courier = courier(app);
    backchannel_logout::enqueue(app.db(), now).await.expect("queued");
    let claimed = backchannel_logout::claim(&app.provider, &HashMap::new(), now)
        .await
        .expect("claimed");
    app.disable_client("web").await;
    let outcome = backchannel_logout::deliver(&app.provider, &outbound(), &claimed[0]).await;
    assert_eq!(outcome.expect("done"), Outcome::Withdrawn);
    assert_eq!(app.count("logout_deliveries").await, 0);

    // What nobody claims is swept.
    app.sql(
        "INSERT INTO logout_deliveries (client_id, session_id, user_id, created_at, next_attempt_at)
         SELECT 'gone', gen_random_uuid(), gen_random_uuid(), t, t FROM
            (VALUES (now() - interval '26 hours'), (now() - interval '24 hours')) AS times (t)",
    )
    .await;
    round(&mut courier).await;
    sweep_expired::round(&app.provider, TimeDelta::seconds(60), &CancellationToken::new()).await;
    assert_eq!(app.count("logout_deliveries").await, 1);
    assert_eq!(receiver.tokens(), [""; 0]);
}
