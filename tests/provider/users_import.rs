//! `signet users import`: the users of other providers move in, with the real binary.

mod better_auth;
mod refusals;
mod size;
mod sources;

use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;
use signet::domain::password::{Password, PasswordHash};
use signet::password::{HashParams, Hasher, HasherSettings, Verification};

use crate::support::database::{TestDatabase, database};
use crate::support::node::{Folder, signet};

/// A folder and a database to move into.
pub struct Home {
    pub folder: Folder,
    pub database: TestDatabase,
}

impl Home {
    pub async fn new() -> Self {
        Self {
            folder: Folder::new(),
            database: database().await,
        }
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("our own folder");
        path.to_str().expect("a path of text").to_owned()
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = signet(&self.folder, Some(self.database.url.expose()));
        command.args(["--format", "json"]).args(arguments);
        command
    }

    /// Runs the import, which must be done, and answers with its summary.
    pub async fn import(&self, arguments: &[&str]) -> Value {
        let mut command = self.command(&[&["users", "import"], arguments].concat());
        let output = tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output())
            .await
            .expect("the thread ends")
            .expect("the binary runs");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{told}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {told}"))
    }

    /// The lines of a report.
    pub fn report(&self, name: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join(name)).expect("a report");
        let line = |line: &str| serde_json::from_str(line).expect("a line of JSON");
        text.lines().map(line).collect()
    }

    /// Everything that the database holds on users, as texts, in an order that does not change.
    pub async fn everything(&self) -> Vec<String> {
        let sql = self.database.client().await;
        let mut all = Vec::new();
        for table in [
            "users",
            "identities",
            "passkeys",
            "sessions",
            "imported_sessions",
            "signing_keys",
        ] {
            let statement = format!("SELECT to_jsonb(t)::text FROM {table} t ORDER BY 1");
            let rows = sql.query(&statement, &[]).await.expect("asked");
            all.extend(
                rows.iter()
                    .map(|row| format!("{table} {}", row.get::<_, String>(0))),
            );
        }
        all
    }

    pub async fn count(&self, table: &str) -> i64 {
        let sql = self.database.client().await;
        let statement = format!("SELECT count(*) FROM {table}");
        sql.query_one(&statement, &[]).await.expect("counted").get(0)
    }

    /// A user as stored.
    pub async fn user(&self, email: &str) -> Value {
        let sql = self.database.client().await;
        let statement = "SELECT to_jsonb(u) || jsonb_build_object('identities', (
                SELECT COALESCE(jsonb_agg(i.provider || ' ' || i.subject ORDER BY 1), '[]') FROM identities i
                WHERE i.user_id = u.id)) AS user FROM users u WHERE u.email = $1";
        let row = sql.query_one(statement, &[&email]).await;
        row.unwrap_or_else(|_| panic!("{email} is there")).get(0)
    }
}

/// Whether the stored hash is that of the password.
pub async fn opens(user: &Value, password: &str) -> bool {
    let hasher = Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: 8,
            iterations: 1,
            parallelism: 1,
        },
        threads: 1,
        queue_timeout: Duration::from_secs(60),
        queue_length: 1,
    })
    .expect("a hasher");
    let hash = PasswordHash::from_stored(user["password_hash"].as_str().expect("a hash"));
    let verified = hasher.verify(&Password::presented(password), Some(&hash)).await;
    verified.expect("time enough") == Verification::Right { outdated: true }
}
