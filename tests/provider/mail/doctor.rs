//! What `signet doctor` says of mail, and what a server does not start with.

use serde_json::Value;

use super::transport::{certified, server};
use crate::support::database;
use crate::support::node::{Folder, signet};
use crate::support::smtp::SmtpServer;

/// What the doctor finds on `check`, as status, message and hint.
fn finding(folder: &Folder, database: &str, url: &str, check: &str) -> (String, String, String) {
    let output = signet(folder, Some(database))
        .args(["--format", "json", "doctor"])
        .env("SIGNET_MAIL__SMTP_URL", url)
        .env("SIGNET_MAIL__FROM", "id@example.net")
        .output()
        .expect("the binary runs");
    let findings: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let found = findings
        .as_array()
        .expect("a list")
        .iter()
        .find(|found| found["check"] == check);
    let found = found.unwrap_or_else(|| panic!("nothing on {check}: {findings}"));
    let text = |name: &str| found[name].as_str().unwrap_or_default().to_owned();
    (text("status"), text("message"), text("hint"))
}

#[tokio::test]
async fn the_doctor_goes_all_the_way_to_the_login_and_sends_nothing() {
    let (mut folder, database) = (certified(), database().await);
    let database = database.url.expose();
    let mut starttls = server(&folder, "starttls");
    let port = starttls.port;
    let ask = |folder: &Folder, url: &str| finding(folder, database, url, "mail");

    let url = format!("smtp+starttls://signet:p%40ss%20word@localhost:{port}");
    let (status, message, hint) = ask(&folder, &url);
    assert_eq!(status, "failed", "{message}");
    assert!(
        message.contains("there is no TLS with the mail server") && hint.contains("SSL_CERT_FILE"),
        "{message} {hint}"
    );

    let authority = folder.path().join("authority.pem");
    folder.set("SSL_CERT_FILE", authority);
    let (status, message, _) = ask(&folder, &url);
    assert_eq!(status, "ok", "{message}");
    assert_eq!(message, format!("localhost:{port} answers: STARTTLS, logged in"));

    starttls.order("sender 553 5.7.1 not yours");
    let (status, message, hint) = ask(&folder, &url);
    assert!(
        status == "failed" && message.contains("refuses the sender, mail.from: it answers 553 5.7.1"),
        "{message}"
    );
    assert!(
        hint.starts_with("set mail.from to an address that this server lets us send from"),
        "{hint}"
    );
    starttls.order("take");

    let (status, message, hint) = ask(&folder, &format!("smtp+starttls://signet:wrong@localhost:{port}"));
    assert!(
        status == "failed" && message.contains("refuses user or password"),
        "{message}"
    );
    assert!(
        hint.contains("percent-encoded") && !message.contains("wrong"),
        "{message} {hint}"
    );

    let (status, message, hint) = ask(&folder, &format!("smtps://signet:x@localhost:{port}"));
    assert!(
        status == "failed" && hint.contains("smtp+starttls:// for 587"),
        "{message} {hint}"
    );

    let plain = SmtpServer::start();
    let (status, message, _) = ask(&folder, &format!("smtp+starttls://127.0.0.1:{}", plain.port));
    assert!(
        status == "failed" && message.contains("does not offer STARTTLS"),
        "{message}"
    );
    let (status, message, _) = ask(&folder, &format!("smtp://127.0.0.1:{}", plain.port));
    assert_eq!(
        (&*status, message),
        (
            "ok",
            format!("127.0.0.1:{} answers: unencrypted, without login", plain.port)
        )
    );

    let (status, message, hint) = ask(&folder, "smtp://127.0.0.1:1");
    assert!(
        status == "failed" && message.contains("cannot be reached") && hint.contains("host and port"),
        "{message} {hint}"
    );

    let taken = starttls.rest().into_iter().chain(plain.rest());
    assert!(
        taken.into_iter().all(|said| said["data"].is_null()),
        "nothing is sent"
    );
}

#[tokio::test]
async fn a_wrong_sender_or_template_is_told_before_anything_is_served() {
    let (folder, database) = (Folder::new(), database().await);
    let templates = folder.path().join("templates/de");
    std::fs::create_dir_all(&templates).expect("our own folder");
    std::fs::write(templates.join("code.txt"), "Subject: x\n\n{{ kode }}\n").expect("our own folder");
    let refused = |name: &str, value: &str| {
        let output = signet(&folder, Some(database.url.expose()))
            .arg("serve")
            .env("SIGNET_LISTEN", "127.0.0.1:0")
            .env("SIGNET_MAIL__SMTP_URL", "smtp://127.0.0.1:1")
            .env("SIGNET_MAIL__FROM", "id@example.net")
            .env(name, value)
            .output()
            .expect("the binary runs");
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = refused("SIGNET_MAIL__TEMPLATES_DIR", "templates");
    assert!(
        told.contains("mail.templates_dir: de/code.txt, line 3: unknown variable `kode`"),
        "{told}"
    );
    let told = refused("SIGNET_MAIL__FROM", "a@example.net, b@example.net");
    assert!(told.contains("mail.from must be one address"), "{told}");
    let told = refused("SIGNET_MAIL__SMTP_URL", "smtp://user@127.0.0.1:1");
    assert!(
        told.contains("mail.smtp_url must name both user and password"),
        "{told}"
    );
}
