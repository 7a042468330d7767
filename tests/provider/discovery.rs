//! The metadata documents (OpenID Connect Discovery §3, §4, RFC 8414): the same, public, and true.

mod promises;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::{Answer, Api, Browser};

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The document of an app.
async fn document(app: &TestApp) -> Value {
    let answer = Api::new(app).get(OPENID).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    answer.json()
}

#[tokio::test]
async fn the_document_says_exactly_this() {
    let app = TestApp::start().await;
    app.resource("https://notes.example", "notes:read notes:write")
        .await;
    app.resource("https://files.example", "notes:read").await;
    let text = document(&app)
        .await
        .to_string()
        .replace(&app.issuer, "https://id.example");
    let document: Value = serde_json::from_str(&text).expect("JSON");
    let signed = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"];
    let methods = [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none",
    ];
    let expected = json!({
        "issuer": "https://id.example",
        "authorization_endpoint": "https://id.example/oauth2/authorize",
        "token_endpoint": "https://id.example/oauth2/token",
        "userinfo_endpoint": "https://id.example/oauth2/userinfo",
        "jwks_uri": "https://id.example/.well-known/jwks.json",
        "end_session_endpoint": "https://id.example/oauth2/logout",
        "revocation_endpoint": "https://id.example/oauth2/revoke",
        "introspection_endpoint": "https://id.example/oauth2/introspect",
        "scopes_supported": [
            "openid", "profile", "email", "address", "phone", "offline_access", "notes:read", "notes:write",
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
        "acr_values_supported": ["1"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA", "RS256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": signed,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": signed,
        "introspection_endpoint_auth_methods_supported": methods[..3],
        "introspection_endpoint_auth_signing_alg_values_supported": signed,
        "code_challenge_methods_supported": ["S256"],
        "claim_types_supported": ["normal"],
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "azp",
            "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile",
            "picture", "website", "gender", "birthdate", "zoneinfo", "locale", "updated_at",
            "email", "email_verified", "address", "phone_number", "phone_number_verified",
        ],
        "ui_locales_supported": ["en"],
        "prompt_values_supported": ["none", "login", "consent", "select_account", "create"],
        "claims_parameter_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": false,
        "require_request_uri_registration": false,
        "authorization_response_iss_parameter_supported": true,
        "backchannel_logout_supported": true, "backchannel_logout_session_supported": true,
    });
    let names = |document: &Value| {
        let members = document.as_object().expect("an object");
        members.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(names(&document), names(&expected));
    for name in names(&expected) {
        assert_eq!(document[&name], expected[&name], "{name}");
    }
}

#[tokio::test]
async fn both_documents_are_the_same_and_for_everybody() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let (openid, oauth) = (api.get(OPENID).await, api.get(OAUTH).await);
    assert_eq!(openid.body, oauth.body);
    for (answer, path) in [(&openid, OPENID), (&oauth, OAUTH)] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
        assert_eq!(answer.header("cache-control"), Some("public, max-age=300"));
        assert_eq!(answer.header("set-cookie"), None);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let etag = answer.header("etag").expect("a tag");
        let request = api.http().get(api.url(path)).header("if-none-match", etag);
        let again = Answer::of(request.send().await.expect("an answer")).await;
        assert_eq!((again.status, &*again.body), (StatusCode::NOT_MODIFIED, ""));
        let head = Answer::of(api.http().head(api.url(path)).send().await.expect("an answer")).await;
        assert_eq!((head.status, &*head.body), (StatusCode::OK, ""));
        assert_eq!(head.header("etag"), Some(etag));
    }
    // Nothing that a request says gets into the document (Host, X-Forwarded-*).
    let mut request = api.http().get(api.url(OPENID)).header("host", "evil.example");
    for name in [
        "x-forwarded-host",
        "x-forwarded-proto",
        "forwarded",
        "x-original-url",
    ] {
        request = request.header(name, "host=evil.example;proto=gopher");
    }
    let answer = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(answer.body, openid.body);
}

#[tokio::test]
async fn a_new_api_is_a_new_document() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    let before = api.get(OPENID).await;
    app.resource("https://notes.example", "notes:read").await;
    let etag = before.header("etag").expect("a tag");
    let request = api.http().get(api.url(OPENID)).header("if-none-match", etag);
    let after = Answer::of(request.send().await.expect("an answer")).await;
    assert_eq!(after.status, StatusCode::OK);
    assert_ne!(after.header("etag"), Some(etag));
    let scopes = after.json()["scopes_supported"].clone();
    assert!(scopes.as_array().expect("a list").contains(&json!("notes:read")));
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_at_both_places() {
    let issuer = "http://127.0.0.1/realms/one";
    let app = TestApp::with(|options| options.issuer = Some(issuer.to_owned())).await;
    let client = app.spa().await;
    let api = Api::new(&app);
    let base = "/realms/one";
    let there = api.get(&format!("{base}{OPENID}")).await;
    assert_eq!(there.status, StatusCode::OK);
    for path in [
        format!("{base}{OAUTH}"),
        format!("{OPENID}{base}"),
        format!("{OAUTH}{base}"),
    ] {
        let answer = api.get(&path).await;
        assert_eq!(
            (answer.status, &answer.body),
            (StatusCode::OK, &there.body),
            "{path}"
        );
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
    }
    for path in [
        OPENID,
        OAUTH,
        "/.well-known/jwks.json",
        "/oauth2/authorize",
        "/login",
        "/realms/two/login",
    ] {
        assert_eq!(api.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let document = there.json();
    assert_eq!(document["issuer"], issuer);
    for (name, value) in document.as_object().expect("an object") {
        if name.ends_with("_endpoint") || name == "jwks_uri" {
            let value = value.as_str().expect("a text");
            let path = value
                .strip_prefix(issuer)
                .unwrap_or_else(|| panic!("{name}: {value}"));
            assert_ne!(
                api.get(&format!("{base}{path}")).await.status,
                StatusCode::NOT_FOUND,
                "{name}"
            );
        }
    }
    // The whole way stays below the path.
    let browser = Browser::new(&app);
    let request = browser.authorize(&client, &[]);
    let request = request.replace("/oauth2/authorize", "/realms/one/oauth2/authorize");
    let page = browser.open(&request).await;
    assert_eq!(page.url.path(), "/realms/one/login");
    app.user("ada@example.org", json!({})).await;
    let (_, told) = browser.log_in(&page, "ada@example.org").await.response();
    assert_eq!(told["iss"], issuer);
    let style = page
        .body
        .split("rel=\"stylesheet\" href=\"")
        .nth(1)
        .expect("a style");
    let style = api.get(style.split('"').next().expect("an address")).await;
    assert_eq!(style.status, StatusCode::OK);
}

/// Documents are answered at once, and by their routes where something is chosen.
#[tokio::test]
async fn a_document_is_the_same_however_it_is_answered() {
    let app = TestApp::start().await;
    let api = Api::new(&app);
    for path in [
        "/.well-known/jwks.json",
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    ] {
        let asked = async |method: Method, query: &str| {
            let url = api.url(&format!("{path}{query}"));
            let answer = api.http().request(method, url).send().await.expect("an answer");
            let mut headers = answer.headers().clone();
            for varying in ["x-request-id", "date"] {
                assert!(headers.remove(varying).is_some(), "{path}{query}: {varying}");
            }
            (answer.status(), headers, answer.bytes().await.expect("a body"))
        };
        let at_once = asked(Method::GET, "").await;
        assert_eq!(at_once.0, StatusCode::OK);
        assert_eq!(at_once.1["access-control-allow-origin"], "*");
        assert_eq!(at_once, asked(Method::GET, "?v=1").await, "{path}");
        let (status, headers, body) = asked(Method::HEAD, "").await;
        assert_eq!((status, headers, body.len()), (at_once.0, at_once.1, 0), "{path}");
    }
}
