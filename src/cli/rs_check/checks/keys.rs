//! Which keys are believed, where they come from, and how often they are fetched.

use serde_json::json;

use super::super::material::{Attempt, By, Token, with, without};
use super::{Check, Wants, Watch};

/// How many tokens with unknown keys are shown in a row.
pub const FLOOD: usize = 40;

/// What must come before the flood: a verifier that has just fetched keys may not do so again at once.
pub const ROTATION: &[Check] = &[
    Check {
        name: "key-rotated",
        wants: Wants::Acceptance,
        watch: Watch::Nothing,
        show: |material| {
            let kid = material.announced.clone()?;
            let header = with(&material.header, json!({"kid": kid}));
            let token = Token::made(&header, &material.payload, By::Announced);
            Ok(vec![Attempt::new("a token of the key that signs next", token)])
        },
        risk: "At the next rotation every token is refused, until somebody restarts the API.",
        fix: "Choose the key by `kid` from the whole JWKS, and fetch that anew when its max-age is over.",
    },
    Check {
        name: "revoked-kid",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let kid = material.withdrawn.clone()?;
            let header = with(&material.header, json!({"kid": kid}));
            let token = Token::made(&header, &material.payload, By::Withdrawn);
            Ok(vec![Attempt::new("a token of a key that left the JWKS", token)])
        },
        risk: "A stolen key is believed for ever, although the issuer took it back.",
        fix: "Replace the cached JWKS as a whole when its max-age is over; never add to it only.",
    },
];

pub const CHECKS: &[Check] = &[
    Check {
        name: "embedded-key",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let stranger = &material.stranger_jwk;
            let header = with(&material.header, json!({"jwk": stranger, "kid": stranger["kid"]}));
            let under_our_kid = with(&material.header, json!({"jwk": stranger}));
            let anonymous = without(&header, "kid");
            let symmetric = json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "c3RyYW5nZXI"}});
            let certified = with(&header, json!({"x5c": [material.stranger_certificate]}));
            let certified = without(&certified, "jwk");
            let of_stranger = |header| Token::made(header, &material.payload, By::Stranger);
            Ok(vec![
                Attempt::new("the sender's key in `jwk`", of_stranger(&header)),
                Attempt::new(
                    "the sender's key in `jwk` under the issuer's kid",
                    of_stranger(&under_our_kid),
                ),
                Attempt::new("the sender's key in `jwk`, no kid", of_stranger(&anonymous)),
                Attempt::new("the sender's certificate in `x5c`", of_stranger(&certified)),
                Attempt::new(
                    "a shared secret in `jwk`",
                    Token::made(
                        &with(&material.header, symmetric),
                        &material.payload,
                        By::Hmac(b"stranger".to_vec()),
                    ),
                ),
            ])
        },
        risk: "Anybody writes tokens for anybody, and brings the key that proves them.",
        fix: "Take keys from the configured issuer's JWKS alone; ignore `jwk` and `x5c` (RFC 8725 §3.10).",
    },
    Check {
        name: "fetched-key",
        wants: Wants::Refusal,
        watch: Watch::Lure,
        show: |material| {
            let kid = &material.stranger_jwk["kid"];
            let pointing = |member: &str, kid: &serde_json::Value| {
                let header = with(&material.header, json!({member: material.lure, "kid": kid}));
                Token::made(&header, &material.payload, By::Stranger)
            };
            Ok(vec![
                Attempt::new("the sender's keys by `jku`", pointing("jku", kid)),
                Attempt::new(
                    "the sender's keys by `jku` under the issuer's kid",
                    pointing("jku", &material.header["kid"]),
                ),
                Attempt::new("the sender's certificate by `x5u`", pointing("x5u", kid)),
            ])
        },
        risk: "Anybody brings own keys, or makes the API send requests into your network.",
        fix: "Fetch keys from the configured issuer's JWKS alone; ignore `jku` and `x5u` (RFC 8725 §3.10).",
    },
    Check {
        name: "hostile-kid",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let named = |kid: serde_json::Value| with(&material.header, json!({"kid": kid, "alg": "HS256"}));
            let hmac = |kid: &str, secret: &[u8]| {
                let token = Token::made(&named(json!(kid)), &material.payload, By::Hmac(secret.to_vec()));
                Attempt::new(format!("kid {kid}"), token)
            };
            let mut attempts = vec![
                // An empty file is the key of an HMAC that everybody can make.
                hmac("../../../../../../../dev/null", b""),
                hmac("/dev/null", b""),
                hmac("' UNION SELECT 'stranger' --", b"stranger"),
                hmac("\" OR \"\"=\"", b"stranger"),
                hmac("__proto__", b""),
                hmac("", b""),
            ];
            let odd = [
                json!(1),
                json!(null),
                json!(true),
                json!([]),
                json!({}),
                json!("k".repeat(2000)),
                json!("\u{0}"),
            ];
            attempts.extend(odd.into_iter().map(|kid| {
                let header = with(&material.header, json!({"kid": kid}));
                let mut what = kid.to_string();
                what.truncate(20);
                Attempt::new(
                    format!("kid {what}"),
                    Token::made(&header, &material.payload, By::Stranger),
                )
            }));
            Ok(attempts)
        },
        risk: "The key's name is used as a path, a query or a command, and the sender chooses what it reaches.",
        fix: "Look `kid` up in the keys that were fetched, by exact comparison, and use it for nothing else.",
    },
    Check {
        name: "unknown-kid",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let header = with(&material.header, json!({"kid": material.stranger_jwk["kid"]}));
            let anonymous = without(&material.header, "kid");
            Ok(vec![
                Attempt::new(
                    "a key that nobody published",
                    Token::made(&header, &material.payload, By::Stranger),
                ),
                Attempt::new(
                    "a key without a name",
                    Token::made(&anonymous, &material.payload, By::Stranger),
                ),
            ])
        },
        risk: "Anybody writes tokens for anybody with a key of their own, or brings the API to a 500.",
        fix: "Refuse tokens whose `kid` is not in the issuer's JWKS, after one fetch that tells.",
    },
    Check {
        name: "unknown-kid-flood",
        wants: Wants::Refusal,
        watch: Watch::JwksRequests,
        show: |material| {
            let token = |_| {
                let header = with(&material.header, json!({"kid": material.made_up_kid()}));
                Attempt::new(
                    "a key that nobody published",
                    Token::made(&header, &material.payload, By::Stranger),
                )
            };
            Ok((0..FLOOD).map(token).collect())
        },
        risk: "Strangers make the API fetch the JWKS for each request: both become slow, or are shut out.",
        fix: "Fetch for an unknown `kid` at most once in half a minute, whatever comes (most JWKS clients can).",
    },
];
