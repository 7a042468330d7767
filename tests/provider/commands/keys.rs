//! `signet keys`: plan, rotate, compromise, rewrap, import, export; beside servers that run.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::Url;
use serde_json::{Value, json};

use super::binary::{Bench, Run};
use crate::support::node::{Folder, Node, signet};

const MASTER_KEY: &str = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=";

fn keys_of<'a>(keys: &'a Value, alg: &'a str, state: &'a str) -> Vec<&'a Value> {
    let keys = keys.as_array().expect("a list").iter();
    keys.filter(|key| key["alg"] == alg && key["state"] == state)
        .collect()
}

fn kid(key: &Value) -> &str {
    key["kid"].as_str().expect("a kid")
}

fn time(value: &Value) -> DateTime<Utc> {
    let text = value.as_str().expect("a time");
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// A bench whose issuer has keys.
async fn with_keys() -> Bench {
    let bench = Bench::new().await;
    // Any command that needs keys makes the first ones.
    let run = bench.json(&["keys", "rotate"]);
    assert_eq!(run.status, 0, "{run:?}");
    bench
}

#[tokio::test]
async fn a_rotation_before_the_gate_is_refused_or_gets_the_earliest_time() {
    let bench = with_keys().await;
    let keys = bench.json(&["keys", "list"]).json();
    for alg in ["EdDSA", "RS256"] {
        let signing = keys_of(&keys, alg, "signing");
        assert_eq!(signing.len(), 1, "{keys}");
        let gate = time(&signing[0]["published_at"]) + chrono::TimeDelta::hours(24);
        assert_eq!(time(&signing[0]["next_change_at"]), gate, "{keys}");
        assert_eq!(keys_of(&keys, alg, "announced").len(), 2, "{keys}");
    }
    let refused = bench.json(&["keys", "rotate", "--now"]).failure(1);
    assert_eq!(refused["error"], "too_early");
    let earliest = &keys_of(&keys, "EdDSA", "signing")[0]["next_change_at"];
    let message = refused["message"].as_str().expect("a text");
    assert!(message.contains(earliest.as_str().expect("a time")), "{message}");
    assert_eq!(bench.json(&["keys", "list"]).json(), keys, "nothing has changed");

    let asked = bench.json(&["keys", "rotate", "--alg", "RS256"]).json();
    assert_eq!(asked.as_array().map(Vec::len), Some(1), "{asked}");
    assert_eq!(asked[0]["state"], "announced");
    let plan = bench.json(&["keys", "plan"]).json();
    let first = &plan[0];
    assert_eq!(first["at"], first["earliest_at"], "{plan}");
    let reason = first["reason"].as_str().expect("a reason");
    assert!(reason.contains("keys.min_announce"), "{reason}");
    let wrong = bench.run(&["keys", "rotate", "--alg", "HS256"]);
    assert_eq!(wrong.status, 2, "{wrong:?}");
}

#[tokio::test]
async fn mac_keys_are_listed_and_planned_when_asked_for() {
    let bench = with_keys().await;
    let listed = bench.json(&["keys", "list", "--mac"]).json();
    let ids: Vec<_> = listed.as_array().expect("a list").iter().map(kid).collect();
    for purpose in ["refresh_token", "session_token", "client_secret", "cookie"] {
        for version in 1..=3 {
            assert!(ids.contains(&&*format!("{purpose}/{version}")), "{ids:?}");
        }
    }
    let plan = bench.json(&["keys", "plan", "--mac"]).json();
    assert!(
        plan.as_array()
            .expect("a list")
            .iter()
            .all(|change| change["alg"] == "HS256")
    );
}

#[tokio::test]
async fn without_servers_a_compromise_is_bounded_by_the_caches_alone() {
    let bench = with_keys().await;
    let keys = bench.json(&["keys", "list"]).json();
    let lost = kid(keys_of(&keys, "EdDSA", "signing")[0]).to_owned();
    let run = bench.json(&["keys", "compromise", &lost]);
    let outcome = run.json();
    assert_eq!(
        outcome["compromised"],
        json!([{"kid": lost, "set": "EdDSA", "was": "signing"}])
    );
    let at = time(&outcome["compromised_at"]);
    let bound = at + chrono::TimeDelta::minutes(5) + chrono::TimeDelta::seconds(60);
    assert_eq!(time(&outcome["believed_until"]), bound);
    // Nothing is past its gate yet, and the command says until when that matters.
    let successor = &outcome["successors"][0];
    assert!(
        run.stderr
            .contains(successor["unknown_until"].as_str().expect("a time")),
        "{run:?}"
    );
    let keys = bench.json(&["keys", "list"]).json();
    assert_eq!(kid(keys_of(&keys, "EdDSA", "signing")[0]), kid(successor));
    assert_eq!(
        keys_of(&keys, "EdDSA", "announced").len(),
        2,
        "another is announced: {keys}"
    );
    assert_eq!(kid(keys_of(&keys, "EdDSA", "compromised")[0]), lost);
    assert_eq!(
        bench.json(&["keys", "compromise", &lost]).failure(1)["error"],
        "already_compromised"
    );
    assert_eq!(
        bench.json(&["keys", "compromise", "nobody"]).failure(1)["error"],
        "not_found"
    );
    assert_eq!(bench.run(&["keys", "compromise"]).status, 2);
    for like_an_option in ["-jSgAJMwWx9C", "--SgAJMwWx9C", "-h-SgAJMwWx9C"] {
        for command in [
            &["keys", "compromise", like_an_option, "--revoke-refresh"][..],
            &["keys", "export", like_an_option],
        ] {
            assert_eq!(bench.json(command).failure(1)["error"], "not_found");
        }
    }

    let all = bench.json(&["--yes", "keys", "compromise", "--all"]).json();
    assert_eq!(
        all["compromised"].as_array().map(Vec::len),
        Some(6 + 4 * 3),
        "{all}"
    );
    let keys = bench.json(&["keys", "list"]).json();
    for alg in ["EdDSA", "RS256"] {
        assert_eq!(keys_of(&keys, alg, "signing").len(), 1, "{keys}");
        assert_eq!(keys_of(&keys, alg, "announced").len(), 2, "{keys}");
    }
}

#[tokio::test]
async fn all_keys_are_encrypted_anew_and_an_interrupted_rewrap_goes_on() {
    let bench = with_keys().await;
    let old = bench.json(&["keys", "list"]).json()[0]["master_key"].clone();
    let first = bench
        .json(&["keys", "rewrap", "--new-master-key", "new.key"])
        .json();
    assert_eq!(first["rewrapped"], 6 + 4 * 3);
    let keys = bench.json(&["keys", "list"]).json();
    for key in keys.as_array().expect("a list") {
        assert_eq!(key["master_key"], first["master_key"]);
    }
    assert_ne!(first["master_key"], old);
    let again = bench
        .json(&["keys", "rewrap", "--new-master-key", "new.key"])
        .json();
    assert_eq!((&again["rewrapped"], &again["already"]), (&json!(0), &json!(18)));

    // The old one is of no use any more, and the new one is all that is needed.
    let failure = bench
        .json(&["keys", "export", kid(&keys[0]), "--private"])
        .failure(1);
    let message = failure["message"].as_str().expect("a text");
    assert!(
        message.contains(first["master_key"].as_str().expect("a fingerprint")),
        "{message}"
    );
    let new = std::fs::read_to_string(bench.path("new.key")).expect("made");
    bench.write("master.key", &new);
    assert_eq!(
        bench.json(&["keys", "export", kid(&keys[0]), "--private"]).status,
        0
    );

    // What no known key opens is named, and the rest is done.
    bench.write("third.key", MASTER_KEY);
    bench.write("master.key", MASTER_KEY);
    let run = bench.json(&["keys", "rewrap", "--new-master-key", "third.key"]);
    assert_eq!(run.status, 1, "{run:?}");
    let left: Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(left["left"].as_array().map(Vec::len), Some(18), "{left}");
}

#[tokio::test]
async fn after_the_loss_of_the_master_key_a_new_one_serves() {
    let bench = with_keys().await;
    bench.write("master.key", MASTER_KEY);
    let create = [
        "clients",
        "create",
        "--name",
        "Shop",
        "--type",
        "confidential",
        "--redirect-uri",
    ];
    let create = [&create[..], &["https://shop.example/cb"]].concat();
    assert_eq!(bench.json(&create).failure(1)["error"], "master_key");
    let outcome = bench.json(&["keys", "compromise", "--all"]).json();
    assert_eq!(
        outcome["successors"].as_array().map(Vec::len),
        Some(2 + 4),
        "{outcome}"
    );
    bench.json(&create).json();
    let keys = bench.json(&["keys", "list"]).json();
    let new = keys_of(&keys, "EdDSA", "signing")[0];
    assert_eq!(bench.json(&["keys", "export", kid(new), "--private"]).status, 0);
    let lost = kid(keys_of(&keys, "EdDSA", "compromised")[0]);
    assert_eq!(
        bench.json(&["keys", "export", lost, "--private"]).failure(1)["error"],
        "no_private_key"
    );
}

fn stdout(run: &Run) -> &str {
    assert_eq!(run.status, 0, "{run:?}");
    &run.stdout
}

#[tokio::test]
async fn a_key_moves_from_one_issuer_to_another_with_its_kid() {
    let (there, here) = (with_keys().await, with_keys().await);
    let keys = there.json(&["keys", "list"]).json();
    for alg in ["EdDSA", "RS256"] {
        let moved = kid(keys_of(&keys, alg, "signing")[0]);
        for form in ["jwk", "pem"] {
            let public = there.run(&["keys", "export", moved, "--as", form]);
            assert!(!stdout(&public).contains("\"d\"") && !stdout(&public).contains("PRIVATE"));
        }
        let private = there.run(&["--yes", "keys", "export", moved, "--private", "--as", "pem"]);
        let file = ["keys", "import", "-", "--kid", "2019-04", "--alg", alg];
        let imported = here.run_with_input(&[&["--format", "json"], &file[..]].concat(), stdout(&private));
        let imported = imported.json();
        assert_eq!(
            (&imported["kid"], &imported["state"]),
            (&json!("2019-04"), &json!("announced"))
        );
        let taken = here.run_with_input(&[&["--format", "json"], &file[..]].concat(), stdout(&private));
        assert_eq!(taken.failure(1)["error"], "already_exists");

        // As a JWK it brings its name along; known to verifiers for long, it may sign at once.
        let jwk = there.run(&["--yes", "keys", "export", moved, "--private"]);
        let since = ["keys", "import", "-", "--published-at", "2020-01-01T00:00:00Z"];
        let imported = here.run_with_input(&[&["--format", "json"], &since[..]].concat(), stdout(&jwk));
        assert_eq!(imported.json()["kid"], moved);
        let rotated = here.json(&["keys", "rotate", "--now", "--alg", alg]).json();
        assert_eq!(
            (&rotated[0]["kid"], &rotated[0]["state"]),
            (&json!(moved), &json!("signing"))
        );
        let delete = "DELETE FROM signing_keys WHERE kid = '2019-04'";
        here.database()
            .client()
            .await
            .batch_execute(delete)
            .await
            .expect("deleted");
    }
    let future = here.run_with_input(
        &[
            "--format",
            "json",
            "keys",
            "import",
            "-",
            "--published-at",
            "2999-01-01T00:00:00Z",
        ],
        "no key",
    );
    assert_eq!(future.failure(1)["error"], "invalid_key");
}

/// A folder whose servers and commands have shortened times, so that gates are seconds away.
fn short() -> Folder {
    let mut folder = Folder::new();
    folder.set("SIGNET_KEYS__MIN_ANNOUNCE", "3s");
    folder.set("SIGNET_KEYS__JWKS_MAX_AGE", "1s");
    folder.set("SIGNET_KEYS__CLOCK_SKEW", "1s");
    folder
}

/// Runs a command beside the servers of `folder`.
async fn command(folder: &Folder, url: &str, arguments: &[&str]) -> Value {
    let mut command = signet(folder, Some(url));
    command.args(["--format", "json", "--yes"]).args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("it ends");
    let output = output.expect("the binary runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("JSON")
}

async fn published(node: &Node) -> Vec<String> {
    let url: Url = format!("{}/.well-known/jwks.json", node.url)
        .parse()
        .expect("a URL");
    let jwks: Value = reqwest::get(url)
        .await
        .expect("answered")
        .json()
        .await
        .expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys").iter();
    keys.map(|key| kid(key).to_owned()).collect()
}

#[tokio::test]
async fn a_compromise_waits_for_every_server_and_names_those_that_do_not_answer() {
    let database = crate::support::database().await;
    let (folder, url) = (short(), database.url.expose());
    let mut nodes = Vec::new();
    for _ in 0..2 {
        nodes.push(Node::start(&folder, Some(url), Some("http://localhost:9")).await);
    }
    let keys = command(&folder, url, &["keys", "list"]).await;
    let lost = kid(keys_of(&keys, "EdDSA", "signing")[0]).to_owned();
    let outcome = command(&folder, url, &["keys", "compromise", &lost, "--revoke-refresh"]).await;
    assert_eq!(
        outcome["confirmed"].as_array().map(Vec::len),
        Some(2),
        "{outcome}"
    );
    assert_eq!(outcome["unconfirmed"], json!([]));
    let last = outcome["confirmed"].as_array().expect("a list").iter();
    let last = last.map(|node| time(&node["loaded_at"])).max().expect("two");
    assert_eq!(
        time(&outcome["believed_until"]),
        last + chrono::TimeDelta::seconds(2)
    );
    for node in &nodes {
        // It has said so, so it is so.
        let published = published(node).await;
        assert!(!published.contains(&lost), "{published:?}");
        assert!(
            published
                .iter()
                .any(|kid| kid == outcome["successors"][0]["kid"].as_str().expect("a kid"))
        );
    }

    nodes[1].kill();
    let next = kid(&outcome["successors"][0]).to_owned();
    let outcome = command(&folder, url, &["keys", "compromise", &next, "--wait", "3s"]).await;
    assert_eq!(
        outcome["confirmed"].as_array().map(Vec::len),
        Some(1),
        "{outcome}"
    );
    assert_eq!(
        outcome["unconfirmed"].as_array().map(Vec::len),
        Some(1),
        "{outcome}"
    );
    assert_eq!(outcome["believed_until"], Value::Null, "nobody can say");
}

#[tokio::test]
async fn servers_go_on_while_keys_are_encrypted_anew_and_find_the_new_master_key_by_themselves() {
    let database = crate::support::database().await;
    let (folder, url) = (short(), database.url.expose());
    let old = format!("{}=\n", "k".repeat(43));
    std::fs::write(folder.path().join("master.key"), &old).expect("our own folder");
    let node = Node::start(&folder, Some(url), None).await;
    let before = published(&node).await;
    let ready = format!("{}/readyz", node.url);
    let desk = short();
    let done = command(&desk, url, &["keys", "rewrap", "--new-master-key", "new.key"]).await;
    assert_eq!(done["rewrapped"], 18);
    assert_eq!(published(&node).await, before);
    until_status(&ready, 200).await;

    // Keys that the server cannot open are to sign: made by an operator who has the new master key alone.
    let new = std::fs::read_to_string(desk.path().join("new.key")).expect("made");
    std::fs::write(desk.path().join("master.key"), &new).expect("our own folder");
    let keys = command(&desk, url, &["keys", "list"]).await;
    let known = ["signing", "announced"].map(|state| keys_of(&keys, "EdDSA", state));
    for key in known.concat() {
        command(&desk, url, &["keys", "compromise", kid(key)]).await;
    }
    until_status(&ready, 503).await;
    let answer: Value = reqwest::get(&ready)
        .await
        .expect("answered")
        .json()
        .await
        .expect("JSON");
    let reason = answer["reason"].as_str().expect("a reason");
    assert!(
        reason.contains(done["master_key"].as_str().expect("a fingerprint")),
        "{reason}"
    );
    let keys = command(&desk, url, &["keys", "list"]).await;
    let signing = kid(keys_of(&keys, "EdDSA", "signing")[0]);
    assert!(
        published(&node).await.iter().any(|kid| kid == signing),
        "it publishes what it cannot open"
    );

    std::fs::write(folder.path().join("master.key"), format!("{old}{new}")).expect("our own folder");
    until_status(&ready, 200).await;
}

async fn until_status(url: &str, wanted: u16) {
    let reached = async {
        while reqwest::get(url).await.expect("answered").status() != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
    assert!(reached.is_ok(), "{url} never answers {wanted}");
}
