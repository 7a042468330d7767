//! `/oauth2/authorize`: who is told of what is wrong with a request (RFC 6749 §4.1.2.1, RFC 9207, OpenID
//! Connect Core §3.1.2.6, attacks on redirects in RFC 9700 §4.11).

mod faults;
mod hints;
mod pending;

use reqwest::{StatusCode, Url};
use serde_json::json;

use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, Browser};

/// A browser whose user is logged in already.
pub async fn logged_in(app: &TestApp, email: &str) -> Browser {
    let browser = Browser::new(app);
    app.user(email, json!({})).await;
    let page = browser.open("/login").await;
    let answer = browser.log_in(&page, email).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    browser
}

/// Sends the query of `address` as the form of a POST, as another site would: without any cookie.
pub async fn post_from_elsewhere(api: &Api, address: &str) -> Answer {
    let address: Url = address.parse().expect("an address");
    let query = address.query().unwrap_or_default().to_owned();
    post_body(api, query.into_bytes(), "application/x-www-form-urlencoded").await
}

async fn post_body(api: &Api, body: Vec<u8>, content_type: &str) -> Answer {
    let request = api.http().post(api.url("/oauth2/authorize")).body(body);
    let request = request
        .header("content-type", content_type)
        .header("accept", "text/html");
    Answer::of(request.send().await.expect("an answer")).await
}

/// A request by GET and by POST.
async fn both_ways(browser: &Browser, api: &Api, address: &str) -> [Answer; 2] {
    [
        browser.get(address).await,
        post_from_elsewhere(api, address).await,
    ]
}

/// A confidential client that does without PKCE.
async fn older_client(app: &TestApp, id: &str, scope: &str) -> String {
    app.client(json!({
        "client_id": id, "redirect_uris": [CALLBACK], "scope": scope, "first_party": true, "require_pkce": false,
    }))
    .await
    .0
}

#[tokio::test]
async fn a_request_that_proves_no_client_ends_at_a_page() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.client(json!({"client_id": "gone", "redirect_uris": [CALLBACK]}))
        .await;
    app.disable_client("gone").await;
    let (browser, api) = (logged_in(&app, "ada@example.org").await, Api::new(&app));
    let long = "x".repeat(256);
    let evil = "https://evil.example/cb";
    for further in [
        &[("client_id", "")][..],
        &[("client_id", "nobody")],
        &[("client_id", "gone")],
        &[("client_id", "SPA")],
        &[("client_id", "spa ")],
        &[("client_id", "spä")],
        &[("client_id", &long)],
        &[("client_id", "spa"), ("client_id", "spa")],
        &[("client_id", "spa"), ("client_id", "nobody")],
        &[("client_id", "nobody"), ("client_id", "spa")],
        &[("redirect_uri", "")],
        &[("redirect_uri", evil)],
        &[("redirect_uri", CALLBACK), ("redirect_uri", CALLBACK)],
        &[("redirect_uri", CALLBACK), ("redirect_uri", evil)],
        &[("redirect_uri", evil), ("redirect_uri", CALLBACK)],
        // Not even where silence was asked for, or a form.
        &[("redirect_uri", evil), ("prompt", "none")],
        &[("redirect_uri", evil), ("response_mode", "form_post")],
        &[("client_id", "nobody"), ("response_mode", "form_post")],
    ] {
        for answer in both_ways(&browser, &api, &browser.authorize(&client, further)).await {
            answer.is_dead_end();
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{further:?}");
            assert!(!answer.body.contains("evil"), "{further:?}: {}", answer.body);
        }
    }
    assert_eq!(app.count("authorization_requests").await, 0);
}

#[tokio::test]
async fn what_is_no_request_at_all_ends_at_a_page() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let (browser, api) = (Browser::new(&app), Api::new(&app));
    let good = browser.authorize(&client, &[]);
    let many: String = (0..100).map(|number| format!("&n{number}=1")).collect();
    for spoil in [
        "&nonce=%00",
        "&nonce=a%00b",
        "&%00=1",
        "&nonce=%ff",
        "&nonce=%c3%28",
        "&nonce=%ed%a0%80",
        "&state=%fe",
        &many,
    ] {
        for answer in both_ways(&browser, &api, &format!("{good}{spoil}")).await {
            answer.is_dead_end();
        }
    }
    let query = good.split_once('?').expect("a query").1.to_owned();
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/form-data; boundary=x",
        "",
    ] {
        post_body(&api, query.clone().into_bytes(), content_type)
            .await
            .is_dead_end();
    }
    let form = "application/x-www-form-urlencoded";
    let raw = [query.as_bytes(), b"&nonce=\xff"].concat();
    post_body(&api, raw, form).await.is_dead_end();
    let huge = format!("{query}&x={}", "y".repeat(70_000));
    post_body(&api, huge.into_bytes(), form).await.is_dead_end();
    // The address of a POST says nothing.
    let url = format!("{good}&x=1").parse().expect("an address");
    browser.post(url, &[]).await.is_dead_end();
    assert_eq!(app.count("authorization_requests").await, 0);
}

#[tokio::test]
async fn the_state_comes_back_untouched_or_not_at_all() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let long = "s".repeat(4096);
    for state in [
        "a b+c&d=e#f%20",
        "</script>\"'><b>",
        "ünï\u{1F600}",
        "%0d%0aSet-Cookie: x=y",
        "\r\nSet-Cookie: x=y",
        &long,
    ] {
        for (prompt, mode) in [
            ("", "query"),
            ("magic", "query"),
            ("magic", "form_post"),
            ("", "form_post"),
        ] {
            let further = [("state", state), ("prompt", prompt), ("response_mode", mode)];
            let answer = browser.get(&browser.authorize(&client, &further)).await;
            let (_, told) = answer.response();
            assert_eq!(told["state"], state, "{mode}");
            assert_eq!(told.contains_key("error"), prompt == "magic", "{told:?}");
            assert!(!answer.headers.contains_key("x"), "{answer:#?}");
            assert!(!answer.body.contains("<b>"), "{answer:#?}");
        }
    }
    for prompt in ["", "magic"] {
        let further = [("state", ""), ("prompt", prompt)];
        let (_, told) = browser
            .get(&browser.authorize(&client, &further))
            .await
            .response();
        assert!(!told.contains_key("state"), "{told:?}");
        assert_eq!(told["iss"], app.issuer);
    }
}

#[tokio::test]
async fn pkce_is_optional_for_confidential_openid_requests_alone() {
    let app = TestApp::start().await;
    let older = older_client(&app, "older", "openid notes:read").await;
    let browser = logged_in(&app, "ada@example.org").await;
    let without = [("code_challenge", ""), ("code_challenge_method", "")];
    let ask = |client: &str, further: &[(&str, &str)], without: &[(&str, &str)]| {
        browser.authorize(client, &[further, without].concat())
    };
    browser
        .get(&ask(&older, &[("scope", "openid")], &without))
        .await
        .code();
    browser
        .get(&ask(&older, &[("scope", "openid")], &[]))
        .await
        .code();
    for (client, further) in [
        (&older, &[("scope", "notes:read")][..]),
        (&older, &[("scope", "")]),
        (&older, &[("scope", "openid"), ("code_challenge_method", "plain")]),
    ] {
        let without: Vec<_> = without
            .into_iter()
            .filter(|(name, _)| !further.iter().any(|(given, _)| given == name))
            .collect();
        let answer = browser.get(&ask(client, further, &without)).await;
        assert_eq!(answer.refusal(), "invalid_request", "{further:?}");
    }
    let public = app.spa().await;
    let answer = browser.get(&ask(&public, &[("scope", "openid")], &without)).await;
    assert_eq!(answer.refusal(), "invalid_request");
}

#[tokio::test]
async fn plain_oauth_gets_what_it_registered_and_nothing_about_the_user() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let further = [("scope", ""), ("redirect_uri", "")];
    let answer = browser.get(&browser.authorize(&client, &further)).await;
    let (target, told) = answer.response();
    assert_eq!(target, CALLBACK);
    assert_eq!(told["iss"], app.issuer);
    let fields = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &*told["code"]),
        ("code_verifier", crate::support::browser::VERIFIER),
    ];
    let tokens = Api::new(&app).post("/oauth2/token", &fields).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:#?}");
    assert_eq!(tokens.json()["scope"], "notes:read");
    assert_eq!(tokens.json().get("id_token"), None);
    // What is not the client's is passed over, and the answer says what is left.
    let asked = browser.authorize(&client, &[("scope", "openid root email")]);
    let code = browser.get(&asked).await.code();
    assert_eq!(
        Api::new(&app).redeem(&client, &code).await.json()["scope"],
        "openid email"
    );
}

#[tokio::test]
async fn nobody_else_is_answered_and_no_other_method() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let (browser, api) = (Browser::new(&app), Api::new(&app));
    let url: Url = browser.authorize(&client, &[]).parse().expect("an address");
    for method in ["PUT", "DELETE", "PATCH", "OPTIONS"] {
        let method = method.parse().expect("a method");
        let request = api.http().request(method, url.clone());
        let answer = request.header("origin", "https://app.example").send().await;
        let answer = answer.expect("an answer");
        assert!(answer.status().is_client_error(), "{answer:?}");
        assert!(!answer.headers().contains_key("access-control-allow-origin"));
    }
    // A script reads nothing here, whatever its origin.
    let request = api.http().get(url).header("origin", "https://app.example");
    let answer = request.send().await.expect("an answer");
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
}
