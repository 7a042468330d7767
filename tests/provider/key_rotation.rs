//! The life of the keys on real rows: it goes on without anybody, whoever changes it at once, and nothing that was
//! made with a key dies before its time.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::key_schedule::Rotated;
use signet::domain::key_state::KeyState;
use signet::domain::signing_key::StoredSigningKey;
use signet::flows::keys::rotation::{Demand, Rotation, RotationError, Which};
use signet::flows::keys::{KeySettings, SetName};
use signet::flows::provider::Provider;
use signet::jose::SigningKey;
use signet::oauth::signing_algorithm::SigningAlgorithm;
use signet::storage;

use crate::support::app::{TestApp, key_settings};
use crate::support::browser::Api;
use crate::support::tokens::{Walk, token};

const JWKS: &str = "/.well-known/jwks.json";

/// `keys.min_announce` of the tests.
const GATE: TimeDelta = TimeDelta::hours(24);

fn signs(provider: &Provider, algorithm: SigningAlgorithm) -> Option<String> {
    let keys = provider.keys();
    let key = keys.ring.signing_key(algorithm, provider.now());
    key.map(SigningKey::kid).map(str::to_owned)
}

async fn rows(app: &TestApp) -> Vec<StoredSigningKey> {
    storage::keys::list_signing_keys(app.db()).await.expect("listed")
}

async fn advance(app: &TestApp) {
    app.provider
        .rotation(&app.provider.masters())
        .advance()
        .await
        .expect("it advances");
    app.provider.reload().await.expect("read");
}

async fn published(api: &Api) -> Vec<String> {
    let jwks = api.get(JWKS).await.json();
    let keys = jwks["keys"].as_array().expect("keys").clone();
    keys.iter()
        .map(|key| key["kid"].as_str().expect("a kid").to_owned())
        .collect()
}

#[tokio::test]
async fn a_rotation_comes_without_anybody_doing_anything() {
    let app = TestApp::start().await;
    advance(&app).await;
    let before = SigningAlgorithm::ALWAYS.map(|algorithm| signs(&app.provider, algorithm));
    let known = published(&Api::new(&app)).await;
    app.advance(key_settings().policy.rotation_interval);
    for (algorithm, before) in SigningAlgorithm::ALWAYS.into_iter().zip(before) {
        let after = signs(&app.provider, algorithm);
        assert_ne!(after, before);
        assert!(known.contains(&after.expect("a key signs")), "it was announced");
    }
}

#[tokio::test]
async fn of_changes_at_once_each_finds_the_keys_in_order() {
    let app = TestApp::start().await;
    let (second, third) = tokio::join!(app.second_node(), app.second_node());
    advance(&app).await;
    app.advance(GATE);
    let lost = signs(&app.provider, SigningAlgorithm::EdDsa).expect("a key signs");
    let which = Which::Named(vec![lost.clone()]);
    let masters = app.provider.masters();
    let nodes = [&app, &second, &third].map(|app| app.provider.rotation(&masters));
    let (a, b, c, d, e, f) = tokio::join!(
        nodes[0].advance(),
        nodes[1].advance(),
        nodes[2].advance(),
        nodes[0].rotate(None, Demand::Safe),
        nodes[1].rotate(None, Demand::Safe),
        nodes[2].compromise(&which),
    );
    for advanced in [a, b, c] {
        advanced.expect("it advances");
    }
    for rotated in [d, e] {
        rotated.expect("there is always one to rotate to");
    }
    assert_eq!(f.expect("it was not compromised").outcome.len(), 1);
    let now = app.provider.now();
    let rows = rows(&app).await;
    let mut signing = Vec::new();
    for node in [&app, &second, &third] {
        node.provider.reload().await.expect("read");
        signing.push(SigningAlgorithm::ALWAYS.map(|algorithm| signs(&node.provider, algorithm)));
    }
    assert!(signing.iter().all(|kids| *kids == signing[0]), "{signing:?}");
    for (algorithm, kid) in SigningAlgorithm::ALWAYS.into_iter().zip(&signing[0]) {
        let in_state = |state| {
            let keys = rows.iter().filter(|key| key.algorithm == algorithm);
            let keys = keys.filter(|key| key.state(now) == state).map(|key| &key.kid);
            keys.collect::<Vec<_>>()
        };
        assert_eq!(in_state(KeyState::Signing), [kid.as_ref().expect("a key signs")]);
        assert_eq!(in_state(KeyState::Announced).len(), 2, "{rows:#?}");
        assert!(!in_state(KeyState::Signing).contains(&&lost));
    }
    let versions = storage::keys::list_mac_keys(app.db()).await.expect("listed");
    assert_eq!(versions.len(), 12, "nobody made MAC keys");
}

#[tokio::test]
async fn now_is_refused_before_the_gate_and_changes_nothing() {
    let app = TestApp::start().await;
    advance(&app).await;
    let before = rows(&app).await;
    let published_at = before[0].published_at;
    app.advance(GATE - TimeDelta::milliseconds(1));
    let refused = app
        .provider
        .rotation(&app.provider.masters())
        .rotate(None, Demand::Now)
        .await;
    let Err(RotationError::BeforeGate { earliest, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(earliest, published_at + GATE);
    assert_eq!(rows(&app).await, before);
    app.advance(TimeDelta::milliseconds(1));
    let rotated = app
        .provider
        .rotation(&app.provider.masters())
        .rotate(None, Demand::Now)
        .await
        .expect("it may");
    assert_eq!(rotated.outcome.len(), SigningAlgorithm::ALWAYS.len());
    for (set, rotated) in rotated.outcome {
        let (SetName::Signing(algorithm), Rotated::Now(kid)) = (set, rotated) else {
            panic!("{set:?}")
        };
        app.provider.reload().await.expect("read");
        assert_eq!(signs(&app.provider, algorithm), Some(kid));
    }
}

#[tokio::test]
async fn an_algorithm_that_is_enabled_later_signs_past_its_gate() {
    let app = TestApp::start().await;
    advance(&app).await;
    let mut settings: KeySettings = app.provider.settings.keys;
    settings.algorithms.insert(SigningAlgorithm::Es256);
    let masters = app.provider.masters();
    let rotation = Rotation {
        settings: &settings,
        ..app.provider.rotation(&masters)
    };
    rotation.advance().await.expect("it advances");
    app.provider.reload().await.expect("read");
    let announced = rows(&app).await;
    let announced = announced
        .iter()
        .filter(|key| key.algorithm == SigningAlgorithm::Es256);
    assert_eq!(announced.count(), 3);
    let chosen = |app: &TestApp| {
        let keys = app.provider.keys();
        keys.ring
            .signing_algorithms(app.provider.now())
            .contains(SigningAlgorithm::Es256)
    };
    let skew = settings.policy.clock_skew;
    app.advance(GATE - skew - TimeDelta::seconds(1));
    assert_eq!(signs(&app.provider, SigningAlgorithm::Es256), None);
    app.advance(skew);
    assert!(!chosen(&app), "not before every cache knows it");
    app.advance(TimeDelta::seconds(1));
    assert!(chosen(&app));
    assert!(signs(&app.provider, SigningAlgorithm::Es256).is_some());
}

/// What the sign-out page answers to this hint, from somebody who is not signed in.
async fn hint(walk: &Walk, id_token: &str) -> StatusCode {
    let query = form_urlencoded(&[
        ("id_token_hint", id_token),
        ("post_logout_redirect_uri", "https://app.example/bye"),
    ]);
    walk.api.get(&format!("/oauth2/logout?{query}")).await.status
}

fn form_urlencoded(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}

#[tokio::test]
async fn a_retired_key_still_proves_a_hint_and_a_compromised_one_proves_nothing() {
    let walk = Walk::start().await;
    walk.app.spa().await;
    let tokens = walk.tokens("spa", &[]).await;
    let id_token = token(&tokens, "id_token");
    let kid = crate::support::browser::header(id_token)["kid"]
        .as_str()
        .expect("a kid")
        .to_owned();
    advance(&walk.app).await;
    walk.app.advance(GATE);
    walk.app
        .provider
        .rotation(&walk.app.provider.masters())
        .rotate(None, Demand::Now)
        .await
        .expect("it may");
    advance(&walk.app).await;
    assert!(published(&walk.api).await.contains(&kid), "its tokens live");
    walk.app.advance(TimeDelta::minutes(20));
    advance(&walk.app).await;
    assert!(!published(&walk.api).await.contains(&kid));
    assert_eq!(hint(&walk, id_token).await, StatusCode::SEE_OTHER);
    let compromised = Which::Named(vec![kid.clone()]);
    walk.app
        .provider
        .rotation(&walk.app.provider.masters())
        .compromise(&compromised)
        .await
        .expect("it was not");
    walk.app.provider.reload().await.expect("read");
    assert_eq!(hint(&walk, id_token).await, StatusCode::BAD_REQUEST);
    let again = walk
        .app
        .provider
        .rotation(&walk.app.provider.masters())
        .compromise(&compromised)
        .await;
    assert!(matches!(again, Err(RotationError::Compromised(of)) if of == kid));
}

#[tokio::test]
async fn a_key_that_will_sign_no_more_leaves_no_private_part() {
    let app = TestApp::start().await;
    advance(&app).await;
    app.advance(GATE);
    let signing = signs(&app.provider, SigningAlgorithm::Rs256).expect("a key signs");
    app.provider
        .rotation(&app.provider.masters())
        .rotate(Some(SigningAlgorithm::EdDsa), Demand::Now)
        .await
        .expect("it may");
    app.provider
        .rotation(&app.provider.masters())
        .compromise(&Which::Named(vec![signing]))
        .await
        .expect("it was not");
    app.advance(TimeDelta::minutes(20));
    advance(&app).await;
    let now = app.provider.now();
    let (mut gone, mut kept) = (Vec::new(), 0);
    for key in rows(&app).await {
        match key.state(now) {
            state @ (KeyState::Retired | KeyState::Compromised) => {
                assert_eq!(key.wrapped, None, "{}", key.kid);
                gone.push(state);
            }
            _ => {
                assert!(key.wrapped.is_some());
                kept += 1;
            }
        }
    }
    gone.sort_by_key(|state| state.as_str());
    assert_eq!((gone, kept), (vec![KeyState::Compromised, KeyState::Retired], 6));
}

#[tokio::test]
async fn a_node_that_cannot_read_its_keys_for_too_long_gives_none() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    app.provider.db.close();
    app.advance(key_settings().policy.max_partition - TimeDelta::seconds(1));
    assert_eq!(api.get(JWKS).await.status, StatusCode::OK);
    app.advance(TimeDelta::seconds(1));
    let refused = api.get(JWKS).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.header("retry-after").is_some());
    let ready = api.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    let reason = ready.json()["reason"].as_str().expect("a reason").to_owned();
    assert!(reason.contains("keys"), "{reason}");
}

#[tokio::test]
async fn a_node_that_slept_reads_its_keys_before_it_gives_them() {
    let app = TestApp::start().await;
    app.advance(TimeDelta::days(2));
    let api = Api::new(&app);
    for path in [JWKS, "/readyz", JWKS] {
        assert_eq!(api.get(path).await.status, StatusCode::OK, "{path}");
        app.advance(TimeDelta::days(2));
    }
}

/// The version of each purpose that new codes are made with.
fn versions(app: &TestApp) -> [i32; 4] {
    let keys = app.provider.keys();
    let mac = &keys.mac;
    [
        &mac.refresh_token,
        &mac.session_token,
        &mac.client_secret,
        &mac.cookie,
    ]
    .map(|keys| keys.current().0)
}

#[tokio::test]
async fn what_older_mac_keys_made_goes_on() {
    let turn = TimeDelta::days(2);
    let app = TestApp::with(|options| options.settings.keys.policy.rotation_interval = turn).await;
    let walk = Walk::on(app, json!({})).await;
    walk.app.spa().await;
    let client = walk.confidential("batch", json!({})).await;
    let tokens = walk.tokens("spa", &[("scope", "openid offline_access")]).await;
    let mut refresh_token = token(&tokens, "refresh_token").to_owned();
    for version in 1..=3 {
        assert_eq!(versions(&walk.app), [version; 4]);
        let answer = walk.api.refresh("spa", &refresh_token).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        refresh_token = token(&answer.json(), "refresh_token").to_owned();
        // The cookie: nobody is asked to log in again.
        walk.code("spa", &[("prompt", "none")]).await;
        let status: Value = walk.introspect(&client, "x").await;
        assert_eq!(status, json!({"active": false}));
        advance(&walk.app).await;
        walk.app.advance(turn);
        walk.app.provider.reload().await.expect("read");
    }
}

#[tokio::test]
async fn the_time_of_a_mac_key_comes_without_a_change_of_the_rows() {
    let app = TestApp::start().await;
    advance(&app).await;
    let planned: DateTime<Utc> = app.provider.now() + key_settings().policy.rotation_interval;
    app.advance(planned - app.provider.now() - TimeDelta::seconds(1));
    // A node whose clock is ahead announced the next ones; this one reads that before its time has come.
    app.provider.reload().await.expect("read");
    assert_eq!(versions(&app), [1; 4]);
    app.advance(TimeDelta::seconds(1));
    app.provider.reload().await.expect("read");
    assert_eq!(versions(&app), [2; 4]);
}
