use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::TimeDelta;
use futures_util::FutureExt;
use serde_json::{Value, json};

use super::*;
use crate::domain::signing_key::StoredSigningKey;
use crate::jose::keyring::tests::{ed25519, master, now, policy, stored};
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::SeededRandom;

const ISSUER: &str = "https://id.example";

fn signing() -> StoredSigningKey {
    StoredSigningKey {
        signing_at: Some(now()),
        ..ed25519(1)
    }
}

fn ring_of(key: StoredSigningKey) -> KeyRing {
    KeyRing::open(vec![key], &[master()], None, &policy(), now()).expect("opens")
}

fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "u", "aud": ["https://api.example", ISSUER],
        "exp": now().timestamp() + 600, "iat": now().timestamp(),
        "jti": "0b9d4a4e-3b5f-4f0e-8a6d-2f4a3f6f1b11", "client_id": "c", "scope": "openid",
    })
}

fn sign(ring: &KeyRing, typ: TokenType, claims: &Value) -> String {
    ring.signing_key(SigningAlgorithm::EdDsa, now())
        .expect("signs")
        .sign(typ, claims)
        .now_or_never()
        .expect("a key of this process signs at once")
        .expect("a token")
}

/// A token with this header and payload, signed by the ring's key: what a bug of ours might make.
fn sign_raw(ring: &KeyRing, header: &str, payload: &str) -> String {
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header),
        URL_SAFE_NO_PAD.encode(payload)
    );
    let key = ring.signing_key(SigningAlgorithm::EdDsa, now()).expect("signs");
    let signature = key.sign_bytes(signed.as_bytes()).now_or_never();
    let signature = signature.expect("at once").expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn access(ring: &KeyRing, token: &str) -> Result<AccessTokenClaims, VerifyError> {
    verify_access_token(ring, token, ISSUER, now())
}

fn hint(ring: &KeyRing, token: &str) -> Result<IdTokenClaims, VerifyError> {
    verify_id_token_hint(ring, token, ISSUER, now())
}

#[test]
fn a_good_access_token_is_believed_until_the_second_of_its_expiry() {
    let ring = ring_of(signing());
    let token = sign(&ring, TokenType::AccessToken, &claims());
    let believed = access(&ring, &token).expect("a good token");
    assert!(believed.aud.contains(ISSUER));
    assert_eq!(json!(believed), claims());
    let at = |seconds| verify_access_token(&ring, &token, ISSUER, now() + TimeDelta::seconds(seconds));
    assert!(at(599).is_ok());
    assert_eq!(at(600), Err(VerifyError::Expired));
}

#[test]
fn every_changed_character_is_noticed() {
    let ring = ring_of(signing());
    let token = sign(&ring, TokenType::AccessToken, &claims());
    for at in 0..token.len() {
        let mut wrong = token.clone().into_bytes();
        wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
        let wrong = String::from_utf8(wrong).expect("ASCII");
        assert!(access(&ring, &wrong).is_err(), "{at}");
    }
    for wrong in [
        format!("{token}="),
        format!("{token}."),
        format!(" {token}"),
        token[1..].to_owned(),
    ] {
        assert!(access(&ring, &wrong).is_err(), "{wrong}");
    }
    assert_eq!(
        access(&ring, &format!("{token}{}", "A".repeat(MAX_TOKEN))),
        Err(VerifyError::TooLong)
    );
}

#[test]
fn the_header_decides_nothing() {
    let ring = ring_of(signing());
    let kid = signing().kid;
    let payload = claims().to_string();
    for (alg, extra, expected) in [
        ("none", "", VerifyError::Algorithm),
        ("HS256", "", VerifyError::Algorithm),
        ("RS256", "", VerifyError::Algorithm),
        ("Ed25519", "", VerifyError::Algorithm),
        (
            "EdDSA",
            ",\"crit\":[\"b64\"],\"b64\":false",
            VerifyError::Malformed,
        ),
        ("EdDSA", ",\"jwk\":{}", VerifyError::Malformed),
        (
            "EdDSA",
            ",\"jku\":\"https://evil.example\"",
            VerifyError::Malformed,
        ),
        ("EdDSA", ",\"alg\":\"EdDSA\"", VerifyError::Malformed),
    ] {
        let header = format!("{{\"alg\":\"{alg}\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"{extra}}}");
        assert_eq!(
            access(&ring, &sign_raw(&ring, &header, &payload)),
            Err(expected),
            "{header}"
        );
    }
    let unsigned = sign_raw(
        &ring,
        &format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{kid}"}}"#),
        &payload,
    );
    let (unsigned, _) = unsigned.rsplit_once('.').expect("three parts");
    assert_eq!(
        access(&ring, &format!("{unsigned}.")),
        Err(VerifyError::Signature)
    );
    for header in [
        "[\"EdDSA\",\"at+jwt\",\"k\"]".to_owned(),
        "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\"}".to_owned(),
        format!("{{\"alg\":\"EdDSA\",\"kid\":\"{kid}\"}}"),
    ] {
        let token = sign_raw(&ring, &header, &payload);
        assert_eq!(access(&ring, &token), Err(VerifyError::Malformed), "{header}");
    }
}

#[test]
fn a_hash_keyed_with_the_public_key_is_no_signature() {
    let ring = ring_of(signing());
    let kid = signing().kid;
    let public = compact::decode(signing().public_jwk["x"].as_str().expect("x")).expect("base64url");
    for alg in ["HS256", "EdDSA"] {
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(format!(
                "{{\"alg\":\"{alg}\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"}}"
            )),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        let code = crate::domain::mac::MacKey::new(public.clone()).plain(signed.as_bytes());
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(code));
        let expected = if alg == "EdDSA" {
            VerifyError::Signature
        } else {
            VerifyError::Algorithm
        };
        assert_eq!(access(&ring, &forged), Err(expected));
    }
}

/// `EdDSA` and `Ed25519` are the same signature: what tells them apart is what the key says.
#[test]
fn a_token_says_the_name_that_its_key_has() {
    let seed = crate::jose::Seed::draw(&SeededRandom::new(3));
    let new = crate::jose::generate(SigningAlgorithm::Ed25519, &seed).expect("a key");
    let ring = ring_of(StoredSigningKey {
        signing_at: Some(now()),
        ..stored(&new, &master())
    });
    let kid = &new.public_jwk.kid;
    for (alg, expected) in [("Ed25519", Ok(())), ("EdDSA", Err(VerifyError::Algorithm))] {
        let header = format!("{{\"alg\":\"{alg}\",\"typ\":\"at+jwt\",\"kid\":\"{kid}\"}}");
        let signed = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims().to_string())
        );
        let key = ring.signing_key(SigningAlgorithm::Ed25519, now()).expect("signs");
        let signature = key.sign_bytes(signed.as_bytes()).now_or_never();
        let signature = signature
            .expect("a local key waits for nothing")
            .expect("a signature");
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        assert_eq!(access(&ring, &token).map(drop), expected, "{alg}");
    }
}

#[test]
fn an_unknown_kid_is_not_looked_for_among_the_others() {
    let ring = ring_of(signing());
    let header = "{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"other\"}";
    let token = sign_raw(&ring, header, &claims().to_string());
    assert_eq!(access(&ring, &token), Err(VerifyError::UnknownKey));
}

#[test]
fn one_kind_of_token_is_never_taken_for_another() {
    let ring = ring_of(signing());
    let id_token = sign(&ring, TokenType::IdToken, &claims());
    assert_eq!(access(&ring, &id_token), Err(VerifyError::Type));
    let access_token = sign(&ring, TokenType::AccessToken, &claims());
    assert_eq!(hint(&ring, &access_token), Err(VerifyError::Type));
    let header = format!(
        "{{\"alg\":\"EdDSA\",\"typ\":\"application/AT+JWT\",\"kid\":\"{}\"}}",
        signing().kid
    );
    let spelled_out = sign_raw(&ring, &header, &claims().to_string());
    access(&ring, &spelled_out).expect("the same media type");
}

#[test]
fn claims_must_be_there_once_and_be_ours() {
    let ring = ring_of(signing());
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        let mut without = claims();
        without.as_object_mut().expect("an object").remove(name);
        let token = sign(&ring, TokenType::AccessToken, &without);
        assert_eq!(access(&ring, &token), Err(VerifyError::Claims), "{name}");
    }
    let mut foreign = claims();
    foreign["iss"] = "https://id.example/".into();
    let token = sign(&ring, TokenType::AccessToken, &foreign);
    assert_eq!(access(&ring, &token), Err(VerifyError::Issuer));

    let twice = claims().to_string().replacen('{', "{\"sub\":\"other\",", 1);
    let header = format!(
        "{{\"alg\":\"EdDSA\",\"typ\":\"at+jwt\",\"kid\":\"{}\"}}",
        signing().kid
    );
    assert_eq!(
        access(&ring, &sign_raw(&ring, &header, &twice)),
        Err(VerifyError::Claims)
    );
}

#[test]
fn a_hint_may_be_old_but_its_key_must_not_be_compromised() {
    let ring = ring_of(signing());
    let mut old = claims();
    old["exp"] = (now().timestamp() - 1_000_000).into();
    let id_token = sign(&ring, TokenType::IdToken, &old);
    let access_token = sign(&ring, TokenType::AccessToken, &claims());
    hint(&ring, &id_token).expect("an expired hint");

    let retired = ring_of(StoredSigningKey {
        retired_at: Some(now()),
        ..signing()
    });
    hint(&retired, &id_token).expect("a hint of a retired key");
    let refused = |state| VerifyError::Key {
        kid: signing().kid,
        state,
    };
    assert_eq!(access(&retired, &access_token), Err(refused(KeyState::Retired)));

    let compromised = ring_of(StoredSigningKey {
        compromised_at: Some(now()),
        ..signing()
    });
    assert_eq!(hint(&compromised, &id_token), Err(refused(KeyState::Compromised)));
    assert_eq!(
        access(&compromised, &access_token),
        Err(refused(KeyState::Compromised))
    );
}
