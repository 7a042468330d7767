//! The two servers that are compared, each a process of its own: `signet serve`, and `bare`.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use signet::domain::secret::Secret;
use signet::random::{Random, SystemRandom};

use super::http::{self, Connection};

const SIGNET: &str = env!("CARGO_BIN_EXE_signet");

/// How long a server may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is killed with the value.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An installation of Signet: a configuration, a master key, a database.
pub struct Installation {
    directory: PathBuf,
    database: Secret,
    pub address: SocketAddr,
}

impl Installation {
    /// Two hashing threads, as the limit has; no rate limits, since the load comes from one address. Everything
    /// else is the default.
    pub fn create(directory: &Path, database: Secret) -> anyhow::Result<Self> {
        Self::with(directory, database, "")
    }

    /// [`create`](Self::create) with further sections of the configuration.
    pub fn with(directory: &Path, database: Secret, sections: &str) -> anyhow::Result<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let mut key = [0; 32];
        SystemRandom.fill(&mut key);
        let mut file = File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(directory.join("master.key"))?;
        writeln!(file, "{}", STANDARD.encode(key))?;
        let configuration = format!(
            "issuer = \"http://{address}\"\n\
             listen = \"{address}\"\n\
             [keys]\n\
             master_key_file = \"{}\"\n\
             [passwords]\n\
             hash_threads = 2\n\
             [rate_limit]\n\
             enabled = false\n\
             {sections}",
            directory.join("master.key").display()
        );
        fs::write(directory.join("signet.toml"), configuration)?;
        Ok(Self {
            directory: directory.to_owned(),
            database,
            address,
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new(SIGNET);
        command
            .arg("--config")
            .arg(self.directory.join("signet.toml"))
            .env("DATABASE_URL", self.database.expose())
            .current_dir(&self.directory);
        command
    }

    /// Starts `signet serve` and waits for its first answer. Says how long that took from the start of the
    /// process.
    pub async fn serve(&self) -> anyhow::Result<(Server, Duration)> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.directory.join("signet.log"))?;
        let began = Instant::now();
        let child = self
            .command()
            .arg("serve")
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut server = Server {
            child,
            address: self.address,
        };
        let request = http::get("/.well-known/jwks.json", &[]);
        loop {
            if let Ok(mut connection) = Connection::open(self.address).await {
                let answered = connection.exchange(&request).await;
                if answered.is_ok_and(|answer| answer.status == 200) {
                    return Ok((server, began.elapsed()));
                }
            }
            let ended = server.child.try_wait()?;
            if ended.is_some() || began.elapsed() > PATIENCE {
                bail!("signet serve does not answer: {}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Registers clients by a JSON array of RFC 7591 metadata, and returns what the command printed.
    pub fn register(&self, metadata: &Value) -> anyhow::Result<Vec<Value>> {
        let mut child = self
            .command()
            .args(["--format", "json", "clients", "create", "--metadata", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut input = child.stdin.take().context("it was asked for")?;
        input.write_all(metadata.to_string().as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        ensure!(
            output.status.success(),
            "signet clients create failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// The end of the server's log.
    pub fn log(&self) -> String {
        let text = fs::read_to_string(self.directory.join("signet.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(10)..].join("\n")
    }
}

/// Starts `bare` on what lies in `directory`, and waits until it says where it listens.
pub fn bare(directory: &Path, database: &Secret) -> anyhow::Result<Server> {
    let mut child = Command::new(std::env::current_exe()?)
        .arg("bare")
        .arg(directory)
        .env("DATABASE_URL", database.expose())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("it was asked for")?;
    let mut server = Server {
        child,
        address: (Ipv4Addr::LOCALHOST, 0).into(),
    };
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    server.address = line.trim().parse().context("bare did not start")?;
    Ok(server)
}
