//! Guessing: how often it may be tried, from where, and that nobody else is locked out by it.

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use signet::storage::users;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::{Answer, Browser};
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";

/// A login from `address`, by a browser that nobody knows.
async fn guess(app: &TestApp, address: &str, email: &str, password: &str) -> Answer {
    Jar::from_address(app, address).log_in(email, password).await
}

/// A wrong guess, and its status.
async fn wrong(app: &TestApp, address: &str, email: &str) -> u16 {
    guess(app, address, email, "another password")
        .await
        .status
        .as_u16()
}

/// Locks the account of `email` by guessing from many addresses.
async fn lock(app: &TestApp, email: &str) {
    for number in 0..20 {
        assert_eq!(wrong(app, &format!("198.51.100.{number}"), email).await, 422);
    }
    assert_eq!(wrong(app, "198.51.100.100", email).await, 429);
}

#[tokio::test]
async fn an_address_has_ten_wrong_passwords_in_five_minutes() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    for number in 0..10 {
        // The right one in between costs nothing and pays nothing back.
        if number == 5 {
            assert_eq!(guess(&app, "192.0.2.1", ADA, PASSWORD).await.status, 303);
        }
        let email = format!("u{number}@example.org");
        assert_eq!(wrong(&app, "192.0.2.1", &email).await, 422);
        app.advance(TimeDelta::seconds(10));
    }
    let refused = guess(&app, "192.0.2.1", ADA, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("200"));
    assert_eq!(guess(&app, "192.0.2.2", ADA, PASSWORD).await.status, 303);
    app.advance(TimeDelta::seconds(199));
    assert_eq!(wrong(&app, "192.0.2.1", ADA).await, 429);
    app.advance(TimeDelta::seconds(1));
    assert_eq!(wrong(&app, "192.0.2.1", ADA).await, 422);
}

#[tokio::test]
async fn an_address_has_no_more_by_using_several_nodes() {
    let app = TestApp::start().await;
    let (second, third) = (app.second_node().await, app.second_node().await);
    app.user(ADA, json!({})).await;
    for (number, node) in [&app, &second, &third].into_iter().cycle().take(10).enumerate() {
        if number == 5 {
            assert_eq!(guess(node, "192.0.2.1", ADA, PASSWORD).await.status, 303);
        }
        assert_eq!(
            wrong(node, "192.0.2.1", &format!("u{number}@example.org")).await,
            422
        );
    }
    app.advance(TimeDelta::seconds(100));
    for node in [&app, &second, &third] {
        let refused = guess(node, "192.0.2.1", ADA, PASSWORD).await;
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.header("retry-after"), Some("200"));
    }
    // It fills nobody's bucket while it waits.
    let attempts = app.count("login_attempts").await;
    assert_eq!(wrong(&third, "192.0.2.1", "v@example.org").await, 429);
    assert_eq!(app.count("login_attempts").await, attempts);
    app.advance(TimeDelta::seconds(200));
    assert_eq!(guess(&second, "192.0.2.1", ADA, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn the_networks_of_an_ipv6_site_have_five_times_what_one_of_them_has() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    for network in 0..5 {
        for number in 0..10 {
            let node = if number % 2 == 0 { &app } else { &other };
            let email = format!("u{network}{number}@example.org");
            assert_eq!(
                wrong(node, &format!("2001:db8:1:{network}::1"), &email).await,
                422
            );
        }
    }
    for node in [&app, &other] {
        assert_eq!(wrong(node, "2001:db8:1:6::1", ADA).await, 429);
        assert_eq!(wrong(node, "2001:db8:2:6::1", ADA).await, 422);
    }
}

#[tokio::test]
async fn an_ipv6_host_is_counted_by_its_network() {
    let app = TestApp::start().await;
    for number in 0..10 {
        assert_eq!(wrong(&app, &format!("2001:db8:1:2::{number:x}"), ADA).await, 422);
    }
    assert_eq!(wrong(&app, "2001:db8:1:2:ffff:ffff:ffff:ffff", ADA).await, 429);
    assert_eq!(wrong(&app, "[2001:DB8:1:2::77]:4711", ADA).await, 429);
    assert_eq!(wrong(&app, "2001:db8:1:3::1", ADA).await, 422);
}

#[tokio::test]
async fn a_mapped_ipv4_address_is_that_address() {
    let app = TestApp::start().await;
    for _ in 0..10 {
        assert_eq!(wrong(&app, "::ffff:192.0.2.1", ADA).await, 422);
    }
    assert_eq!(wrong(&app, "192.0.2.1", ADA).await, 429);
}

#[tokio::test]
async fn an_account_has_twenty_attempts_whichever_nodes_and_addresses_they_use_and_then_waits() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    app.user(ADA, json!({})).await;
    for email in [ADA, "nobody@example.org"] {
        for number in 0..20 {
            let node = if number % 2 == 0 { &app } else { &other };
            // Every spelling is the same account.
            let spelling = if number % 3 == 0 {
                email.to_uppercase()
            } else {
                email.to_owned()
            };
            let address = format!("192.0.2.{}", number + 1);
            assert_eq!(wrong(node, &address, &spelling).await, 422, "{number}");
        }
        for node in [&app, &other] {
            let refused = guess(node, "198.51.100.1", email, PASSWORD).await;
            assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{email}");
            assert_eq!(refused.header("retry-after"), Some("60"));
        }
    }
    // Others are not touched by it.
    app.user("eve@example.org", json!({})).await;
    assert_eq!(
        guess(&app, "198.51.100.2", "eve@example.org", PASSWORD)
            .await
            .status,
        303
    );
    app.advance(TimeDelta::seconds(59));
    assert_eq!(wrong(&app, "198.51.100.3", ADA).await, 429);
    app.advance(TimeDelta::seconds(1));
    assert_eq!(guess(&app, "198.51.100.4", ADA, PASSWORD).await.status, 303);
}

/// Guesses again as soon as that is allowed, and says how long that is then.
async fn guess_and_wait(app: &TestApp, number: usize) -> i64 {
    assert_eq!(wrong(app, &format!("203.0.113.{number}"), ADA).await, 422);
    let refused = guess(app, "203.0.113.200", ADA, PASSWORD).await;
    assert_eq!(refused.status, 429);
    let seconds = refused.header("retry-after").expect("a time");
    let seconds = seconds.parse().expect("seconds");
    app.advance(TimeDelta::seconds(seconds - 1));
    assert_eq!(wrong(app, "203.0.113.201", ADA).await, 429);
    app.advance(TimeDelta::seconds(1));
    seconds
}

#[tokio::test]
async fn each_further_failure_doubles_the_wait_up_to_a_quarter_of_an_hour() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    lock(&app, ADA).await;
    app.advance(TimeDelta::minutes(1));
    let mut waits = Vec::new();
    for number in 0..6 {
        waits.push(guess_and_wait(&app, number).await);
    }
    assert_eq!(waits, [120, 240, 480, 900, 900, 900]);
    // What was right is no failure: others try at once, and wait for theirs as long as before.
    assert_eq!(guess(&app, "203.0.113.10", ADA, PASSWORD).await.status, 303);
    assert_eq!(guess_and_wait(&app, 11).await, 900);
    // An hour without a guess, and all is forgotten.
    app.advance(TimeDelta::hours(1) - TimeDelta::seconds(1));
    assert_eq!(guess_and_wait(&app, 12).await, 900);
    app.advance(TimeDelta::hours(1));
    lock(&app, ADA).await;
}

#[tokio::test]
async fn whoever_is_refused_lengthens_no_wait() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    lock(&app, ADA).await;
    for number in 0..30 {
        assert_eq!(wrong(&app, &format!("203.0.113.{number}"), ADA).await, 429);
        app.advance(TimeDelta::seconds(2));
    }
    assert_eq!(guess(&app, "203.0.113.100", ADA, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn after_the_wait_one_of_many_guesses_at_once_is_tried() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    lock(&app, ADA).await;
    app.advance(TimeDelta::minutes(1));
    let addresses: Vec<_> = (0..32).map(|number| format!("203.0.113.{number}")).collect();
    assert_eq!(at_once(&app, &addresses, |_| ADA.to_owned()).await, ([1, 31], 1));
}

#[tokio::test]
async fn what_is_refused_is_not_even_hashed() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    lock(&app, ADA).await;
    let before = app.provider.passwords.counts().hashes;
    assert_eq!(guess(&app, "192.0.2.1", ADA, PASSWORD).await.status, 429);
    assert_eq!(app.provider.passwords.counts().hashes, before);
}

#[tokio::test]
async fn an_address_tries_twenty_accounts_in_fifteen_minutes() {
    let app = TestApp::start().await;
    let address = "192.0.2.1";
    for number in 0..20 {
        let email = format!("u{number}@example.org");
        assert_eq!(wrong(&app, address, &email).await, 422, "{number}");
        if number == 9 {
            app.advance(TimeDelta::minutes(5));
        }
    }
    app.advance(TimeDelta::minutes(5));
    let refused = guess(&app, address, "u20@example.org", "another password").await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("retry-after"), Some("300"));
    // One that it tried before is no other, in whatever spelling.
    assert_eq!(wrong(&app, address, "U7@EXAMPLE.org").await, 422);
    app.advance(TimeDelta::minutes(5));
    assert_eq!(wrong(&app, address, "u20@example.org").await, 422);
}

#[tokio::test]
async fn a_crowd_behind_one_address_logs_in_as_long_as_its_passwords_are_right() {
    let app = TestApp::start().await;
    for number in 0..25 {
        app.user(&format!("u{number}@example.org"), json!({})).await;
    }
    for number in 0..25 {
        let email = format!("u{number}@example.org");
        // A typo now and then is nobody else's trouble once it is mended.
        if number % 5 == 0 {
            assert_eq!(wrong(&app, "192.0.2.1", &email).await, 422);
        }
        assert_eq!(
            guess(&app, "192.0.2.1", &email, PASSWORD).await.status,
            303,
            "{number}"
        );
    }
}

/// Sends as many guesses at once as there are addresses, and counts `[tried, refused]` and hashes.
async fn at_once(app: &TestApp, addresses: &[String], email: impl Fn(usize) -> String) -> ([usize; 2], u64) {
    let mut jars: Vec<_> = addresses
        .iter()
        .map(|address| Jar::from_address(app, address))
        .collect();
    let pages = join_all(jars.iter_mut().map(|jar| jar.get("/login"))).await;
    let before = app.provider.passwords.counts().hashes;
    let emails: Vec<_> = (0..addresses.len()).map(email).collect();
    let answers = jars.iter_mut().zip(&pages).zip(&emails);
    let answers = join_all(answers.map(async |((jar, page), email)| {
        jar.submit(page, &[("email", email), ("password", "another password")])
            .await
    }))
    .await;
    let count = |status: u16| answers.iter().filter(|answer| answer.status == status).count();
    let hashes = app.provider.passwords.counts().hashes - before;
    ([count(422), count(429)], hashes)
}

#[tokio::test]
async fn guesses_at_once_are_no_more_than_one_after_the_other() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let one_address = vec!["192.0.2.1".to_owned(); 64];
    let other_account = |number: usize| format!("u{}@example.org", number % 8);
    assert_eq!(at_once(&app, &one_address, other_account).await, ([10, 54], 10));
    let many_addresses: Vec<_> = (0..64).map(|number| format!("198.51.100.{number}")).collect();
    assert_eq!(
        at_once(&app, &many_addresses, |_| ADA.to_owned()).await,
        ([20, 44], 20)
    );
    app.advance(TimeDelta::minutes(15));
    let many_accounts = |number: usize| format!("v{number}@example.org");
    let (counts, hashes) = at_once(&app, &one_address, many_accounts).await;
    assert_eq!((counts, hashes), ([10, 54], 10));
}

#[tokio::test]
async fn a_browser_that_logged_in_before_is_not_locked_out_with_the_account() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let mut known = Jar::from_address(&app, "192.0.2.1");
    known.enter(ADA).await;
    let mut without_session = known.clone();
    without_session.cookies.remove("better-auth.session_token");
    lock(&app, ADA).await;
    assert_eq!(guess(&app, "192.0.2.2", ADA, PASSWORD).await.status, 429);

    let login = without_session.enter(ADA).await;
    assert!(
        !login
            .set_cookies()
            .iter()
            .any(|line| line.contains("signet.device")),
        "it keeps the token that it has"
    );
    // What it did well does not open the account to strangers.
    assert_eq!(guess(&app, "192.0.2.2", ADA, PASSWORD).await.status, 429);
}

#[tokio::test]
async fn a_known_browser_has_five_failures_of_its_own() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let mut known = Jar::new(&app);
    known.enter(ADA).await;
    known.cookies.remove("better-auth.session_token");
    lock(&app, ADA).await;
    for _ in 0..4 {
        assert_eq!(known.log_in(ADA, "another password").await.status, 422);
    }
    // The right one begins anew.
    known.enter(ADA).await;
    known.cookies.remove("better-auth.session_token");
    for _ in 0..5 {
        assert_eq!(known.log_in(ADA, "another password").await.status, 422);
    }
    // Then it is a browser as any other.
    let refused = known.log_in(ADA, PASSWORD).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    app.advance(TimeDelta::minutes(15));
    known.enter(ADA).await;
}

#[tokio::test]
async fn guesses_at_once_by_a_known_browser_are_five_of_its_own_and_the_rest_the_accounts() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let mut known = Jar::new(&app);
    known.enter(ADA).await;
    known.cookies.remove("better-auth.session_token");
    let page = known.get("/login").await;
    let mut jars: Vec<_> = (0..64)
        .map(|number| {
            let mut jar = known.clone();
            jar.headers[0].1 = format!("198.51.100.{number}");
            jar
        })
        .collect();
    let before = app.provider.passwords.counts().hashes;
    let fields = [("email", ADA), ("password", "another password")];
    let answers = join_all(jars.iter_mut().map(|jar| jar.submit(&page, &fields))).await;
    let tried = answers.iter().filter(|answer| answer.status == 422).count();
    assert_eq!(tried, 25);
    assert_eq!(app.provider.passwords.counts().hashes - before, 25);
}

#[tokio::test]
async fn a_device_helps_its_own_user_alone_and_only_until_the_epoch_moves_or_it_expires() {
    let app = TestApp::start().await;
    let ada = app.user(ADA, json!({})).await;
    app.user("eve@example.org", json!({})).await;
    let mut of_ada = Jar::from_address(&app, "192.0.2.1");
    of_ada.enter(ADA).await;
    of_ada.cookies.remove("better-auth.session_token");
    let mut of_eve = Jar::from_address(&app, "192.0.2.2");
    of_eve.enter("eve@example.org").await;
    of_eve.cookies.remove("better-auth.session_token");

    lock(&app, ADA).await;
    assert_eq!(
        of_eve.log_in(ADA, PASSWORD).await.status,
        429,
        "another user's device"
    );
    let mut forged = of_ada.clone();
    let device = forged.cookies.get_mut("signet.device").expect("a device");
    device.replace_range(20..21, if &device[20..21] == "A" { "B" } else { "A" });
    assert_eq!(forged.log_in(ADA, PASSWORD).await.status, 429, "a forged device");
    of_ada.clone().enter(ADA).await;
    users::move_epoch(app.db(), ada, app.provider.now())
        .await
        .expect("moved");
    assert_eq!(
        of_ada.clone().log_in(ADA, PASSWORD).await.status,
        429,
        "an old epoch"
    );

    // A day that ends it, too.
    app.advance(TimeDelta::minutes(15));
    of_ada.enter(ADA).await;
    of_ada.cookies.remove("better-auth.session_token");
    app.advance(TimeDelta::days(180) - TimeDelta::seconds(30));
    lock(&app, ADA).await;
    of_ada.clone().log_in(ADA, "another password").await;
    app.advance(TimeDelta::seconds(30));
    assert_eq!(
        of_ada.log_in(ADA, PASSWORD).await.status,
        429,
        "an expired device"
    );
}

#[tokio::test]
async fn without_limits_nobody_waits() {
    let app = TestApp::with(|options| options.settings.rate_limits = false).await;
    app.user(ADA, json!({})).await;
    for number in 0..30 {
        assert_eq!(wrong(&app, "192.0.2.1", ADA).await, 422);
        let email = format!("u{number}@example.org");
        assert_eq!(wrong(&app, "192.0.2.1", &email).await, 422);
        let answer = Jar::from_address(&app, "192.0.2.1")
            .sign_up("Ada", &format!("v{number}@example.org"), PASSWORD)
            .await;
        assert_eq!(answer.status, 303);
    }
    assert_eq!(guess(&app, "192.0.2.1", ADA, PASSWORD).await.status, 303);
}

#[tokio::test]
async fn nobody_but_a_named_proxy_says_where_a_request_comes_from() {
    let app = TestApp::with(|options| options.site.trusted_proxies.clear()).await;
    for number in 0..10 {
        let mut jar = Jar::from_address(&app, &format!("192.0.2.{number}"));
        jar.headers.push(("forwarded", format!("for=192.0.2.{number}")));
        jar.headers.push(("x-real-ip", format!("192.0.2.{number}")));
        assert_eq!(jar.log_in(ADA, "another password").await.status, 422);
    }
    assert_eq!(wrong(&app, "192.0.2.100", ADA).await, 429);
}

#[tokio::test]
async fn a_header_that_the_proxy_only_passes_on_moves_nobody_out_of_the_bucket() {
    let app = TestApp::start().await;
    for number in 0..11 {
        // The proxy appends to the one header; the client wrote the other itself.
        let mut jar = Jar::from_address(&app, &format!("10.9.9.{number}, 192.0.2.1"));
        jar.headers
            .push(("forwarded", format!("for=198.51.100.{number}")));
        let expected = if number < 10 { 422 } else { 429 };
        assert_eq!(
            jar.log_in(ADA, "another password").await.status,
            expected,
            "{number}"
        );
    }
}

#[tokio::test]
async fn an_address_stores_a_thousand_requests_in_five_minutes_and_no_more() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let (here, elsewhere) = (
        Browser::from_address(&app, "203.0.113.7"),
        Browser::from_address(&app, "203.0.113.8"),
    );
    let request = here.authorize(&client, &[]);
    for _ in 0..1000 {
        assert_eq!(here.get(&request).await.status, 303);
    }
    let refused = here.get(&request).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), Some("300"));
    assert_eq!(app.count("authorization_requests").await, 1000);
    assert_eq!(elsewhere.get(&request).await.status, 303);
    // What needs no page stores nothing, and is not counted.
    let silent = here.get(&here.authorize(&client, &[("prompt", "none")])).await;
    assert_eq!(silent.callback()["error"], "login_required");
    app.advance(TimeDelta::minutes(5));
    assert_eq!(here.get(&request).await.status, 303);
}
