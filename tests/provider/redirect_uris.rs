//! `redirect_uri` is compared, never interpreted (RFC 9700 §4.1.3); the port of a loopback address alone is
//! free (RFC 8252 §7.3). One row for every trick that a provider fell for.

use reqwest::StatusCode;
use serde_json::json;

use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Api, VERIFIER};

#[tokio::test]
async fn only_the_registered_bytes_are_redirected_to() {
    let app = TestApp::start().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let client = app
        .client(json!({
            "client_id": "many", "token_endpoint_auth_method": "none", "first_party": true,
            "redirect_uris": [
                CALLBACK, "https://app.example/cb?tenant=1", "https://root.example", "com.example.app:/oauth",
                "http://localhost:3000/cb", "http://127.0.0.1/cb", "http://[::1]:8000/cb?x=1",
            ],
        }))
        .await
        .0;
    let too_long = format!("{CALLBACK}/{}", "x".repeat(2048));
    for wrong in [
        // Prefix, suffix, case, encoding.
        "https://app.example/callback/",
        "https://app.example/callback/deeper",
        "https://app.example/callback?",
        "https://app.example/callback?x=1",
        "https://app.example/callback#",
        "https://app.example/callback#f",
        "https://app.example/callbac",
        "https://app.example/Callback",
        "https://APP.example/callback",
        "HTTPS://app.example/callback",
        "https://app.example/%63allback",
        "https://app.example/call%62ack",
        "https://app.example//callback",
        "https://app.example/callback%00",
        "https://app.example/callback%0d%0a",
        " https://app.example/callback",
        "https://app.example/callback ",
        "https://app.example/callback\t",
        "https://app.example/callback\n",
        "https://app.exam\nple/callback",
        // Paths that climb.
        "https://app.example/callback/..",
        "https://app.example/callback/../evil",
        "https://app.example/x/../callback",
        "https://app.example/x/..;/callback",
        "https://app.example/callback/..;/evil",
        "https://app.example/callback/%2e%2e/evil",
        "https://app.example/callback/.",
        "https://app.example\\callback",
        // Other hosts.
        "https://app.example.evil.example/callback",
        "https://app-example/callback",
        "https://appXexample/callback",
        "https://evil.example/callback",
        "https://app.example@evil.example/callback",
        "https://app.example@app.example@evil.example/callback",
        "https://evil.example\\@app.example/callback",
        "https://evil.example#@app.example/callback",
        "https://evil.example?@app.example/callback",
        "https://user@app.example/callback",
        "https://user:pw@app.example/callback",
        "https://app.example./callback",
        "https://app.example:443/callback",
        "https://app.example:8443/callback",
        "https://аpp.example/callback",
        "https://app。example/callback",
        "https://*/callback",
        "*",
        // Other schemes, and none.
        "http://app.example/callback",
        "javascript:alert(1)",
        "data:text/html,x",
        "//app.example/callback",
        "/callback",
        "callback",
        ".",
        // A registered query is part of the whole.
        "https://app.example/cb",
        "https://app.example/cb?tenant=2",
        "https://app.example/cb?tenant=1&x=1",
        "https://app.example/cb?x=1&tenant=1",
        "https://app.example/cb?tenant=%31",
        "https://root.example/",
        "com.example.app:/oauth/",
        "com.example.app://oauth",
        "COM.EXAMPLE.APP:/oauth",
        // Loopback by name has no free port, by address no free anything else.
        "http://localhost/cb",
        "http://localhost:3001/cb",
        "https://localhost:3000/cb",
        "http://127.0.0.1/cb/",
        "http://127.0.0.1:1/other",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:-1/cb",
        "http://127.0.0.1:+1/cb",
        "http://127.0.0.1: 1/cb",
        "http://127.0.0.1:1:2/cb",
        "http://127.0.0.1:1@evil.example/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.1.evil.example/cb",
        "http://127.0.0.1:1.evil.example/cb",
        "http://user@127.0.0.1:1/cb",
        "http://127.0.0.1:1\\@evil.example/cb",
        "http://127.0.0.1:1/cb?x=1",
        "http://127.0.0.1:1/cb#f",
        "http://127.0.0.2:1/cb",
        "http://127.1:1/cb",
        "http://2130706433:1/cb",
        "http://0x7f000001:1/cb",
        "http://0.0.0.0:1/cb",
        "http://[::]:1/cb?x=1",
        "http://[::1]:1/cb",
        "http://[::ffff:127.0.0.1]:1/cb",
        "http://[0:0:0:0:0:0:0:1]:1/cb?x=1",
        "http://::1:1/cb?x=1",
        "https://127.0.0.1:1/cb",
        &too_long,
    ] {
        let request = browser.authorize(&client, &[("redirect_uri", wrong)]);
        let answer = browser.get(&request).await;
        answer.is_dead_end();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(app.count("authorization_codes").await, 0);
}

#[tokio::test]
async fn a_registered_uri_is_redirected_to_as_it_stands() {
    let app = TestApp::start().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let api = Api::new(&app);
    // What is registered, and what is asked for.
    for (number, (registered, requested)) in [
        (CALLBACK, CALLBACK),
        ("https://root.example", "https://root.example"),
        (
            "https://app.example/cb?tenant=1&x=%20",
            "https://app.example/cb?tenant=1&x=%20",
        ),
        ("com.example.app:/oauth", "com.example.app:/oauth"),
        ("http://localhost:3000/cb", "http://localhost:3000/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:8000/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb", "http://[::1]:51004/cb"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("client-{number}");
        let kind = if registered.starts_with("https") {
            "web"
        } else {
            "native"
        };
        let client = app
            .client(json!({
                "client_id": id, "token_endpoint_auth_method": "none", "first_party": true,
                "redirect_uris": [registered], "application_type": kind,
            }))
            .await
            .0;
        let request = browser.authorize(&client, &[("redirect_uri", requested)]);
        let answer = browser.get(&request).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
        let location = answer.header("location").expect("a redirect");
        let rest = location.strip_prefix(requested).expect("the URI itself");
        let separator = if requested.contains('?') { '&' } else { '?' };
        let query = rest.strip_prefix(separator).expect("a query");
        let told: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        assert_eq!(told[0].0, "code", "{location}");
        // An error goes there too.
        let wrong = browser.authorize(&client, &[("redirect_uri", requested), ("prompt", "magic")]);
        let location = browser.get(&wrong).await;
        let location = location.header("location").expect("a redirect").to_owned();
        assert!(
            location.starts_with(&format!("{requested}{separator}error=invalid_request&")),
            "{location}"
        );
        // The token endpoint wants the very URI of the request (RFC 6749 §4.1.3).
        let fields = |redirect_uri| {
            [
                ("grant_type", "authorization_code"),
                ("client_id", &*client),
                ("code", &*told[0].1),
                ("redirect_uri", redirect_uri),
                ("code_verifier", VERIFIER),
            ]
        };
        let other = fields("http://127.0.0.1:2/cb");
        assert_eq!(
            api.post("/oauth2/token", &other).await.json()["error"],
            "invalid_grant"
        );
        let right = fields(requested);
        assert_eq!(api.post("/oauth2/token", &right).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn without_a_redirect_uri_only_plain_oauth_with_one_registered_goes_on() {
    let app = TestApp::start().await;
    let browser = logged_in(&app, "ada@example.org").await;
    for (id, uris) in [
        ("two", json!([CALLBACK, "https://app.example/other"])),
        ("one", json!([CALLBACK])),
    ] {
        app.client(json!({
            "client_id": id, "first_party": true, "redirect_uris": uris, "scope": "openid notes:read",
            "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        }))
        .await;
    }
    for (client, scope, goes_on) in [
        ("one", "notes:read", true),
        ("one", "openid", false),
        ("one", "notes:read openid", false),
        ("two", "notes:read", false),
    ] {
        let further = [("redirect_uri", ""), ("scope", scope)];
        let answer = browser.get(&browser.authorize(client, &further)).await;
        if goes_on {
            assert_eq!(answer.response().0, CALLBACK);
            answer.code();
        } else {
            answer.is_dead_end();
        }
    }
}
