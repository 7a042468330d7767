use super::*;
use crate::jose::{NewKey, Seed, TokenType, generate, generate_ed25519, generate_rsa};
use crate::random::SeededRandom;

pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

pub fn policy() -> KeyPolicy {
    KeyPolicy {
        rotation_interval: TimeDelta::days(30),
        min_announce: TimeDelta::hours(24),
        poll_interval: TimeDelta::seconds(1),
        jwks_max_age: TimeDelta::minutes(5),
        clock_skew: TimeDelta::seconds(60),
        max_partition: TimeDelta::hours(12),
    }
}

pub fn master() -> MasterKey {
    MasterKey::generate(&SeededRandom::new(99))
}

/// A new key as it rests, announced for ever.
pub fn stored(new: &NewKey, master: &MasterKey) -> StoredSigningKey {
    let kid = new.public_jwk.kid.clone();
    StoredSigningKey {
        algorithm: new.algorithm,
        public_jwk: serde_json::to_value(&new.public_jwk).expect("JSON"),
        wrapped: Some(
            master
                .wrap(&new.private_jwk, &signing_key_place(&kid))
                .expect("wraps"),
        ),
        master_key: master.fingerprint(),
        kid,
        location: "database".into(),
        max_lifetime: TimeDelta::zero(),
        published_at: now(),
        signing_at: None,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
    }
}

pub fn ed25519(seed: u64) -> StoredSigningKey {
    stored(&generate_ed25519(&SeededRandom::new(seed)), &master())
}

fn seconds(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}

fn published(ring: &KeyRing, at: DateTime<Utc>) -> Vec<String> {
    let jwks: serde_json::Value = serde_json::from_slice(&ring.jwks(at).body).expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys").clone();
    keys.iter()
        .map(|key| key["kid"].as_str().expect("a kid").to_owned())
        .collect()
}

#[test]
fn the_signing_key_follows_the_stored_times_without_a_reload() {
    let (mut old, mut new) = (ed25519(1), ed25519(2));
    old.signing_at = Some(seconds(0));
    old.draining_at = Some(seconds(100));
    old.retired_at = Some(seconds(200));
    new.signing_at = Some(seconds(100));
    new.published_at = seconds(1);
    let (old_kid, new_kid) = (old.kid.clone(), new.kid.clone());
    let ring = KeyRing::open(vec![new, old], &[master()], None, &policy(), now()).expect("opens");
    let signing = |at| ring.signing_key(SigningAlgorithm::EdDsa, at).map(SigningKey::kid);
    assert_eq!(signing(seconds(-1)), Some(&*old_kid), "a clock that is behind");
    assert_eq!(signing(seconds(0)), Some(&*old_kid));
    assert_eq!(signing(seconds(99)), Some(&*old_kid));
    assert_eq!(signing(seconds(100)), Some(&*new_kid));
    assert!(ring.signing_key(SigningAlgorithm::Rs256, seconds(0)).is_none());

    assert_eq!(published(&ring, seconds(-5)), [&*old_kid, &*new_kid]);
    assert_eq!(published(&ring, seconds(199)), [&*old_kid, &*new_kid]);
    assert_eq!(published(&ring, seconds(200)), [&*new_kid]);
    assert_eq!(ring.jwks(seconds(0)).etag, ring.jwks(seconds(199)).etag);
    assert_ne!(ring.jwks(seconds(0)).etag, ring.jwks(seconds(200)).etag);
}

#[test]
fn what_can_be_chosen_signs() {
    let mut announced = ed25519(2);
    announced.signing_at = Some(seconds(100));
    let keys = vec![announced, signing(&generate_rsa().expect("an RSA key"))];
    let ring = KeyRing::open(keys, &[master()], None, &policy(), now()).expect("opens");
    for at in [-5, 99, 100] {
        let choice = ring.signing_algorithms(seconds(at));
        assert_eq!(choice.contains(SigningAlgorithm::EdDsa), at >= 100, "{at}");
        assert!(choice.contains(SigningAlgorithm::Rs256));
        for algorithm in choice.iter() {
            assert!(ring.signing_key(algorithm, seconds(at)).is_some());
        }
    }
}

fn signing(new: &NewKey) -> StoredSigningKey {
    StoredSigningKey {
        signing_at: Some(now()),
        ..stored(new, &master())
    }
}

#[test]
fn a_wrong_or_missing_master_key_is_named() {
    let other = MasterKey::generate(&SeededRandom::new(5));
    for masters in [vec![], vec![other.clone()]] {
        let error =
            KeyRing::open(vec![ed25519(1)], &masters, None, &policy(), now()).expect_err("no key opens");
        assert!(error.to_string().contains(&master().fingerprint()), "{error}");
        for given in &masters {
            assert!(error.to_string().contains(&given.fingerprint()), "{error}");
        }
    }
    KeyRing::open(vec![ed25519(1)], &[other, master()], None, &policy(), now())
        .expect("any of several may be the one");
}

#[test]
fn a_key_whose_work_is_done_needs_no_master_key() {
    let mut key = ed25519(1);
    key.signing_at = Some(seconds(-20));
    key.draining_at = Some(seconds(-10));
    let kid = key.kid.clone();
    let ring = KeyRing::open(vec![key], &[], None, &policy(), now()).expect("opens");
    assert!(ring.verifier(&kid).is_some());
    assert!(ring.signing_key(SigningAlgorithm::EdDsa, now()).is_none());
}

#[test]
fn keys_do_not_open_in_each_others_rows() {
    let (one, two) = (ed25519(1), ed25519(2));
    let exchanged = StoredSigningKey {
        wrapped: two.wrapped,
        ..one.clone()
    };
    let error = KeyRing::open(vec![exchanged], &[master()], None, &policy(), now())
        .expect_err("another's private key");
    assert!(
        matches!(error.reason, KeyFault::Wrap(WrapError::Place)),
        "{error}"
    );

    let renamed = StoredSigningKey {
        public_jwk: two.public_jwk,
        ..one
    };
    let error =
        KeyRing::open(vec![renamed], &[master()], None, &policy(), now()).expect_err("another's public key");
    assert!(matches!(error.reason, KeyFault::PrivateKey), "{error}");
}

#[test]
fn private_members_never_reach_the_jwks() {
    let mut key = stored(&generate_rsa().expect("an RSA key"), &master());
    key.public_jwk["d"] = "secret".into();
    let ring = KeyRing::open(vec![key], &[master()], None, &policy(), now()).expect("opens");
    let body = String::from_utf8(ring.jwks(now()).body.to_vec()).expect("UTF-8");
    assert!(!body.contains("secret"), "{body}");
}

#[tokio::test]
async fn what_the_ring_signs_the_ring_verifies() {
    let seed = |algorithm: SigningAlgorithm| Seed::draw(&SeededRandom::new(algorithm as u64));
    let keys = SigningAlgorithm::ALL
        .map(|algorithm| signing(&generate(algorithm, &seed(algorithm)).expect("a key")));
    let ring = KeyRing::open(keys.to_vec(), &[master()], None, &policy(), now()).expect("opens");
    for algorithm in SigningAlgorithm::ALL {
        let signing = ring.signing_key(algorithm, now()).expect("signs");
        let token = signing
            .sign(TokenType::IdToken, &serde_json::json!({}))
            .await
            .expect("a token");
        let (signed, signature) = token.rsplit_once('.').expect("three parts");
        let signature = crate::jose::compact::decode(signature).expect("base64url");
        for key in keys.iter().map(|key| ring.verifier(&key.kid).expect("known")) {
            let own = key.algorithm() == algorithm;
            assert_eq!(key.verifies(signed.as_bytes(), &signature), own, "{algorithm:?}");
            assert!(!key.verifies(b"other", &signature));
            let nothing = vec![0; signature.len()];
            assert!(!key.verifies(signed.as_bytes(), &nothing));
        }
    }
}
