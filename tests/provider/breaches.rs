//! Whether new passwords have leaked (`passwords.breach_check_url`): what the service learns, and what becomes of those who
//! choose a password while it is slow, wrong or gone.

use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use openssl::sha::sha1;
use serde_json::{Value, json};
use signet::flows::breaches::{BreachCheck, POLICY};
use signet::outbound::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::app::{PASSWORD, TestApp};
use crate::support::database;
use crate::support::database::TestDatabase;
use crate::support::jar::Jar;
use crate::support::node::{Folder, signet};

pub const LEAKED: &str = "violet-lantern-orchard-93";
const OWN: &str = "wooden-spoon lantern meadow 9";

/// What the service does with a request.
#[derive(Debug, Clone, Copy)]
pub enum Service {
    /// It knows one password.
    Knows(&'static str),
    /// It knows all that begin as this one, but was never told of it: what padding is.
    Pads(&'static str),
    /// It answers with that status.
    Fails(u16),
    /// It never answers.
    Hangs,
    /// It answers for ever.
    Floods,
}

/// Digits of a password's SHA-1: those that are told, and the others.
fn digits(password: &str) -> (String, String) {
    let hash: String = sha1(password.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    (hash[..5].to_owned(), hash[5..].to_owned())
}

/// A range service on this machine: where it is, and all that it was ever asked.
pub async fn serve(service: Service) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/range/", listener.local_addr().expect("bound"));
    let asked = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&asked);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("it listens");
            let record = Arc::clone(&record);
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.windows(4).any(|four| four == b"\r\n\r\n") {
                    if stream.read_buf(&mut head).await.expect("bytes") == 0 {
                        return;
                    }
                }
                let head = String::from_utf8(head).expect("a head of text");
                record.lock().expect("whole").push(head);
                let other = "0018A45C4D1DEF81644B54AB7F969B88D65:3";
                let (status, body) = match service {
                    Service::Knows(password) => (200, format!("{other}\r\n{}:17\r\n", digits(password).1)),
                    Service::Pads(password) => (200, format!("{other}\r\n{}:0\r\n", digits(password).1)),
                    Service::Fails(status) => (status, format!("{}:17\r\n", digits(LEAKED).1)),
                    Service::Hangs => std::future::pending().await,
                    Service::Floods => {
                        let start = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
                        let line = format!("{other}\r\n").repeat(1000);
                        let mut sent = stream.write_all(start.as_bytes()).await;
                        while sent.is_ok() {
                            sent = stream.write_all(line.as_bytes()).await;
                        }
                        return;
                    }
                };
                let answer = format!(
                    "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                // Who asked may have gone away.
                drop(stream.write_all(answer.as_bytes()).await);
            });
        }
    });
    (url, asked)
}

pub async fn app_that_asks(url: &str) -> TestApp {
    let check = BreachCheck::new(url, Client::new(POLICY));
    TestApp::with(|options| options.settings.breaches = Some(check)).await
}

#[tokio::test]
async fn a_password_that_has_leaked_is_refused_and_five_digits_of_its_hash_are_all_that_is_told() {
    let (url, asked) = serve(Service::Knows(LEAKED)).await;
    let app = app_that_asks(&url).await;
    let mut jar = Jar::new(&app);
    let refused = jar.sign_up("Ada", "ada@example.org", LEAKED).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("known from a data leak"),
        "{}",
        refused.body
    );
    assert!(!refused.body.contains(LEAKED));
    assert_eq!(app.count("users").await, 0);
    assert_eq!(jar.sign_up("Ada", "ada@example.org", PASSWORD).await.status, 303);

    let asked = asked.lock().expect("whole").clone();
    assert_eq!(asked.len(), 2);
    for (head, password) in asked.iter().zip([LEAKED, PASSWORD]) {
        let (told, kept) = digits(password);
        assert!(
            head.starts_with(&format!("GET /range/{told} HTTP/1.1\r\n")),
            "{head}"
        );
        let head = head.to_uppercase();
        assert!(head.contains("\r\nADD-PADDING: TRUE\r\n"), "{head}");
        for secret in [&kept[..6], "ADA", "COOKIE", &password.to_uppercase()] {
            assert!(!head.contains(secret), "{head}");
        }
    }
}

#[tokio::test]
async fn wherever_a_password_is_chosen_it_is_asked_for_and_nowhere_else() {
    let (url, asked) = serve(Service::Knows(LEAKED)).await;
    let app = app_that_asks(&url).await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    jar.enter("ada@example.org").await;
    assert_eq!(asked.lock().expect("whole").len(), 0, "a login asks nobody");
    // Too short, or too easy to guess: nobody need be asked.
    for password in ["short", "password1"] {
        let refused = Jar::new(&app).sign_up("Eve", "eve@example.org", password).await;
        assert_eq!(refused.status, 422);
    }
    assert_eq!(asked.lock().expect("whole").len(), 0);
    let page = jar.get("/account/password").await;
    let fields = [("current_password", PASSWORD), ("password", LEAKED)];
    let refused = jar.submit(&page, &fields).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(
        refused.body.contains("known from a data leak"),
        "{}",
        refused.body
    );
    assert_eq!(asked.lock().expect("whole").len(), 1);
}

#[tokio::test]
async fn whoever_forgot_the_password_takes_no_leaked_one_either() {
    let (url, asked) = serve(Service::Knows(LEAKED)).await;
    let app = app_that_asks(&url).await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/forgot-password").await;
    jar.submit(&page, &[("email", "ada@example.org")]).await;
    let mails = app.deliver_mail().await;
    let mut words = mails[0].text.split_whitespace();
    let link = words
        .find(|word| word.contains("/reset-password?"))
        .expect("a link");
    let page = jar.get(link).await;
    assert_eq!(asked.lock().expect("whole").len(), 0, "looking asks nobody");
    let refused = jar.submit(&page, &[("password", LEAKED)]).await;
    assert_eq!(refused.status, 422);
    assert!(
        refused.body.contains("known from a data leak"),
        "{}",
        refused.body
    );
    assert_eq!(jar.log_in("ada@example.org", LEAKED).await.status, 422);
    // The link is good for another one.
    assert_eq!(jar.submit(&page, &[("password", OWN)]).await.status, 303);
    jar.log_in("ada@example.org", OWN).await;
    assert!(jar.is_in().await);
    assert_eq!(asked.lock().expect("whole").len(), 2);
}

/// Runs `signet users` in a folder, with a password to read.
async fn users(folder: &Folder, database: &TestDatabase, arguments: &[&str], password: &str) -> Output {
    let mut command = tokio::process::Command::from(signet(folder, Some(database.url.expose())));
    command
        .args(["--format", "json", "users"])
        .args(arguments)
        .arg("--password-stdin")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(password.as_bytes()).await.expect("it reads");
    drop(stdin);
    child.wait_with_output().await.expect("our own child")
}

#[tokio::test]
async fn the_commands_that_set_a_password_ask_as_the_pages_do() {
    let (url, asked) = serve(Service::Knows(LEAKED)).await;
    let (mut folder, database) = (Folder::new(), database().await);
    folder.set("SIGNET_PASSWORDS__BREACH_CHECK_URL", &url);
    let create = ["create", "--email", "ada@example.org", "--name", "Ada"];
    let change = ["set-password", "ada@example.org"];
    for (arguments, times) in [(&create[..], 2), (&change[..], 4)] {
        let refused = users(&folder, &database, arguments, LEAKED).await;
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(1), "{arguments:?}: {said}");
        let told: Value = serde_json::from_str(said.lines().last().expect("a line")).expect("JSON");
        assert_eq!(told["error"], "password_leaked", "{said}");
        assert!(!said.contains(LEAKED), "{said}");
        let taken = users(&folder, &database, arguments, PASSWORD).await;
        let said = String::from_utf8_lossy(&taken.stderr).into_owned();
        assert!(taken.status.success(), "{arguments:?}: {said}");
        assert_eq!(asked.lock().expect("whole").len(), times, "{arguments:?}");
    }
}

#[tokio::test]
async fn a_service_that_is_wrong_slow_or_gone_keeps_nobody_out() {
    for service in [
        Service::Pads(LEAKED),
        Service::Fails(429),
        Service::Fails(500),
        Service::Fails(302),
        Service::Hangs,
        Service::Floods,
    ] {
        let (url, asked) = serve(service).await;
        let app = app_that_asks(&url).await;
        let began = Instant::now();
        let answer = Jar::new(&app).sign_up("Ada", "ada@example.org", LEAKED).await;
        assert_eq!(answer.status, 303, "{service:?}");
        assert_eq!(asked.lock().expect("whole").len(), 1, "{service:?}");
        // The wait for an answer is a second and a half; all else must take no more than an unhurried machine needs.
        assert!(began.elapsed() < Duration::from_secs(15), "{service:?}");
    }
    let gone = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}/range", gone.local_addr().expect("bound"));
    drop(gone);
    let app = app_that_asks(&url).await;
    let answer = Jar::new(&app).sign_up("Ada", "ada@example.org", LEAKED).await;
    assert_eq!(answer.status, 303);
}
