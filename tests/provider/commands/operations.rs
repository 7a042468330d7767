//! `init`, `migrate`, `doctor` and `keys list`.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::binary::{Bench, Run, run};

#[test]
fn init_writes_a_configuration_and_a_key_and_never_touches_what_is_there() {
    let bench = Bench::embedded();
    let made = bench.json(&["init"]).json();
    assert_eq!(made["config"], "config/signet.toml");
    assert_eq!(made["master_key_file"], "keys/master.key");
    let key = bench.path("keys/master.key");
    let mode = key.metadata().expect("the key").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let first = std::fs::read_to_string(&key).expect("the key");

    let failure = bench.json(&["init"]).failure(1);
    assert_eq!(failure["error"], "already_exists");
    assert_eq!(
        failure["message"],
        "configuration file config/signet.toml exists already"
    );
    let failure = bench.json(&["init", "--config", "other.toml"]).failure(1);
    assert_eq!(failure["message"], "master key keys/master.key exists already");
    assert!(!bench.path("other.toml").exists(), "all or nothing");
    assert_eq!(std::fs::read_to_string(&key).expect("the key"), first);

    std::fs::remove_file(&key).expect("our own file");
    let again = bench.json(&["init", "--key-only"]).json();
    assert_eq!(again["config"], Value::Null);
    assert_ne!(again["master_key"], made["master_key"]);
    assert_eq!(
        bench.json(&["init", "--key-only"]).failure(1)["error"],
        "already_exists"
    );
}

#[tokio::test]
async fn migrate_says_what_is_pending_and_applies_it_once() {
    let bench = Bench::bare().await;
    let check = bench.json(&["migrate", "--check"]);
    assert_eq!(check.status, 1);
    let shown: Value = serde_json::from_str(&check.stdout).expect("what is pending is a result");
    let pending = shown["pending"].clone();
    assert_eq!(pending[0], "V0001__create_users");
    assert_eq!(check.last_line()["error"], "schema_pending");

    let without = |line: &[&str]| -> Run {
        let mut command = bench.command(line);
        command.env("SIGNET_DATABASE__AUTO_MIGRATE", "false");
        run(&mut command, "")
    };
    let failure = without(&["--format", "json", "users", "list"]).failure(1);
    assert_eq!(failure["error"], "schema_pending");
    assert!(
        failure["hint"]
            .as_str()
            .is_some_and(|hint| hint.contains("signet migrate"))
    );
    assert_eq!(without(&["serve"]).status, 1);

    let applied = bench.json(&["migrate"]).json();
    assert_eq!(applied, json!({"applied": pending, "pending": [], "newer": []}));
    let again = bench.json(&["migrate"]).json();
    assert_eq!(again, json!({"applied": [], "pending": [], "newer": []}));
    bench.json(&["migrate", "--check"]).json();
    without(&["--format", "json", "users", "list"]).json();
}

fn status_of<'a>(findings: &'a Value, check: &str) -> Vec<&'a str> {
    let findings = findings.as_array().expect("an array");
    findings
        .iter()
        .filter(|finding| finding["check"] == check)
        .filter_map(|finding| finding["status"].as_str())
        .collect()
}

#[tokio::test]
async fn the_doctor_finds_nothing_wrong_with_what_works() {
    let bench = Bench::new().await;
    bench.json(&["keys", "list"]).json();
    let before = bench.json(&["doctor"]).json();
    assert_eq!(status_of(&before, "keys"), ["ok"], "none yet: {before}");
    make_keys(&bench);
    let findings = bench.json(&["doctor"]).json();
    for check in [
        "configuration",
        "master key",
        "database",
        "clock",
        "schema",
        "keys",
    ] {
        assert_eq!(status_of(&findings, check), ["ok"], "{check}: {findings}");
    }
    assert_eq!(status_of(&findings, "mail"), ["warning"]);
    let people = bench.run(&["doctor"]);
    assert_eq!(people.status, 0, "a warning is no failure");
    assert!(people.stdout.contains("→ set mail.smtp_url"), "{people:?}");
}

fn make_keys(bench: &Bench) {
    let made = bench.json(&[
        "clients",
        "create",
        "--name",
        "N",
        "--type",
        "public",
        "--redirect-uri",
        "https://a.example/cb",
    ]);
    made.json();
}

#[tokio::test]
async fn the_doctor_names_a_wrong_master_key_and_an_unreachable_database() {
    let bench = Bench::new().await;
    make_keys(&bench);
    let keys = bench.json(&["keys", "list"]).json();
    let right = keys[0]["master_key"].as_str().expect("a fingerprint");
    bench.write("master.key", &format!("{}=\n", "g".repeat(43)));
    let run = bench.json(&["doctor"]);
    assert_eq!(run.status, 1);
    let findings: Value = serde_json::from_str(&run.stdout).expect("findings");
    assert_eq!(status_of(&findings, "keys"), ["failed"], "{findings}");
    assert!(
        findings.to_string().contains(right),
        "the key that is missing is named: {findings}"
    );
    assert_eq!(run.last_line()["error"], "unhealthy");
    let failure = bench
        .json(&[
            "clients",
            "create",
            "--name",
            "N",
            "--type",
            "public",
            "--redirect-uri",
            "https://a.example/",
        ])
        .failure(1);
    assert_eq!(failure["error"], "master_key");

    std::fs::remove_file(bench.path("master.key")).expect("our own file");
    let mut command = bench.command(&["--format", "json", "doctor"]);
    command.env("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x");
    let red = run_red(command);
    assert_eq!(status_of(&red, "master key"), ["failed"]);
    assert_eq!(status_of(&red, "database"), ["failed"]);
    assert!(!red.to_string().contains("hunter2"));

    let mut command = bench.command(&["--format", "json", "doctor"]);
    command.env("SIGNET_TOKENS__ACCESS_TOKEN_TTL", "long");
    assert_eq!(status_of(&run_red(command), "configuration"), ["failed"]);
}

fn run_red(mut command: std::process::Command) -> Value {
    let run = run(&mut command, "");
    assert_eq!(run.status, 1, "{run:?}");
    serde_json::from_str(&run.stdout).expect("findings")
}

#[tokio::test]
async fn keys_are_listed_in_the_order_of_their_publication() {
    let bench = Bench::new().await;
    assert_eq!(bench.json(&["keys", "list"]).json(), json!([]));
    make_keys(&bench);
    let keys = bench.json(&["keys", "list"]).json();
    let keys = keys.as_array().expect("an array");
    assert_eq!(keys.len(), 6);
    for algorithm in ["EdDSA", "RS256"] {
        let states: Vec<&str> = keys
            .iter()
            .filter(|key| key["alg"] == algorithm)
            .filter_map(|key| key["state"].as_str())
            .collect();
        assert_eq!(states.iter().filter(|state| **state == "signing").count(), 1);
        assert_eq!(states.iter().filter(|state| **state == "announced").count(), 2);
    }
    let members: Vec<&str> = keys[0]
        .as_object()
        .expect("an object")
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        members,
        [
            "kid",
            "alg",
            "state",
            "published_at",
            "signing_at",
            "draining_at",
            "retired_at",
            "compromised_at",
            "next_state",
            "next_change_at",
            "master_key",
            "location",
        ]
    );
}
