//! Verifiers of others, each shown every token of one API.

use std::collections::BTreeMap;
use std::process::Stdio;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, ChildStdin, Command};

use crate::support::programs::{checkout, installed};

/// One verifier at its work.
pub struct Verifier {
    pub name: &'static str,
    child: Child,
    tokens: ChildStdin,
}

/// What became of the tokens that one was shown.
#[derive(Debug)]
pub struct Verdict {
    pub verified: u64,
    /// When the last good token of each key was verified.
    pub last: BTreeMap<String, DateTime<Utc>>,
    pub failures: Vec<String>,
}

impl Verifier {
    /// Starts `file` of tests/clients for the tokens of `audience`.
    pub fn start(file: &'static str, issuer: &str, audience: &str, max_age: &str) -> Self {
        let interpreter = if file.ends_with(".py") { "python" } else { "node" };
        let mut child = Command::new(installed(".venv/bin").join(interpreter))
            .arg(checkout("tests/clients").join(file))
            .env("ISSUER", issuer)
            .env("AUDIENCE", audience)
            .env("MAX_AGE", max_age)
            .env("NO_PROXY", "127.0.0.1,localhost")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        let tokens = child.stdin.take().expect("it is piped");
        Self {
            name: file,
            child,
            tokens,
        }
    }

    /// Shows it a token.
    pub async fn show(&mut self, token: &str) {
        let line = format!("{token}\n");
        let shown = self.tokens.write_all(line.as_bytes()).await;
        shown.unwrap_or_else(|error| panic!("{} has ended: {error}", self.name));
    }

    /// Shows it no more, and hears what it says.
    pub async fn end(self) -> Verdict {
        drop(self.tokens);
        let output = self.child.wait_with_output().await.expect("its end is seen");
        let said = String::from_utf8_lossy(&output.stdout);
        let said: Value = serde_json::from_str(said.trim())
            .unwrap_or_else(|error| panic!("{} says no JSON ({error}): {said}", self.name));
        let failures = said["failures"].as_array().unwrap_or_else(|| panic!("{said}"));
        let text = |text: &Value| text.as_str().expect("a text").to_owned();
        Verdict {
            verified: said["verified"].as_u64().expect("a number"),
            last: serde_json::from_value(said["last"].clone()).expect("times by kid"),
            failures: failures.iter().map(text).collect(),
        }
    }
}
