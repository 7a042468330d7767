//! `signet rs-check`: the examples pass, and every defect of a broken resource server is found by the check that is
//! named for it (tests/clients/broken_resource_server.py).

use std::collections::BTreeSet;
use std::process::Stdio;

use futures_util::{StreamExt, stream};
use serde_json::Value;
use signet::jose::{Seed, generate};
use signet::oauth::signing_algorithm::SigningAlgorithm;
use signet::random::SystemRandom;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::resource_servers::rust_example;
use crate::support::database::{TestDatabase, database};
use crate::support::node::{Folder, Node, signet};
use crate::support::programs::{Server, checkout, free_port, installed};

const RESOURCE: &str = "https://notes.example";

/// How many broken servers are tried at once.
const AT_ONCE: usize = 3;

/// What a server that has this defect does wrong, by the checks that must say so. The first is named for it; the others
/// see what follows from it.
const DEFECTS: &[(&str, &[&str])] = &[
    ("none", &[]),
    (
        "no-signature-check",
        &["signature", "duplicate-members", "embedded-key", "fetched-key"],
    ),
    ("alg-none", &["alg-none", "duplicate-members"]),
    ("hmac-under-the-pem", &["hmac-with-public-key"]),
    ("any-algorithm", &["algorithm-confusion"]),
    ("no-iss-check", &["wrong-issuer", "duplicate-members"]),
    ("no-aud-check", &["wrong-audience", "duplicate-members"]),
    ("prefix-of-the-audience", &["wrong-audience"]),
    ("audience-as-a-text-only", &["several-audiences"]),
    ("no-exp-check", &["expired", "missing-exp", "duplicate-members"]),
    ("exp-only-if-present", &["missing-exp"]),
    ("no-nbf-check", &["not-yet-valid"]),
    ("no-typ-check", &["id-token"]),
    ("no-crit-check", &["critical-header"]),
    ("key-from-jwk-header", &["embedded-key"]),
    ("key-from-x5c-header", &["embedded-key"]),
    ("key-from-jku-header", &["fetched-key"]),
    ("fetches-jku-header", &["fetched-key"]),
    ("kid-as-a-path", &["hostile-kid"]),
    ("keeps-one-key-for-ever", &["key-rotated"]),
    ("never-forgets-keys", &["revoked-kid"]),
    ("first-of-duplicate-members", &["duplicate-members"]),
    ("lenient-base64", &["bad-base64"]),
    ("breaks-on-garbage", &["malformed-token"]),
    ("breaks-on-long-tokens", &["oversized-token"]),
    ("breaks-on-nested-json", &["nested-json"]),
    ("token-in-the-query", &["token-in-query"]),
    ("open-without-a-token", &["no-token", "token-in-query"]),
    ("shuts-out-after-bad-tokens", &["still-serving"]),
];

/// The private part of a key that left the JWKS.
const WITHDRAWN_KEY: &str = "withdrawn.jwk";

/// An issuer with an API, a client of it, and a key that is published no more.
struct Issuer {
    folder: Folder,
    node: Node,
    database: TestDatabase,
    /// The JWKS when the key still stood in it.
    earlier_jwks: String,
    /// The `alg` of the API's tokens.
    alg: &'static str,
}

impl Issuer {
    async fn start() -> Self {
        Self::with_algorithm("EdDSA").await
    }

    /// An issuer whose API asked for tokens with `alg`.
    async fn with_algorithm(alg: &'static str) -> Self {
        let (folder, database) = (Folder::new(), database().await);
        let node = Node::start(&folder, Some(database.url.expose()), None).await;
        let jwks_uri = format!("{}/.well-known/jwks.json", node.url);
        let mut earlier_jwks: Value = serde_json::from_str(&text(&jwks_uri).await).expect("JSON");
        let algorithm = SigningAlgorithm::parse(alg).expect("an algorithm");
        let withdrawn = generate(algorithm, &Seed::draw(&SystemRandom)).expect("a key");
        std::fs::write(folder.path().join(WITHDRAWN_KEY), &withdrawn.private_jwk).expect("our own folder");
        let keys = earlier_jwks["keys"].as_array_mut().expect("keys");
        keys.push(serde_json::to_value(&withdrawn.public_jwk).expect("JSON"));
        let issuer = Self {
            folder,
            node,
            database,
            earlier_jwks: earlier_jwks.to_string(),
            alg,
        };
        issuer
            .done(&[
                "resources",
                "create",
                "--identifier",
                RESOURCE,
                "--name",
                "Notes",
                "--scope",
                "notes:read",
                "--signing-alg",
                alg,
            ])
            .await;
        issuer.client("reader", "notes:read").await;
        issuer
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = signet(&self.folder, Some(self.database.url.expose()));
        command
            .args(arguments)
            .env("SIGNET_ISSUER", &self.node.url)
            .env("SIGNET_LISTEN", self.node.address())
            .env("SIGNET_LOG__LEVEL", "warn");
        let mut command = Command::from(command);
        command.kill_on_drop(true);
        command
    }

    /// Runs a command to its good end.
    async fn done(&self, arguments: &[&str]) {
        let output = self.command(arguments).output().await.expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }

    async fn client(&self, id: &str, scope: &str) {
        let file = self.folder.path().join("client.json");
        let metadata = serde_json::json!({
            "client_id": id, "client_name": id, "grant_types": ["client_credentials"], "redirect_uris": [],
            "response_types": [], "token_endpoint_auth_method": "client_secret_basic", "scope": scope,
        });
        std::fs::write(&file, metadata.to_string()).expect("our own folder");
        let file = file.to_str().expect("a plain path");
        self.done(&["clients", "create", "--metadata", file]).await;
    }

    /// Tries the server at `url`, with everything that makes no check skipped.
    async fn rs_check(&self, url: &str, more: &[&str]) -> Verdict {
        let more = [&["--withdrawn-key", WITHDRAWN_KEY], more].concat();
        self.rs_check_with(url, &more).await
    }

    async fn rs_check_with(&self, url: &str, options: &[&str]) -> Verdict {
        let line = [&["rs-check", "--format", "json", url], options].concat();
        let output = self.command(&line).output().await.expect("the binary runs");
        Verdict {
            status: output.status.code().expect("it ends by itself"),
            findings: serde_json::from_slice(&output.stdout).unwrap_or_default(),
            complaint: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }

    async fn broken(&self, defect: &str) -> Server {
        let python = installed(".venv/bin/python");
        Server::start(|port| {
            let mut command = Command::new(&python);
            command
                .arg(checkout("tests/clients/broken_resource_server.py"))
                .arg(defect)
                .env("ISSUER", &self.node.url)
                .env("AUDIENCE", RESOURCE)
                .env("ALG", self.alg)
                .env("KNOWN_KEYS", &self.earlier_jwks)
                .env("PORT", port.to_string());
            command
        })
        .await
    }
}

async fn text(url: &str) -> String {
    let answer = reqwest::get(url).await.expect("the issuer answers");
    answer.text().await.expect("a body")
}

/// What rs-check came to.
#[derive(Debug)]
struct Verdict {
    status: i32,
    findings: Vec<Value>,
    complaint: String,
}

impl Verdict {
    fn with_outcome(&self, outcome: &str) -> BTreeSet<&str> {
        let found = self
            .findings
            .iter()
            .filter(|finding| finding["outcome"] == outcome);
        found
            .map(|finding| finding["check"].as_str().expect("a name"))
            .collect()
    }

    /// What it complains of in the end, as JSON.
    #[track_caller]
    fn failure(&self) -> Value {
        let last = self.complaint.lines().last().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }

    /// Panics unless these checks failed, and all others passed.
    #[track_caller]
    fn assert_fails(&self, about: &str, checks: &[&str]) {
        let expected: BTreeSet<&str> = checks.iter().copied().collect();
        assert_eq!(self.with_outcome("fail"), expected, "{about}: {self:#?}");
        assert_eq!(
            self.with_outcome("skipped"),
            BTreeSet::new(),
            "{about}: {self:#?}"
        );
        assert_eq!(self.status, i32::from(!checks.is_empty()), "{about}: {self:#?}");
        assert!(self.findings.len() > 25, "{about}: {self:#?}");
    }
}

#[tokio::test]
async fn each_defect_is_found_by_the_check_named_for_it() {
    let issuer = Issuer::start().await;
    // It alone makes the issuer's counters run, so it runs alone.
    let flooding = issuer.broken("fetches-for-every-unknown-kid").await;
    let verdict = issuer.rs_check(&flooding.url, &[]).await;
    verdict.assert_fails("fetches-for-every-unknown-kid", &["unknown-kid-flood"]);
    let verdicts = stream::iter(DEFECTS)
        .map(async |(defect, checks)| {
            let server = issuer.broken(defect).await;
            (defect, checks, issuer.rs_check(&server.url, &[]).await)
        })
        .buffer_unordered(AT_ONCE);
    verdicts
        .for_each(async |(defect, checks, verdict)| verdict.assert_fails(defect, checks))
        .await;
}

#[tokio::test]
async fn an_api_that_asked_for_rs256_is_tried_with_rs256() {
    let issuer = Issuer::with_algorithm("RS256").await;
    for (defect, checks) in [
        ("none", &[][..]),
        ("hmac-under-the-pem", &["hmac-with-public-key"]),
        ("any-algorithm", &["algorithm-confusion"]),
        ("key-from-jwk-header", &["embedded-key"]),
        ("key-from-x5c-header", &["embedded-key"]),
        ("never-forgets-keys", &["revoked-kid"]),
    ] {
        let server = issuer.broken(defect).await;
        issuer
            .rs_check(&server.url, &[])
            .await
            .assert_fails(defect, checks);
    }
}

#[tokio::test]
async fn the_examples_pass_every_check() {
    let issuer = Issuer::start().await;
    let programs = [
        (
            installed(".venv/bin/python"),
            Some("examples/python-fastapi/notes.py"),
        ),
        (
            installed(".venv/bin/node"),
            Some("examples/node-express/server.js"),
        ),
        (rust_example().await, None),
    ];
    for (program, script) in programs {
        let server = Server::start(|port| {
            let mut command = Command::new(&program);
            command
                .args(script.map(checkout))
                .env("ISSUER", &issuer.node.url)
                .env("AUDIENCE", RESOURCE)
                .env("PORT", port.to_string());
            command
        })
        .await;
        let url = format!("{}/notes", server.url);
        let verdict = issuer.rs_check(&url, &["--token-for", "reader"]).await;
        verdict.assert_fails(script.unwrap_or("rust"), &[]);
    }
}

#[tokio::test]
async fn a_drill_shows_before_the_rotation_whether_an_api_will_follow_it() {
    let issuer = Issuer::start().await;
    for (defect, status) in [("none", 0), ("keeps-one-key-for-ever", 1)] {
        let server = issuer.broken(defect).await;
        let line = [
            "keys",
            "drill",
            "--format",
            "json",
            "--resource-server",
            &server.url,
        ];
        let output = issuer.command(&line).output().await.expect("the binary runs");
        assert_eq!(output.status.code(), Some(status), "{output:?}");
        let findings: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
        let outcomes: Vec<_> = findings
            .iter()
            .map(|finding| (word(finding, "check"), word(finding, "outcome")))
            .collect();
        let rotated = if status == 0 { "pass" } else { "fail" };
        assert_eq!(outcomes, [("good-token", "pass"), ("key-rotated", rotated)]);
    }
}

/// The words that a failure and a finding have for programs.
fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn what_cannot_be_tried_is_skipped_with_the_reason_and_never_passes() {
    let issuer = Issuer::start().await;
    let server = issuer.broken("none").await;
    let nobody = format!("http://127.0.0.1:{}/metrics", free_port());
    let other = Issuer::start().await;
    let standing_still = format!("{}/metrics", other.node.url);
    for (check, options, reason) in [
        ("unknown-kid-flood", ["--metrics", &nobody], "cannot be counted"),
        ("unknown-kid-flood", ["--metrics", &server.url], "answered 401"),
        (
            "unknown-kid-flood",
            ["--metrics", &standing_still],
            "does not count",
        ),
        ("revoked-kid", ["--token-for", "reader"], "--withdrawn-key FILE"),
    ] {
        let with_key = ["--withdrawn-key", WITHDRAWN_KEY];
        let options = match check {
            "revoked-kid" => options.to_vec(),
            _ => [options, with_key].concat(),
        };
        let verdict = issuer.rs_check_with(&server.url, &options).await;
        let skipped = verdict.findings.iter().find(|finding| finding["check"] == check);
        let skipped = skipped.expect("it is listed");
        assert_eq!(word(skipped, "outcome"), "skipped", "{skipped}");
        assert!(word(skipped, "detail").contains(reason), "{skipped}");
        assert_eq!(verdict.with_outcome("skipped").len(), 1, "{verdict:#?}");
        assert_eq!(verdict.status, 0, "{verdict:#?}");
        assert!(
            verdict.complaint.contains("1 of 28 checks were skipped"),
            "{verdict:#?}"
        );
    }
    // Of a server that limits requests nothing is known beyond the limit.
    let server = issuer.broken("limits-requests").await;
    let verdict = issuer.rs_check(&server.url, &[]).await;
    assert_eq!(verdict.with_outcome("fail"), BTreeSet::new(), "{verdict:#?}");
    let skipped = verdict.with_outcome("skipped");
    assert!(
        skipped.contains("unknown-kid") && skipped.contains("still-serving"),
        "{verdict:#?}"
    );
    assert!(!skipped.contains("signature"), "{verdict:#?}");
}

#[tokio::test]
async fn without_a_good_token_that_is_accepted_nothing_is_proven() {
    let issuer = Issuer::start().await;
    let server = issuer.broken("knows-users-only").await;
    let verdict = issuer.rs_check(&server.url, &[]).await;
    assert_eq!(verdict.status, 1, "{verdict:#?}");
    assert_eq!(verdict.findings.len(), 1, "nothing else is tried: {verdict:#?}");
    assert_eq!(verdict.with_outcome("fail"), BTreeSet::from(["good-token"]));
    assert_eq!(word(&verdict.failure(), "error"), "no_control");

    // It knows users, so a token about a user is what it must be shown.
    let mut create = issuer.command(&[
        "users",
        "create",
        "--email",
        "ada@example.org",
        "--name",
        "Ada",
        "--password-stdin",
    ]);
    let mut create = create
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary runs");
    let mut password = create.stdin.take().expect("piped");
    password
        .write_all(b"correct-horse battery staple 7\n")
        .await
        .expect("it reads");
    drop(password);
    assert!(create.wait().await.expect("its end is seen").success());
    let verdict = issuer.rs_check(&server.url, &["--user", "ada@example.org"]).await;
    verdict.assert_fails("knows-users-only, with a user", &[]);
}

#[tokio::test]
async fn whose_tokens_are_shown_must_be_clear_and_somebody_must_be_there() {
    let issuer = Issuer::start().await;
    let nobody = format!("http://127.0.0.1:{}/notes", free_port());
    let failure = async |arguments: &[&str]| {
        let verdict = issuer.rs_check(&nobody, arguments).await;
        assert_eq!((verdict.status, verdict.findings.len()), (1, 0), "{verdict:#?}");
        verdict.failure()
    };
    assert_eq!(word(&failure(&[]).await, "error"), "unreachable");
    for unknown in [
        ["--token-for", "nobody"],
        ["--audience", "https://nobody.example"],
        ["--user", "nobody@example.org"],
    ] {
        assert_eq!(
            word(&failure(&unknown).await, "error"),
            "not_found",
            "{unknown:?}"
        );
    }
    let no_key = issuer
        .rs_check_with(&nobody, &["--withdrawn-key", "client.json"])
        .await;
    assert_eq!(word(&no_key.failure(), "error"), "invalid_key");
    issuer.client("writer", "notes:read").await;
    let ambiguous = failure(&[]).await;
    assert_eq!(word(&ambiguous, "error"), "ambiguous");
    assert!(word(&ambiguous, "hint").contains("reader"), "{ambiguous}");
    issuer
        .done(&[
            "resources",
            "create",
            "--identifier",
            "https://other.example",
            "--name",
            "Other",
            "--scope",
            "o:read",
        ])
        .await;
    let ambiguous = failure(&["--token-for", "reader"]).await;
    assert_eq!(word(&ambiguous, "error"), "ambiguous");
    assert!(word(&ambiguous, "hint").contains(RESOURCE), "{ambiguous}");
    assert_eq!(
        word(
            &failure(&["--token-for", "reader", "--audience", RESOURCE]).await,
            "error"
        ),
        "unreachable"
    );

    for wrong in [
        &["rs-check"][..],
        &["rs-check", "notes"],
        &["rs-check", &nobody, "--metrics", "x"],
    ] {
        let output = issuer.command(wrong).output().await.expect("the binary runs");
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {output:?}");
    }
}
