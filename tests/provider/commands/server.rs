//! `serve` and `dev`: starting, following, losing the database, stopping.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::binary::{Bench, run};
use super::gate::Gate;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server that runs, killed with the value.
struct Running {
    child: Child,
    log: PathBuf,
    out: PathBuf,
}

impl Running {
    fn start(bench: &Bench, name: &str, command: &mut Command) -> Self {
        let (log, out) = (
            bench.path(&format!("{name}.log")),
            bench.path(&format!("{name}.out")),
        );
        let file = |path| File::create(path).expect("our own folder");
        let child = command
            .stdin(Stdio::null())
            .stdout(file(&out))
            .stderr(file(&log))
            .spawn()
            .expect("the binary runs");
        Self { child, log, out }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).expect("our own file")
    }

    fn out(&self) -> String {
        std::fs::read_to_string(&self.out).expect("our own file")
    }

    /// How many lines of the log have this message.
    fn said(&self, message: &str) -> usize {
        let lines = self.log();
        let is_it = |line: &&str| {
            serde_json::from_str::<Value>(line).is_ok_and(|line| {
                line["message"]
                    .as_str()
                    .is_some_and(|text| text.starts_with(message))
            })
        };
        lines.lines().filter(is_it).count()
    }

    async fn until_said(&mut self, message: &str) {
        self.until_said_times(message, 1).await;
    }

    async fn until_said_times(&mut self, message: &str, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.said(message) < times {
            let ended = self.child.try_wait().expect("our own child");
            assert!(ended.is_none(), "it ended ({ended:?}): {}", self.log());
            assert!(
                Instant::now() < deadline,
                "never said {message:?}: {}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn signal(&self, signal: i32) {
        let pid = i32::try_from(self.child.id()).expect("process numbers are small");
        // SAFETY: kill takes two integers; the child is not collected yet, so the number is still its own.
        unsafe { libc::kill(pid, signal) };
    }

    /// Asks it to stop, and returns its exit status.
    async fn stop(&mut self) -> Option<i32> {
        self.signal(libc::SIGTERM);
        self.ended().await
    }

    /// Its exit status, once it has ended.
    async fn ended(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().expect("our own child") {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not stop: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn status(url: &str) -> u16 {
    match reqwest::get(url).await {
        Ok(answer) => answer.status().as_u16(),
        Err(_) => 0,
    }
}

async fn until_status(url: &str, wanted: u16) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let is = status(url).await;
        if is == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "{url} answers {is}, never {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two ports that nobody listens on.
fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| std::net::TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").port())
}

#[tokio::test]
async fn a_server_answers_counts_on_its_second_listener_and_stops_when_asked() {
    let bench = Bench::new().await;
    let [main, ops] = free_ports();
    let mut command = bench.command(&["serve"]);
    command
        .env("SIGNET_LISTEN", format!("127.0.0.1:{main}"))
        .env("SIGNET_LISTEN_OPS", format!("127.0.0.1:{ops}"));
    let mut server = Running::start(&bench, "serve", &mut command);
    server.until_said("ready").await;
    let main = |path: &str| format!("http://127.0.0.1:{main}{path}");
    let ops = |path: &str| format!("http://127.0.0.1:{ops}{path}");
    for url in [
        main("/.well-known/jwks.json"),
        main("/healthz"),
        main("/readyz"),
        ops("/healthz"),
        ops("/readyz"),
        ops("/metrics"),
    ] {
        assert_eq!(status(&url).await, 200, "{url}");
    }
    assert_eq!(
        status(&main("/metrics")).await,
        404,
        "counted where operators look alone"
    );
    assert_eq!(status(&main("/dev/")).await, 404);
    assert_eq!(status(&ops("/login")).await, 404);
    let metrics = reqwest::get(ops("/metrics")).await.expect("answered");
    let metrics = metrics.text().await.expect("text");
    for line in [
        "signet_signing_keys{alg=\"EdDSA\",state=\"signing\"} 1",
        "signet_signing_keys{alg=\"RS256\",state=\"announced\"} 2",
        "signet_status_list_age_seconds ",
        "signet_status_lists 2",
        "signet_status_list_revoked 0",
        "signet_status_list_bytes{alg=\"EdDSA\"} ",
        "signet_status_indexes_free{purpose=\"grants\"} 4096",
        "signet_status_indexes_free{purpose=\"clients\"} 16384",
        "signet_database_connections{state=\"idle\"}",
        "signet_http_requests_total{route=\"/readyz\",method=\"GET\",status=\"200\"} 1",
    ] {
        assert!(metrics.contains(line), "{line}: {metrics}");
    }
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    assert_eq!(server.said("stopped"), 1);
    assert_eq!(server.out(), "", "a server says nothing on standard output");
}

#[tokio::test]
async fn a_request_in_flight_is_finished_before_a_server_stops() {
    let bench = Bench::new().await;
    let made = bench
        .json(&[
            "clients",
            "create",
            "--name",
            "N",
            "--type",
            "public",
            "--redirect-uri",
            "https://a.example/cb",
        ])
        .json();
    let [port, _] = free_ports();
    let mut command = bench.command(&["serve"]);
    command.env("SIGNET_LISTEN", format!("127.0.0.1:{port}"));
    let mut server = Running::start(&bench, "serve", &mut command);
    server.until_said("ready").await;

    let sql = bench.database().client().await;
    sql.batch_execute("BEGIN; LOCK TABLE authorization_requests IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("locked");
    let url = format!(
        "http://127.0.0.1:{port}/oauth2/authorize?response_type=code&client_id={}&redirect_uri=https://a.example/cb\
         &scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256",
        made["client_id"].as_str().expect("an id")
    );
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build();
    let request = client.expect("a client").get(url).send();
    let request = tokio::spawn(request);
    bench.database().until_one_waits().await;
    server.signal(libc::SIGTERM);
    server.until_said("stopping").await;
    // It takes no new requests, and still has this one.
    until_status(&format!("http://127.0.0.1:{port}/healthz"), 0).await;
    assert!(!request.is_finished());
    sql.batch_execute("COMMIT").await.expect("unlocked");
    let answer = request.await.expect("no panic").expect("an answer");
    assert_eq!(answer.status(), 303);
    assert_eq!(server.ended().await, Some(0), "{}", server.log());
}

#[tokio::test]
async fn a_port_that_is_taken_is_told_with_what_to_do() {
    let bench = Bench::new().await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let mut command = bench.command(&["serve", "--format", "json"]);
    command.env("SIGNET_LISTEN", &address);
    let failure = run(&mut command, "").failure(1);
    assert_eq!(failure["error"], "listen");
    assert!(
        failure["message"]
            .as_str()
            .is_some_and(|text| text.starts_with(&address))
    );
    assert!(
        failure["hint"]
            .as_str()
            .is_some_and(|text| text.contains("SIGNET_LISTEN"))
    );
}

#[tokio::test]
async fn a_running_server_obeys_commands() {
    let bench = Bench::new().await;
    let [port, _] = free_ports();
    let mut command = bench.command(&["serve"]);
    command.env("SIGNET_LISTEN", format!("127.0.0.1:{port}"));
    let mut server = Running::start(&bench, "serve", &mut command);
    server.until_said("ready").await;
    let token = async |secret: &str| {
        let client = reqwest::Client::new();
        let form = [("grant_type", "client_credentials")];
        let request = client
            .post(format!("http://127.0.0.1:{port}/oauth2/token"))
            .basic_auth("batch", Some(secret))
            .form(&form);
        request.send().await.expect("answered").status().as_u16()
    };
    let until = async |secret: &str, wanted: u16| {
        let deadline = Instant::now() + PATIENCE;
        while token(secret).await != wanted {
            assert!(Instant::now() < deadline, "never {wanted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let secret = "s".repeat(40);
    assert_eq!(token(&secret).await, 401);
    let metadata = json!({"client_id": "batch", "client_secret": secret, "redirect_uris": [],
        "grant_types": ["client_credentials"]});
    bench
        .run_with_input(
            &["--format", "json", "clients", "create", "--metadata", "-"],
            &metadata.to_string(),
        )
        .json();
    until(&secret, 200).await;
    let rotated = bench.json(&["clients", "rotate-secret", "batch"]).json();
    until(&secret, 401).await;
    let secret = rotated["client_secret"].as_str().expect("a secret");
    assert_eq!(token(secret).await, 200);
    bench.json(&["clients", "update", "batch", "--disable"]).json();
    until(secret, 401).await;
}

#[tokio::test]
async fn a_server_waits_for_its_database_and_serves_again_when_that_returns() {
    let bench = Bench::new().await;
    let [port, _] = free_ports();
    let mut gate = Gate::new(bench.database());
    let mut command = bench.command(&["serve"]);
    command
        .env("SIGNET_LISTEN", format!("127.0.0.1:{port}"))
        .env("DATABASE_URL", gate.url());
    let mut server = Running::start(&bench, "serve", &mut command);
    server.until_said("waiting for the database").await;
    gate.open().await;
    server.until_said("ready").await;
    let url = |path: &str| format!("http://127.0.0.1:{port}{path}");
    for round in 1..=2 {
        until_status(&url("/readyz"), 200).await;
        gate.close();
        until_status(&url("/readyz"), 503).await;
        server.until_said_times("the database is away", round).await;
        assert_eq!(status(&url("/.well-known/jwks.json")).await, 200, "from memory");
        assert_eq!(status(&url("/healthz")).await, 200);
        gate.open().await;
        until_status(&url("/readyz"), 200).await;
        server.until_said_times("the database is back", round).await;
        assert_eq!(
            server.said("the database is away"),
            round,
            "told once: {}",
            server.log()
        );
    }
    assert_eq!(server.stop().await, Some(0), "{}", server.log());
}

/// The process number of the private PostgreSQL.
fn postmaster(bench: &Bench) -> Option<i32> {
    let file = std::fs::read_to_string(bench.path(".signet/postgres/cluster/postmaster.pid")).ok()?;
    file.lines().next()?.trim().parse().ok()
}

#[tokio::test]
async fn dev_needs_no_configuration_and_commands_work_beside_it() {
    let bench = Bench::embedded();
    let [port, _] = free_ports();
    let dev = |name: &str, format: &str| {
        let mut command = bench.command(&["dev", "--format", format]);
        command.env("SIGNET_LISTEN", format!("127.0.0.1:{port}"));
        Running::start(&bench, name, &mut command)
    };
    let mut server = dev("dev", "json");
    server.until_said("ready").await;
    until_status(&format!("http://localhost:{port}/dev/"), 200).await;
    let block: Value = serde_json::from_str(&server.out()).expect("one object");
    assert_eq!(block["issuer"], format!("http://localhost:{port}"));
    assert_eq!(block["client_id"], "demo");
    for member in ["open", "jwks_uri", "mailbox"] {
        let url = block[member].as_str().expect("an address");
        assert_eq!(status(url).await, 200, "{url}");
    }
    let key = bench.path(".signet/master.key").metadata().expect("a master key");
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777,
        0o600
    );

    let clients = bench.json(&["clients", "list"]).json();
    assert_eq!(clients[0]["client_id"], "demo");
    assert_eq!(
        clients[0]["redirect_uris"],
        json!([format!("http://localhost:{port}/dev/callback")])
    );
    bench
        .json(&[
            "clients",
            "create",
            "--name",
            "N",
            "--type",
            "confidential",
            "--redirect-uri",
            "https://a.example/cb",
        ])
        .json();
    let mut second = bench.command(&["serve", "--format", "json"]);
    second.env("SIGNET_LISTEN", "127.0.0.1:0");
    let failure = run(&mut second, "");
    assert_eq!(
        (failure.status, &failure.last_line()["error"]),
        (1, &json!("embedded_database"))
    );

    let before = postmaster(&bench).expect("PostgreSQL runs");
    // SAFETY: kill takes two integers and touches no memory of ours.
    unsafe { libc::kill(before, libc::SIGKILL) };
    let deadline = Instant::now() + PATIENCE;
    while postmaster(&bench).is_none_or(|now| now == before)
        || status(&format!("http://localhost:{port}/readyz")).await != 200
    {
        assert!(
            Instant::now() < deadline,
            "PostgreSQL does not come back: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    assert_eq!(server.stop().await, Some(0), "{}", server.log());
    assert_eq!(postmaster(&bench), None, "PostgreSQL stops with its server");

    let mut again = dev("again", "table");
    again.until_said("ready").await;
    until_status(&format!("http://localhost:{port}/readyz"), 200).await;
    let block = again.out();
    assert!(
        block.contains(&format!("Open      http://localhost:{port}/dev/")),
        "{block}"
    );
    assert_eq!(
        bench.json(&["clients", "list"]).json().as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(again.stop().await, Some(0), "{}", again.log());
}

#[tokio::test]
async fn commands_alone_start_the_private_database_and_stop_it_again() {
    let bench = Bench::embedded();
    bench.json(&["init"]).json();
    for email in ["ada@example.org", "eve@example.org"] {
        let line = [
            "--format",
            "json",
            "users",
            "create",
            "--email",
            email,
            "--name",
            "N",
            "--password-stdin",
        ];
        bench.run_with_input(&line, "nine unlikely staples\n").json();
        assert_eq!(postmaster(&bench), None);
    }
    let users = bench.json(&["users", "list"]).json();
    assert_eq!(users.as_array().map(Vec::len), Some(2));
    let findings = bench.json(&["doctor"]).json();
    assert!(findings.to_string().contains("embedded PostgreSQL"), "{findings}");
    assert_eq!(postmaster(&bench), None);
}
