//! Status lists (draft-ietf-oauth-status-list): what they look like, how long they last, and where tokens stand in
//! them. Which tokens they call dead: `endings.rs`.

mod endings;
mod indexes;
mod job;
mod migration;
mod plans;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use josekit::jwk::Jwk;
use josekit::jws::{self, EdDSA, JwsVerifier, RS256};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use signet::domain::status_list::StatusBits;
use signet::flows::status_lists;
use signet::oauth::signing_algorithm::SigningAlgorithm;

use crate::support::app::TestApp;
use crate::support::browser::{Answer, Api, header, payload};
use crate::support::tokens::{NOTES, Walk, token};

const FIRST: &str = "/.well-known/status-lists/EdDSA/0";

/// The place that a token names.
fn place(access_token: &str) -> (String, u32) {
    let claims = payload(access_token);
    let reference = &claims["status"]["status_list"];
    let idx = reference["idx"].as_u64().expect("a number");
    let uri = reference["uri"].as_str().expect("an address");
    assert_eq!(claims["status"], json!({"status_list": {"idx": idx, "uri": uri}}));
    (uri.to_owned(), u32::try_from(idx).expect("less than 2^17"))
}

/// A list, verified as a verifier would: with a published key, the type, and the address that the token named.
async fn verified(api: &Api, issuer: &str, uri: &str) -> Value {
    let path = uri.strip_prefix(issuer).expect("an address of the issuer's");
    let answer = api.get(path).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    let header = header(&answer.body);
    let jwks = api.get("/.well-known/jwks.json").await.json();
    let keys = jwks["keys"].as_array().expect("keys").iter();
    let key = keys.clone().find(|key| key["kid"] == header["kid"]);
    let key = key.expect("the key is published").as_object().expect("an object");
    let jwk = Jwk::from_map(key.clone()).expect("a key");
    let verifier: Box<dyn JwsVerifier> = match header["alg"].as_str() {
        Some("EdDSA") => Box::new(EdDSA.verifier_from_jwk(&jwk).expect("a key")),
        Some("RS256") => Box::new(RS256.verifier_from_jwk(&jwk).expect("a key")),
        other => panic!("{other:?}"),
    };
    let (claims, _) = jws::deserialize_compact(&answer.body, &*verifier).expect("the signature is right");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(header["typ"], "statuslist+jwt");
    assert_eq!(claims["sub"], uri);
    claims
}

fn bits(claims: &Value) -> StatusBits {
    assert_eq!(claims["status_list"]["bits"], 1);
    let lst = claims["status_list"]["lst"].as_str().expect("a text");
    StatusBits::read(&URL_SAFE_NO_PAD.decode(lst).expect("base64url")).expect("ZLIB, 16 KiB")
}

/// Whether the list that `access_token` names calls it invalid.
async fn is_invalid(walk: &Walk, access_token: &str) -> bool {
    let (uri, idx) = place(access_token);
    bits(&verified(&walk.api, &walk.app.issuer, &uri).await).is_set(idx)
}

/// Makes the lists anew, as the job does every few seconds.
async fn round(app: &TestApp) {
    status_lists::round(&app.provider)
        .await
        .expect("the lists are made");
}

/// A token of a client for itself.
async fn own_token(walk: &Walk, client: &(String, String)) -> String {
    let fields = [("grant_type", "client_credentials")];
    let answer = walk
        .api
        .post_as((&client.0, &client.1), "/oauth2/token", &fields)
        .await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    token(&answer.json(), "access_token").to_owned()
}

async fn ask(api: &Api, method: Method, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = api.http().request(method, api.url(path));
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn there_is_a_list_for_every_algorithm_in_the_form_of_the_draft() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let now = app.provider.now().timestamp();
    for algorithm in ["EdDSA", "RS256"] {
        let path = format!("/.well-known/status-lists/{algorithm}/0");
        let answer = api.get(&path).await;
        assert_eq!(answer.header("content-type"), Some("application/statuslist+jwt"));
        let head = header(&answer.body);
        assert_eq!(
            head,
            json!({"alg": algorithm, "typ": "statuslist+jwt", "kid": head["kid"]})
        );
        let uri = format!("{}{path}", app.issuer);
        let mut claims = verified(&api, &app.issuer, &uri).await;
        assert_eq!(bits(&claims).count(), 0);
        assert!(claims["status_list"]["lst"].take().is_string());
        assert_eq!(
            claims,
            json!({"iss": app.issuer, "sub": uri, "iat": now, "exp": now + 600, "ttl": 60,
                "status_list": {"bits": 1, "lst": null}})
        );
    }
}

#[tokio::test]
async fn a_list_is_cached_and_asked_for_in_few_bytes_by_anybody() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let whole = ask(
        &api,
        Method::GET,
        FIRST,
        &[("origin", "https://anything.example")],
    )
    .await;
    assert_eq!(whole.header("cache-control"), Some("public, max-age=60"));
    assert_eq!(whole.header("access-control-allow-origin"), Some("*"));
    assert_eq!(whole.header("access-control-allow-credentials"), None);
    let etag = whole.header("etag").expect("a tag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 20, "a strong tag: {etag}");
    for accept in ["application/statuslist+jwt", "text/html", "*/*"] {
        let headers = [("if-none-match", &*etag), ("accept", accept)];
        let answer = ask(&api, Method::GET, FIRST, &headers).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::NOT_MODIFIED, ""));
        assert_eq!(answer.header("etag"), Some(&*etag));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=60"));
    }
    let other = ask(&api, Method::GET, FIRST, &[("if-none-match", "\"x\"")]).await;
    assert_eq!((other.status, &other.body), (StatusCode::OK, &whole.body));
    let head = ask(&api, Method::HEAD, FIRST, &[]).await;
    assert_eq!((head.status, &*head.body), (StatusCode::OK, ""));
    let length = whole.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(&*length));
    for method in [Method::POST, Method::PUT, Method::DELETE] {
        let answer = ask(&api, method, FIRST, &[]).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer.header("allow"), Some("GET, HEAD"));
    }
    for unknown in [
        "EdDSA/99",
        "EdDSA/-1",
        "EdDSA/00",
        "EdDSA/+0",
        "EdDSA/x",
        "HS256/0",
        "none/0",
        "eddsa/0",
        "EdDSA/0/",
        "EdDSA/99999999999999999999",
    ] {
        let answer = api.get(&format!("/.well-known/status-lists/{unknown}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{unknown}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{unknown}");
    }
}

#[tokio::test]
async fn the_tokens_of_a_grant_share_a_place_and_a_clients_own_have_one_each() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let (one, other) = (walk.tokens_of(&web, &[]).await, walk.tokens_of(&web, &[]).await);
    let first = place(token(&one, "access_token"));
    assert_eq!(first.0, format!("{}{FIRST}", walk.app.issuer));
    assert_ne!(first, place(token(&other, "access_token")));
    let fields = [
        ("grant_type", "refresh_token"),
        ("refresh_token", token(&one, "refresh_token")),
    ];
    for _ in 0..2 {
        // The second is a retry.
        let answer = walk.api.post_as((&web.0, &web.1), "/oauth2/token", &fields).await;
        assert_eq!(place(token(&answer.json(), "access_token")), first);
    }
    let mut places = Vec::new();
    for _ in 0..300 {
        places.push(place(&own_token(&walk, &web).await));
    }
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 300);
    assert!(!places.contains(&first));
    // An ID token has none.
    assert_eq!(payload(token(&one, "id_token")).get("status"), None);
}

#[tokio::test]
async fn a_token_names_the_list_that_is_signed_as_it_is() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let api = walk
        .app
        .resource_signed_with(NOTES, "notes:read", Some(SigningAlgorithm::Rs256));
    api.await.expect("the test's resource is right");
    let asked = [("scope", "openid notes:read"), ("resource", NOTES)];
    let tokens = walk.tokens_of(&web, &asked).await;
    let fields = [("grant_type", "client_credentials"), ("resource", NOTES)];
    let own = walk.api.post_as((&web.0, &web.1), "/oauth2/token", &fields).await;
    for tokens in [tokens, own.json()] {
        let access_token = token(&tokens, "access_token");
        assert_eq!(header(access_token)["alg"], "RS256");
        let (uri, _) = place(access_token);
        assert_eq!(
            uri,
            format!("{}/.well-known/status-lists/RS256/0", walk.app.issuer)
        );
        assert!(!is_invalid(&walk, access_token).await);
        walk.api
            .post_as((&web.0, &web.1), "/oauth2/revoke", &[("token", access_token)])
            .await;
        round(&walk.app).await;
        assert!(is_invalid(&walk, access_token).await);
    }
}

#[tokio::test]
async fn a_list_changes_with_what_ends_and_is_signed_anew_each_minute() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let tokens = walk.tokens_of(&web, &[]).await;
    let access_token = token(&tokens, "access_token");
    let body = async || walk.api.get(FIRST).await.body;
    round(&walk.app).await;
    let first = body().await;
    walk.app.advance(TimeDelta::seconds(30));
    round(&walk.app).await;
    assert_eq!(body().await, first, "nothing has happened");
    walk.app.advance(TimeDelta::seconds(30));
    round(&walk.app).await;
    let second = body().await;
    assert_eq!(payload(&second)["iat"], walk.app.provider.now().timestamp());
    assert_eq!(payload(&second)["status_list"], payload(&first)["status_list"]);
    walk.app.advance(TimeDelta::seconds(1));
    let fields = [("token", token(&tokens, "refresh_token"))];
    walk.api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &fields)
        .await;
    assert!(!is_invalid(&walk, access_token).await, "it is no round yet");
    round(&walk.app).await;
    assert!(is_invalid(&walk, access_token).await);
    let third = payload(&body().await);
    assert_eq!(
        third["iat"],
        walk.app.provider.now().timestamp(),
        "that of the read"
    );
    // Its tokens are over after ten minutes; the most lenient verifier with the slowest clock takes them for
    // fifteen more.
    walk.app
        .advance(TimeDelta::minutes(25) - TimeDelta::microseconds(1));
    round(&walk.app).await;
    assert!(is_invalid(&walk, access_token).await);
    walk.app.advance(TimeDelta::microseconds(1));
    round(&walk.app).await;
    assert!(!is_invalid(&walk, access_token).await);
}

#[tokio::test]
async fn without_the_database_the_last_list_is_served_until_it_is_over() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let access_token = own_token(&walk, &web).await;
    walk.api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &[("token", &access_token)])
        .await;
    round(&walk.app).await;
    let last = walk.api.get(FIRST).await.body;
    walk.lose_database();
    for (seconds, max_age) in [(0, 60), (540, 60), (30, 30), (29, 1)] {
        walk.app.advance(TimeDelta::seconds(seconds));
        assert!(status_lists::round(&walk.app.provider).await.is_err());
        let answer = walk.api.get(FIRST).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &last));
        let expected = format!("public, max-age={max_age}");
        assert_eq!(answer.header("cache-control"), Some(&*expected));
    }
    assert!(is_invalid(&walk, &access_token).await);
    walk.app.advance(TimeDelta::seconds(1));
    for headers in [vec![], vec![("if-none-match", "*")]] {
        let answer = ask(&walk.api, Method::GET, FIRST, &headers).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.body, "");
    }
    let unknown = walk.api.get("/.well-known/status-lists/EdDSA/99").await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn every_node_shows_what_ended_on_another() {
    let walk = Walk::start().await;
    let other = walk.app.second_node().await;
    let web = walk.confidential("web", json!({})).await;
    let access_token = own_token(&walk, &web).await;
    walk.api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &[("token", &access_token)])
        .await;
    round(&other).await;
    let (_, idx) = place(&access_token);
    let list = payload(&Api::new(&other).get(FIRST).await.body);
    assert!(bits(&list).is_set(idx));
}
