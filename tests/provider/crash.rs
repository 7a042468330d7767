//! Real processes that are really killed: what was acknowledged is there afterwards, and nothing is spent twice.

pub mod visitor;

use std::collections::HashMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use self::visitor::Visitor;
use crate::support::app::CALLBACK;
use crate::support::browser::Answer;
use crate::support::database;
use crate::support::node::{Folder, Node, kill, signet};

/// The refresh token of an answer that must be a good one.
#[track_caller]
fn refresh_token(answer: Option<Answer>) -> String {
    let answer = answer.expect("an answer");
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    answer.json()["refresh_token"]
        .as_str()
        .expect("a token")
        .to_owned()
}

/// Registers the client `spa` with the command, and returns once `node` has heard of it.
async fn register(folder: &Folder, database: Option<&str>, node: &Node) {
    let metadata = json!({"client_id": "spa", "client_name": "Example SPA", "first_party": true,
        "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline_access"});
    let mut command = signet(folder, database);
    command
        .args(["clients", "create", "--metadata", "-"])
        .env("SIGNET_ISSUER", &node.url);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    stdin
        .write_all(metadata.to_string().as_bytes())
        .expect("it reads");
    drop(stdin);
    assert!(child.wait().expect("our own child").success());
    let visitor = Visitor::new(node);
    until("the client is known", async || {
        let answer = visitor.refresh("x").await;
        answer.is_some_and(|answer| answer.json()["error"] == "invalid_grant")
    })
    .await;
}

/// Returns once `reached` says so.
async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) {
    let waited = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(90), waited).await;
    assert!(waited.is_ok(), "not reached: {what}");
}

#[tokio::test]
async fn refreshes_at_once_over_two_processes_have_one_successor_and_a_thief_is_found() {
    let (folder, database) = (Folder::new(), database().await);
    let url = Some(database.url.expose());
    let one = Node::start(&folder, url, None).await;
    register(&folder, url, &one).await;
    let other = Node::start(&folder, url, Some(&one.url)).await;
    let (here, there) = (Visitor::new(&one), Visitor::new(&other));
    let code = here.sign_up("ada@example.org").await.expect("a code");
    let first = refresh_token(here.redeem(&code).await);
    let mut head = first.clone();
    for round in 2..=6_i64 {
        let answers = join_all((0..64).map(|number| {
            let visitor = if number % 2 == 0 { &here } else { &there };
            visitor.refresh(&head)
        }));
        let successors: Vec<String> = answers.await.into_iter().map(refresh_token).collect();
        assert!(successors.iter().all(|successor| *successor == successors[0]));
        assert_ne!(successors[0], head);
        head.clone_from(&successors[0]);
        let client = database.client().await;
        let row = client.query_one("SELECT head, ended_at IS NULL FROM token_families", &[]);
        let row = row.await.expect("one family");
        assert_eq!((row.get::<_, i64>(0), row.get::<_, bool>(1)), (round, true));
    }
    // The first has been spent long ago by the count of its successors.
    let stolen = there.refresh(&first).await.expect("an answer");
    assert_eq!(stolen.json()["error"], "invalid_grant");
    let answer = here.refresh(&head).await.expect("an answer");
    assert_eq!(answer.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_node_killed_between_commit_and_answer_spends_nothing_twice_and_loses_nothing() {
    let (folder, database) = (Folder::new(), database().await);
    let url = Some(database.url.expose());
    let mut one = Node::start(&folder, url, None).await;
    let issuer = one.url.clone();
    register(&folder, url, &one).await;
    let other = Node::start(&folder, url, Some(&issuer)).await;
    let there = Visitor::new(&other);
    let mut code = there.sign_up("ada@example.org").await.expect("a code");
    let mut head = refresh_token(there.redeem(&code).await);
    for round in 1..=2_i64 {
        // The statement waits for a row that we hold, the node dies, and then the statement is done.
        let here = Visitor::new(&one);
        let mut holder = database.client().await;
        let held = holder.transaction().await.expect("a transaction");
        held.execute("SELECT 1 FROM token_families FOR UPDATE", &[])
            .await
            .expect("held");
        let presented = head.clone();
        let asking = tokio::spawn(async move { here.refresh(&presented).await });
        database.until_one_waits().await;
        one.kill();
        assert!(
            asking.await.expect("it ends").is_none(),
            "nobody was there to answer"
        );
        held.rollback().await.expect("let go");
        database.until_nothing_runs().await;
        let row = holder
            .query_one("SELECT max(head) FROM token_families", &[])
            .await
            .expect("a row");
        assert_eq!(row.get::<_, i64>(0), 2 * round, "the commit came through");
        let successor = refresh_token(there.refresh(&head).await);
        assert_eq!(refresh_token(there.refresh(&head).await), successor);
        one = Node::start_at(&folder, url, None, one.address()).await;
        head = refresh_token(Visitor::new(&one).refresh(&successor).await);

        // The same with a code: spent is spent, and the client is told to begin again.
        code = there.code("none", &[]).await.expect("a code");
        let here = Visitor::new(&one);
        let held = holder.transaction().await.expect("a transaction");
        held.execute(
            "SELECT 1 FROM authorization_codes WHERE redeemed_at IS NULL FOR UPDATE",
            &[],
        )
        .await
        .expect("held");
        let presented = code.clone();
        let asking = tokio::spawn(async move { here.redeem(&presented).await });
        database.until_one_waits().await;
        one.kill();
        assert!(
            asking.await.expect("it ends").is_none(),
            "nobody was there to answer"
        );
        held.rollback().await.expect("let go");
        database.until_nothing_runs().await;
        let answer = there.redeem(&code).await.expect("an answer");
        assert_eq!(answer.json()["error"], "invalid_grant");
        let counted = "SELECT count(*) FILTER (WHERE ended_at IS NULL), count(*) FROM token_families";
        let row = holder.query_one(counted, &[]).await.expect("a row");
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (1, 1 + round));
        one = Node::start_at(&folder, url, None, one.address()).await;
    }
    assert!(!one.log().contains("panicked"), "{}", one.log());
}

/// What the provider has acknowledged.
#[derive(Default)]
struct Ledger {
    signed_up: Mutex<Vec<String>>,
    /// The newest refresh token of each family that is used.
    heads: Mutex<HashMap<usize, String>>,
    revoked: Mutex<Vec<String>>,
    spent: Mutex<Vec<String>>,
    rotations: AtomicUsize,
    stop: AtomicBool,
}

impl Ledger {
    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// Refreshes one family over and over. Whatever happens, it is never told that its token is no good.
async fn keep_refreshing(visitor: Visitor, number: usize, ledger: Arc<Ledger>) {
    while !ledger.stopped() {
        let head = ledger.heads.lock().expect("not poisoned")[&number].clone();
        let Some(answer) = visitor.refresh(&head).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        match answer.status {
            StatusCode::OK => {
                let next = answer.json()["refresh_token"]
                    .as_str()
                    .expect("a token")
                    .to_owned();
                ledger.heads.lock().expect("not poisoned").insert(number, next);
                ledger.rotations.fetch_add(1, Ordering::Relaxed);
            }
            StatusCode::SERVICE_UNAVAILABLE => tokio::time::sleep(Duration::from_millis(20)).await,
            _ => panic!("a rotation was lost: {answer:#?}"),
        }
    }
}

/// Signs people up over and over; each then has a family that is revoked at once.
async fn keep_signing_up(node: Arc<Mutex<Node>>, ledger: Arc<Ledger>) {
    for number in 0.. {
        if ledger.stopped() {
            return;
        }
        let visitor = Visitor::new(&node.lock().expect("not poisoned"));
        let email = format!("user{number}@example.org");
        let Some(code) = visitor.sign_up(&email).await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        ledger.signed_up.lock().expect("not poisoned").push(email);
        let Some(answer) = visitor
            .redeem(&code)
            .await
            .filter(|answer| answer.status == StatusCode::OK)
        else {
            continue;
        };
        ledger.spent.lock().expect("not poisoned").push(code);
        let token = answer.json()["refresh_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        let revoked = visitor
            .post("/oauth2/revoke", &[("client_id", "spa"), ("token", &token)])
            .await;
        if revoked.is_some_and(|answer| answer.status == StatusCode::OK) {
            ledger.revoked.lock().expect("not poisoned").push(token);
        }
    }
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_signet_or_its_postgresql_is_killed_under_load() {
    let folder = Folder::new();
    let node = Node::start(&folder, None, None).await;
    register(&folder, None, &node).await;
    let address = node.address().to_owned();
    let visitor = Visitor::new(&node);
    let ledger = Arc::new(Ledger::default());
    let code = visitor.sign_up("ada@example.org").await.expect("a code");
    let mut heads = vec![refresh_token(visitor.redeem(&code).await)];
    for _ in 0..3 {
        let code = visitor.code("none", &[]).await.expect("a code");
        heads.push(refresh_token(visitor.redeem(&code).await));
    }
    *ledger.heads.lock().expect("not poisoned") = heads.into_iter().enumerate().collect();
    let node = Arc::new(Mutex::new(node));
    let mut load: Vec<_> = (0..4)
        .map(|number| tokio::spawn(keep_refreshing(visitor.clone(), number, ledger.clone())))
        .collect();
    load.push(tokio::spawn(keep_signing_up(node.clone(), ledger.clone())));

    for round in 0..6 {
        let before = ledger.rotations.load(Ordering::Relaxed);
        let revoked = ledger.revoked.lock().expect("not poisoned").len();
        until("the load goes on", async || {
            assert!(load.iter().all(|task| !task.is_finished()), "the load has failed");
            ledger.rotations.load(Ordering::Relaxed) >= before + 40
                && ledger.revoked.lock().expect("not poisoned").len() >= revoked + 2
        })
        .await;
        let postmaster = folder.postmaster().expect("it runs");
        if round % 3 != 1 {
            kill(postmaster, libc::SIGKILL);
        }
        if round % 3 != 0 {
            node.lock().expect("not poisoned").kill();
            let again = Node::start_at(&folder, None, None, &address).await;
            *node.lock().expect("not poisoned") = again;
        }
    }
    let before = ledger.rotations.load(Ordering::Relaxed);
    until("the load goes on", async || {
        assert!(load.iter().all(|task| !task.is_finished()), "the load has failed");
        ledger.rotations.load(Ordering::Relaxed) >= before + 40
    })
    .await;
    ledger.stop.store(true, Ordering::Relaxed);
    for task in load {
        task.await.expect("the load ends well");
    }
    all_is_there(&ledger, &visitor, &node).await;
}

async fn all_is_there(ledger: &Ledger, visitor: &Visitor, node: &Mutex<Node>) {
    let heads = std::mem::take(&mut *ledger.heads.lock().expect("not poisoned"));
    for head in heads.values() {
        refresh_token(visitor.refresh(head).await);
    }
    let revoked = std::mem::take(&mut *ledger.revoked.lock().expect("not poisoned"));
    let spent = std::mem::take(&mut *ledger.spent.lock().expect("not poisoned"));
    for (answer, what) in [
        (
            join_all(revoked.iter().map(|token| visitor.refresh(token))).await,
            "a revocation",
        ),
        (
            join_all(spent.iter().map(|code| visitor.redeem(code))).await,
            "a redemption",
        ),
    ] {
        for answer in answer {
            let body: Value = answer.expect("an answer").json();
            assert_eq!(body["error"], "invalid_grant", "{what} was lost");
        }
    }
    let signed_up = std::mem::take(&mut *ledger.signed_up.lock().expect("not poisoned"));
    assert!(signed_up.len() >= 12, "{signed_up:?}");
    for email in &signed_up {
        let visitor = Visitor::new(&node.lock().expect("not poisoned"));
        assert!(
            visitor.log_in(email).await.is_some(),
            "the account {email} was lost"
        );
    }
    let log = node.lock().expect("not poisoned").log();
    assert!(!log.contains("panicked"), "{log}");
}
