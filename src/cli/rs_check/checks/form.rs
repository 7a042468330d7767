//! Tokens that parsers may stumble over or understand in two ways.

use serde_json::{Value, json};

use super::super::material::{Attempt, By, Material, Token, with};
use super::{Check, Wants, Watch};

/// `object` with a second `name` in front of the others (where `First`) or behind them.
fn twice(object: &Value, name: &str, value: &Value, place: Place) -> String {
    let text = object.to_string();
    let members = &text[1..text.len() - 1];
    let member = format!("{}:{value}", Value::from(name));
    match place {
        Place::First => format!("{{{member},{members}}}"),
        Place::Last => format!("{{{members},{member}}}"),
    }
}

#[derive(Clone, Copy)]
enum Place {
    First,
    Last,
}

fn garbage(material: &Material, header: &[u8], payload: &[u8]) -> Token {
    Token::Made {
        header: header.to_vec(),
        payload: payload.to_vec(),
        by: By::Bytes(material.signature.clone()),
    }
}

pub const CHECKS: &[Check] = &[
    Check {
        name: "duplicate-members",
        wants: Wants::AnyRefusal,
        watch: Watch::Nothing,
        show: |material| {
            let (header, payload) = (&material.header, &material.payload);
            let other_last = |claim: &str, value: Value| Token::Made {
                header: header.to_string().into_bytes(),
                payload: twice(payload, claim, &value, Place::Last).into_bytes(),
                by: By::Signing,
            };
            let unsigned = |place| {
                garbage(
                    material,
                    twice(header, "alg", &json!("none"), place).as_bytes(),
                    with(payload, json!({"sub": "somebody-else"}))
                        .to_string()
                        .as_bytes(),
                )
            };
            // Of two members the last counts, if not both are refused: here it is the bad one (RFC 7519 §4).
            Ok(vec![
                Attempt::new(
                    "a second aud for another API",
                    other_last("aud", json!("https://other.invalid")),
                ),
                Attempt::new("a second exp in the past", other_last("exp", json!(1))),
                Attempt::new("a second iss", other_last("iss", json!("https://issuer.invalid"))),
                Attempt::new("a second alg none", unsigned(Place::Last)),
                Attempt::new("a first alg none", unsigned(Place::First)),
            ])
        },
        risk: "A gateway in front and the API behind read two different tokens in one.",
        fix: "Refuse members that come twice, or let the last one count everywhere (RFC 7519 §4, RFC 8725 §2.4).",
    },
    Check {
        name: "critical-header",
        wants: Wants::AnyRefusal,
        watch: Watch::Nothing,
        show: |material| {
            let critical = json!({"crit": ["urn:signet:unknown"], "urn:signet:unknown": true});
            let token = material.signed(&with(&material.header, critical), &material.payload);
            Ok(vec![Attempt::new("an unknown critical extension", token)])
        },
        risk: "A token that must not be used without knowing a rule is used without knowing it.",
        fix: "Refuse tokens with `crit` (RFC 7515 §4.1.11) unless every name in it is one that you process.",
    },
    Check {
        name: "bad-base64",
        wants: Wants::AnyRefusal,
        watch: Watch::Nothing,
        show: |material| {
            let (signed, signature) = material.good_text.rsplit_once('.').unwrap_or_default();
            let (start, end) = signature.split_at(signature.len() / 2);
            let with_signature = |text: String| Token::Text(format!("{signed}.{text}").into_bytes());
            let mut attempts = vec![
                Attempt::new(
                    "a character outside the alphabet",
                    with_signature(format!("{start}!{end}")),
                ),
                Attempt::new("a space inside", with_signature(format!("{start} {end}"))),
                Attempt::new(
                    "a percent-encoded character",
                    with_signature(format!("{start}%41{end}")),
                ),
                Attempt::new("padding in the middle", with_signature(format!("{start}={end}"))),
                Attempt::new(
                    "bytes above ASCII",
                    Token::Text([material.good_text.as_bytes(), b"\xff\xfe"].concat()),
                ),
            ];
            // Only where the two alphabets differ is there anything to tell.
            if signature.contains(['-', '_']) {
                let standard = signature.replace('-', "+").replace('_', "/");
                attempts.push(Attempt::new(
                    "the alphabet of plain base64",
                    with_signature(standard),
                ));
            }
            Ok(attempts)
        },
        risk: "One token has many spellings: lists of revoked tokens and caches know only one of them.",
        fix: "Decode base64url strictly: no other characters, no white space (RFC 7515 §2 and §5.2).",
    },
    Check {
        name: "malformed-token",
        wants: Wants::AnyRefusal,
        watch: Watch::Nothing,
        show: |material| {
            let header = material.header.to_string();
            let payload = material.payload.to_string();
            let text = |what, text: &str| Attempt::new(what, Token::Text(text.as_bytes().to_vec()));
            let headed = |what, header: Value| {
                Attempt::new(
                    what,
                    garbage(material, header.to_string().as_bytes(), payload.as_bytes()),
                )
            };
            Ok(vec![
                text("nothing behind Bearer", ""),
                text("no JWT", "signet_rt_nonsense"),
                text("dots alone", "..."),
                text(
                    "two parts",
                    material.good_text.rsplit_once('.').unwrap_or_default().0,
                ),
                text("four parts", &format!("{}.AAAA", material.good_text)),
                text(
                    "five parts, as of a JWE",
                    "eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAA.AAAA.AAAA",
                ),
                Attempt::new(
                    "a header that is no JSON",
                    garbage(material, b"{", payload.as_bytes()),
                ),
                Attempt::new(
                    "a header that is no text",
                    garbage(material, b"{\"alg\":\"\xff\"}", payload.as_bytes()),
                ),
                headed("a header that is an array", json!([])),
                headed("a header that is null", json!(null)),
                headed("a header without members", json!({})),
                headed("alg as a number", with(&material.header, json!({"alg": 1}))),
                headed("alg as an object", with(&material.header, json!({"alg": {}}))),
                headed("typ as a number", with(&material.header, json!({"typ": 1}))),
                Attempt::new(
                    "claims that are no JSON",
                    garbage(material, header.as_bytes(), b"{"),
                ),
                Attempt::new(
                    "signed claims that are an array",
                    Token::made(&material.header, &json!([]), By::Signing),
                ),
            ])
        },
        risk: "A stranger brings the API to a 500, or down, with a few bytes.",
        fix: "Answer every failure of the token check with 401, also those that the library did not foresee.",
    },
    Check {
        name: "nested-json",
        wants: Wants::AnyRefusal,
        watch: Watch::Nothing,
        show: |material| {
            let nested = |depth: usize| {
                format!(
                    "{{\"alg\":\"none\",\"a\":{}{}}}",
                    "[".repeat(depth),
                    "]".repeat(depth)
                )
            };
            let deep = |depth: usize| {
                let token = garbage(material, nested(depth).as_bytes(), b"{}");
                Attempt::new(format!("a header of {depth} nested arrays"), token)
            };
            Ok(vec![deep(100), deep(1000), deep(3000)])
        },
        risk: "A token of a few kilobytes overflows the parser's stack and ends the process.",
        fix: "Cap the length of a token before parsing it, and use a JSON parser that limits depth.",
    },
    Check {
        name: "oversized-token",
        wants: Wants::AnyRefusalOrHangUp,
        watch: Watch::Nothing,
        show: |material| {
            let long = |kilobytes: usize| {
                let header = with(&material.header, json!({"x": "x".repeat(kilobytes * 768)}));
                let token = garbage(
                    material,
                    header.to_string().as_bytes(),
                    material.payload.to_string().as_bytes(),
                );
                Attempt::new(format!("a token of {kilobytes} kB"), token)
            };
            Ok(vec![long(10), long(60), long(1024)])
        },
        risk: "Strangers keep the API busy with parsing, or bring it down, with no good token at all.",
        fix: "Cap the length before parsing (8 kB is plenty), and let the server in front limit header sizes.",
    },
];
