//! The good token, no token, and the good token where none belongs.

use serde_json::json;

use super::super::material::{Attempt, with};
use super::{Check, Wants, Watch};

pub const GOOD_TOKEN: Check = Check {
    name: "good-token",
    wants: Wants::Acceptance,
    watch: Watch::Nothing,
    show: |material| {
        let token = |audience: &String| {
            let payload = with(&material.payload, json!({"aud": audience}));
            Attempt::new(
                format!("a good token for {audience}"),
                material.signed(&material.header, &payload),
            )
        };
        Ok(material.audiences.iter().map(token).collect())
    },
    risk: "The API is of no use, and refusals prove nothing.",
    fix: "Check --audience, --token-for and the scopes of that client; then the API's issuer, audience and JWKS.",
};

pub const CHECKS: &[Check] = &[
    Check {
        name: "several-audiences",
        wants: Wants::Acceptance,
        watch: Watch::Nothing,
        show: |material| {
            let payload = with(
                &material.payload,
                json!({"aud": [material.audience(), material.issuer]}),
            );
            let token = material.signed(&material.header, &payload);
            Ok(vec![Attempt::new("a token for this API and the issuer", token)])
        },
        risk: "Tokens of users who log in (scope openid) are refused: their `aud` is an array.",
        fix: "Look for the API's identifier in `aud`, which is a text or an array of texts (RFC 7519 §4.1.3).",
    },
    Check {
        name: "no-token",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |_| {
            Ok(vec![
                Attempt::without_token("no Authorization header"),
                Attempt::with_authorization("Basic credentials", b"Basic YWRtaW46YWRtaW4="),
            ])
        },
        risk: "The route is open to everybody.",
        fix: "Put the token check in front of this route; answer 401 with `WWW-Authenticate: Bearer`.",
    },
    Check {
        name: "token-in-query",
        wants: Wants::Refusal,
        watch: Watch::Nothing,
        show: |material| {
            Ok(vec![Attempt::in_query(
                "a good token in the URL",
                material.good(),
            )])
        },
        risk: "Tokens in URLs stand in logs, histories and Referer headers, where others find them.",
        fix: "Take tokens from the Authorization header alone (RFC 6750 §5.3).",
    },
];

pub const LAST: &[Check] = &[Check {
    name: "still-serving",
    wants: Wants::Acceptance,
    watch: Watch::Nothing,
    show: |material| Ok(vec![Attempt::new("the good token again", material.good())]),
    risk: "Bad tokens of a stranger stop the API for everybody else.",
    fix: "Look at the API's log from this run: it crashed, lost its keys, or shut out the address of the good client.",
}];
