//! The way to the server: plain, by STARTTLS, by TLS; and what is not said to a server that cannot be believed.

use chrono::SubsecRound;
use serde_json::{Value, json};
use signet::clock::Clock;
use signet::domain::mail::{MailKind, MailParams};

use super::{HOST, app_with, ask, ask_anyone, failure};
use crate::support::identity::Identity;
use crate::support::node::Folder;
use crate::support::smtp::{SmtpServer, header};

const LOGIN: [(&str, &str); 2] = [("LOGIN_USER", "signet"), ("LOGIN_PASSWORD", "p@ss word")];

/// A folder with the certificate of a server and that of its authority.
pub(super) fn certified() -> Folder {
    let folder = Folder::new();
    let authority = Identity::new("An authority", None);
    let server = Identity::new(HOST, Some(&authority));
    for (name, pem) in [
        ("authority.pem", authority.certificate()),
        ("server.pem", server.certificate()),
        ("server.key", server.key()),
    ] {
        std::fs::write(folder.path().join(name), pem).expect("our own folder");
    }
    folder
}

/// A server that wants a login, over `protection`.
pub(super) fn server(folder: &Folder, protection: &str) -> SmtpServer {
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (certificate, key) = (path("server.pem"), path("server.key"));
    let mut settings = vec![
        ("PROTECTION", protection),
        ("CERTIFICATE", certificate.as_str()),
        ("KEY", key.as_str()),
    ];
    settings.extend(LOGIN);
    SmtpServer::with(&settings)
}

#[tokio::test]
async fn a_mail_says_who_it_is_from_and_when_and_that_no_machine_should_answer() {
    let server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    let user = app.user("Ada@example.org", json!({"locale": "de-DE"})).await;
    let id = ask(
        &app,
        MailKind::ResetPassword,
        "ada@example.org",
        None,
        &MailParams::default(),
    )
    .await;
    assert_eq!(app.deliver_mail().await, [], "it is in no mailbox");

    let mail = server.mail().await;
    assert_eq!(mail["from"], "id@example.net");
    assert_eq!(mail["to"], json!(["Ada@example.org"]), "as the account has it");
    assert_eq!(mail["hello"], "example.net");
    let data = mail["data"].as_str().expect("text");
    let is = |name: &str| header(data, name).unwrap_or_else(|| panic!("no {name} in {data}"));
    assert_eq!(is("From"), "Example <id@example.net>");
    assert_eq!(is("To"), "Ada@example.org");
    assert_eq!(is("Message-ID"), format!("<{id}@example.net>"));
    assert_eq!(is("Auto-Submitted"), "auto-generated");
    let date = chrono::DateTime::parse_from_rfc2822(&is("Date")).expect("a date");
    assert_eq!(date, app.clock.now().trunc_subsecs(0));
    assert!(
        is("Subject").starts_with("=?utf-8?"),
        "it is German: {}",
        is("Subject")
    );
    assert!(is("Content-Type").starts_with("multipart/alternative"));
    assert!(data.contains("text/plain; charset=utf-8") && data.contains("text/html; charset=utf-8"));
    assert!(data.contains("Guten Tag Ada Lovelace,"), "{data}");
    assert!(data.is_ascii());
    assert_eq!(app.count("outgoing_mails").await, 0);
    assert_eq!(app.count("mailed_links").await, 1, "for {user}");
}

/// What is written down of a mail that went to a server at `url`, which took nothing.
async fn refused(url: &str, server: &SmtpServer) -> String {
    let app = app_with(url).await;
    ask_anyone(&app, "ada@example.org").await;
    app.deliver_mail().await;
    let (failure, dead) = failure(&app).await;
    assert!(!dead, "it may be better tomorrow: {failure}");
    let taken: Vec<Value> = server.rest();
    assert!(taken.iter().all(|said| said["data"].is_null()), "{taken:?}");
    failure
}

#[tokio::test]
async fn a_server_with_the_certificate_of_a_stranger_gets_neither_mail_nor_password() {
    let folder = certified();
    for (protection, scheme) in [("tls", "smtps"), ("starttls", "smtp+starttls")] {
        let server = server(&folder, protection);
        let url = format!("{scheme}://signet:p%40ss%20word@localhost:{}", server.port);
        let failure = refused(&url, &server).await;
        assert!(
            failure.contains("there is no TLS with the mail server"),
            "{failure}"
        );
        assert_eq!(server.rest(), Vec::<Value>::new());
    }
}

#[tokio::test]
async fn what_was_to_be_encrypted_is_never_sent_plainly() {
    let server = SmtpServer::start();
    let failure = refused(&format!("smtp+starttls://127.0.0.1:{}", server.port), &server).await;
    assert!(failure.contains("does not offer STARTTLS"), "{failure}");
    let server = SmtpServer::start();
    let failure = refused(&format!("smtps://127.0.0.1:{}", server.port), &server).await;
    assert!(
        failure.contains("there is no TLS with the mail server"),
        "{failure}"
    );
}

#[tokio::test]
async fn a_wrong_password_costs_no_mail() {
    let server = SmtpServer::with(&LOGIN);
    let failure = refused(&format!("smtp://signet:wrong@127.0.0.1:{}", server.port), &server).await;
    assert!(
        failure.contains("refuses user or password: it answers 535 5.7.8"),
        "{failure}"
    );
}

#[tokio::test]
async fn an_international_address_needs_a_server_that_takes_it_and_a_domain_none() {
    let server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    ask_anyone(&app, "ada@bücher.example").await;
    app.deliver_mail().await;
    assert_eq!(server.mail().await["to"], json!(["ada@xn--bcher-kva.example"]));

    ask_anyone(&app, "jörg@example.org").await;
    app.deliver_mail().await;
    let (failure, dead) = failure(&app).await;
    assert!(
        dead && failure.contains("SMTPUTF8") && !failure.contains("jörg"),
        "{failure}"
    );

    let server = SmtpServer::with(&[("SMTPUTF8", "yes")]);
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    ask_anyone(&app, "jörg@example.org").await;
    app.deliver_mail().await;
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["jörg@example.org"]));
}

#[tokio::test]
async fn what_somebody_made_up_is_no_header_and_no_link() {
    let server = SmtpServer::start();
    let app = app_with(&format!("smtp://127.0.0.1:{}", server.port)).await;
    let user = app.user("ada@example.org", json!({})).await;
    app.sql("UPDATE users SET name = E'Win at http://evil.example\\r\\nBcc: eve@evil.example'")
        .await;
    let params = MailParams {
        new_email: Some("eve@evil.example\r\nBcc: mallory@evil.example".to_owned()),
        user_agent: Some("Firefox/1 http://evil.example\r\nBcc: eve@evil.example".to_owned()),
        ..MailParams::default()
    };
    ask(
        &app,
        MailKind::EmailChanged,
        "ada@example.org",
        Some(user),
        &params,
    )
    .await;
    app.deliver_mail().await;
    let mail = server.mail().await;
    assert_eq!(mail["to"], json!(["ada@example.org"]));
    let data = mail["data"].as_str().expect("text");
    assert_eq!(header(data, "Bcc"), None);
    assert!(!data.contains("evil"), "{data}");
    assert!(data.contains("Hello Win at Bcc:,"), "{data}");
}
