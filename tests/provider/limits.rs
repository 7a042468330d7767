//! What is limited on all nodes together, beside logins (`lockout`): mails, links, signups.

use std::net::IpAddr;

use chrono::TimeDelta;
use futures_util::future::join_all;
use serde_json::json;
use signet::domain::email::EmailKey;
use signet::flows::limits::{self, Key, Limit, LimitError, Taken};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::jar::Jar;

fn email(text: &str) -> Key {
    Key::email(&EmailKey::of_typed(text).expect("an address"))
}

fn source(text: &str) -> Key {
    Key::from(text.parse::<IpAddr>().expect("an address"))
}

async fn reserve(app: &TestApp, wanted: &[(Limit, Key)]) -> Result<Taken, LimitError> {
    limits::reserve(&app.provider, wanted, app.provider.now()).await
}

/// How many seconds it is refused for; `None` if it is not.
async fn refused(app: &TestApp, wanted: &[(Limit, Key)]) -> Option<i64> {
    match reserve(app, wanted).await {
        Ok(_) => None,
        Err(LimitError::TooMany(too_many)) => Some(too_many.retry_after.num_seconds()),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn an_address_gets_three_mails_in_a_quarter_of_an_hour_and_ten_a_day_from_all_nodes() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let mut sent = 0;
    for round in 0..4 {
        for (number, node) in (0..).zip([&app, &other, &app, &other]) {
            // In whatever spelling, and whoever asks.
            let to = if number == 1 {
                "ADA@Example.ORG"
            } else {
                "ada@example.org"
            };
            let from = source(&format!("192.0.2.{}", round * 4 + number));
            let mail = [(Limit::MailsToAddress, email(to)), (Limit::MailsFromSource, from)];
            match refused(node, &mail).await {
                None => sent += 1,
                Some(seconds) if round < 3 => assert_eq!(seconds, 15 * 60 - 3),
                Some(seconds) => assert_eq!(seconds, 24 * 3600 - 3 * 15 * 60 - number),
            }
            app.advance(TimeDelta::seconds(1));
        }
        app.advance(TimeDelta::minutes(15) - TimeDelta::seconds(4));
    }
    assert_eq!(sent, 10);
    let another = [(Limit::MailsToAddress, email("eve@example.org"))];
    assert_eq!(refused(&app, &another).await, None);
}

#[tokio::test]
async fn whoever_asks_for_mails_to_many_is_stopped_and_fills_nobodys_bucket() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let mail = |number: usize| {
        let to = email(&format!("u{number}@example.org"));
        [
            (Limit::MailsToAddress, to),
            (Limit::MailsFromSource, source("192.0.2.1")),
        ]
    };
    for number in 0..10 {
        let node = if number % 2 == 0 { &app } else { &other };
        assert_eq!(refused(node, &mail(number)).await, None, "{number}");
    }
    let counters = app.count("limit_counters").await;
    for node in [&app, &other] {
        for _ in 0..20 {
            assert_eq!(refused(node, &mail(10)).await, Some(15 * 60));
        }
    }
    assert_eq!(app.count("limit_counters").await, counters);
    for _ in 0..3 {
        assert_eq!(refused(&app, &mail(10)[..1]).await, None);
    }
}

#[tokio::test]
async fn an_address_is_not_flooded_with_mails_whether_or_not_it_has_an_account() {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    for (network, email) in [(2, "ada@example.org"), (3, "nobody@example.org")] {
        let mut statuses = Vec::new();
        for number in 0..5 {
            let mut jar = Jar::from_address(&app, &format!("192.0.{network}.{number}"));
            let page = jar.get("/forgot-password").await;
            let answer = jar.submit(&page, &[("email", email)]).await;
            statuses.push(answer.status.as_u16());
        }
        assert_eq!(statuses, [200, 200, 200, 429, 429], "{email}");
    }
    let sent = app.deliver_mail().await;
    let to: Vec<_> = sent.iter().map(|mail| mail.to.as_str()).collect();
    assert_eq!(to, ["ada@example.org"; 3]);
}

#[tokio::test]
async fn what_is_given_back_is_free_on_all_nodes() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let link = [(Limit::BadLinks, source("2001:db8::1"))];
    for _ in 0..3 {
        for node in [&app, &other] {
            for _ in 0..20 {
                let taken = reserve(node, &link).await.expect("there are some left");
                taken
                    .give_back(&node.provider, node.provider.now())
                    .await
                    .expect("given back");
            }
        }
    }
    for number in 0..30 {
        let node = if number % 2 == 0 { &app } else { &other };
        assert_eq!(refused(node, &link).await, None, "{number}");
    }
    for node in [&app, &other] {
        assert_eq!(refused(node, &link).await, Some(15 * 60));
    }
}

#[tokio::test]
async fn of_many_attempts_at_once_on_several_nodes_as_many_are_taken_as_there_are() {
    let app = TestApp::start().await;
    let nodes = [&app, &app.second_node().await, &app.second_node().await];
    // In either order: two that lock several buckets must not wait for each other for ever.
    let one = [
        (Limit::MailsFromSource, source("192.0.2.1")),
        (Limit::BadLinks, source("2001:db8:1:2::1")),
    ];
    let two = [one[1], one[0]];
    let attempts = (0..60).map(|number| {
        let wanted = if number % 2 == 0 { &one } else { &two };
        reserve(nodes[number % 3], wanted)
    });
    let outcomes = join_all(attempts).await;
    let mut taken = Vec::new();
    for outcome in outcomes {
        match outcome {
            Ok(attempt) => taken.push(attempt),
            Err(LimitError::TooMany(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(taken.len(), 10);
    let now = app.provider.now();
    let given_back = join_all(
        taken
            .into_iter()
            .zip(nodes.into_iter().cycle())
            .map(async |(attempt, node)| attempt.give_back(&node.provider, now).await),
    );
    assert!(given_back.await.iter().all(Result::is_ok));
    let left = app.database.client().await;
    let row = left
        .query_one("SELECT sum(attempts) FROM limit_counters", &[])
        .await;
    assert_eq!(row.expect("counted").get::<_, i64>(0), 0);
}

#[tokio::test]
async fn a_flood_does_not_reach_the_database_and_its_absence_opens_nothing() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let link = [(Limit::BadLinks, source("192.0.2.1"))];
    for _ in 0..30 {
        assert_eq!(refused(&app, &link).await, None);
    }
    // The other node learns it from the database, and after thirty questions asks no more.
    for _ in 0..30 {
        assert_eq!(refused(&other, &link).await, Some(15 * 60));
    }
    app.sql("ALTER TABLE limit_counters RENAME TO hidden").await;
    for node in [&app, &other] {
        assert_eq!(refused(node, &link).await, Some(15 * 60));
        let elsewhere = [(Limit::BadLinks, source("192.0.2.2"))];
        assert!(matches!(
            reserve(node, &elsewhere).await,
            Err(LimitError::Storage(_))
        ));
    }
}

#[tokio::test]
async fn the_counters_tell_nobody_whom_they_count() {
    let app = TestApp::start().await;
    let mail = [
        (Limit::MailsToAddress, email("ada@example.org")),
        (Limit::BadLinks, source("192.0.2.1")),
    ];
    reserve(&app, &mail).await.expect("reserved");
    let client = app.database.client().await;
    let rows = client
        .query("SELECT c::text FROM limit_counters c", &[])
        .await
        .expect("read");
    // One a rule.
    assert_eq!(rows.len(), 3);
    for row in rows {
        let text: String = row.get(0);
        for told in ["example", &hex("ada@example.org"), &hex("mails"), "c0000201"] {
            assert!(!text.contains(told), "{text} tells {told}");
        }
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn an_address_signs_up_twenty_times_an_hour_on_all_nodes_together() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let sign_up = async |node: &TestApp, from: &str, number: usize| {
        let email = format!("u{number}@example.org");
        Jar::from_address(node, from)
            .sign_up("Ada", &email, PASSWORD)
            .await
    };
    for number in 0..20 {
        let node = if number % 2 == 0 { &app } else { &other };
        assert_eq!(sign_up(node, "192.0.2.1", number).await.status, 303, "{number}");
    }
    for node in [&app, &other] {
        let refused = sign_up(node, "192.0.2.1", 20).await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), Some("3600"));
    }
    assert_eq!(sign_up(&app, "192.0.2.2", 20).await.status, 303);
}

#[tokio::test]
async fn without_limits_nothing_is_counted() {
    let app = TestApp::with(|options| options.settings.rate_limits = false).await;
    let mail = [(Limit::MailsToAddress, email("ada@example.org"))];
    for _ in 0..20 {
        assert_eq!(refused(&app, &mail).await, None);
    }
    assert_eq!(app.count("limit_counters").await, 0);
}
