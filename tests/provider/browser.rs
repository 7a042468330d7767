//! A real browser: the demo application signs in through its stock library, and the hosted pages hold with
//! script and without. Their pictures are in target/pages, to be looked at.

use serde_json::json;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::database;
use crate::support::node::{Folder, Node};
use crate::support::programs::{Program, checkout, free_port};

const RESOURCE: &str = "https://notes.example";

fn browser(app: &TestApp, file: &str) -> Program {
    let pictures = checkout("target/pages");
    Program::node(file)
        .setting("ISSUER", &app.issuer)
        .setting("EMAIL", "ada@example.org")
        .setting("PASSWORD", PASSWORD)
        .setting("SHOTS", pictures.to_str().expect("a path of text"))
}

#[tokio::test]
async fn a_single_page_application_signs_up_in_calls_its_api_refreshes_and_signs_out() {
    let app = TestApp::with_dev().await;
    let answer = browser(&app, "browser_spa.mjs").run("").await;
    let answer = answer.unwrap_or_else(|error| panic!("{error}"));
    assert!(answer["access_token"].is_string(), "{answer}");
}

#[tokio::test]
async fn the_pages_hold_in_a_browser_with_script_and_without() {
    let app = TestApp::start().await;
    app.resource(RESOURCE, "notes:read").await;
    let port = free_port();
    let (client, _) = app
        .client(json!({
            "client_name": "Holiday Planner", "token_endpoint_auth_method": "none",
            "redirect_uris": [format!("http://localhost:{port}/callback")],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access notes:read",
            "client_uri": "https://planner.example", "policy_uri": "https://planner.example/privacy",
        }))
        .await;
    browser(&app, "browser_pages.mjs")
        .setting("CLIENT_ID", &client)
        .setting("PORT", &port.to_string())
        .setting("SCOPE", "openid profile email notes:read")
        .setting("RESOURCE", RESOURCE)
        .run("")
        .await
        .unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test]
async fn a_user_without_script_does_everything_with_an_account() {
    let (folder, database) = (Folder::new(), database().await);
    let node = Node::develop(&folder, database.url.expose()).await;
    let pictures = checkout("target/pages");
    Program::node("account_pages.mjs")
        .setting("ISSUER", &node.url.replace("127.0.0.1", "localhost"))
        .setting("MAILBOX", &format!("{}/dev/mailbox.json", node.url))
        .setting("SHOTS", pictures.to_str().expect("a path of text"))
        .run("")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
}
