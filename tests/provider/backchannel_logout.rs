//! Clients that registered for it are told of logouts (OpenID Connect Back-Channel Logout 1.0).

mod deliveries;
mod endings;
mod plans;
mod receiver;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::ids::SessionId;
use signet::flows::sessions as flow;
use signet::jobs::deliver_logouts::Courier;
use signet::jobs::{JobSettings, Jobs};
use signet::outbound::{Client, Policy};

use receiver::Receiver;

use crate::support::app::TestApp;
use crate::support::browser::{Api, header, payload};
use crate::support::programs::Program;
use crate::support::tokens::{Walk, token};

/// The one member of `events`.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// What `signet serve` reaches clients with where the issuer is on loopback, but more impatient.
fn outbound() -> Client {
    Client::new(Policy {
        timeout: Duration::from_millis(700),
        ..Policy::OPERATORS
    })
}

fn courier(app: &TestApp) -> Courier {
    Courier::new(Arc::clone(&app.provider), outbound())
}

/// Lets everything that is due be told, and waits for the answers.
async fn round(courier: &mut Courier) {
    courier.round().await.expect("the database answers");
    courier.finish().await;
}

/// A client that is told of logouts, by the name of `id`.
async fn told_client(walk: &Walk, id: &str, receiver: &Receiver) -> (String, String) {
    walk.confidential(id, json!({"backchannel_logout_uri": receiver.url}))
        .await
}

fn session(tokens: &Value) -> SessionId {
    let sid = payload(token(tokens, "access_token"))["sid"].clone();
    sid.as_str().expect("a sid").parse().expect("an id")
}

async fn log_out(app: &TestApp, session: SessionId) {
    flow::log_out(&app.provider, session, app.provider.now())
        .await
        .expect("out");
}

#[tokio::test]
async fn a_client_is_told_by_a_token_that_strangers_verify() {
    let walk = Walk::start().await;
    let mut courier = courier(&walk.app);
    for algorithm in ["EdDSA", "RS256"] {
        let receiver = Receiver::start().await;
        let further = json!({
            "backchannel_logout_uri": receiver.url, "backchannel_logout_session_required": true,
            "id_token_signed_response_alg": algorithm,
        });
        let client = walk.confidential(algorithm, further).await;
        let tokens = walk.tokens_of(&client, &[("nonce", "n-1")]).await;
        round(&mut courier).await;
        assert_eq!(receiver.tokens(), [""; 0], "while the session lasts");

        // As a browser does it that the client sent.
        let hint = token(&tokens, "id_token");
        let logout = format!("/oauth2/logout?id_token_hint={hint}");
        assert_eq!(walk.browser.get(&logout).await.status, StatusCode::OK);
        round(&mut courier).await;
        let [logout_token] = &receiver.tokens()[..] else {
            panic!("one token")
        };

        for program in [
            Program::node("verify_jose.mjs"),
            Program::python("verify_pyjwt.py"),
        ] {
            let found = program
                .setting("ISSUER", &walk.app.issuer)
                .setting("AUDIENCE", &client.0)
                .setting("ALG", algorithm)
                .setting("TYP", "logout+jwt")
                .run(logout_token)
                .await
                .expect("a good token");
            assert_eq!(found["claims"], payload(logout_token));
        }
        // §2.4, §2.6.
        let (claims, id_token) = (payload(logout_token), payload(hint));
        assert_eq!(header(logout_token)["typ"], "logout+jwt");
        assert_eq!(header(logout_token)["alg"], algorithm);
        for shared in ["iss", "aud", "sub", "sid"] {
            assert_eq!(claims[shared], id_token[shared], "{shared}");
        }
        assert_eq!(claims["events"], json!({EVENT: {}}));
        assert!(claims["jti"].is_string());
        assert_eq!(claims["iat"], walk.app.provider.now().timestamp());
        let life = claims["exp"].as_i64().expect("exp") - claims["iat"].as_i64().expect("iat");
        assert_eq!(life, 120);
        assert_eq!(
            claims.as_object().expect("an object").len(),
            8,
            "no nonce: {claims}"
        );

        // It is nothing else (RFC 8725 §3.11): neither a hint nor an access token.
        let as_hint = format!("/oauth2/logout?id_token_hint={logout_token}");
        assert_eq!(walk.browser.get(&as_hint).await.status, StatusCode::BAD_REQUEST);
        let as_access_token = walk.api.userinfo(logout_token).await;
        assert_eq!(as_access_token.status, StatusCode::UNAUTHORIZED);

        round(&mut courier).await;
        assert_eq!(receiver.tokens().len(), 1, "once");
        assert_eq!(walk.app.count("logout_deliveries").await, 0);
    }
}

#[tokio::test]
async fn nobody_is_told_of_sessions_that_they_have_nothing_of() {
    let walk = Walk::start().await;
    let [ours, theirs] = [Receiver::start().await, Receiver::start().await];
    let web = told_client(&walk, "web", &ours).await;
    told_client(&walk, "other", &theirs).await;
    let silent = walk.confidential("silent", json!({})).await;
    // Several grants of one client are one logout, whether they have ended or outlive it.
    let first = walk.tokens_of(&web, &[]).await;
    walk.tokens_of(&web, &[("scope", "openid offline_access")]).await;
    walk.tokens_of(&silent, &[]).await;
    let fields = [("token", token(&first, "refresh_token"))];
    walk.api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &fields)
        .await;
    let mut courier = courier(&walk.app);
    log_out(&walk.app, session(&first)).await;
    round(&mut courier).await;
    assert_eq!(ours.tokens().len(), 1);
    assert_eq!(theirs.tokens(), [""; 0]);
    assert_eq!(walk.app.count("logout_deliveries").await, 0);
}

#[tokio::test]
async fn a_running_provider_tells_within_a_second() {
    let walk = Walk::start().await;
    let receiver = Receiver::start().await;
    let web = told_client(&walk, "web", &receiver).await;
    let tokens = walk.tokens_of(&web, &[]).await;
    let settings = JobSettings {
        poll_interval: Duration::from_secs(1),
        clock_skew: TimeDelta::seconds(60),
        outbound: outbound(),
        post: walk.app.post.clone(),
    };
    let jobs = Jobs::start(&Arc::clone(&walk.app.provider), &settings);
    log_out(&walk.app, session(&tokens)).await;
    let began = Instant::now();
    while receiver.tokens().is_empty() {
        // Far more than it takes, on a machine that does other things too.
        assert!(began.elapsed() < Duration::from_secs(20), "it is not told");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("a client is told after {:?}", began.elapsed());
    jobs.stop().await;
    assert_eq!(walk.app.count("logout_deliveries").await, 0);
    assert_eq!(receiver.tokens().len(), 1);
}

#[tokio::test]
async fn discovery_says_so() {
    let app = TestApp::start().await;
    let document = Api::new(&app)
        .get("/.well-known/openid-configuration")
        .await
        .json();
    assert_eq!(document["backchannel_logout_supported"], true);
    assert_eq!(document["backchannel_logout_session_supported"], true);
    assert!(
        document["claims_supported"]
            .as_array()
            .is_some_and(|claims| claims.contains(&json!("sid")))
    );
}
