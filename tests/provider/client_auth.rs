//! Client authentication (RFC 6749 §2.3, RFC 7523, OpenID Connect Core §9), tried at the token endpoint, whose
//! client credentials grant asks for nothing else.

mod assertions;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use crate::support::browser::{Answer, Api};
use crate::support::tokens::{Walk, refused};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const SECRET: &str = "a:secret with %25, + and & in it, long";

/// Asks for a token with this `Authorization` header and these further fields.
async fn ask(api: &Api, authorization: Option<&str>, fields: &[(&str, &str)]) -> Answer {
    let mut request = api.http().post(api.url("/oauth2/token"));
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization);
    }
    let mut all = vec![GRANT];
    all.extend(fields);
    Answer::of(request.form(&all).send().await.expect("an answer")).await
}

fn basic(halves: &str) -> String {
    format!("Basic {}", STANDARD.encode(halves))
}

fn form_encoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The parts of an answer that somebody outside can tell apart.
fn visible(answer: &Answer) -> (StatusCode, HeaderMap, String) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    headers.remove("x-request-id");
    (answer.status, headers, answer.body.clone())
}

#[tokio::test]
async fn the_halves_of_a_basic_header_are_form_encoded() {
    let walk = Walk::start().await;
    let id = "https://app.example/c?a=1+2%20";
    walk.confidential(id, json!({"client_secret": SECRET})).await;
    let halves = format!("{}:{}", form_encoded(id), form_encoded(SECRET));
    for good in [
        basic(&halves),
        basic(&halves).replacen("Basic", "bAsIc", 1),
        basic(&halves).replacen(' ', "  ", 1),
        // Percent-encoding says the same as the plus.
        basic(&halves.replace('+', "%20")),
    ] {
        let answer = ask(&walk.api, Some(&good), &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        // The form may name the client too, as long as it is the same.
        let answer = ask(&walk.api, Some(&good), &[("client_id", id)]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    }
    for wrong in [
        basic(&format!("{id}:{SECRET}")),
        basic(&form_encoded(id)),
        basic(&format!("{}:", form_encoded(id))),
        basic(&format!("{halves}x")),
        basic(&format!("{halves}%00")),
        basic(&halves[..halves.len() - 1]),
        basic(""),
        basic(":"),
        basic("%ff:%ff"),
        "Basic".to_owned(),
        "Basic ????".to_owned(),
        format!("Basic {}", STANDARD.encode(b"\xff:\xff")),
        format!("Bearer {}", STANDARD.encode(&halves)),
        format!("Negotiate {}", STANDARD.encode(&halves)),
    ] {
        refused(&ask(&walk.api, Some(&wrong), &[]).await, 401, "invalid_client");
    }
}

#[tokio::test]
async fn a_refusal_tells_nobody_which_part_was_wrong() {
    let walk = Walk::start().await;
    let (id, secret) = walk.confidential("known", json!({})).await;
    let off = walk.confidential("disabled", json!({})).await;
    walk.app.disable_client("disabled").await;
    walk.app.spa().await;
    let wrong = visible(&ask(&walk.api, Some(&basic("known:wrong")), &[]).await);
    assert_eq!(wrong.0, StatusCode::UNAUTHORIZED);
    assert_eq!(
        wrong.1["www-authenticate"],
        "Basic realm=\"signet\", charset=\"UTF-8\""
    );
    assert_eq!(
        serde_json::from_str::<Value>(&wrong.2).expect("JSON"),
        json!({"error": "invalid_client", "error_description": "client authentication failed"})
    );
    for (authorization, fields) in [
        (Some(basic(&format!("nobody:{secret}"))), vec![]),
        (Some(basic(&format!("{}:{}", off.0, off.1))), vec![]),
        (None, vec![("client_id", "nobody"), ("client_secret", &*secret)]),
        (None, vec![("client_id", &*id), ("client_secret", &*secret)]),
        (None, vec![("client_id", &*id), ("client_secret", "wrong")]),
        (None, vec![("client_id", &*id)]),
        (None, vec![("client_id", "nobody")]),
        (Some(basic("spa:")), vec![]),
    ] {
        let answer = ask(&walk.api, authorization.as_deref(), &fields).await;
        assert_eq!(visible(&answer), wrong, "{authorization:?} {fields:?}");
    }
}

#[tokio::test]
async fn a_client_uses_the_method_that_it_registered_and_one_alone() {
    let walk = Walk::start().await;
    let post = json!({"token_endpoint_auth_method": "client_secret_post"});
    let (id, secret) = walk.confidential("poster", post).await;
    let other = walk.confidential("other", json!({})).await;
    let in_form = [("client_id", &*id), ("client_secret", &*secret)];
    let answer = ask(&walk.api, None, &in_form).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    let header = basic(&format!("{id}:{secret}"));
    refused(&ask(&walk.api, Some(&header), &[]).await, 401, "invalid_client");
    // Two methods, or two names.
    refused(
        &ask(&walk.api, Some(&header), &in_form).await,
        400,
        "invalid_request",
    );
    let header = basic(&format!("{}:{}", other.0, other.1));
    refused(
        &ask(&walk.api, Some(&header), &[("client_id", &id)]).await,
        400,
        "invalid_request",
    );
    let twice = [
        ("client_id", &*id),
        ("client_secret", &*secret),
        ("client_assertion", "a.b.c"),
        ("client_assertion_type", JWT_BEARER),
    ];
    refused(&ask(&walk.api, None, &twice).await, 400, "invalid_request");
    // Nobody at all.
    refused(&ask(&walk.api, None, &[]).await, 401, "invalid_client");
    refused(
        &ask(&walk.api, None, &[("client_secret", &secret)]).await,
        401,
        "invalid_client",
    );
    // A secret has no place in an address (RFC 6749 §2.3.1).
    let url = walk
        .api
        .url(&format!("/oauth2/token?client_id={id}&client_secret={secret}"));
    let request = walk.api.http().post(url).form(&[GRANT]);
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    refused(&answer, 401, "invalid_client");
    // Two Authorization headers.
    let request = walk
        .api
        .http()
        .post(walk.api.url("/oauth2/token"))
        .header("authorization", &header)
        .header("authorization", &header)
        .form(&[GRANT]);
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    refused(&answer, 401, "invalid_client");
}
