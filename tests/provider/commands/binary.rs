//! The binary in a folder of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

use crate::support::database::TestDatabase;

/// A folder to run `signet` in, with a database or with the private PostgreSQL.
pub struct Bench {
    folder: PathBuf,
    database: Option<TestDatabase>,
}

/// What a run came to.
#[derive(Debug)]
pub struct Run {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// Standard output as JSON; panics unless the command was done and said nothing else there.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.status, 0, "{self:?}");
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The failure on the last line of standard error; panics unless the command failed with `status`, and said
    /// nothing on standard output.
    #[track_caller]
    pub fn failure(&self, status: i32) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.stdout, "", "{self:?}");
        self.last_line()
    }

    /// The last line of standard error as JSON.
    #[track_caller]
    pub fn last_line(&self) -> Value {
        let line = self.stderr.lines().last().unwrap_or_default();
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code().expect("the command ends by itself"),
            stdout: String::from_utf8(output.stdout).expect("commands print UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("commands print UTF-8"),
        }
    }
}

impl Bench {
    /// A folder with a migrated database and a master key.
    pub async fn new() -> Self {
        Self::with(Some(crate::support::database().await))
    }

    /// A folder with a database that has no schema.
    pub async fn bare() -> Self {
        Self::with(Some(crate::support::database::bare_database().await))
    }

    /// A folder in which nothing is configured.
    pub fn embedded() -> Self {
        Self::with(None)
    }

    fn with(database: Option<TestDatabase>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("signet-c{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir(&folder).expect("the temporary directory is writable");
        let bench = Self { folder, database };
        if bench.database.is_some() {
            bench.write("master.key", &format!("{}=\n", "k".repeat(43)));
        }
        bench
    }

    pub fn database(&self) -> &TestDatabase {
        self.database.as_ref().expect("this bench has a database")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A file that its owner alone may read.
    pub fn write(&self, name: &str, content: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = self.path(name);
        std::fs::write(&path, content).expect("our own folder");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("our own file");
        path
    }

    /// The command, ready to run.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
        command.args(arguments).current_dir(&self.folder);
        for (name, _) in std::env::vars_os() {
            let ours = name.to_str().is_some_and(|name| name.starts_with("SIGNET_"));
            if ours || name == "DATABASE_URL" {
                command.env_remove(name);
            }
        }
        if let Some(database) = &self.database {
            command
                .env("DATABASE_URL", database.url.expose())
                .env("SIGNET_KEYS__MASTER_KEY_FILE", "master.key");
        }
        command
    }

    /// Runs a command that reads nothing.
    pub fn run(&self, arguments: &[&str]) -> Run {
        self.run_with_input(arguments, "")
    }

    /// Runs a command that reads `input`.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Run {
        run(&mut self.command(arguments), input)
    }

    /// Runs a command with `--format json`.
    pub fn json(&self, arguments: &[&str]) -> Run {
        self.run(&[&["--format", "json"], arguments].concat())
    }
}

/// Runs `command` on `input`.
pub fn run(command: &mut Command, input: &str) -> Run {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut stdin = child.stdin.take().expect("piped");
    // A command that reads nothing may have ended by now.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("our own child").into()
}

/// `value` with what differs from run to run replaced by a word.
pub fn redacted(mut value: Value) -> String {
    redact(&mut value);
    serde_json::to_string_pretty(&value).expect("JSON")
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(redact),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let word = match value {
                    Value::String(text) if uuid::Uuid::try_parse(text).is_ok() => "[uuid]".to_owned(),
                    Value::String(text) if is_time(text) => "[time]".to_owned(),
                    Value::String(text) if text.starts_with("client_") && name == "client_id" => {
                        format!("client_[{}]", text.len() - 7)
                    }
                    Value::String(text) if text.starts_with("signet_cs_") => {
                        format!("signet_cs_[{}]", text.len() - 10)
                    }
                    Value::Number(_) if name == "client_id_issued_at" => "[seconds]".to_owned(),
                    other => {
                        redact(other);
                        continue;
                    }
                };
                *value = Value::String(word);
            }
        }
        _ => {}
    }
}

/// RFC 3339 in UTC with milliseconds, and no other spelling.
fn is_time(text: &str) -> bool {
    text.len() == 24 && text.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(text).is_ok()
}

impl Drop for Bench {
    fn drop(&mut self) {
        stop_postgres(&self.folder.join(".signet/postgres"));
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A test that failed may have left one.
fn stop_postgres(data: &Path) {
    let Ok(file) = std::fs::read_to_string(data.join("cluster/postmaster.pid")) else {
        return;
    };
    if let Some(pid) = file.lines().next().and_then(|line| line.trim().parse().ok()) {
        // SAFETY: kill takes two integers and touches no memory of ours.
        unsafe { libc::kill(pid, libc::SIGQUIT) };
    }
}
