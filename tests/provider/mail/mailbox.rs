//! `/dev/mailbox`: what `signet dev` shows instead of sending.

use serde_json::{Value, json};
use signet::domain::mail::{MailKind, MailParams};

use super::ask;
use crate::support::app::TestApp;

#[tokio::test]
async fn the_mailbox_shows_mail_with_links_and_its_html_without_scripts() {
    let app = TestApp::with_dev().await;
    app.user("ada@example.org", json!({})).await;
    let params = MailParams::default();
    let id = ask(&app, MailKind::ResetPassword, "ada@example.org", None, &params).await;
    let sent = app.deliver_mail().await;
    assert_eq!(sent.len(), 1);

    let http = reqwest::Client::new();
    let listed = http.get(format!("{}/dev/mailbox.json", app.url)).send().await;
    let listed: Value = listed.expect("an answer").json().await.expect("JSON");
    assert_eq!(listed[0]["id"], id.to_string());
    assert_eq!(listed[0]["to"], "ada@example.org");
    assert_eq!(listed[0]["subject"], "Choose a new password for Signet");
    assert_eq!(listed[0]["text"], sent[0].text);
    assert_eq!(listed[0]["html"], sent[0].html);
    assert!(listed[0]["at"].is_string());

    let page = http.get(format!("{}/dev/mailbox", app.url)).send().await;
    let page = page.expect("an answer").text().await.expect("text");
    let link = format!("<a href=\"{}/reset-password?token=signet_ml_", app.issuer).replace('/', "&#x2f;");
    assert!(page.contains(&link), "{page}");

    let html = http.get(format!("{}/dev/mailbox/{id}", app.url)).send().await;
    let html = html.expect("an answer");
    let policy = html.headers()["content-security-policy"]
        .to_str()
        .expect("ASCII")
        .to_owned();
    assert!(
        policy.contains("default-src 'none'") && policy.contains("sandbox allow-popups"),
        "{policy}"
    );
    assert!(!policy.contains("script"), "{policy}");
    assert!(html.text().await.expect("text").contains("Choose a new password"));

    for missing in ["x", "00000000-0000-4000-8000-000000000000"] {
        let answer = http
            .get(format!("{}/dev/mailbox/{missing}", app.url))
            .send()
            .await;
        assert_eq!(answer.expect("an answer").status(), 404);
    }
}
