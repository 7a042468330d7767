//! A PostgreSQL of this test alone, which can be restarted under everybody who uses it.

use std::process::{Child, Stdio};
use std::time::Duration;

use crate::support::cluster::{give_to_server, server_command};
use crate::support::node::{Folder, kill};

pub struct Postgres {
    folder: Folder,
    child: Child,
}

impl Postgres {
    pub async fn start() -> Self {
        let folder = Folder::new();
        let data = folder.path().join("data");
        std::fs::create_dir(&data).expect("our own folder");
        give_to_server(folder.path());
        give_to_server(&data);
        let made = server_command("initdb")
            .args([
                "--auth=trust",
                "--username=signet",
                "--encoding=UTF8",
                "--no-locale",
            ])
            .args(["--no-sync", "--no-instructions", "--pgdata"])
            .arg(&data)
            .stdout(Stdio::null())
            .status();
        assert!(made.expect("initdb runs").success());
        let child = serve(&folder);
        let server = Self { folder, child };
        server.until_it_listens().await;
        server
    }

    /// The URL of a database in it.
    pub fn url(&self) -> String {
        format!(
            "postgres:///postgres?host={}&user=signet",
            self.folder.path().display()
        )
    }

    /// Ends it with all its sessions, and starts it again.
    pub async fn restart(&mut self) {
        self.stop();
        self.child = serve(&self.folder);
        self.until_it_listens().await;
    }

    fn stop(&mut self) {
        let pid = i32::try_from(self.child.id()).expect("a process id");
        kill(pid, libc::SIGINT);
        self.child.wait().expect("our own child");
    }

    async fn until_it_listens(&self) {
        let listens = async {
            while tokio::net::UnixStream::connect(self.folder.path().join(".s.PGSQL.5432"))
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), listens)
            .await
            .expect("PostgreSQL starts");
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(folder: &Folder) -> Child {
    let mut command = server_command("postgres");
    command.arg("-D").arg(folder.path().join("data"));
    command.arg("-k").arg(folder.path());
    for setting in ["listen_addresses=", "fsync=off", "log_min_messages=fatal"] {
        command.args(["-c", setting]);
    }
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("postgres runs")
}
