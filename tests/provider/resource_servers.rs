//! The examples are APIs of others that take our access tokens: each runs as the process that a newcomer
//! starts, and is judged by a stranger (tests/clients/resource_server.mjs) who shows it good and bad tokens.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use signet::flows::status_lists;
use tokio::process::Command;

use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser};
use crate::support::programs::{Program, Server, checkout, installed};
use crate::support::tokens::token;

const RESOURCE: &str = "https://notes.example";

/// How long before now the clock of the first token stands: longer than a token lives and than any leeway.
const AGO: TimeDelta = TimeDelta::hours(1);

/// How long a cold build of the Rust example may take.
const BUILD_PATIENCE: Duration = Duration::from_secs(1200);

/// What a user's login for these scopes and this API gives.
async fn tokens(app: &TestApp, browser: &Browser, scope: &str, resource: &str) -> Value {
    let request = browser.authorize("spa", &[("scope", scope), ("resource", resource)]);
    let mut answer = browser.open(&request).await;
    if !answer.status.is_redirection() {
        answer = browser.log_in(&answer, "ada@example.org").await;
    }
    Api::new(app)
        .redeem("spa", &answer.callback()["code"])
        .await
        .json()
}

/// Tokens of `app` for the judge. The app's clock stands [`AGO`], and is moved to the present.
async fn tokens_for_the_judge(app: &TestApp) -> Value {
    app.resource(RESOURCE, "notes:read notes:write").await;
    app.resource("https://other.example", "notes:read").await;
    app.client(json!({
        "client_id": "spa", "client_name": "Example SPA", "token_endpoint_auth_method": "none",
        "redirect_uris": [crate::support::app::CALLBACK], "first_party": true,
        "grant_types": ["authorization_code", "refresh_token"], "id_token_signed_response_alg": "EdDSA",
        "scope": "openid notes:read notes:write",
    }))
    .await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(app);
    let expired = tokens(app, &browser, "openid notes:read", RESOURCE).await;
    app.advance(AGO);
    let good = tokens(app, &browser, "openid notes:read", RESOURCE).await;
    let writer = tokens(app, &browser, "openid notes:write", RESOURCE).await;
    let elsewhere = tokens(app, &browser, "openid notes:read", "https://other.example").await;
    let identity = tokens(app, &browser, "openid", "").await;
    json!({
        "good": good["access_token"],
        "no_scope": writer["access_token"],
        "refused": {
            "expired": expired["access_token"],
            "other audience": elsewhere["access_token"],
            "no audience but the issuer": identity["access_token"],
            "an ID token": good["id_token"],
            "a refresh token": good["refresh_token"],
        },
    })
}

async fn judge(example: impl Fn(&mut Command), program: PathBuf) {
    let app = TestApp::with(|options| options.behind = AGO).await;
    let shown = tokens_for_the_judge(&app).await;
    let server = Server::start(|port| {
        let mut command = Command::new(&program);
        command
            .env("ISSUER", &app.issuer)
            .env("AUDIENCE", RESOURCE)
            .env("PORT", port.to_string());
        example(&mut command);
        command
    })
    .await;
    let verdict = Program::node("resource_server.mjs")
        .arg(&format!("{}/notes", server.url))
        .setting("ISSUER", &app.issuer)
        .run(&shown.to_string())
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    // The judge names what it showed; one that showed nothing judged nothing.
    let steps = verdict["steps"].to_string();
    for step in [
        "expired",
        "other audience",
        "an ID token",
        "alg none",
        "an unknown key",
    ] {
        assert!(steps.contains(&format!("{step:?}")), "{step}: {steps}");
    }
}

/// What an example answers to a token.
async fn shown(server: &Server, access_token: &str) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("{}/notes", server.url));
    let answer = request.bearer_auth(access_token).send().await.expect("an answer");
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
    let told = header("www-authenticate").or(header("retry-after"));
    (answer.status().as_u16(), told.unwrap_or_default().to_owned())
}

/// What an example does when there is no list to be had.
enum Without {
    /// It refuses, since it cannot know.
    Closed,
    /// It goes by `exp` alone.
    Open,
}

/// An example that looks at the status list refuses what was revoked, keeps the list for its `ttl`, and is open or
/// closed without one.
async fn checks_status(example: impl Fn(&mut Command), program: PathBuf, without: Without) {
    let app = TestApp::with(|options| options.behind = AGO).await;
    app.resource(RESOURCE, "notes:read notes:write").await;
    app.spa().await;
    app.user("ada@example.org", json!({})).await;
    app.advance(AGO);
    let (one, two) = (Browser::new(&app), Browser::new(&app));
    let good = tokens(&app, &one, "openid notes:read", RESOURCE).await;
    let revoked = tokens(&app, &two, "openid notes:read", RESOURCE).await;
    let [good_token, revoked_token] = [&good, &revoked].map(|tokens| token(tokens, "access_token"));
    let start = || {
        Server::start(|port| {
            let mut command = Command::new(&program);
            command
                .env("ISSUER", &app.issuer)
                .env("AUDIENCE", RESOURCE)
                .env("PORT", port.to_string())
                .stderr(Stdio::null());
            example(&mut command);
            command.arg("--check-status");
            command
        })
    };
    status_lists::round(&app.provider)
        .await
        .expect("the lists are made");
    let before = start().await;
    assert_eq!(shown(&before, revoked_token).await.0, 200, "it is good so far");
    let fields = [("client_id", "spa"), ("token", token(&revoked, "refresh_token"))];
    Api::new(&app).post("/oauth2/revoke", &fields).await;
    status_lists::round(&app.provider)
        .await
        .expect("the lists are made");
    assert_eq!(
        shown(&before, revoked_token).await.0,
        200,
        "the list is kept for a minute"
    );
    let after = start().await;
    let invalid = |(status, told): (u16, String)| {
        assert_eq!(status, 401, "{told}");
        assert!(
            told.starts_with("Bearer ") && told.contains("invalid_token"),
            "{told}"
        );
    };
    invalid(shown(&after, revoked_token).await);
    assert_eq!(shown(&after, good_token).await.0, 200);
    // Then the issuer has none to give.
    app.advance(TimeDelta::minutes(11));
    invalid(shown(&after, revoked_token).await);
    assert_eq!(shown(&after, good_token).await.0, 200);
    let without_list = start().await;
    for token in [good_token, revoked_token] {
        let (status, told) = shown(&without_list, token).await;
        match without {
            Without::Closed => assert_eq!(status, 503, "{told}"),
            Without::Open => assert_eq!(status, 200, "{told}"),
        }
    }
}

#[tokio::test]
async fn the_python_example_looks_at_the_status_list_and_fails_closed() {
    let folder = checkout("examples/python-fastapi");
    let example = |command: &mut Command| {
        command.arg(folder.join("notes.py"));
    };
    checks_status(example, installed(".venv/bin/python"), Without::Closed).await;
}

#[tokio::test]
async fn the_node_example_looks_at_the_status_list_and_fails_open() {
    installed("examples/node-express/node_modules");
    let folder = checkout("examples/node-express");
    let example = |command: &mut Command| {
        command.arg(folder.join("server.js"));
    };
    checks_status(example, installed(".venv/bin/node"), Without::Open).await;
}

#[tokio::test]
async fn the_rust_example_looks_at_the_status_list_and_fails_closed() {
    checks_status(|_| {}, rust_example().await, Without::Closed).await;
}

#[tokio::test]
async fn the_rust_example_checks_a_token_in_less_than_a_microsecond() {
    // It measures by itself, and says what it found.
    let said = cargo(&["test", "--quiet", "--", "--nocapture"]).await;
    assert!(said.contains("one check: "), "{said}");
}

#[tokio::test]
async fn the_python_example_takes_our_access_tokens_and_nothing_else() {
    let folder = checkout("examples/python-fastapi");
    let example = |command: &mut Command| {
        command.arg(folder.join("notes.py"));
    };
    judge(example, installed(".venv/bin/python")).await;
}

#[tokio::test]
async fn the_node_example_takes_our_access_tokens_and_nothing_else() {
    installed("examples/node-express/node_modules");
    let folder = checkout("examples/node-express");
    let example = |command: &mut Command| {
        command.arg(folder.join("server.js"));
    };
    judge(example, installed(".venv/bin/node")).await;
}

#[tokio::test]
async fn the_rust_example_takes_our_access_tokens_and_nothing_else() {
    judge(|_| {}, rust_example().await).await;
}

/// The Rust example's program, as `make test` builds it: built anew should it have changed since.
pub async fn rust_example() -> PathBuf {
    cargo(&["build", "--quiet"]).await;
    checkout("target/examples/debug/signet-example-rust-actix")
}

/// Cargo in the folder of the Rust example, and what it says.
async fn cargo(arguments: &[&str]) -> String {
    let run = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(checkout("examples/rust-actix"))
        .env("CARGO_TARGET_DIR", checkout("target/examples"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let done = tokio::time::timeout(BUILD_PATIENCE, run)
        .await
        .expect("it is built in time");
    let done = done.expect("cargo runs");
    let complaint = String::from_utf8_lossy(&done.stderr);
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{complaint}{said}");
    said
}
