//! The usual verifiers of APIs accept our access tokens, by nothing but the published keys. The `jsonwebtoken`
//! crate stands in the Rust example (resource_servers.rs).

use super::RESOURCE;
use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser, header, payload};
use crate::support::programs::Program;

/// An access token and an ID token of a user.
async fn tokens(app: &TestApp) -> (String, String) {
    app.resource(RESOURCE, "notes:read").await;
    let client = app.spa().await;
    let browser = Browser::new(app);
    let request = [
        ("scope", "openid notes:read"),
        ("resource", RESOURCE),
        ("prompt", "create"),
    ];
    let page = browser.open(&browser.authorize(&client, &request)).await;
    let callback = browser.sign_up(&page, "ada@example.org").await.callback();
    let tokens = Api::new(app).redeem(&client, &callback["code"]).await.json();
    let token = |name: &str| tokens[name].as_str().expect("a token").to_owned();
    (token("access_token"), token("id_token"))
}

async fn verifies(program: impl Fn() -> Program) {
    let app = TestApp::start().await;
    let (access_token, id_token) = tokens(&app).await;
    let verify = |audience: &str, token: &str| {
        let program = program()
            .setting("ISSUER", &app.issuer)
            .setting("AUDIENCE", audience);
        let token = token.to_owned();
        async move { program.run(&token).await }
    };
    for audience in [RESOURCE, &app.issuer] {
        let found = verify(audience, &access_token).await.expect("a good token");
        assert_eq!(found["header"], header(&access_token));
        assert_eq!(found["claims"], payload(&access_token));
    }
    for (audience, token) in [("https://other.example", &access_token), ("spa", &id_token)] {
        let refusal = verify(audience, token).await.expect_err("not for this API");
        assert!(refusal.contains("verify"), "{refusal}");
    }
}

#[tokio::test]
async fn jose_verifies_an_access_token_with_its_remote_jwk_set() {
    verifies(|| Program::node("verify_jose.mjs")).await;
}

#[tokio::test]
async fn pyjwt_verifies_an_access_token_with_its_jwk_client() {
    verifies(|| Program::python("verify_pyjwt.py")).await;
}
