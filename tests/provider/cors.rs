//! Which scripts may read what (Fetch standard, CORS protocol).

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::app::TestApp;
use crate::support::browser::Answer;
use crate::support::tokens::{Walk, token};

/// The origin of the redirect URI of the tests' clients.
const OWN: &str = "https://app.example";

const FOR_SCRIPTS: [&str; 3] = ["/oauth2/token", "/oauth2/userinfo", "/oauth2/revoke"];
const FOR_ANYBODY: [&str; 3] = [
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/.well-known/jwks.json",
];

async fn ask(walk: &Walk, method: Method, path: &str, origin: &str) -> Answer {
    let mut request = walk.api.http().request(method.clone(), walk.api.url(path));
    if !origin.is_empty() {
        request = request.header("origin", origin);
    }
    if method == Method::OPTIONS {
        request = request
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
    }
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(
        answer.header("access-control-allow-credentials"),
        None,
        "{answer:#?}"
    );
    answer
}

fn varies_by_origin(answer: &Answer) -> bool {
    answer
        .headers
        .get_all("vary")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|name| name.trim().eq_ignore_ascii_case("origin"))
}

#[tokio::test]
async fn scripts_of_registered_origins_read_answers_and_errors() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    for path in FOR_SCRIPTS {
        let preflight = ask(&walk, Method::OPTIONS, path, OWN).await;
        assert_eq!(preflight.status, StatusCode::NO_CONTENT, "{preflight:#?}");
        assert_eq!(preflight.header("access-control-allow-origin"), Some(OWN));
        let methods = preflight.header("access-control-allow-methods").expect("methods");
        assert!(methods.contains("POST"));
        let headers = preflight.header("access-control-allow-headers").expect("headers");
        let headers = headers.to_ascii_lowercase();
        assert!(headers.contains("authorization") && headers.contains("content-type"));
        assert!(varies_by_origin(&preflight));
        // Nothing in it, the wrong method, and both again without an origin: all are answers.
        for method in [Method::POST, Method::DELETE] {
            let answer = ask(&walk, method.clone(), path, OWN).await;
            assert!(answer.status.is_client_error());
            assert_eq!(
                answer.header("access-control-allow-origin"),
                Some(OWN),
                "{answer:#?}"
            );
            let exposed = answer.header("access-control-expose-headers").expect("headers");
            assert!(exposed.contains("WWW-Authenticate"));
            assert!(varies_by_origin(&answer));
            let answer = ask(&walk, method, path, "").await;
            assert_eq!(answer.header("access-control-allow-origin"), None);
            assert!(varies_by_origin(&answer));
        }
    }
    let tokens = walk.tokens(&spa, &[]).await;
    let request = walk.api.http().get(walk.api.url("/oauth2/userinfo"));
    let request = request
        .bearer_auth(token(&tokens, "access_token"))
        .header("origin", OWN);
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.header("access-control-allow-origin"), Some(OWN));
    walk.lose_database();
    let request = walk.api.http().get(walk.api.url("/oauth2/userinfo"));
    let request = request
        .bearer_auth(token(&tokens, "access_token"))
        .header("origin", OWN);
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("access-control-allow-origin"), Some(OWN));
}

#[tokio::test]
async fn scripts_of_other_origins_read_nothing() {
    let walk = Walk::start().await;
    walk.app.spa().await;
    let native = json!({"application_type": "native", "redirect_uris": ["com.example.app:/callback"],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"]});
    walk.confidential("native", native).await;
    for path in FOR_SCRIPTS {
        for origin in [
            "null",
            "https://evil.example",
            "https://app.example.evil.example",
            "https://evil.example/https://app.example",
            "http://app.example",
            "https://app.example:443",
            "https://app.example:8443",
            "https://app.example/",
            "https://APP.example",
            "https://app.example, https://evil.example",
            "com.example.app:",
            "com.example.app://",
            "*",
        ] {
            for method in [Method::OPTIONS, Method::POST] {
                let answer = ask(&walk, method, path, origin).await;
                assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
                assert!(varies_by_origin(&answer), "{origin}");
            }
        }
    }
}

#[tokio::test]
async fn a_configured_origin_needs_no_client() {
    let app =
        TestApp::with(|options| options.allowed_origins = vec!["https://tools.example".to_owned()]).await;
    let walk = Walk::on(app, json!({})).await;
    for (origin, allowed) in [
        ("https://tools.example", Some("https://tools.example")),
        ("https://tools.example.evil.example", None),
        (OWN, None),
    ] {
        for method in [Method::OPTIONS, Method::POST] {
            let answer = ask(&walk, method, "/oauth2/token", origin).await;
            assert_eq!(answer.header("access-control-allow-origin"), allowed);
        }
    }
}

#[tokio::test]
async fn a_disabled_clients_origin_is_none() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    walk.app.disable_client(&spa).await;
    let answer = ask(&walk, Method::OPTIONS, "/oauth2/token", OWN).await;
    assert_eq!(answer.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn anybody_reads_metadata_and_keys_and_nobody_the_rest() {
    let walk = Walk::start().await;
    walk.app.spa().await;
    for path in FOR_ANYBODY {
        for origin in ["", OWN, "https://evil.example", "null"] {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::POST] {
                let answer = ask(&walk, method, path, origin).await;
                assert_eq!(
                    answer.header("access-control-allow-origin"),
                    Some("*"),
                    "{answer:#?}"
                );
            }
        }
    }
    // Not for scripts of elsewhere: pages, and what confidential clients ask from their own servers.
    for path in [
        "/oauth2/authorize",
        "/oauth2/introspect",
        "/oauth2/logout",
        "/login",
        "/account",
    ] {
        for method in [Method::GET, Method::POST, Method::OPTIONS] {
            let answer = ask(&walk, method, path, OWN).await;
            assert_eq!(answer.header("access-control-allow-origin"), None, "{answer:#?}");
        }
    }
}
