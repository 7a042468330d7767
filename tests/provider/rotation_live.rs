//! Twenty rotations under the eyes of verifiers of others: two nodes behind a balancer that caches, one of them
//! killed, PostgreSQL restarted, and no correct token ever refused. What the schedule promises (`tests/schedule`
//! asks its functions) holds for the programs as they are.
//!
//! All times are shortened alike. The caches of the verifiers live for as long as the JWKS may be kept; what a library
//! does about an unknown `kid` is left as it is, since none is ever met.

mod balancer;
mod compromise;
mod postgres;
mod verifiers;

use std::collections::{BTreeSet, VecDeque};
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use self::balancer::Documents;
use self::postgres::Postgres;
use self::verifiers::Verifier;
use crate::support::browser::header;
use crate::support::node::{Folder, Node, signet};
use crate::support::programs::free_port;

const MODERN: &str = "https://modern.example";
const OLD: &str = "https://old.example";

/// How many rotations are to be seen.
const ROTATIONS: usize = 20;

/// Far longer than they take.
const PATIENCE: Duration = Duration::from_secs(110);

/// How long a token is shown again and again. It lives for longer.
const SHOWN_AGAIN: Duration = Duration::from_secs(12);

/// A key signs for 3.5 seconds: it is announced for two turns, and those are `min_announce`. Were it not for the gate
/// it would sign for one, and two turns would be less than what two caches keep.
const CONFIGURATION: &str = "\
    [keys]\n\
    rotation_interval = \"1s\"\n\
    min_announce = \"7s\"\n\
    poll_interval = \"200ms\"\n\
    jwks_max_age = \"2s\"\n\
    clock_skew = \"300ms\"\n\
    [tokens]\n\
    access_token_ttl = \"20s\"\n\
    id_token_ttl = \"20s\"\n";
const JWKS_MAX_AGE: &str = "2";

#[tokio::test]
async fn twenty_rotations_break_no_verifier_that_obeys_caching() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("config")).expect("our own folder");
    let configuration = folder.path().join("config/signet.toml");
    std::fs::write(configuration, CONFIGURATION).expect("our own folder");
    let mut database = Postgres::start().await;
    let url = database.url();
    let port = free_port();
    let issuer = format!("http://127.0.0.1:{port}");
    command(&folder, &url, &issuer, &["migrate"], "");
    let one = Node::start(&folder, Some(&url), Some(&issuer)).await;
    let mut other = Node::start(&folder, Some(&url), Some(&issuer)).await;
    let _balancer = balancer::start(
        &folder,
        port,
        &[one.address(), other.address()],
        Documents::Cached,
    )
    .await;
    let mut traffic = Traffic::start(&folder, &url, &issuer, JWKS_MAX_AGE).await;

    traffic.until_rotated(ROTATIONS / 3).await;
    other.kill();
    traffic.until_rotated(ROTATIONS / 2).await;
    let address = other.address().to_owned();
    let (again, ()) = tokio::join!(
        Node::start_at(&folder, Some(&url), Some(&issuer), &address),
        traffic.run_for(Duration::from_secs(1)),
    );
    drop(std::mem::replace(&mut other, again));
    traffic.until_rotated(ROTATIONS * 2 / 3).await;
    tokio::join!(database.restart(), traffic.run_for(Duration::from_secs(3)));
    traffic.until_rotated(ROTATIONS).await;

    until_cached(&issuer).await;
    for (name, verdict) in traffic.end().await {
        let failures = &verdict.failures;
        assert!(
            failures.is_empty(),
            "{name}: {} of {}: {failures:#?}",
            failures.len(),
            verdict.verified
        );
        assert!(
            verdict.last.len() > ROTATIONS,
            "{name} saw {} keys",
            verdict.last.len()
        );
    }
    for node in [&one, &other] {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}

/// Returns once the balancer answers with a JWKS out of its cache: then the caches of the verifiers were the second.
async fn until_cached(issuer: &str) {
    let cached = async {
        loop {
            let answer = reqwest::get(format!("{issuer}/.well-known/jwks.json")).await;
            if answer.expect("an answer").headers().contains_key("age") {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(10), cached)
        .await
        .expect("the balancer caches");
}

/// Runs a command of ours, and returns what it prints in JSON.
fn command(folder: &Folder, url: &str, issuer: &str, arguments: &[&str], input: &str) -> Value {
    let mut command = signet(folder, Some(url));
    command.args(["--format", "json"]).args(arguments);
    command.env("SIGNET_ISSUER", issuer);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().expect("our own child");
    assert!(output.status.success(), "{arguments:?}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

/// A client that gets tokens for two APIs without a pause, and shows all to whoever verifies them.
struct Traffic {
    http: reqwest::Client,
    issuer: String,
    secret: String,
    apis: [Api; 2],
}

/// An API: its tokens, and who verifies them.
struct Api {
    audience: &'static str,
    verifiers: Vec<Verifier>,
    kids: BTreeSet<String>,
    recent: VecDeque<(Instant, String)>,
}

impl Traffic {
    async fn start(folder: &Folder, url: &str, issuer: &str, jwks_max_age: &str) -> Self {
        let run = |arguments: &[&str], input: &str| command(folder, url, issuer, arguments, input);
        for (audience, algorithm) in [(MODERN, "EdDSA"), (OLD, "RS256")] {
            run(
                &[
                    "resources",
                    "create",
                    "--identifier",
                    audience,
                    "--name",
                    "An API",
                    "--scope",
                    "notes:read",
                    "--signing-alg",
                    algorithm,
                ],
                "",
            );
        }
        let metadata = json!({"client_id": "traffic", "client_name": "Traffic", "scope": "notes:read",
            "grant_types": ["client_credentials"], "redirect_uris": []});
        let client = run(&["clients", "create", "--metadata", "-"], &metadata.to_string());
        let client = client.as_array().map_or(&client, |clients| &clients[0]);
        let verifier = |file, audience| Verifier::start(file, issuer, audience, jwks_max_age);
        let api = |audience, verifiers| Api {
            audience,
            verifiers,
            kids: BTreeSet::new(),
            recent: VecDeque::new(),
        };
        let modern = ["stream_pyjwt.py", "stream_jose.mjs"].map(|file| verifier(file, MODERN));
        let old = ["stream_jsonwebtoken.mjs", "stream_authlib.py"].map(|file| verifier(file, OLD));
        Self {
            http: reqwest::Client::builder().no_proxy().build().expect("a client"),
            issuer: issuer.to_owned(),
            secret: client["client_secret"].as_str().expect("a secret").to_owned(),
            apis: [api(MODERN, modern.into()), api(OLD, old.into())],
        }
    }

    /// Goes on until so many rotations of both APIs' keys have been seen.
    async fn until_rotated(&mut self, rotations: usize) {
        let began = Instant::now();
        while self.apis.iter().any(|api| api.kids.len() <= rotations) {
            assert!(began.elapsed() < PATIENCE, "no {rotations} rotations are seen");
            self.turn().await;
        }
    }

    async fn run_for(&mut self, time: Duration) {
        let began = Instant::now();
        while began.elapsed() < time {
            self.turn().await;
        }
    }

    /// Shows each API a fresh token and two older ones, of which one is as old as any.
    async fn turn(&mut self) {
        for index in 0..self.apis.len() {
            let fresh = self.token(self.apis[index].audience).await;
            let api = &mut self.apis[index];
            while api
                .recent
                .front()
                .is_some_and(|(made, _)| made.elapsed() > SHOWN_AGAIN)
            {
                api.recent.pop_front();
            }
            if let Some(fresh) = fresh {
                let kid = header(&fresh)["kid"].as_str().expect("a kid").to_owned();
                api.kids.insert(kid);
                api.recent.push_back((Instant::now(), fresh));
            }
            let Some(newest) = api.recent.len().checked_sub(1) else {
                continue;
            };
            for position in [newest, newest / 2, 0] {
                let token = &api.recent[position].1;
                for verifier in &mut api.verifiers {
                    verifier.show(token).await;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    /// A token for `audience`. What a killed node cut off, or one without its database refused, comes to nothing, and
    /// is asked for again in the next turn.
    async fn token(&self, audience: &str) -> Option<String> {
        let form = [("grant_type", "client_credentials"), ("resource", audience)];
        let request = self.http.post(format!("{}/oauth2/token", self.issuer));
        let request = request.basic_auth("traffic", Some(&self.secret)).form(&form);
        let answer = request.send().await.ok()?;
        let status = answer.status();
        if matches!(status, StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE) {
            return None;
        }
        let body: Value = answer.json().await.ok()?;
        assert_eq!(status, StatusCode::OK, "{body}");
        Some(body["access_token"].as_str().expect("a token").to_owned())
    }

    /// What all verifiers say.
    async fn end(self) -> Vec<(&'static str, verifiers::Verdict)> {
        let mut verdicts = Vec::new();
        for verifier in self.apis.into_iter().flat_map(|api| api.verifiers) {
            verdicts.push((verifier.name, verifier.end().await));
        }
        verdicts
    }
}
