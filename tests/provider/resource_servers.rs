//! The examples are APIs of others that take our access tokens: each runs as the process that a newcomer
//! starts, and is judged by a stranger (tests/clients/resource_server.mjs) who shows it good and bad tokens.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser};
use crate::support::programs::{Program, Server, checkout, installed};

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
    let target = checkout("target/examples");
    let build = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--manifest-path"])
        .arg(checkout("examples/rust-actix/Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let built = tokio::time::timeout(BUILD_PATIENCE, build)
        .await
        .expect("it is built in time");
    let built = built.expect("cargo runs");
    let complaint = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{complaint}");
    target.join("debug/signet-example-rust-actix")
}
