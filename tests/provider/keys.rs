//! The keys of the issuer: made once, by one node, and never in place of others.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use signet::clock::{Clock, TestClock};
use signet::domain::key_state::KeyState;
use signet::domain::mac::{MacKeys, MacPurpose};
use signet::domain::signing_key::StoredSigningKey;
use signet::flows::keys::first::ensure_first_keys;
use signet::flows::keys::{KeySettings, Lifetimes, LoadedKeys, load};
use signet::jose::wrap::MasterKey;
use signet::oauth::signing_algorithm::SigningAlgorithm;
use signet::random::{SeededRandom, SystemRandom};
use signet::storage::{self, Db, Statements};

use crate::support::app::key_settings;
use crate::support::database::{TestDatabase, database};

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

fn master(seed: u64) -> MasterKey {
    MasterKey::generate(&SeededRandom::new(seed))
}

async fn start(db: &Db, master: MasterKey) -> LoadedKeys {
    let clock = TestClock::starting_at(now());
    ensure_first_keys(
        db,
        std::slice::from_ref(&master),
        None,
        &key_settings(),
        &clock,
        &SystemRandom,
    )
    .await
    .expect("the first keys");
    load(db, &[master], None, &key_settings(), None, clock.now())
        .await
        .expect("the keys load")
}

/// Returns once so many statements on this database wait for a lock.
async fn until_waiting(database: &TestDatabase, count: usize) {
    const WAITING: &str =
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let client = database.client().await;
    while client.query(WAITING, &[]).await.expect("asked").len() < count {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn of_nodes_that_start_at_once_one_makes_the_keys() {
    let database = database().await;
    let typed = database.open(Statements::Typed, 8);
    let gate = database.client().await;
    gate.batch_execute("BEGIN; SELECT FROM revisions WHERE name = 'keys' FOR UPDATE")
        .await
        .expect("the row is held");
    let nodes: Vec<_> = [database.db.clone(), typed.clone(), typed]
        .into_iter()
        .map(|db| tokio::spawn(async move { start(&db, master(1)).await }))
        .collect();
    until_waiting(&database, nodes.len()).await;
    gate.batch_execute("COMMIT").await.expect("the row is free");

    let mut loaded = Vec::new();
    for node in nodes {
        loaded.push(node.await.expect("the node starts"));
    }
    for node in &loaded {
        assert_eq!(node.revision, 1);
        assert_eq!(node.ring.jwks(now()).etag, loaded[0].ring.jwks(now()).etag);
        for algorithm in SigningAlgorithm::ALWAYS {
            let kid = |node: &LoadedKeys| {
                let key = node.ring.signing_key(algorithm, now()).expect("a key signs");
                key.kid().to_owned()
            };
            assert_eq!(kid(node), kid(&loaded[0]));
            let states = node.ring.keys().filter(|key| key.algorithm == algorithm);
            let mut states: Vec<_> = states.map(|key| key.state(now()).as_str()).collect();
            states.sort_unstable();
            assert_eq!(states, ["announced", "announced", "signing"]);
        }
        let code = |keys: &MacKeys| keys.current().1.plain(b"the same key");
        assert_eq!(code(&node.mac.refresh_token), code(&loaded[0].mac.refresh_token));
        assert_eq!(code(&node.mac.cookie), code(&loaded[0].mac.cookie));
    }
    let mac_keys = storage::keys::list_mac_keys(&database.db).await.expect("listed");
    assert_eq!(mac_keys.len(), 3 * MacPurpose::ALL.len());
}

#[tokio::test]
async fn the_cookies_key_is_text_and_no_key_is_anothers() {
    let database = database().await;
    let mac = start(&database.db, master(1)).await.mac;
    let cookie = std::str::from_utf8(mac.cookie.current().1.expose()).expect("text");
    assert_eq!(cookie.len(), 43);
    let mut keys = [
        &mac.refresh_token,
        &mac.session_token,
        &mac.client_secret,
        &mac.cookie,
    ]
    .map(|keys| keys.current().1.expose());
    keys.sort_unstable();
    assert!(keys.windows(2).all(|pair| pair[0] != pair[1]));
}

#[tokio::test]
async fn a_wrong_or_missing_master_key_is_an_error_and_makes_no_keys() {
    let database = database().await;
    let db = &database.db;
    start(db, master(1)).await;
    let before = storage::keys::list_signing_keys(db).await.expect("listed");
    for masters in [vec![], vec![master(2)]] {
        let clock = TestClock::starting_at(now());
        ensure_first_keys(db, &masters, None, &key_settings(), &clock, &SystemRandom)
            .await
            .expect("there are keys already");
        let error = load(db, &masters, None, &key_settings(), None, now())
            .await
            .expect_err("no key opens");
        let text = error.to_string();
        assert!(text.contains(&master(1).fingerprint()), "{text}");
        for given in &masters {
            assert!(text.contains(&given.fingerprint()), "{text}");
        }
    }
    let after = storage::keys::list_signing_keys(db).await.expect("listed");
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_new_issuer_without_a_master_key_gets_no_keys() {
    let database = database().await;
    let clock = TestClock::starting_at(now());
    let error = ensure_first_keys(&database.db, &[], None, &key_settings(), &clock, &SystemRandom).await;
    assert!(error.is_err());
    let keys = storage::keys::list_signing_keys(&database.db)
        .await
        .expect("listed");
    assert_eq!(keys, []);
}

#[tokio::test]
async fn keys_that_stand_without_their_revision_are_kept() {
    let database = database().await;
    let before = start(&database.db, master(1)).await;
    let client = database.client().await;
    client
        .batch_execute("UPDATE revisions SET revision = 0 WHERE name = 'keys'")
        .await
        .expect("the revision is lost");
    let after = start(&database.db, master(1)).await;
    assert_eq!(after.ring.jwks(now()).etag, before.ring.jwks(now()).etag);
    assert_eq!(after.ring.keys().count(), 6);
}

#[tokio::test]
async fn the_longest_lifetime_of_any_node_stands_and_a_retired_keys_does_not_move() {
    let database = database().await;
    let db = &database.db;
    start(db, master(1)).await;
    let retired = StoredSigningKey {
        retired_at: Some(now()),
        ..stored_key()
    };
    let tx = db.begin().await.expect("a transaction");
    storage::keys::insert_signing_key(&tx, &retired)
        .await
        .expect("inserted");
    tx.commit().await.expect("committed");
    for minutes in [60, 5] {
        let settings = KeySettings {
            lifetimes: Lifetimes {
                signed: TimeDelta::minutes(minutes),
                ..key_settings().lifetimes
            },
            ..key_settings()
        };
        load(db, &[master(1)], None, &settings, None, now())
            .await
            .expect("the keys load");
        for key in storage::keys::list_signing_keys(db).await.expect("listed") {
            let expected = match key.state(now()) {
                KeyState::Compromised => retired.max_lifetime,
                _ => TimeDelta::minutes(60),
            };
            assert_eq!(key.max_lifetime, expected, "{}", key.kid);
        }
    }
}

#[tokio::test]
async fn a_key_comes_back_as_it_was_stored() {
    let database = database().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        let db = database.open(statements, 2);
        let key = StoredSigningKey {
            kid: format!("{statements:?}"),
            ..stored_key()
        };
        let tx = db.begin().await.expect("a transaction");
        storage::keys::insert_signing_key(&tx, &key)
            .await
            .expect("inserted");
        tx.commit().await.expect("committed");
        let listed = storage::keys::list_signing_keys(&db).await.expect("listed");
        assert!(listed.contains(&key), "{listed:?}");
    }
}

/// A key whose every column differs from its default.
fn stored_key() -> StoredSigningKey {
    let at = |seconds| now() - TimeDelta::seconds(seconds);
    StoredSigningKey {
        kid: "imported".into(),
        algorithm: SigningAlgorithm::EdDsa,
        public_jwk: serde_json::json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}),
        wrapped: None,
        master_key: "0123456789abcdef".into(),
        location: "elsewhere".into(),
        max_lifetime: TimeDelta::seconds(7),
        published_at: at(50),
        signing_at: Some(at(40)),
        draining_at: Some(at(30)),
        retired_at: Some(at(20)),
        compromised_at: Some(at(10)),
    }
}
