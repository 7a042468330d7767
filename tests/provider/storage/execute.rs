use std::time::Duration;

use signet::storage::{Execute, Statements, StorageError};
use tokio_postgres::types::Type;

use crate::support::database;

const INSERT: &str = "INSERT INTO revisions (name, revision) VALUES ($1, $2)";
const FIND: &str = "SELECT revision FROM revisions WHERE name = $1";

async fn find(db: &impl Execute, name: &str) -> Option<i64> {
    db.query_opt(FIND, &[(&name, Type::TEXT)])
        .await
        .expect("a select is answered")
        .map(|row| row.get(0))
}

async fn insert(db: &impl Execute, name: &str, revision: i64) -> Result<u64, StorageError> {
    db.execute(INSERT, &[(&name, Type::TEXT), (&revision, Type::INT8)])
        .await
}

#[tokio::test]
async fn one_call_site_works_in_both_modes() {
    let database = database().await;
    for (statements, name) in [(Statements::Prepared, "a"), (Statements::Typed, "b")] {
        let db = database.open(statements, 2);
        db.ping().await.expect("the server answers");
        assert_eq!(insert(&db, name, 7).await.expect("inserted"), 1);
        assert_eq!(find(&db, name).await, Some(7));
        assert_eq!(find(&db, "nobody").await, None);
        let tx = db.begin().await.expect("a transaction begins");
        assert_eq!(find(&tx, name).await, Some(7));
        tx.commit().await.expect("committed");
    }
}

#[tokio::test]
async fn a_transaction_that_is_dropped_is_rolled_back_and_its_connection_used_again() {
    let database = database().await;
    let db = database.open(Statements::Prepared, 1);
    let before = query_backend(&db).await;
    let tx = db.begin().await.expect("a transaction begins");
    insert(&tx, "x", 1).await.expect("inserted");
    assert_eq!(find(&tx, "x").await, Some(1));
    drop(tx);
    // One connection: whoever comes next gets it only after the rollback.
    assert_eq!(find(&db, "x").await, None);
    assert_eq!(query_backend(&db).await, before);
}

#[tokio::test]
async fn a_transaction_with_a_failed_statement_does_not_pretend_to_commit() {
    let database = database().await;
    let tx = database.db.begin().await.expect("a transaction begins");
    insert(&tx, "x", 1).await.expect("inserted");
    let error = insert(&tx, "x", 2).await.expect_err("the name is taken");
    assert!(matches!(error, StorageError::Database(_)), "{error}");
    assert!(matches!(tx.commit().await, Err(StorageError::Aborted)));
    assert_eq!(find(&database.db, "x").await, None);
}

#[tokio::test]
async fn a_statement_past_its_time_is_cancelled_on_the_server() {
    let database = database().await;
    let db = database
        .open(Statements::Prepared, 1)
        .with_limit(Duration::from_millis(200));
    let error = db.query("SELECT pg_sleep(600)", &[]).await.expect_err("too slow");
    assert!(error.is_unavailable());
    // The pool has room for one connection: an answer means that the slow one was given up.
    db.ping().await.expect("the next statement is served");
    database.until_nothing_runs().await;
}

#[tokio::test]
async fn a_statement_whose_asker_went_away_keeps_its_connection_until_it_is_done() {
    let database = database().await;
    let db = database.open(Statements::Prepared, 1);
    let before = query_backend(&db).await;
    insert(&db, "y", 1).await.expect("the statement is prepared");
    // Wait on a lock, so that the test decides when the statement ends.
    let mut holder = database.client().await;
    let lock = holder.transaction().await.expect("a transaction begins");
    lock.batch_execute("LOCK TABLE revisions").await.expect("locked");
    let asker = tokio::spawn({
        let db = db.clone();
        async move { insert(&db, "x", 1).await }
    });
    database.until_one_waits().await;
    asker.abort();
    assert!(asker.await.expect_err("aborted").is_cancelled());
    lock.commit().await.expect("unlocked");
    assert_eq!(
        query_backend(&db).await,
        before,
        "the same connection, not a new one"
    );
    assert_eq!(find(&db, "x").await, Some(1));
}

#[tokio::test]
async fn the_pool_recovers_by_itself_when_its_connections_are_cut() {
    let database = database().await;
    let db = database.open(Statements::Prepared, 4);
    futures_util::future::join_all((0..4).map(|_| db.ping())).await;
    let client = database.client().await;
    client
        .batch_execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        .await
        .expect("connections are cut");
    for _ in 0..8 {
        if let Err(error) = db.ping().await {
            assert!(error.is_unavailable(), "{error:?}");
        }
    }
    for _ in 0..8 {
        db.ping().await.expect("every connection is good again");
    }
}

#[tokio::test]
async fn without_a_server_the_answer_is_unavailable() {
    let url = signet::domain::secret::Secret::new("postgres://nobody@127.0.0.1:1/x");
    let db = signet::storage::pool::open(&signet::storage::pool::PoolSettings {
        url,
        size: 1,
        statements: Statements::Prepared,
    })
    .expect("no server is no error yet");
    assert!(db.ping().await.expect_err("nobody listens").is_unavailable());
}

async fn query_backend(db: &impl Execute) -> i32 {
    let rows = db.query("SELECT pg_backend_pid()", &[]).await.expect("answered");
    rows[0].get(0)
}
