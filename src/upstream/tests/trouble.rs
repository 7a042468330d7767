//! Providers that are down, slow, broken or hostile.

use std::time::{Duration, Instant};

use super::*;

fn outage(outcome: &Result<Arrival, UpstreamError>) -> Outage {
    match outcome {
        Err(UpstreamError::Unavailable(outage)) => *outage,
        other => panic!("{other:?}"),
    }
}

fn impatient(provider: &OpenId) -> Upstream {
    let mut upstream = provider.upstream();
    upstream.line.set_patience(Duration::from_millis(800));
    upstream
}

#[tokio::test]
async fn whatever_a_provider_does_its_answer_is_an_error_in_time() {
    let provider = OpenId::start().await;
    let elsewhere = format!("{}/elsewhere", provider.stand.url);
    let text = |body: &str| Reply::Says(200, Vec::new(), body.to_owned());
    for path in [
        "/.well-known/openid-configuration",
        "/keys",
        "/token",
        "/userinfo",
    ] {
        for (reply, expected) in [
            (
                Reply::Says(302, vec![("location", elsewhere.clone())], String::new()),
                Outage::Malformed,
            ),
            (
                Reply::status(500, json!({"error": "server_error"})),
                Outage::Broken,
            ),
            (Reply::status(503, json!({})), Outage::Broken),
            (Reply::status(429, json!({})), Outage::Limited),
            (Reply::Endless, Outage::TooLong),
            (text(&" ".repeat(1024 * 1024 + 1)), Outage::TooLong),
            (text("{\"truncated"), Outage::Malformed),
            (text(""), Outage::Malformed),
            (Reply::json(json!([])), Outage::Malformed),
            (Reply::Nothing, Outage::TooSlow),
        ] {
            provider.publish(provider.metadata());
            provider.publish_keys(&[&provider.key]);
            provider.answer(&provider.claims_with("name", Value::Null));
            provider
                .stand
                .says("/userinfo", Reply::json(json!({"sub": "subject-1"})));
            provider.stand.says(path, reply);
            let upstream = if expected == Outage::TooSlow {
                impatient(&provider)
            } else {
                provider.upstream()
            };
            let begun = Instant::now();
            let outcome = redeem(&upstream).await;
            assert!(begun.elapsed() < Duration::from_secs(8), "{path}");
            assert_eq!(outage(&outcome), expected, "{path}");
        }
    }
    assert!(
        provider.stand.heard("/elsewhere").is_empty(),
        "redirects lead nowhere"
    );
}

#[tokio::test]
async fn a_refusal_is_no_outage() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    for _ in 0..10 {
        for reply in [
            Reply::status(400, json!({"error": "invalid_grant"})),
            Reply::Says(400, Vec::new(), "<html>".into()),
            Reply::Says(401, Vec::new(), String::new()),
        ] {
            provider.stand.says("/token", reply);
            let refused = redeem(&upstream).await;
            assert!(
                matches!(refused, Err(UpstreamError::Refused { .. })),
                "{refused:?}"
            );
        }
    }
    provider.answer(&provider.claims());
    redeem(&upstream)
        .await
        .expect("nobody can make it rest by wrong codes");
}

#[tokio::test]
async fn a_provider_that_fails_again_and_again_is_left_alone_for_a_while() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    let redeem_at = async |at: DateTime<Utc>| {
        let code = Secret::new("a-code");
        upstream.redeem(&answer(&code), None, at).await
    };
    provider.stand.says("/token", Reply::status(500, json!({})));
    for _ in 0..5 {
        assert_eq!(outage(&redeem_at(now()).await), Outage::Broken);
    }
    assert_eq!(outage(&redeem_at(later(29)).await), Outage::Resting);
    let sent = upstream.authorization_url(&ask(), later(29)).await;
    assert!(
        matches!(sent, Err(UpstreamError::Unavailable(Outage::Resting))),
        "nobody is sent there either"
    );
    assert_eq!(provider.stand.heard("/token").len(), 5, "nor is it asked");

    assert_eq!(outage(&redeem_at(later(30)).await), Outage::Broken);
    assert_eq!(outage(&redeem_at(later(31)).await), Outage::Resting);
    provider.answer(&provider.claims());
    redeem_at(later(60)).await.expect("it is well again");
    redeem_at(later(60)).await.expect("for all");
}

#[tokio::test]
async fn a_provider_that_hangs_holds_up_few() {
    let provider = OpenId::start().await;
    provider.stand.says("/token", Reply::Nothing);
    let upstream = impatient(&provider);
    let begun = Instant::now();
    let outcomes = futures_util::future::join_all((0..200).map(|_| redeem(&upstream))).await;
    assert!(begun.elapsed() < Duration::from_secs(3));
    let count = |wanted: Outage| {
        outcomes
            .iter()
            .filter(|outcome| outage(outcome) == wanted)
            .count()
    };
    assert_eq!(count(Outage::TooSlow), 32);
    assert_eq!(count(Outage::Crowded), 200 - 32);
    let next = redeem(&upstream).await;
    assert_eq!(outage(&next), Outage::Resting);
}

#[tokio::test]
async fn whoever_reads_first_reads_for_all() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    let outcomes = futures_util::future::join_all((0..20).map(|_| redeem(&upstream))).await;
    assert!(outcomes.iter().all(Result::is_ok));
    let read = provider.stand.heard("/.well-known/openid-configuration");
    assert_eq!(read.len(), 1);
}

#[tokio::test]
async fn nobody_at_the_address_is_an_outage_too() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", free.local_addr().expect("bound"));
    drop(free);
    let upstream = upstream_of(settings(Preset::Oidc, &url));
    assert_eq!(outage(&redeem(&upstream).await), Outage::Unreachable);
}

#[tokio::test]
async fn private_addresses_and_plain_http_need_the_operators_leave() {
    let stand = Stand::start().await;
    let https = stand.url.replace("http:", "https:");
    for (url, reason) in [
        (&*stand.url, "without TLS"),
        (&*https, "private address"),
        ("https://[::1]:8443", "private address"),
        ("https://169.254.169.254", "private address"),
    ] {
        for preset in [Preset::Oidc, Preset::GitHub] {
            let upstream = upstream_of(Settings {
                allow_private_addresses: false,
                ..settings(preset, url)
            });
            match redeem(&upstream).await {
                Err(UpstreamError::Misconfigured(told)) => assert!(told.contains(reason), "{url}: {told}"),
                other => panic!("{url}: {other:?}"),
            }
        }
    }
    assert!(stand.heard_nothing());
}

#[tokio::test]
async fn metadata_send_no_browser_to_what_is_no_web_page() {
    let provider = OpenId::start().await;
    for page in ["javascript:alert(1)", "data:text/html,x", "ftp://id.example/"] {
        let mut metadata = provider.metadata();
        metadata["authorization_endpoint"] = json!(page);
        metadata["end_session_endpoint"] = json!(page);
        provider.publish(metadata);
        let upstream = provider.upstream();
        let sent = upstream.authorization_url(&ask(), now()).await;
        assert!(matches!(sent, Err(UpstreamError::Misconfigured(_))), "{page}");
        let sent = upstream.end_session_url(CALLBACK, "s", None, now()).await;
        assert!(matches!(sent, Err(UpstreamError::Misconfigured(_))), "{page}");
    }
}
