//! A database for each test, copied from a migrated template.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::DateTime;
use signet::domain::secret::Secret;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::pool::{self, PoolSettings};
use signet::storage::{Db, Statements, migrate};

use super::cluster::Cluster;

/// A migrated database of its own, dropped with the value.
pub struct TestDatabase {
    /// Its URL, for whoever opens it in another way; the user may do everything.
    pub url: Secret,
    /// A small pool on it, with prepared statements.
    pub db: Db,
    name: String,
}

impl TestDatabase {
    /// Another pool on the same database.
    pub fn open(&self, statements: Statements, size: usize) -> Db {
        open(&self.url, statements, size)
    }

    /// Returns once a statement on this database waits for a lock.
    pub async fn until_one_waits(&self) {
        const WAITING: &str =
            "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let client = self.client().await;
        while client.query(WAITING, &[]).await.expect("asked").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Returns once no other session works on this database.
    pub async fn until_nothing_runs(&self) {
        const RUNNING: &str = "SELECT 1 FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
        let client = self.client().await;
        let idle = async {
            while !client.query(RUNNING, &[]).await.expect("asked").is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(10), idle)
            .await
            .expect("what runs comes to its end");
    }

    /// The database's name in the cluster.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A connection outside any pool, for what only a test wants to ask.
    pub async fn client(&self) -> tokio_postgres::Client {
        connect(&self.name).await
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.db.close();
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A thread, because the test's own runtime may be ending, or be busy.
        let dropped = std::thread::spawn(move || {
            run(async move { connect("postgres").await.batch_execute(&statement).await })
        })
        .join();
        if !std::thread::panicking() {
            dropped
                .expect("the thread ends")
                .expect("nothing keeps a database from being dropped by force");
        }
    }
}

/// A migrated, empty database.
pub async fn database() -> TestDatabase {
    create(Some(template().await)).await
}

/// A database with nothing in it at all.
pub async fn bare_database() -> TestDatabase {
    create(None).await
}

async fn create(template: Option<&str>) -> TestDatabase {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!(
        "t_{}_{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    );
    let client = connect("postgres").await;
    // A process of an earlier run may have had our id, and have been killed.
    client
        .batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        .await
        .expect("drop a left-over database");
    client
        .batch_execute(&format!(
            "CREATE DATABASE {name} TEMPLATE {} STRATEGY wal_log",
            template.unwrap_or("template0")
        ))
        .await
        .expect("create a test database");
    let url = Secret::new(Cluster::shared().url(&name));
    TestDatabase {
        db: open(&url, Statements::Prepared, 16),
        url,
        name,
    }
}

fn open(url: &Secret, statements: Statements, size: usize) -> Db {
    let url = url.clone();
    pool::open(&PoolSettings {
        url,
        size,
        statements,
    })
    .expect("a URL of ours is understood")
}

async fn connect(database: &str) -> tokio_postgres::Client {
    DatabaseUrl::parse(&Secret::new(Cluster::shared().url(database)))
        .expect("a URL of ours is understood")
        .connect()
        .await
        .expect("the cluster accepts connections")
}

/// The name of the template that this binary's migrations made.
async fn template() -> &'static str {
    static TEMPLATE: OnceLock<String> = OnceLock::new();
    if let Some(name) = TEMPLATE.get() {
        return name;
    }
    tokio::task::spawn_blocking(|| TEMPLATE.get_or_init(|| run(make_template())).as_str())
        .await
        .expect("the template can be made")
}

async fn make_template() -> String {
    let binary = std::env::current_exe().expect("a test knows its binary");
    let metadata = binary.metadata().expect("a running binary is there");
    let mut hasher = DefaultHasher::new();
    (&binary, metadata.len(), metadata.modified().ok()).hash(&mut hasher);
    let name = format!("template_{:016x}", hasher.finish());
    let _lock = Cluster::shared().lock("template");
    let client = connect("postgres").await;
    let exists = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&name])
        .await
        .expect("list databases");
    if exists.is_some() {
        return name;
    }
    client
        .batch_execute("DROP DATABASE IF EXISTS unfinished WITH (FORCE)")
        .await
        .expect("drop an unfinished template");
    client
        .batch_execute("CREATE DATABASE unfinished TEMPLATE template0 STRATEGY wal_log")
        .await
        .expect("create the template");
    let url = DatabaseUrl::parse(&Secret::new(Cluster::shared().url("unfinished"))).expect("a URL of ours");
    migrate::run(&url, DateTime::UNIX_EPOCH)
        .await
        .expect("the migrations apply");
    // The server notices the end of a connection a moment after its client; a rename waits for nobody.
    client
        .batch_execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = 'unfinished'",
        )
        .await
        .expect("end the migration's connection");
    client
        .batch_execute(&format!("ALTER DATABASE unfinished RENAME TO {name}"))
        .await
        .expect("rename the template");
    name
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime can be made")
        .block_on(future)
}
