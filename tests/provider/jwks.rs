//! `/.well-known/jwks.json` (RFC 7517): the public keys, for everybody, cheap to ask for, whatever happens.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use signet::oauth::signing_algorithm::SigningAlgorithm;

use crate::support::app::TestApp;
use crate::support::browser::{Answer, Api, Browser};

const JWKS: &str = "/.well-known/jwks.json";

async fn ask(api: &Api, headers: &[(&str, &str)]) -> Answer {
    let request = api.http().get(api.url(JWKS));
    let request = headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value));
    Answer::of(request.send().await.expect("an answer")).await
}

#[tokio::test]
async fn three_keys_of_each_algorithm_and_nothing_private() {
    let app = TestApp::start().await;
    let answer = ask(&Api::new(&app), &[]).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    let document = answer.json();
    let members: Vec<_> = document.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["keys"]);
    let keys = document["keys"].as_array().expect("a list");
    let of = |algorithm: &str| {
        keys.iter()
            .filter(|key| key["alg"] == algorithm)
            .collect::<Vec<_>>()
    };
    assert_eq!((of("EdDSA").len(), of("RS256").len(), keys.len()), (3, 3, 6));
    let mut kids: Vec<_> = keys
        .iter()
        .map(|key| key["kid"].as_str().expect("a kid"))
        .collect();
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), 6);
    for key in keys {
        assert_eq!(key["use"], "sig");
        let bytes = |member: &str| {
            let text = key[member].as_str().unwrap_or_else(|| panic!("{member}: {key}"));
            URL_SAFE_NO_PAD.decode(text).expect("base64url")
        };
        let (members, hashed): (&[&str], Value) = if key["alg"] == "EdDSA" {
            assert_eq!((&key["kty"], &key["crv"]), (&json!("OKP"), &json!("Ed25519")));
            assert_eq!(bytes("x").len(), 32);
            let hashed = json!({"crv": key["crv"], "kty": key["kty"], "x": key["x"]});
            (&["alg", "crv", "kid", "kty", "use", "x"], hashed)
        } else {
            assert_eq!(key["kty"], "RSA");
            assert!(bytes("n").len() >= 256, "2048 bits at least");
            assert_eq!(bytes("e"), [1, 0, 1]);
            let hashed = json!({"e": key["e"], "kty": key["kty"], "n": key["n"]});
            (&["alg", "e", "kid", "kty", "n", "use"], hashed)
        };
        let mut given: Vec<_> = key.as_object().expect("an object").keys().collect();
        given.sort_unstable();
        assert_eq!(given, members, "no more than what is public");
        // RFC 7638 §3: the members that count, in their order, without white space.
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(hashed.to_string()));
        assert_eq!(key["kid"], thumbprint);
    }
}

#[tokio::test]
async fn whoever_has_it_is_told_so_in_few_bytes() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let whole = ask(&api, &[]).await;
    assert_eq!(whole.header("cache-control"), Some("public, max-age=300"));
    let etag = whole.header("etag").expect("a tag").to_owned();
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 20,
        "a strong tag: {etag}"
    );
    let weak = format!("W/{etag}");
    let list = format!("\"x\", {weak} ,\"y\"");
    let tight = format!("\"x\",{etag}");
    for known in [&*etag, &weak, &list, &tight, "*"] {
        let answer = ask(&api, &[("if-none-match", known)]).await;
        assert_eq!(answer.status, StatusCode::NOT_MODIFIED, "{known}");
        assert_eq!(answer.body, "");
        assert_eq!(answer.header("etag"), Some(&*etag));
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    }
    let twice = [("if-none-match", "\"x\""), ("if-none-match", &*etag)];
    assert_eq!(ask(&api, &twice).await.status, StatusCode::NOT_MODIFIED);
    let bare = etag.trim_matches('"').to_owned();
    let longer = format!("\"{bare}x\"");
    for unknown in ["\"x\"", "", &bare, &longer, "W/\"x\", \"y\"", "w/*"] {
        let answer = ask(&api, &[("if-none-match", unknown)]).await;
        assert_eq!(
            (answer.status, &answer.body),
            (StatusCode::OK, &whole.body),
            "{unknown}"
        );
    }
    let head = Answer::of(api.http().head(api.url(JWKS)).send().await.expect("an answer")).await;
    assert_eq!((head.status, &*head.body), (StatusCode::OK, ""));
    for name in [
        "etag",
        "content-type",
        "cache-control",
        "access-control-allow-origin",
    ] {
        assert_eq!(head.header(name), whole.header(name), "{name}");
    }
    assert_eq!(
        head.header("content-length"),
        Some(&*whole.body.len().to_string())
    );
}

#[tokio::test]
async fn a_view_has_the_keys_of_the_algorithms_that_it_names() {
    let app = TestApp::with(|options| {
        options.settings.keys.algorithms = SigningAlgorithm::ALL.into_iter().collect();
    })
    .await;
    let api = Api::new(&app);
    let whole = ask(&api, &[]).await;
    let keys = whole.json()["keys"].as_array().expect("a list").clone();
    assert_eq!(keys.len(), 3 * SigningAlgorithm::ALL.len());
    for (query, algorithms) in [
        ("alg=RS256", &["RS256"][..]),
        ("alg=RS256&alg=ES256", &["RS256", "ES256"]),
        ("alg=ES256&alg=RS256&alg=RS256", &["RS256", "ES256"]),
        ("alg=Ed25519", &["Ed25519"]),
        ("v=7&alg=PS256", &["PS256"]),
    ] {
        let answer = api.get(&format!("{JWKS}?{query}")).await;
        let named = |key: &&Value| algorithms.iter().any(|name| key["alg"] == *name);
        let expected: Vec<_> = keys.iter().filter(named).collect();
        assert_eq!(answer.json(), json!({"keys": expected}), "{query}");
        assert_eq!(expected.len(), 3 * algorithms.len());
    }
    for other in ["v=7", "algorithm=none", "ALG=none", ""] {
        let answer = api.get(&format!("{JWKS}?{other}")).await;
        assert_eq!(answer.body, whole.body, "{other}");
        assert_eq!(answer.header("etag"), whole.header("etag"), "{other}");
    }
}

#[tokio::test]
async fn a_view_is_cached_and_shared_like_the_whole() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let whole = ask(&api, &[]).await;
    let view = |query: &str, known: &str| {
        let url = format!("{JWKS}?{query}");
        let request = api.http().get(api.url(&url)).header("if-none-match", known);
        let request = request.header("origin", "https://anything.example");
        async move { Answer::of(request.send().await.expect("an answer")).await }
    };
    let fresh = view("alg=RS256", "").await;
    assert_eq!(fresh.status, StatusCode::OK);
    let etag = fresh.header("etag").expect("a tag");
    assert_ne!(Some(etag), whole.header("etag"));
    let known = view("alg=RS256", etag).await;
    assert_eq!((known.status, &*known.body), (StatusCode::NOT_MODIFIED, ""));
    let other = view("alg=EdDSA", etag).await;
    assert_eq!(other.status, StatusCode::OK, "another view has another tag");
    for name in ["cache-control", "content-type", "access-control-allow-origin"] {
        assert_eq!(fresh.header(name), whole.header(name).or(Some("*")), "{name}");
        assert!(fresh.header(name).is_some(), "{name}");
    }
    // An algorithm without keys here has an empty view; one that nobody knows is a mistake to hear of.
    assert_eq!(view("alg=ES256", "").await.json(), json!({"keys": []}));
    for wrong in [
        "alg=none",
        "alg=",
        "alg",
        "alg=rs256",
        "alg=RS256,ES256",
        "alg=RS256&alg=HS256",
    ] {
        let answer = view(wrong, etag).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
        assert_eq!(
            answer.json(),
            json!({"error": "invalid_request",
                "error_description": "alg must be EdDSA, Ed25519, ES256, RS256 or PS256"}),
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{wrong}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{wrong}");
    }
    // And it needs no database.
    app.provider.db.close();
    let again = view("alg=RS256", "").await;
    assert_eq!((again.status, again.body), (StatusCode::OK, fresh.body));
    assert_eq!(view("alg=EdDSA&alg=RS256", "").await.body, whole.body);
}

#[tokio::test]
async fn any_script_may_read_it_and_none_with_credentials() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    for origin in ["https://app.example", "https://anything.example", "null"] {
        let answer = ask(&api, &[("origin", origin)]).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("*"),
            "{origin}"
        );
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("set-cookie"), None);
    }
    let preflight = api
        .http()
        .request(reqwest::Method::OPTIONS, api.url(JWKS))
        .header("origin", "https://app.example")
        .header("access-control-request-method", "GET");
    let preflight = Answer::of(preflight.send().await.expect("an answer")).await;
    assert!(preflight.status.is_success());
    assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
    assert_eq!(preflight.header("access-control-allow-credentials"), None);
    for method in ["POST", "PUT", "DELETE"] {
        let request = api
            .http()
            .request(method.parse().expect("a method"), api.url(JWKS));
        let status = request.send().await.expect("an answer").status();
        assert!(status.is_client_error(), "{method}: {status}");
    }
}

#[tokio::test]
async fn every_node_serves_the_same_bytes() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let (one, two) = (ask(&Api::new(&app), &[]).await, ask(&Api::new(&other), &[]).await);
    assert_eq!(one.body, two.body);
    assert_eq!(one.header("etag"), two.header("etag"));
}

#[tokio::test]
async fn keys_and_metadata_outlive_the_database() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let (browser, api) = (Browser::new(&app), Api::new(&app));
    let paths = [
        JWKS,
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ];
    let mut before = Vec::new();
    for path in paths {
        before.push(api.get(path).await.body);
    }
    app.provider.db.close();
    for (path, body) in paths.into_iter().zip(before) {
        let answer = api.get(path).await;
        assert_eq!((answer.status, answer.body), (StatusCode::OK, body), "{path}");
    }
    // What needs the database says when to come again, and sends nobody anywhere.
    for prompt in ["none", ""] {
        let answer = browser
            .get(&browser.authorize(&client, &[("prompt", prompt)]))
            .await;
        if prompt == "none" {
            // Without a session's cookie there is nothing to look up.
            assert_eq!(answer.refusal(), "login_required");
            continue;
        }
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:#?}");
        assert!(answer.header("retry-after").is_some());
        assert_eq!(answer.header("location"), None);
    }
}
