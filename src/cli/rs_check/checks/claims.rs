//! Tokens that the issuer did sign, and that are not for this API, not for now, or no access tokens.

use chrono::TimeDelta;
use serde_json::json;

use super::super::material::{Attempt, Material, Token, with, without};
use super::{Check, Wants, Watch};

/// More than the leeway of any verifier: five minutes is what the widest have.
const LEEWAY: TimeDelta = TimeDelta::minutes(6);

/// The good token with other claims, rightly signed.
fn claiming(material: &Material, changes: serde_json::Value) -> Token {
    material.signed(&material.header, &with(&material.payload, changes))
}

fn lacking(material: &Material, claim: &str) -> Token {
    material.signed(&material.header, &without(&material.payload, claim))
}

pub const CHECKS: &[Check] = &[
    Check {
        name: "wrong-issuer",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let issuer = &material.issuer;
            let by = |iss: serde_json::Value| {
                Attempt::new(format!("iss {iss}"), claiming(material, json!({"iss": iss})))
            };
            Ok(vec![
                by(json!("https://issuer.invalid")),
                by(json!(format!("{issuer}.invalid"))),
                by(json!(format!("{issuer}/other"))),
                by(json!("")),
                Attempt::new("no iss", lacking(material, "iss")),
            ])
        },
        risk: "Tokens of an issuer that shares keys, a cache or a proxy with yours are believed.",
        fix: "Require `iss`, and compare it with the configured issuer, character for character (RFC 9068 §4).",
    },
    Check {
        name: "wrong-audience",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let audience = material.audience();
            let towards = |aud: serde_json::Value| {
                Attempt::new(format!("aud {aud}"), claiming(material, json!({"aud": aud})))
            };
            Ok(vec![
                towards(json!("https://other.invalid")),
                towards(json!(material.issuer)),
                towards(json!(format!("{audience}.invalid"))),
                towards(json!(format!("{audience}/other"))),
                towards(json!(["https://other.invalid", "https://another.invalid"])),
                towards(json!({audience: true})),
                towards(json!([])),
                towards(json!("")),
                Attempt::new("no aud", lacking(material, "aud")),
            ])
        },
        risk: "Another API to which a user gave a token uses it here, with all that user's rights.",
        fix: "Require `aud`, and look for the API's own identifier in it, character for character (RFC 9068 §4).",
    },
    Check {
        name: "expired",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let ended = |ago: TimeDelta| (material.now - ago).timestamp();
            let old = |what, exp: serde_json::Value| {
                let iat = ended(TimeDelta::hours(2));
                Attempt::new(what, claiming(material, json!({"exp": exp, "iat": iat})))
            };
            Ok(vec![
                old("expired an hour ago", json!(ended(TimeDelta::hours(1)))),
                old("expired six minutes ago", json!(ended(LEEWAY))),
                old("expired in 1970", json!(1)),
                old(
                    "expired, the time as a text",
                    json!(ended(TimeDelta::hours(1)).to_string()),
                ),
            ])
        },
        risk: "A token from an old log or backup works for ever.",
        fix: "Compare `exp` with the clock, with a minute of leeway at most (RFC 7519 §4.1.4).",
    },
    Check {
        name: "missing-exp",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            Ok(vec![
                Attempt::new("no exp", lacking(material, "exp")),
                Attempt::new("exp null", claiming(material, json!({"exp": null}))),
            ])
        },
        risk: "A token without an end is taken for one without end.",
        fix: "Require `exp`: many libraries check a claim only where it stands (RFC 9068 §2.2).",
    },
    Check {
        name: "not-yet-valid",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            let from = (material.now + TimeDelta::hours(1)).timestamp();
            let until = (material.now + TimeDelta::hours(2)).timestamp();
            let token = claiming(material, json!({"nbf": from, "exp": until}));
            Ok(vec![Attempt::new("valid from in an hour", token)])
        },
        risk: "A token is used before its time.",
        fix: "Compare `nbf` with the clock where it stands (RFC 7519 §4.1.5); some libraries must be told to.",
    },
    Check {
        name: "id-token",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            // An application and its API often share one identifier: then `aud` does not tell the two apart.
            let mut payload = material.payload.clone();
            for claim in ["scope", "client_id", "jti"] {
                payload = without(&payload, claim);
            }
            let client = &material.payload["client_id"];
            let told = json!({
                "aud": [client, material.audience()], "azp": client, "nonce": "signet-rs-check",
                "auth_time": material.now.timestamp(), "scope": material.payload["scope"],
            });
            let payload = with(&payload, told);
            let typed = |typ: &str| material.signed(&with(&material.header, json!({"typ": typ})), &payload);
            Ok(vec![
                Attempt::new("an ID token", typed("JWT")),
                Attempt::new("a logout token", typed("logout+jwt")),
                Attempt::new("a token of another type", typed("x-at+jwt")),
                Attempt::new(
                    "a token without typ",
                    material.signed(&without(&material.header, "typ"), &payload),
                ),
            ])
        },
        risk: "An ID token, which every application of a user holds, works as an access token.",
        fix: "Require `typ` to be at+jwt (any case, application/ in front allowed; RFC 9068 §4).",
    },
];
