//! Clients that prove themselves with a signed assertion (RFC 7523, OpenID Connect Core §9).

use std::sync::OnceLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::future::join_all;
use josekit::jwk::Jwk;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, EdDSA, HS256, JwsSigner, PS256, RS256};
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{JWT_BEARER, ask, basic};
use crate::support::browser::{Answer, Api};
use crate::support::tokens::{Walk, refused};

/// A client that signs, with one key a kind.
struct Signers {
    ed: EdKeyPair,
    ec: EcKeyPair,
    rsa: RsaKeyPair,
}

impl Signers {
    /// The client's. Made once, because an RSA key takes its time.
    fn own() -> &'static Self {
        static OWN: OnceLock<Signers> = OnceLock::new();
        OWN.get_or_init(Self::new)
    }

    fn new() -> Self {
        Self {
            ed: EdKeyPair::generate(EdCurve::Ed25519).expect("a key"),
            ec: EcKeyPair::generate(EcCurve::P256).expect("a key"),
            rsa: RsaKeyPair::generate(2048).expect("a key"),
        }
    }

    fn jwks(&self) -> Value {
        let named = |mut key: Jwk, kid: &str| {
            key.set_key_id(kid);
            Value::Object(key.into())
        };
        json!({"keys": [
            named(self.ed.to_jwk_public_key(), "ed"),
            named(self.ec.to_jwk_public_key(), "ec"),
            named(self.rsa.to_jwk_public_key(), "rsa"),
        ]})
    }

    fn ed(&self) -> Box<dyn JwsSigner> {
        Box::new(
            EdDSA
                .signer_from_jwk(&self.ed.to_jwk_private_key())
                .expect("a signer"),
        )
    }

    fn ec(&self) -> Box<dyn JwsSigner> {
        Box::new(
            ES256
                .signer_from_jwk(&self.ec.to_jwk_private_key())
                .expect("a signer"),
        )
    }

    fn rs256(&self) -> Box<dyn JwsSigner> {
        Box::new(
            RS256
                .signer_from_jwk(&self.rsa.to_jwk_private_key())
                .expect("a signer"),
        )
    }

    fn ps256(&self) -> Box<dyn JwsSigner> {
        Box::new(
            PS256
                .signer_from_jwk(&self.rsa.to_jwk_private_key())
                .expect("a signer"),
        )
    }
}

fn jwt(signer: Option<&dyn JwsSigner>, header: &Value, claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.map(|signer| signer.sign(signed.as_bytes()).expect("a signature"));
    format!(
        "{signed}.{}",
        URL_SAFE_NO_PAD.encode(signature.unwrap_or_default())
    )
}

/// Good claims of an assertion, with a `jti` of their own.
fn claims(walk: &Walk) -> Value {
    let now = walk.app.provider.now().timestamp();
    json!({"iss": "signer", "sub": "signer", "aud": walk.app.issuer, "iat": now, "exp": now + 60,
        "jti": uuid::Uuid::from_bytes(random(walk)).to_string()})
}

fn random(walk: &Walk) -> [u8; 16] {
    let mut bytes = [0; 16];
    walk.app.provider.random.fill(&mut bytes);
    bytes
}

fn with(mut claims: Value, member: &str, value: Value) -> Value {
    let members = claims.as_object_mut().expect("an object");
    if value == json!("absent") {
        members.remove(member);
    } else {
        members.insert(member.to_owned(), value);
    }
    claims
}

async fn present(api: &Api, assertion: &str) -> Answer {
    let fields = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", assertion),
    ];
    ask(api, None, &fields).await
}

async fn signing_client(walk: &Walk) -> &'static Signers {
    let signers = Signers::own();
    let metadata = json!({"token_endpoint_auth_method": "private_key_jwt", "jwks": signers.jwks()});
    walk.confidential("signer", metadata).await;
    signers
}

#[tokio::test]
async fn an_assertion_is_signed_with_any_of_five_names_and_meant_for_us_alone() {
    let walk = Walk::start().await;
    let signers = signing_client(&walk).await;
    let endpoint = walk.app.issuer.clone() + "/oauth2/token";
    let issuer = walk.app.issuer.clone();
    for (alg, kid, signer) in [
        ("EdDSA", "ed", signers.ed()),
        ("Ed25519", "ed", signers.ed()),
        ("ES256", "ec", signers.ec()),
        ("RS256", "rsa", signers.rs256()),
        ("PS256", "rsa", signers.ps256()),
    ] {
        for header in [
            json!({"alg": alg, "kid": kid}),
            json!({"alg": alg, "typ": "JWT"}),
            json!({"alg": alg, "kid": kid, "typ": "client-authentication+jwt"}),
        ] {
            for aud in [json!(issuer), json!(endpoint), json!([issuer]), json!([endpoint])] {
                let claims = with(claims(&walk), "aud", aud);
                let answer = present(&walk.api, &jwt(Some(&*signer), &header, &claims)).await;
                assert_eq!(answer.status, StatusCode::OK, "{header} {claims} {answer:#?}");
            }
        }
    }
}

#[tokio::test]
async fn an_assertion_that_is_wrong_anywhere_proves_nothing() {
    let walk = Walk::start().await;
    let signers = signing_client(&walk).await;
    let (issuer, endpoint) = (walk.app.issuer.clone(), walk.app.issuer.clone() + "/oauth2/token");
    let now = walk.app.provider.now().timestamp();
    let ed = signers.ed();
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    for (member, value) in [
        ("aud", json!([issuer, endpoint])),
        ("aud", json!([issuer, "https://other.example"])),
        ("aud", json!("https://other.example")),
        ("aud", json!(format!("{issuer}/"))),
        ("aud", json!(format!("{issuer}/oauth2/introspect"))),
        ("aud", json!("signer")),
        ("aud", json!("absent")),
        ("aud", json!([])),
        ("iss", json!("other")),
        ("iss", json!("absent")),
        ("sub", json!("other")),
        ("sub", json!("absent")),
        ("exp", json!(now + 3600 + 180)),
        ("exp", json!(now - 61)),
        ("exp", json!("absent")),
        ("exp", json!(format!("{}", now + 60))),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("iat", json!(now + 120)),
        ("nbf", json!(now + 120)),
        ("jti", json!("absent")),
        ("jti", json!("")),
        ("jti", json!(7)),
        ("jti", json!("x".repeat(256))),
    ] {
        let claims = with(claims(&walk), member, value);
        let answer = present(&walk.api, &jwt(Some(&*ed), &header, &claims)).await;
        refused(&answer, 401, "invalid_client");
    }
    let public = serde_json::to_vec(&signers.ed.to_jwk_public_key()).expect("JSON");
    let pem = signers.rsa.to_pem_public_key();
    let x = signers.jwks()["keys"][0]["x"]
        .as_str()
        .map(|x| URL_SAFE_NO_PAD.decode(x).expect("base64url"));
    let stranger = Signers::new();
    for (signer, header) in [
        (None, json!({"alg": "none"})),
        (None, json!({"alg": "EdDSA", "kid": "ed"})),
        (hmac(&public), json!({"alg": "HS256", "kid": "ed"})),
        (hmac(&pem), json!({"alg": "HS256", "kid": "rsa"})),
        (hmac(&x.expect("a key")), json!({"alg": "HS256"})),
        (Some(stranger.ed()), header.clone()),
        (
            Some(stranger.ed()),
            json!({"alg": "EdDSA", "jwk": stranger.jwks()["keys"][0]}),
        ),
        (
            Some(stranger.rs256()),
            json!({"alg": "RS256", "jku": "https://other.example/jwks"}),
        ),
        (Some(signers.ed()), json!({"alg": "EdDSA", "kid": "ec"})),
        (Some(signers.ed()), json!({"alg": "EdDSA", "kid": "unknown"})),
        (
            Some(signers.ed()),
            json!({"alg": "EdDSA", "kid": "ed", "typ": "at+jwt"}),
        ),
        (
            Some(signers.ed()),
            json!({"alg": "EdDSA", "kid": "ed", "typ": "logout+jwt"}),
        ),
        (
            Some(signers.ed()),
            json!({"alg": "EdDSA", "kid": "ed", "crit": ["exp"]}),
        ),
        (Some(signers.ed()), json!({"alg": "ES256", "kid": "ed"})),
        (Some(signers.rs256()), json!({"alg": "RS512", "kid": "rsa"})),
        (Some(signers.ed()), json!({"kid": "ed"})),
    ] {
        let answer = present(&walk.api, &jwt(signer.as_deref(), &header, &claims(&walk))).await;
        refused(&answer, 401, "invalid_client");
    }
    for garbage in ["", "a.b.c", "..", "not a token", "eyJ", &"x".repeat(8000)] {
        let answer = present(&walk.api, garbage).await;
        refused(&answer, 401, "invalid_client");
    }
    // Nothing above has spent anything or closed the door: a good one is still believed.
    let answer = present(&walk.api, &jwt(Some(&*ed), &header, &claims(&walk))).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
}

fn hmac(key: &[u8]) -> Option<Box<dyn JwsSigner>> {
    let mut key = key.to_vec();
    key.resize(key.len().max(32), 0);
    Some(Box::new(HS256.signer_from_bytes(&key).expect("a signer")))
}

#[tokio::test]
async fn the_request_around_an_assertion_must_agree_with_it() {
    let walk = Walk::start().await;
    let signers = signing_client(&walk).await;
    let other = walk.confidential("other", json!({})).await;
    let ed = signers.ed();
    let fresh = || jwt(Some(&*ed), &json!({"alg": "EdDSA"}), &claims(&walk));
    let assertion = fresh();
    let named = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*assertion),
        ("client_id", "signer"),
    ];
    let answer = ask(&walk.api, None, &named).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    let assertion = fresh();
    let of_other = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*assertion),
        ("client_id", "other"),
    ];
    refused(&ask(&walk.api, None, &of_other).await, 400, "invalid_request");
    let header = basic(&format!("{}:{}", other.0, other.1));
    refused(
        &ask(&walk.api, Some(&header), &of_other[..2]).await,
        400,
        "invalid_request",
    );
    let saml = "urn:ietf:params:oauth:client-assertion-type:saml2-bearer";
    for fields in [
        vec![("client_assertion", &*assertion)],
        vec![("client_assertion", &*assertion), ("client_assertion_type", saml)],
        vec![("client_id", "signer")],
        vec![("client_id", "signer"), ("client_assertion_type", JWT_BEARER)],
        vec![("client_id", "signer"), ("client_secret", "guess")],
    ] {
        refused(&ask(&walk.api, None, &fields).await, 401, "invalid_client");
    }
    // None of these tries has spent it.
    let answer = present(&walk.api, &assertion).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    // A client that registered a secret cannot come with a key.
    let claims = with(with(claims(&walk), "iss", json!("other")), "sub", json!("other"));
    let answer = present(&walk.api, &jwt(Some(&*ed), &json!({"alg": "EdDSA"}), &claims)).await;
    refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn an_assertion_is_spent_once_on_all_nodes_and_endpoints() {
    let walk = Walk::start().await;
    let second = walk.app.second_node().await;
    let signers = signing_client(&walk).await;
    second.provider.reload().await.expect("the registry is read");
    let there = Api::new(&second);
    let ed = signers.ed();
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    for _ in 0..4 {
        let assertion = jwt(Some(&*ed), &header, &claims(&walk));
        let answers = join_all((0..8).map(|number| {
            let api = if number % 2 == 0 { &walk.api } else { &there };
            present(api, &assertion)
        }))
        .await;
        let (good, bad): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.status == StatusCode::OK);
        assert_eq!(good.len(), 1);
        bad.into_iter()
            .for_each(|answer| refused(answer, 401, "invalid_client"));
    }
    let assertion = jwt(Some(&*ed), &header, &claims(&walk));
    let fields = [
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*assertion),
        ("token", "x"),
    ];
    let answer = walk.api.post("/oauth2/introspect", &fields).await;
    assert_eq!(answer.json(), json!({"active": false}), "{answer:#?}");
    refused(
        &there.post("/oauth2/introspect", &fields).await,
        401,
        "invalid_client",
    );
    refused(
        &there.post("/oauth2/revoke", &fields).await,
        401,
        "invalid_client",
    );
    refused(&present(&there, &assertion).await, 401, "invalid_client");
    // Where it cannot be spent, nothing is given.
    let assertion = jwt(Some(&*ed), &header, &claims(&walk));
    walk.lose_database();
    refused(
        &present(&walk.api, &assertion).await,
        503,
        "temporarily_unavailable",
    );
}
