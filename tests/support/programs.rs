//! Programs of others as child processes: what runs them, what they are told, and the one line of JSON that
//! they answer with (tests/clients/program.mjs and program.py).

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};

/// How long a program may take. Far more than any needs, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(180);

/// How long a server may take until it answers.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// A machine may reach the world through a proxy; it does not lead here.
const NO_PROXY: (&str, &str) = ("NO_PROXY", "127.0.0.1,localhost");

/// A file of this checkout.
pub fn checkout(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A port of this machine that is free at this moment.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    listener.local_addr().expect("bound").port()
}

/// One of the programs in tests/clients.
pub struct Program {
    name: String,
    command: Command,
}

impl Program {
    /// A program for Node.
    pub fn node(file: &str) -> Self {
        Self::of(".venv/bin/node", "tests/clients/node_modules", file)
    }

    /// A program for Python.
    pub fn python(file: &str) -> Self {
        Self::of(".venv/bin/python", ".venv/installed", file)
    }

    fn of(interpreter: &str, packages: &str, file: &str) -> Self {
        let mut command = Command::new(installed(interpreter));
        installed(packages);
        command.arg(checkout("tests/clients").join(file));
        Self {
            name: file.to_owned(),
            command,
        }
    }

    /// An argument.
    pub fn arg(mut self, value: &str) -> Self {
        self.command.arg(value);
        self
    }

    /// A setting.
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Runs it to its end, with `input` on its standard input. What it says when it ends well, else what it
    /// complains about.
    pub async fn run(mut self, input: &str) -> Result<Value, String> {
        let mut child = self
            .command
            .current_dir(checkout("."))
            .env(NO_PROXY.0, NO_PROXY.1)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.name));
        let mut stdin = child.stdin.take().expect("it is piped");
        let work = async {
            // One that ends early says why itself.
            drop(stdin.write_all(input.as_bytes()).await);
            drop(stdin);
            child.wait_with_output().await.expect("its end is seen")
        };
        let output = tokio::time::timeout(PATIENCE, work)
            .await
            .unwrap_or_else(|_| panic!("{} does not come to an end", self.name));
        let said = String::from_utf8_lossy(&output.stdout);
        let answer: Value = serde_json::from_str(said.trim()).unwrap_or_else(|error| {
            let complaint = String::from_utf8_lossy(&output.stderr);
            panic!("{} says no JSON ({error}): {said}{complaint}", self.name)
        });
        assert_eq!(output.status.success(), answer["ok"] == true, "{answer}");
        if output.status.success() {
            Ok(answer)
        } else {
            Err(format!(
                "{}: at {}: {}",
                self.name, answer["step"], answer["error"]
            ))
        }
    }
}

/// The path of something that the set-up installs: tests are never passed over for want of it.
///
/// # Panics
/// When it is not there, with the command that installs it.
pub fn installed(path: &str) -> PathBuf {
    let path = checkout(path);
    assert!(
        path.exists(),
        "{} is missing: `.ci/install test` installs what the tests need",
        path.display()
    );
    path
}

/// A server of others, ended with the value.
pub struct Server {
    /// Where it answers.
    pub url: String,
    child: Child,
}

impl Server {
    /// Starts what `command` makes for a port, and returns once it answers there.
    pub async fn start(command: impl Fn(u16) -> Command) -> Self {
        // The port may be taken between being found free and being listened on; three times it is not.
        for _ in 0..3 {
            let port = free_port();
            let child = command(port)
                .env(NO_PROXY.0, NO_PROXY.1)
                .stdout(Stdio::null())
                .kill_on_drop(true)
                .spawn()
                .unwrap_or_else(|error| panic!("{:?}: {error}", command(port)));
            let url = format!("http://127.0.0.1:{port}");
            let mut server = Self { url, child };
            if server.answers(port).await {
                return server;
            }
        }
        panic!("{:?} ends at once", command(0));
    }

    /// Starts what `command` makes, which listens on `port` because others know it already.
    pub async fn start_at(port: u16, command: impl Fn() -> Command) -> Self {
        let child = command()
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{:?}: {error}", command()));
        let url = format!("http://127.0.0.1:{port}");
        let mut server = Self { url, child };
        assert!(server.answers(port).await, "{:?} ends at once", command());
        server
    }

    /// Whether it came to listen; `false` when it ended.
    async fn answers(&mut self, port: u16) -> bool {
        let asked = async {
            loop {
                if self.child.try_wait().expect("its end is seen").is_some() {
                    return false;
                }
                if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                    return true;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(START_PATIENCE, asked)
            .await
            .expect("it starts")
    }
}
