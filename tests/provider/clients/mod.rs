//! The judge is a stranger: unmodified client libraries go the whole way from discovery to logout, with each
//! way to authenticate and with both algorithms of ID tokens.

mod authlib;
mod openid_client;
mod openidconnect_crate;
mod verifiers;

use serde_json::{Value, json};

use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{header, payload};
use crate::support::programs::Program;

/// The API that the clients ask tokens for.
const RESOURCE: &str = "https://notes.example";

/// Where the clients want their users to be after logout.
const HOME: &str = "https://app.example/bye";

/// What every client asks for; its registration also allows `offline_access`.
const SCOPE: &str = "openid profile email notes:read";

/// Both algorithms that ID tokens are signed with.
const ID_TOKEN_ALGORITHMS: [&str; 2] = ["EdDSA", "RS256"];

/// The private key of RFC 8037 Appendix A.1, as the clients that sign with Ed25519 hold it.
fn ed25519_key() -> Value {
    json!({
        "kty": "OKP", "crv": "Ed25519", "kid": "rfc8037",
        "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
    })
}

/// The private key of RFC 7517 Appendix A.2, as the clients that sign with ES256 hold it.
fn p256_key() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "rfc7517",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
        "d": "870MB6gfuTJ4HtUnUvYMyJpr5eUZNP4Bk43bVdj3eAE",
    })
}

/// The public half of a key.
fn public(key: &Value) -> Value {
    let mut key = key.clone();
    key.as_object_mut().expect("a JWK").remove("d");
    key
}

/// Registers a third-party client, and returns its `client_id` and secret. `key` is what it signs assertions
/// with.
async fn register(app: &TestApp, method: &str, algorithm: &str, key: Option<&Value>) -> (String, String) {
    app.client(json!({
        "client_name": format!("{method} {algorithm}"), "token_endpoint_auth_method": method,
        "redirect_uris": [CALLBACK], "post_logout_redirect_uris": [HOME],
        "grant_types": ["authorization_code", "refresh_token"],
        "id_token_signed_response_alg": algorithm, "scope": format!("{SCOPE} offline_access"),
        "jwks": key.map(|key| json!({"keys": [public(key)]})),
    }))
    .await
}

/// Lets the client library of `program` go the whole way as each kind of client that authenticates by `method`:
/// first with a newcomer and offline access, then with a user who has an account, and an application that ends
/// with the session.
async fn goes_the_whole_way(program: impl Fn() -> Program, method: &str, key: Option<&Value>) {
    let app = TestApp::start().await;
    app.resource(RESOURCE, "notes:read").await;
    for algorithm in ID_TOKEN_ALGORITHMS {
        let (client, secret) = register(&app, method, algorithm, key).await;
        for newcomer in [true, false] {
            let email = format!("ada.{}@example.org", algorithm.to_ascii_lowercase());
            let scope = if newcomer {
                format!("{SCOPE} offline_access")
            } else {
                SCOPE.to_owned()
            };
            let key = key.map(Value::to_string).unwrap_or_default();
            let answer = program()
                .setting("ISSUER", &app.issuer)
                .setting("CLIENT_ID", &client)
                .setting("CLIENT_SECRET", &secret)
                .setting("PRIVATE_KEY", &key)
                .setting("AUTH_METHOD", method)
                .setting("REDIRECT_URI", CALLBACK)
                .setting("POST_LOGOUT_REDIRECT_URI", HOME)
                .setting("SCOPE", &scope)
                .setting("RESOURCE", RESOURCE)
                .setting("EMAIL", &email)
                .setting("PASSWORD", PASSWORD)
                .setting("NAME", if newcomer { "Ada Lovelace" } else { "" })
                .run("")
                .await
                .unwrap_or_else(|error| panic!("{method}, {algorithm}, newcomer: {newcomer}: {error}"));
            is_what_was_asked_for(&app, &answer, (&client, &email, &scope, algorithm));
        }
    }
}

/// Looks at what a client library got.
fn is_what_was_asked_for(app: &TestApp, answer: &Value, wanted: (&str, &str, &str, &str)) {
    let (client, email, scope, algorithm) = wanted;
    let token = |name: &str| answer[name].as_str().expect("a token").to_owned();
    let access_token = payload(&token("access_token"));
    assert_eq!(access_token["aud"], json!([RESOURCE, app.issuer]));
    assert_eq!(access_token["client_id"], client);
    assert_eq!(access_token["scope"], scope);
    assert_eq!(header(&token("id_token"))["alg"], algorithm);
    assert_eq!(payload(&token("id_token"))["aud"], client);
    assert_eq!(answer["userinfo"]["email"], email);
    assert_eq!(answer["userinfo"]["sub"], answer["sub"]);
    assert_eq!(access_token["sub"], answer["sub"]);
}
