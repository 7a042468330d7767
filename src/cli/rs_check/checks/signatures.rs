//! Tokens that no key of the issuer signed (RFC 8725 §2.1, §3.1 to 3.3).

use serde_json::json;

use super::super::material::{Attempt, By, Token, with, without};
use super::{Check, Wants, Watch};

pub const CHECKS: &[Check] = &[
    Check {
        name: "signature",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let changed = with(&material.payload, json!({"sub": "somebody-else"}));
            let mut flipped = material.signature.clone();
            flipped[0] ^= 1;
            let kept = |signature: &[u8]| {
                let by = By::Bytes(signature.to_vec());
                Token::made(&material.header, &material.payload, by)
            };
            let half = material.signature.len() / 2;
            Ok(vec![
                Attempt::new(
                    "claims changed, signature kept",
                    Token::made(&material.header, &changed, By::Bytes(material.signature.clone())),
                ),
                Attempt::new("one bit of the signature changed", kept(&flipped)),
                Attempt::new("half of the signature", kept(&material.signature[..half])),
                Attempt::new("no signature", kept(&[])),
                Attempt::new("a signature of zeros", kept(&vec![0; material.signature.len()])),
                Attempt::new(
                    "another key under the issuer's kid",
                    Token::made(&material.header, &material.payload, By::Stranger),
                ),
            ])
        },
        risk: "Anybody writes tokens for anybody: nothing that they say was verified.",
        fix: "Verify the signature before believing a claim: a function that only decodes is not enough.",
    },
    Check {
        name: "alg-none",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let unsigned = |alg: &str, signature: &[u8]| {
                let header = with(&material.header, json!({"alg": alg}));
                Token::made(&header, &material.payload, By::Bytes(signature.to_vec()))
            };
            Ok(vec![
                Attempt::new("alg none", unsigned("none", &[])),
                Attempt::new("alg None", unsigned("None", &[])),
                Attempt::new("alg nOnE, signature kept", unsigned("nOnE", &material.signature)),
                Attempt::new(
                    "no alg at all",
                    Token::made(
                        &without(&material.header, "alg"),
                        &material.payload,
                        By::Bytes(Vec::new()),
                    ),
                ),
            ])
        },
        risk: "Anybody writes tokens for anybody by saying that they need no signature.",
        fix: "Write the one algorithm down in the API; never take it from the header (RFC 8725 §3.1).",
    },
    Check {
        name: "hmac-with-public-key",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let header = with(&material.header, json!({"alg": "HS256"}));
            let secrets = material.public_key_encodings.iter();
            Ok(secrets
                .map(|(what, secret)| {
                    let token = Token::made(&header, &material.payload, By::Hmac(secret.clone()));
                    Attempt::new(format!("HS256 under the public key as {what}"), token)
                })
                .collect())
        },
        risk: "Anybody writes tokens for anybody: the public key is taken for a shared secret.",
        fix: "Write the one algorithm down in the API, and bind each key to it: no HS256 beside a public key (RFC 8725 §3.1).",
    },
    Check {
        name: "algorithm-confusion",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let others = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"];
            let mut attempts: Vec<Attempt> = others
                .into_iter()
                .filter(|alg| !material.algorithms_of_the_key().contains(alg))
                .flat_map(|alg| {
                    let header = with(&material.header, json!({"alg": alg}));
                    let token = |by| Token::made(&header, &material.payload, by);
                    [
                        Attempt::new(
                            format!("alg {alg} over the signature of another"),
                            token(By::Signing),
                        ),
                        // A point at infinity, which some verifiers of ECDSA took for every signature.
                        Attempt::new(
                            format!("alg {alg} and a signature of zeros"),
                            token(By::Bytes(vec![0; 64])),
                        ),
                    ]
                })
                .collect();
            if let Some(kid) = &material.other_kid {
                let header = with(&material.header, json!({"kid": kid}));
                let token = Token::made(&header, &material.payload, By::Other);
                attempts.push(Attempt::new("the issuer's key of another kind", token));
            }
            Ok(attempts)
        },
        risk: "A key is used in a way that it was not made for, where forging may be easy.",
        fix: "Use each key with its own `alg` alone, and refuse tokens whose header says another (RFC 8725 §3.1).",
    },
];
