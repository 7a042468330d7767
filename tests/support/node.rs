//! `signet serve` as a process of its own, which can be killed.

use std::ffi::OsString;
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A folder that servers run in, removed with the value.
pub struct Folder {
    path: PathBuf,
    /// What every process in it is told.
    environment: Vec<(String, OsString)>,
}

impl Folder {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("signet-n{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("the temporary directory is writable");
        Self {
            path: folder,
            environment: Vec::new(),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Sets a variable for every process that is started here from now on.
    pub fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.push((name.to_owned(), value.into()));
    }

    /// The postmaster of the private PostgreSQL of a server in this folder.
    pub fn postmaster(&self) -> Option<i32> {
        let file = self.path.join(".signet/postgres/cluster/postmaster.pid");
        let text = std::fs::read_to_string(file).ok()?;
        text.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(pid) = self.postmaster() {
            kill(pid, libc::SIGQUIT);
        }
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Sends a signal.
pub fn kill(pid: i32, signal: i32) {
    // SAFETY: kill takes two integers and touches no memory of ours.
    unsafe { libc::kill(pid, signal) };
}

/// The binary in `folder`, with nothing configured but a master key and what these tests always want. The master
/// key is that of the folder's `master.key` if there is one.
pub fn signet(folder: &Folder, database: Option<&str>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    for (name, _) in std::env::vars_os() {
        let ours = name.to_str().is_some_and(|name| name.starts_with("SIGNET_"));
        if ours || name == "DATABASE_URL" {
            command.env_remove(name);
        }
    }
    if folder.path().join("master.key").exists() {
        command.env("SIGNET_KEYS__MASTER_KEY_FILE", "master.key");
    } else {
        command.env("SIGNET_KEYS__MASTER_KEY", format!("{}=", "k".repeat(43)));
    }
    command
        .current_dir(folder.path())
        .env("SIGNET_RATE_LIMIT__ENABLED", "false")
        .env("SIGNET_LOG__LEVEL", "info");
    if let Some(url) = database {
        command.env("DATABASE_URL", url);
    }
    for (name, value) in &folder.environment {
        command.env(name, value);
    }
    command
}

/// A running server.
pub struct Node {
    pub url: String,
    child: Child,
    log: PathBuf,
}

impl Node {
    /// Starts one on a free port; its issuer is `issuer`, or where it listens.
    pub async fn start(folder: &Folder, database: Option<&str>, issuer: Option<&str>) -> Self {
        // The port is free at this moment; nobody else here wants just this one.
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("bound").to_string();
        drop(listener);
        Self::start_at(folder, database, issuer, &address).await
    }

    /// Starts one at an address.
    pub async fn start_at(
        folder: &Folder,
        database: Option<&str>,
        issuer: Option<&str>,
        address: &str,
    ) -> Self {
        let mut node = Self::launch(folder, database, issuer, address);
        node.until_ready().await;
        node
    }

    /// Starts `signet dev` on a free port, with a mailbox and whatever else comes with it.
    pub async fn develop(folder: &Folder, database: &str) -> Self {
        let port = super::programs::free_port();
        let (address, issuer) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}"));
        let mut node = Self::run("dev", folder, Some(database), Some(&issuer), &address);
        node.until_ready().await;
        node
    }

    /// Starts one at an address, ready or not.
    pub fn launch(folder: &Folder, database: Option<&str>, issuer: Option<&str>, address: &str) -> Self {
        Self::run("serve", folder, database, issuer, address)
    }

    fn run(
        command: &str,
        folder: &Folder,
        database: Option<&str>,
        issuer: Option<&str>,
        address: &str,
    ) -> Self {
        let url = format!("http://{address}");
        let log = folder.path().join(format!("{}.log", address.replace(':', "-")));
        let output = File::options().create(true).append(true).open(&log);
        let output = output.expect("our own folder");
        let child = signet(folder, database)
            .arg(command)
            .env("SIGNET_LISTEN", address)
            .env("SIGNET_ISSUER", issuer.unwrap_or(&url))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file can be duplicated"))
            .stderr(output)
            .spawn()
            .expect("the binary runs");
        Self { url, child, log }
    }

    /// Returns once it serves, and what it needs is there.
    pub async fn until_ready(&mut self) {
        let http = reqwest::Client::new();
        let url = format!("{}/readyz", self.url);
        let ready = async {
            loop {
                let answer = http.get(&url).send().await;
                if answer.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                let ended = self.child.try_wait().expect("our own child");
                assert!(ended.is_none(), "{ended:?}: {}", self.log());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let ready = tokio::time::timeout(Duration::from_secs(60), ready).await;
        assert!(ready.is_ok(), "it does not get ready: {}", self.log());
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        self.url.trim_start_matches("http://")
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own child");
        self.child.wait().expect("our own child");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
