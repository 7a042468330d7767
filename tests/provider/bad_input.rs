//! Bad input of every kind at the endpoints for programs: each answers with the standard's error, and none with
//! a 500 or not at all.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::browser::{Answer, Api};
use crate::support::tokens::{Walk, token};

const FORMS: [&str; 4] = [
    "/oauth2/token",
    "/oauth2/revoke",
    "/oauth2/introspect",
    "/oauth2/userinfo",
];

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(api: &Api, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
    let request = api
        .http()
        .post(api.url(path))
        .header("content-type", content_type);
    Answer::of(request.body(body).send().await.expect("an answer")).await
}

#[track_caller]
fn invalid_request(answer: &Answer, status: u16) {
    assert_eq!(answer.status.as_u16(), status, "{answer:#?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{answer:#?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:#?}");
    assert_eq!(answer.json()["error"], "invalid_request", "{answer:#?}");
}

#[tokio::test]
async fn a_body_that_is_no_form_is_an_invalid_request() {
    let walk = Walk::start().await;
    let many: String = (0..101).map(|number| format!("p{number}=x&")).collect();
    for path in FORMS {
        for (body, status) in [
            (b"client_id=%ff&token=x".to_vec(), 400),
            (b"client_id=\xff\xfe".to_vec(), 400),
            (b"client_id=a%00b".to_vec(), 400),
            (b"client_id=a\0b".to_vec(), 400),
            (b"%00=a".to_vec(), 400),
            (b"client_id=a&client_id=a".to_vec(), 400),
            (b"client_id=&client_id=".to_vec(), 400),
            (b"unknown=a&unknown=b".to_vec(), 400),
            (b"\x1f\x8b\x08\x00\x00\x00".to_vec(), 400),
            (many.clone().into_bytes(), 400),
            (format!("client_id={}", "x".repeat(4097)).into_bytes(), 400),
            (format!("token={}", "x".repeat(8193)).into_bytes(), 400),
            (vec![b'x'; 64 * 1024 + 1], 413),
            (vec![b'&'; 300 * 1024], 413),
        ] {
            invalid_request(&post(&walk.api, path, FORM, body).await, status);
        }
    }
    for path in &FORMS[..3] {
        for content_type in [
            "application/json",
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded2",
            "x",
        ] {
            let answer = post(&walk.api, path, content_type, b"client_id=a&token=x".to_vec()).await;
            invalid_request(&answer, 400);
        }
        let request = walk.api.http().post(walk.api.url(path));
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        invalid_request(&answer, 400);
        // An empty form is one, and names no client; the type may have parameters.
        for body in ["", "&", "&&=&"] {
            let answer = post(
                &walk.api,
                path,
                "Application/X-WWW-Form-Urlencoded; charset=UTF-8",
                body.into(),
            )
            .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:#?}");
            assert_eq!(answer.json()["error"], "invalid_client");
        }
    }
}

#[tokio::test]
async fn every_endpoint_names_the_methods_that_it_has() {
    let walk = Walk::start().await;
    for (path, allowed) in [
        ("/oauth2/token", "POST"),
        ("/oauth2/revoke", "POST"),
        ("/oauth2/introspect", "POST"),
        ("/oauth2/userinfo", "GET, POST"),
        ("/.well-known/jwks.json", "GET, HEAD"),
        ("/.well-known/openid-configuration", "GET, HEAD"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD"),
    ] {
        for method in ["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "X"] {
            if allowed.contains(method) {
                continue;
            }
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let request = walk.api.http().request(method, walk.api.url(path));
            let answer = Answer::of(request.send().await.expect("an answer")).await;
            invalid_request(&answer, 405);
            assert_eq!(answer.header("allow"), Some(allowed));
        }
    }
}

#[tokio::test]
async fn no_spelling_of_a_path_reaches_an_endpoint() {
    let walk = Walk::start().await;
    for path in [
        "/oauth2/token/",
        "/oauth2//token",
        "//oauth2/token",
        "/OAuth2/Token",
        "/oauth2/token;x",
        "/oauth2/token%00",
        "/oauth2/%2e%2e/oauth2/token",
        "/oauth2/%2e/token",
        "/oauth2/./token",
        "/oauth2/../oauth2/token",
        "/oauth2%2ftoken",
        "/oauth2/%74oken",
        "/%6fauth2/token",
        "/oauth2/token%20",
        "/oauth2/token%09",
        "/oauth2/token%3fx",
        "/oauth2/token%3bx",
        "/oauth2/token/.",
        "/oauth2/token/x.css",
        "/oauth2\\token",
        "/oauth2;x/token",
        "/oauth2/TOKEN",
        "/OAUTH2/token",
        "/oauth2/token:80",
        "/oauth2/tok%c5%85en",
        "/oauth2/token.json",
        "/x/../oauth2/token",
    ] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(raw(&walk, head.as_bytes()).await, Some(404), "{path}");
    }
}

/// Sends bytes and reads the status of what comes back; `None` if the connection is closed without an answer.
async fn raw(walk: &Walk, bytes: &[u8]) -> Option<u16> {
    let address = walk.app.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    // The server may answer, and close, before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let mut chunk = [0; 4096];
    let read = async {
        while !answer.windows(4).any(|window| window == b"\r\n\r\n") {
            match stream.read(&mut chunk).await {
                Ok(0) | Err(_) => break,
                Ok(read) => answer.extend_from_slice(&chunk[..read]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), read)
        .await
        .expect("an answer, or the end");
    let status = answer
        .strip_prefix(b"HTTP/1.1 ")
        .or_else(|| answer.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(status.get(..3)?).ok()?.parse().ok()
}

#[tokio::test]
async fn what_is_no_http_or_says_two_lengths_is_refused() {
    let walk = Walk::start().await;
    let head =
        "POST /oauth2/token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let chunked = "Transfer-Encoding: chunked\r\n";
    for (bytes, expected) in [
        (
            format!("{head}{chunked}\r\n7\r\nclient_\r\n4\r\nid=a\r\n0\r\n\r\n"),
            401,
        ),
        (format!("{head}{chunked}\r\n0\r\n\r\n"), 401),
        (format!("{head}{chunked}\r\nzz\r\nclient_\r\n0\r\n\r\n"), 400),
        (format!("{head}{chunked}\r\nffffffffffffffffff\r\nx"), 400),
        (format!("{head}{chunked}Content-Length: 3\r\n\r\n0\r\n\r\n"), 400),
        (
            format!("{head}Content-Length: 3\r\nContent-Length: 4\r\n\r\na=bc"),
            400,
        ),
        (format!("{head}Content-Length: -1\r\n\r\n"), 400),
        (
            format!("{head}Content-Length: 99999999999999999999999\r\n\r\n"),
            400,
        ),
        (format!("{head}Content-Length: 70000\r\n\r\n"), 413),
        (format!("{head}Transfer-Encoding: gzip, chunked, x\r\n\r\n"), 400),
        ("GET\r\n\r\n".to_owned(), 400),
        ("\0\0\0\0\r\n\r\n".to_owned(), 400),
        (
            format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(200_000)),
            400,
        ),
        (format!("{head}X: {}\r\n\r\n", "a".repeat(200_000)), 400),
    ] {
        let status = raw(&walk, bytes.as_bytes()).await;
        let about = &bytes[..bytes.len().min(200)];
        assert!(
            status.is_none_or(|status| (400..500).contains(&status)),
            "{status:?} {about}"
        );
        if expected == 401 {
            assert_eq!(status, Some(401), "{about}");
        }
    }
    assert_eq!(
        walk.api.get("/.well-known/jwks.json").await.status,
        StatusCode::OK
    );
}

/// Path, content type, form, and a body in its stead.
type Wild = (String, String, Vec<(String, Vec<u8>)>, Option<Vec<u8>>);

/// A request out of pieces that mean something, and of pieces that do not.
fn requests(genuine: Vec<String>) -> impl Strategy<Value = Wild> {
    let path = proptest::sample::select(FORMS.to_vec()).prop_map(str::to_owned);
    let content_type = prop_oneof![15 => Just(FORM.to_owned()), 1 => "[a-z/;=]{0,30}"];
    let name = proptest::sample::select(vec![
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "code",
        "code_verifier",
        "redirect_uri",
        "refresh_token",
        "scope",
        "resource",
        "token",
        "token_type_hint",
        "access_token",
        "x",
    ])
    .prop_map(str::to_owned);
    let (access_token, refresh_token) = (&*genuine[0].clone(), &*genuine[2].clone());
    let mut known: Vec<Vec<u8>> = genuine.into_iter().map(String::into_bytes).collect();
    known.extend(
        [
            "authorization_code",
            "refresh_token",
            "client_credentials",
            "spa",
            "judge",
            "openid",
            "a.b.c",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "https://notes.example",
            "",
            "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzaWduZXIifQ.",
            "signet_rt_",
            "signet_ac_",
            "signet_cs_",
        ]
        .map(|text| text.as_bytes().to_vec()),
    );
    let known = proptest::sample::select(known);
    // One byte of something genuine changed, cut or added.
    let spoiled = (known.clone(), any::<proptest::sample::Index>(), any::<u8>(), 0..3).prop_map(
        |(mut value, at, byte, how)| {
            if !value.is_empty() {
                let at = at.index(value.len());
                match how {
                    0 => value[at] = byte,
                    1 => value.truncate(at),
                    _ => value.insert(at, byte),
                }
            }
            value
        },
    );
    let value = prop_oneof![
        4 => known,
        3 => spoiled,
        2 => proptest::collection::vec(any::<u8>(), 0..80),
        1 => "\\PC{0,40}".prop_map(String::into_bytes),
    ];
    let header = proptest::option::weighted(
        0.25,
        prop_oneof![
            "Basic [A-Za-z0-9+/=]{0,60}".prop_map(String::into_bytes),
            "Bearer [A-Za-z0-9._-]{0,60}".prop_map(String::into_bytes),
            proptest::collection::vec(0x20..=0xff_u8, 0..40),
        ],
    );
    // What comes first often makes sense, so that the rest is looked at.
    let pair = |name: &str, value: &str| (name.to_owned(), value.as_bytes().to_vec());
    let sense = proptest::sample::select(vec![
        vec![],
        vec![pair("client_id", "spa")],
        vec![pair("client_id", "spa"), pair("grant_type", "authorization_code")],
        vec![
            pair("client_id", "spa"),
            pair("grant_type", "refresh_token"),
            pair("refresh_token", refresh_token),
        ],
        vec![pair("client_id", "spa"), pair("token", access_token)],
        vec![pair("access_token", access_token)],
    ]);
    let fields = (sense, proptest::collection::vec((name, value), 0..5)).prop_map(|(mut fields, others)| {
        fields.extend(others);
        fields
    });
    (path, content_type, fields, header)
}

#[tokio::test]
async fn no_request_out_of_random_pieces_breaks_anything() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let judge = walk.confidential("judge", serde_json::json!({})).await;
    let tokens = walk.tokens(&spa, &[]).await;
    let genuine = ["access_token", "id_token", "refresh_token"].map(|name| token(&tokens, name).to_owned());
    let mut genuine = genuine.to_vec();
    genuine.extend([walk.code(&spa, &[]).await, judge.1]);
    let strategy = requests(genuine);
    let mut runner = TestRunner::default();
    let mut seen = BTreeSet::new();
    for _ in 0..600 {
        let case = strategy.new_tree(&mut runner).expect("a request").current();
        let (path, content_type, fields, header) = &case;
        let mut body = Vec::new();
        for (name, value) in fields {
            // Half of the bytes raw, as no client would send them.
            let encoded = percent_encoding::percent_encode(value, percent_encoding::NON_ALPHANUMERIC);
            let raw = value.first().is_some_and(|byte| byte % 2 == 1);
            body.extend_from_slice(name.as_bytes());
            body.push(b'=');
            body.extend_from_slice(&if raw {
                value.clone()
            } else {
                encoded.to_string().into_bytes()
            });
            body.push(b'&');
        }
        let mut request = walk
            .api
            .http()
            .post(walk.api.url(path))
            .header("content-type", content_type);
        if let Some(header) = header
            .as_ref()
            .and_then(|header| reqwest::header::HeaderValue::from_bytes(header).ok())
        {
            request = request.header("authorization", header);
        }
        let answer = Answer::of(request.body(body).send().await.expect("an answer")).await;
        assert!(answer.status.as_u16() < 500, "{case:?} {answer:#?}");
        if answer.status.is_client_error() && answer.status != StatusCode::UNAUTHORIZED {
            assert!(answer.json()["error"].is_string(), "{case:?} {answer:#?}");
        }
        seen.insert(answer.status);
    }
    // The pieces reach far enough to succeed at times.
    assert!(seen.contains(&StatusCode::OK), "{seen:?}");
}
