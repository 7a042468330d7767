//! A real mail server as a process of its own, and what it was handed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::programs::{checkout, installed};

/// How long a server may take to do what it is told, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server, ended with the value.
pub struct SmtpServer {
    pub port: u16,
    child: Child,
    orders: ChildStdin,
    said: Receiver<Value>,
}

impl SmtpServer {
    /// One that speaks plainly to anybody.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// One with settings, as tests/clients/smtp_server.py has them.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let mut command = Command::new(installed(".venv/bin/python"));
        command
            .arg(checkout("tests/clients/smtp_server.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        for (name, value) in settings {
            command.env(name, value);
        }
        let mut child = command.spawn().expect("Python runs");
        let orders = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let (sender, said) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let value: Value = serde_json::from_str(&line).expect("it says JSON");
                if sender.send(value).is_err() {
                    return;
                }
            }
        });
        let first = said
            .recv_timeout(PATIENCE)
            .expect("it starts: `.ci/install test` installs aiosmtpd");
        let port = first["port"].as_u64().and_then(|port| u16::try_from(port).ok());
        Self {
            port: port.expect("a port"),
            child,
            orders,
            said,
        }
    }

    /// Tells it what to do with mail from now on, and returns once it will.
    pub fn order(&mut self, what: &str) {
        writeln!(self.orders, "{what}").expect("it listens");
        let done = self.next();
        assert_eq!(done["mode"], what, "mail came in between: {done}");
    }

    /// The next mail that it took, however long that may be coming.
    pub fn next(&self) -> Value {
        self.said.recv_timeout(PATIENCE).expect("it says something")
    }

    /// [`next`](Self::next), for tests that go on meanwhile.
    pub async fn mail(&self) -> Value {
        let said = async {
            loop {
                if let Ok(said) = self.said.try_recv() {
                    return said;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, said)
            .await
            .expect("it says something")
    }

    /// What it has said and nobody looked at yet.
    pub fn rest(&self) -> Vec<Value> {
        self.said.try_iter().collect()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The value of a header in a mail as it was taken, unfolded.
pub fn header(data: &str, name: &str) -> Option<String> {
    let head = data.split("\r\n\r\n").next()?;
    let head = head.replace("\r\n ", " ");
    let line = head.lines().find(|line| {
        line.to_ascii_lowercase()
            .starts_with(&format!("{}:", name.to_ascii_lowercase()))
    })?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
