//! The bench's own PostgreSQL, with the durability that PostgreSQL has by default, and pgbench on it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use signet::domain::secret::Secret;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::embedded::{Embedded, EmbeddedSettings};
use tokio_postgres::Client;

use super::process;

/// What a server for a million users would have: room for what they touch; and no checkpoint or vacuum in the
/// midst of a figure. Nothing of durability: that stays what PostgreSQL has by default.
const CONFIGURATION: &str = "
shared_buffers = 512MB
max_connections = 100
max_wal_size = 4GB
checkpoint_timeout = 30min
autovacuum_naptime = 1h
maintenance_work_mem = 64MB
";

pub struct Postgres {
    embedded: Embedded,
    postmaster: u32,
}

impl Postgres {
    /// Makes and starts one in `directory`.
    pub async fn start(directory: &Path) -> anyhow::Result<Self> {
        let settings = EmbeddedSettings {
            data_dir: directory.join("postgres"),
            bin_dir: None,
        };
        let made = Embedded::serve(&settings).await?;
        let configuration = made.data_dir().join("postgresql.conf");
        let mut file = fs::File::options().append(true).open(configuration)?;
        file.write_all(CONFIGURATION.as_bytes())?;
        drop(file);
        made.stop().await?;

        let embedded = Embedded::serve(&settings).await?;
        let pid = fs::read_to_string(embedded.data_dir().join("postmaster.pid"))?;
        let postmaster = pid.lines().next().context("an empty postmaster.pid")?.parse()?;
        let postgres = Self { embedded, postmaster };
        let client = postgres.connect("signet").await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let row = client.query_one(&format!("SHOW {setting}"), &[]).await?;
            ensure!(row.get::<_, &str>(0) == "on", "{setting} is off");
        }
        Ok(postgres)
    }

    pub fn version(&self) -> &str {
        self.embedded.version()
    }

    /// The URL of one of its databases.
    pub fn url(&self, database: &str) -> Secret {
        let url = self.embedded.url().expose();
        Secret::new(url.replacen("postgres:///signet?", &format!("postgres:///{database}?"), 1))
    }

    pub async fn connect(&self, database: &str) -> anyhow::Result<Client> {
        Ok(DatabaseUrl::parse(&self.url(database))?.connect().await?)
    }

    /// The processor time of all its processes.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        process::cpu_of_family(self.postmaster)
    }

    /// Transactions a second of a script with that many clients, if pgbench is installed beside the server.
    pub fn pgbench(&self, script: &Path, clients: usize, length: Duration) -> anyhow::Result<Option<f64>> {
        let Some(program) = self.pgbench_program() else {
            return Ok(None);
        };
        let url = self.embedded.url().expose().to_owned();
        let output = Command::new(program)
            .args([
                "--no-vacuum",
                "--protocol=prepared",
                "--jobs=2",
                "--define=serial=1",
            ])
            .arg(format!("--client={clients}"))
            .arg(format!("--time={}", length.as_secs().max(1)))
            .arg(format!("--file={}", script.display()))
            .arg(url)
            .output()
            .context("pgbench cannot be run")?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "pgbench failed: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
        let rate = rate.and_then(|rest| rest.split_whitespace().next());
        Ok(Some(rate.context("pgbench told no tps")?.parse()?))
    }

    fn pgbench_program(&self) -> Option<PathBuf> {
        let server = fs::read_link(format!("/proc/{}/exe", self.postmaster)).ok()?;
        let program = server.with_file_name("pgbench");
        program.exists().then_some(program)
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        Ok(self.embedded.stop().await?)
    }
}
