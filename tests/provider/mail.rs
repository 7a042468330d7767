//! Mail through a real server: it leaves soon, is sent again until it is taken, and only to whom the operator named.

mod doctor;
mod mailbox;
mod outbox;
mod sender;
mod transport;

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::clock::Clock;
use signet::domain::email::EmailAddress;
use signet::domain::ids::{MailId, UserId};
use signet::domain::mail::{MailKind, MailParams};
use signet::domain::secret::Secret;
use signet::mail::smtp::{Smtp, SmtpSettings};
use signet::random::SystemRandom;
use signet::storage::Execute;
use signet::storage::outgoing_mails::{self, NewMail};

use crate::support::app::{PASSWORD, TestApp};
use crate::support::database;
use crate::support::database::TestDatabase;
use crate::support::identity::Identity;
use crate::support::node::{Folder, Node, signet};
use crate::support::programs::free_port;
use crate::support::smtp::{SmtpServer, header};

const HOST: &str = "localhost";

/// An app whose mail goes to the server at `url`.
async fn app_with(url: &str) -> TestApp {
    let mut app = TestApp::start().await;
    send_to(&mut app, url);
    app
}

fn send_to(app: &mut TestApp, url: &str) {
    let settings = SmtpSettings {
        url: Secret::new(url),
        from: "Example <id@example.net>".to_owned(),
    };
    let smtp = Smtp::new(&settings, app.clock.clone()).expect("the test's settings are right");
    app.post.mailer = Some(Arc::new(smtp));
}

/// Asks for a mail.
pub(super) async fn ask(
    app: &TestApp,
    kind: MailKind,
    email: &str,
    user: Option<UserId>,
    params: &MailParams,
) -> MailId {
    let id = insert(app.db(), kind, email, user, params, app.clock.now()).await;
    app.provider.mail_wanted.notify_one();
    id
}

/// Asks for a mail to somebody who has no account any more.
async fn ask_anyone(app: &TestApp, email: &str) -> MailId {
    ask(app, MailKind::AccountDeleted, email, None, &MailParams::default()).await
}

async fn insert(
    db: &impl Execute,
    kind: MailKind,
    email: &str,
    user: Option<UserId>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> MailId {
    let address = EmailAddress::parse(email).expect("an address");
    let mail = NewMail {
        id: MailId::generate(&SystemRandom),
        kind,
        email: address.as_str(),
        email_key: address.key().as_str(),
        user_id: user,
        params,
    };
    outgoing_mails::insert(db, &mail, now).await.expect("stored");
    mail.id
}

/// Why the one mail in the outbox was not sent, and whether it is a dead letter.
async fn failure(app: &TestApp) -> (String, bool) {
    let client = app.database.client().await;
    let row = client
        .query_one("SELECT failure, failed_at IS NOT NULL FROM outgoing_mails", &[])
        .await
        .expect("there is one");
    (row.get::<_, Option<String>>(0).unwrap_or_default(), row.get(1))
}

/// A folder whose servers mail to `url`.
fn folder(url: &str) -> Folder {
    let mut folder = Folder::new();
    folder.set("SIGNET_MAIL__SMTP_URL", url);
    folder.set("SIGNET_MAIL__FROM", "Signet <id@signet.test>");
    folder
}

async fn serve(folder: &Folder, database: &TestDatabase) -> Node {
    Node::start(folder, Some(database.url.expose()), None).await
}

/// Signs somebody up, who is mailed a link by that.
async fn sign_up(node: &Node, email: &str) {
    let answer = reqwest::Client::new()
        .post(format!("{}/api/auth/sign-up/email", node.url))
        .json(&json!({"name": "Ada", "email": email, "password": PASSWORD}))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status(), StatusCode::OK);
}

fn data(mail: &Value) -> &str {
    mail["data"].as_str().expect("a mail")
}

#[tokio::test]
async fn mail_leaves_within_a_second_of_the_commit() {
    let (server, database) = (SmtpServer::start(), database().await);
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let node = serve(&folder, &database).await;
    // The first connection is opened by the first mail.
    sign_up(&node, "first@example.org").await;
    server.mail().await;
    sign_up(&node, "ada@example.org").await;
    let committed = Instant::now();
    let mail = server.mail().await;
    let after = committed.elapsed();
    println!("a mail left {after:?} after the commit");
    assert!(after < Duration::from_secs(1), "{after:?}");
    assert_eq!(mail["from"], "id@signet.test");
    assert_eq!(mail["to"], json!(["ada@example.org"]));
    assert_eq!(
        header(data(&mail), "Auto-Submitted").as_deref(),
        Some("auto-generated")
    );
    assert!(header(data(&mail), "Message-ID").is_some_and(|id| id.ends_with("@signet.test>")));
    let row = database.client().await;
    let row = row.query_one("SELECT count(*) FROM outgoing_mails", &[]).await;
    assert_eq!(row.expect("counted").get::<_, i64>(0), 0);
    assert!(!node.log().contains("ada@example.org"));
}

#[tokio::test]
async fn a_server_that_is_away_blocks_nobody_and_gets_its_mail_when_it_is_back() {
    let (port, database) = (free_port(), database().await);
    let folder = folder(&format!("smtp://127.0.0.1:{port}"));
    let node = serve(&folder, &database).await;
    let began = Instant::now();
    for number in 0..5 {
        sign_up(&node, &format!("user{number}@example.org")).await;
    }
    println!("five signups took {:?}", began.elapsed());
    let server = SmtpServer::with(&[("PORT", &port.to_string())]);
    let mut arrived = Vec::new();
    for _ in 0..5 {
        arrived.push(server.mail().await["to"][0].clone());
    }
    arrived.sort_by_key(ToString::to_string);
    arrived.dedup();
    assert_eq!(arrived.len(), 5);
}

#[tokio::test]
async fn a_node_that_dies_before_it_heard_the_answer_loses_no_mail() {
    let (mut server, database) = (SmtpServer::start(), database().await);
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let mut node = serve(&folder, &database).await;
    server.order("swallow");
    sign_up(&node, "ada@example.org").await;
    let first = server.mail().await;
    node.kill();
    server.order("take");
    // The claim of the dead node ends; the test does not wait for that.
    let sql = database.client().await;
    let moved = sql
        .execute("UPDATE outgoing_mails SET next_attempt_at = now()", &[])
        .await;
    assert_eq!(moved.expect("updated"), 1);
    let node = serve(&folder, &database).await;
    let again = server.mail().await;
    assert_eq!(
        header(data(&again), "Message-ID"),
        header(data(&first), "Message-ID")
    );
    assert_eq!(again["to"], first["to"]);
    drop(node);
}

#[tokio::test]
async fn what_is_refused_for_good_is_a_dead_letter_and_what_is_not_is_tried_again() {
    let (mut server, database) = (SmtpServer::start(), database().await);
    let folder = folder(&format!("smtp://127.0.0.1:{}", server.port));
    let node = serve(&folder, &database).await;
    let sql = database.client().await;
    server.order("answer 550 5.1.1 <ADDRESS> is nobody here");
    sign_up(&node, "nobody@example.org").await;
    let buried = async {
        loop {
            let rows = sql
                .query(
                    "SELECT failure FROM outgoing_mails WHERE failed_at IS NOT NULL",
                    &[],
                )
                .await
                .expect("asked");
            if let Some(row) = rows.first() {
                return row.get::<_, String>(0);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let failure = tokio::time::timeout(Duration::from_secs(60), buried)
        .await
        .expect("it is buried");
    // Servers repeat addresses; rows and logs do not.
    assert!(failure.contains("550") && !failure.contains('@'), "{failure}");
    server.order("answer 450 4.2.1 come back later");
    sign_up(&node, "later@example.org").await;
    server.order("take");
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["later@example.org"]));
    assert!(!node.log().contains("@example.org"), "{}", node.log());
}

#[tokio::test]
async fn mail_is_encrypted_and_logged_in_as_the_url_says_and_goes_to_no_impostor() {
    let authority = Identity::new("Authority", None);
    let host = Identity::new(HOST, Some(&authority));
    for (scheme, protection) in [("smtp+starttls", "starttls"), ("smtps", "tls")] {
        let (mut folder, database) = (Folder::new(), database().await);
        let at = |name: &str| folder.path().join(name);
        for (name, pem) in [
            ("authority.pem", authority.certificate()),
            ("host.pem", host.certificate()),
            ("host.key", host.key()),
        ] {
            std::fs::write(at(name), pem).expect("our own folder");
        }
        let text = |name: &str| at(name).to_str().expect("a path of text").to_owned();
        let server = SmtpServer::with(&[
            ("PROTECTION", protection),
            ("CERTIFICATE", &text("host.pem")),
            ("KEY", &text("host.key")),
            ("LOGIN_USER", "signet"),
            ("LOGIN_PASSWORD", "p@ss word"),
        ]);
        let url = format!("{scheme}://signet:p%40ss%20word@{HOST}:{}", server.port);
        let trusted = text("authority.pem");
        folder.set("SIGNET_MAIL__FROM", "id@signet.test");
        folder.set("SIGNET_MAIL__SMTP_URL", url);
        let doctor = |folder: &Folder| {
            let output = signet(folder, Some(database.url.expose()))
                .args(["--format", "json", "doctor"])
                .output()
                .expect("the binary runs");
            let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
            let mut found = findings.as_array().expect("a list").iter();
            found
                .find(|finding| finding["check"] == "mail")
                .expect("mail is looked at")
                .clone()
        };
        // An authority that nobody named: the server may be anybody.
        let finding = doctor(&folder);
        assert_eq!(finding["status"], "failed", "{finding}");
        folder.set("SSL_CERT_FILE", trusted);
        let finding = doctor(&folder);
        assert_eq!(finding["status"], "ok", "{finding}");
        let node = serve(&folder, &database).await;
        sign_up(&node, "ada@example.org").await;
        let mail = server.mail().await;
        assert_eq!(
            (&mail["tls"], &mail["user"]),
            (&json!(true), &json!("signet")),
            "{scheme}"
        );
    }
}
