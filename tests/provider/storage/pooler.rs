//! Behind PgBouncer in transaction mode: each statement may meet another session of the server.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use signet::domain::secret::Secret;
use signet::storage::pool::{self, PoolSettings};
use signet::storage::{Db, Execute, Statements, StorageError};
use tokio_postgres::types::Type;

use super::process::{Directory, PGBOUNCER, Server};
use crate::support::cluster::{Cluster, server_command};
use crate::support::database::{TestDatabase, database};

struct Pooler {
    _server: Server,
    directory: Directory,
    database: TestDatabase,
}

impl Pooler {
    /// PgBouncer with three sessions on a migrated database.
    async fn start() -> Self {
        let database = database().await;
        let directory = Directory::new();
        let folder = directory.path().display();
        let configuration = directory.write(
            "pgbouncer.ini",
            format!(
                "[databases]\n* = host={} user=signet\n[pgbouncer]\nlisten_addr =\nlisten_port = 6432\n\
                 unix_socket_dir = {folder}\nlogfile = {folder}/log\npidfile = {folder}/pid\nauth_type = any\n\
                 pool_mode = transaction\ndefault_pool_size = 3\n",
                Cluster::shared().socket().display()
            ),
        );
        let server = Server::start(
            server_command("pgbouncer").arg(configuration),
            &directory.path().join(".s.PGSQL.6432"),
            PGBOUNCER,
        );
        Self {
            _server: server,
            directory,
            database,
        }
    }

    fn open(&self, statements: Statements) -> Db {
        let name = self.database.name();
        let folder = self.directory.path().display();
        pool::open(&PoolSettings {
            url: Secret::new(format!("postgres:///{name}?host={folder}&port=6432&user=signet")),
            size: 12,
            statements,
        })
        .expect("a URL of ours is understood")
    }
}

const TOUCH: &str = "INSERT INTO revisions (name, revision) VALUES ($1, $2)
    ON CONFLICT (name) DO UPDATE SET revision = revisions.revision + 1 RETURNING pg_backend_pid()";

async fn touch(db: &impl Execute, name: &str) -> Result<i32, StorageError> {
    let rows = db
        .query(TOUCH, &[(&name, Type::TEXT), (&1_i64, Type::INT8)])
        .await?;
    Ok(rows[0].get(0))
}

#[tokio::test]
async fn typed_statements_and_transactions_work_on_fewer_sessions_than_tasks() {
    let pooler = Pooler::start().await;
    let db = pooler.open(Statements::Typed);
    let sessions: HashSet<i32> = join_all((0..12).map(|task| {
        let db = db.clone();
        async move {
            let name = format!("task {task}");
            let mut sessions = HashSet::new();
            for round in 0..30 {
                sessions.insert(touch(&db, &name).await.expect("a statement alone"));
                let tx = db.begin().await.expect("a transaction begins");
                let first = touch(&tx, &name).await.expect("in a transaction");
                let second = touch(&tx, &name).await.expect("in a transaction");
                assert_eq!(first, second, "a transaction keeps its session");
                if round % 2 == 0 {
                    tx.commit().await.expect("committed");
                }
            }
            sessions
        }
    }))
    .await
    .into_iter()
    .flatten()
    .collect();
    assert!(sessions.len() <= 3, "{sessions:?}");
    // 30 statements alone, and two in each of the 15 transactions that were committed.
    let rows = pooler
        .database
        .client()
        .await
        .query("SELECT revision FROM revisions WHERE name LIKE 'task %'", &[])
        .await
        .expect("asked");
    assert_eq!(rows.len(), 12);
    assert!(rows.iter().all(|row| row.get::<_, i64>(0) == 60));
}

#[tokio::test]
async fn prepared_statements_get_lost_and_the_error_says_what_to_do() {
    let pooler = Pooler::start().await;
    let db = pooler.open(Statements::Prepared);
    let results = join_all((0..12).map(|task| {
        let db = db.clone();
        async move {
            let name = format!("task {task}");
            let mut lost = 0;
            for _ in 0..30 {
                match touch(&db, &name).await {
                    Ok(_) => {}
                    Err(error @ StorageError::PreparedStatementLost(_)) => {
                        assert!(error.to_string().contains("database.statements = \"typed\""));
                        lost += 1;
                    }
                    Err(error) => panic!("{error:?}"),
                }
            }
            lost
        }
    }))
    .await;
    assert!(results.iter().sum::<u32>() > 0);
}

#[tokio::test]
async fn a_statement_past_its_time_is_given_up_and_the_pooler_survives_it() {
    let pooler = Pooler::start().await;
    let db = pooler.open(Statements::Typed);
    let hasty = db.with_limit(Duration::from_millis(100));
    // More than the pooler has sessions.
    for result in join_all((0..6).map(|_| hasty.query("SELECT pg_sleep(3)", &[]))).await {
        assert!(result.expect_err("too slow").is_unavailable());
    }
    // Not only this pool's connections are of use, but the pooler itself.
    for db in [db, pooler.open(Statements::Typed)] {
        touch(&db, "after").await.expect("the next statement is served");
    }
}
