//! Each rule of RFC 7523 §3, held and broken.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, JwsSigner, PS256, RS256};
use serde_json::json;

use super::*;
use crate::jose::generate_ed25519;
use crate::jose::keyring::tests::now;
use crate::jose::signer::signer;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::SeededRandom;

const ISSUER: &str = "https://id.example";
const TOKEN_ENDPOINT: &str = "https://id.example/oauth2/token";

struct TestKey {
    public: Value,
    signer: Box<dyn JwsSigner>,
}

fn ed25519(seed: u64) -> TestKey {
    let new = generate_ed25519(&SeededRandom::new(seed));
    TestKey {
        public: serde_json::to_value(&new.public_jwk).expect("JSON"),
        signer: signer(SigningAlgorithm::EdDsa, &new.private_jwk).expect("a key"),
    }
}

fn client() -> ClientId {
    "client-1".parse().expect("a client_id")
}

fn claims() -> Value {
    json!({
        "iss": "client-1", "sub": "client-1", "aud": ISSUER, "jti": "j-1",
        "exp": now().timestamp() + 60, "iat": now().timestamp(),
    })
}

fn assertion(signer: &dyn JwsSigner, header: &Value, claims: &Value) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.sign(signed.as_bytes()).expect("a signature");
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn verify(keys: &[Value], assertion: &str) -> Result<VerifiedAssertion, AssertionError> {
    let keys = ClientKeys::parse(&json!({"keys": keys})).expect("keys");
    verify_client_assertion(assertion, &client(), &keys, &[ISSUER, TOKEN_ENDPOINT], now())
}

/// What becomes of an assertion with `name` set to `value`, or removed when `value` is null.
fn with_claim(name: &str, value: Value) -> Result<VerifiedAssertion, AssertionError> {
    let key = ed25519(1);
    let mut claims = claims();
    if value.is_null() {
        claims.as_object_mut().expect("an object").remove(name);
    } else {
        claims[name] = value;
    }
    verify(
        &[key.public],
        &assertion(&*key.signer, &json!({"alg": "EdDSA"}), &claims),
    )
}

#[test]
fn every_algorithm_that_we_name_is_verified() {
    let ec = EcKeyPair::generate(EcCurve::P256).expect("an EC key");
    let rsa = RsaKeyPair::generate(2048).expect("an RSA key");
    let (ec_public, rsa_public) = (json!(ec.to_jwk_public_key()), json!(rsa.to_jwk_public_key()));
    let (ec, rsa) = (ec.to_jwk_private_key(), rsa.to_jwk_private_key());
    let made = [
        ("EdDSA", ed25519(1).public, ed25519(1).signer),
        ("Ed25519", ed25519(1).public, ed25519(1).signer),
        (
            "ES256",
            ec_public,
            Box::new(ES256.signer_from_jwk(&ec).expect("a signer")),
        ),
        (
            "RS256",
            rsa_public.clone(),
            Box::new(RS256.signer_from_jwk(&rsa).expect("a signer")),
        ),
        (
            "PS256",
            rsa_public,
            Box::new(PS256.signer_from_jwk(&rsa).expect("a signer")),
        ),
    ];
    assert_eq!(made.each_ref().map(|(alg, ..)| *alg), ASSERTION_ALGORITHMS);
    for (alg, public, signer) in made {
        let good = assertion(&*signer, &json!({"alg": alg}), &claims());
        let verified = verify(std::slice::from_ref(&public), &good).expect(alg);
        assert_eq!(verified.jti, "j-1");
        assert_eq!(verified.expires_at, now() + TimeDelta::seconds(120));
        for other in ASSERTION_ALGORITHMS {
            let confused = assertion(&*signer, &json!({"alg": other}), &claims());
            let one_algorithm = alg == other || (alg.starts_with("Ed") && other.starts_with("Ed"));
            let verified = verify(std::slice::from_ref(&public), &confused);
            assert_eq!(verified.is_ok(), one_algorithm, "{alg} as {other}");
        }
        for other in ["none", "HS256", "RS512", "eddsa", ""] {
            let confused = assertion(&*signer, &json!({"alg": other}), &claims());
            let verified = verify(std::slice::from_ref(&public), &confused);
            assert_eq!(verified, Err(AssertionError::Algorithm), "{alg} as {other}");
        }
    }
}

#[test]
fn a_kid_selects_the_key_and_without_one_each_is_tried() {
    let (one, two) = (ed25519(1), ed25519(2));
    let keys = [one.public.clone(), two.public.clone()];
    let verify_with = |header: Value| verify(&keys, &assertion(&*two.signer, &header, &claims()));
    verify_with(json!({"alg": "EdDSA"})).expect("the second key fits");
    verify_with(json!({"alg": "EdDSA", "kid": two.public["kid"]})).expect("the named key fits");
    for kid in [&one.public["kid"], &json!("unknown")] {
        let refused = verify_with(json!({"alg": "EdDSA", "kid": kid}));
        assert_eq!(refused, Err(AssertionError::Signature), "{kid}");
    }
}

#[test]
fn what_the_header_carries_is_not_believed() {
    let (ours, stranger) = (ed25519(1), ed25519(2));
    let verify_header = |header: Value| {
        verify(
            std::slice::from_ref(&ours.public),
            &assertion(&*stranger.signer, &header, &claims()),
        )
    };
    let header = json!({"alg": "EdDSA", "jwk": stranger.public});
    assert_eq!(verify_header(header), Err(AssertionError::Signature));
    let header = json!({"alg": "EdDSA", "crit": ["b64"], "b64": false});
    assert_eq!(verify_header(header), Err(AssertionError::Malformed));
    for typ in ["at+jwt", "logout+jwt", ""] {
        let header = json!({"alg": "EdDSA", "typ": typ});
        assert_eq!(verify_header(header), Err(AssertionError::Type), "{typ}");
    }
    for typ in ["JWT", "jwt", "client-authentication+jwt"] {
        let good = assertion(&*ours.signer, &json!({"alg": "EdDSA", "typ": typ}), &claims());
        verify(std::slice::from_ref(&ours.public), &good).expect(typ);
    }
}

#[test]
fn the_audience_is_the_issuer_or_the_token_endpoint_alone() {
    for good in [
        json!(ISSUER),
        json!([ISSUER]),
        json!(TOKEN_ENDPOINT),
        json!([TOKEN_ENDPOINT]),
    ] {
        assert!(with_claim("aud", good.clone()).is_ok(), "{good}");
    }
    for wrong in [
        json!("https://id.example/"),
        json!("https://other.example"),
        json!([ISSUER, "https://other.example"]),
        json!([ISSUER, TOKEN_ENDPOINT]),
    ] {
        assert_eq!(
            with_claim("aud", wrong.clone()),
            Err(AssertionError::Audience),
            "{wrong}"
        );
    }
}

#[test]
fn iss_and_sub_are_the_client() {
    for name in ["iss", "sub"] {
        assert_eq!(
            with_claim(name, "client-2".into()),
            Err(AssertionError::Subject),
            "{name}"
        );
    }
}

#[test]
fn the_times_allow_a_minute_between_the_clocks() {
    let at = |seconds: i64| json!(now().timestamp() + seconds);
    for (name, seconds, expected) in [
        ("exp", -59, None),
        ("exp", -60, Some(AssertionError::Expired)),
        ("exp", 3660, None),
        ("exp", 3661, Some(AssertionError::Times)),
        ("iat", 60, None),
        ("iat", 61, Some(AssertionError::Times)),
        ("nbf", 60, None),
        ("nbf", 61, Some(AssertionError::Times)),
    ] {
        assert_eq!(with_claim(name, at(seconds)).err(), expected, "{name} {seconds}");
    }
    assert_eq!(with_claim("iat", Value::Null).err(), None, "iat may be absent");
    let fraction = json!(now().timestamp() as f64 + 30.5);
    assert_eq!(
        with_claim("exp", fraction).err(),
        None,
        "a NumericDate may have a fraction"
    );
    for wrong in [json!(-1), json!(1e300)] {
        assert_eq!(
            with_claim("exp", wrong.clone()),
            Err(AssertionError::Times),
            "{wrong}"
        );
    }
}

#[test]
fn what_must_be_there_is_there_and_can_be_stored() {
    for name in ["iss", "sub", "aud", "exp", "jti"] {
        assert_eq!(
            with_claim(name, Value::Null),
            Err(AssertionError::Malformed),
            "{name}"
        );
    }
    for name in ["exp", "iat", "nbf"] {
        assert_eq!(
            with_claim(name, "soon".into()),
            Err(AssertionError::Malformed),
            "{name}"
        );
    }
    assert!(with_claim("jti", "x".repeat(255).into()).is_ok());
    for wrong in ["", &"x".repeat(256)] {
        assert_eq!(
            with_claim("jti", wrong.into()),
            Err(AssertionError::Jti),
            "{wrong:?}"
        );
    }
}

#[test]
fn the_client_is_found_by_what_an_assertion_claims() {
    let key = ed25519(1);
    let good = assertion(&*key.signer, &json!({"alg": "EdDSA"}), &claims());
    assert_eq!(unverified_client_id(&good), Some(client()));
    assert_eq!(unverified_client_id("a.b.c"), None);
}
