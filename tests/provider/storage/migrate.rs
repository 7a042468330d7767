use chrono::DateTime;
use signet::storage::database_url::DatabaseUrl;
use signet::storage::migrate::{self, MigrateError};

use crate::support::database::{TestDatabase, bare_database, database};

fn url(database: &TestDatabase) -> DatabaseUrl {
    DatabaseUrl::parse(&database.url).expect("a URL of ours is understood")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_four_nodes_that_start_at_once_one_applies_and_all_succeed() {
    let database = bare_database().await;
    let pending = migrate::check(&url(&database)).await.expect("checked").pending;
    assert_eq!(pending[0], "V0001__create_users");
    let nodes = (0..4).map(|_| {
        let url = url(&database);
        tokio::spawn(async move { migrate::run(&url, DateTime::UNIX_EPOCH).await })
    });
    let mut applied = Vec::new();
    for node in futures_util::future::join_all(nodes).await {
        applied.push(node.expect("no panic").expect("every node succeeds"));
    }
    applied.sort();
    assert_eq!(applied, [vec![], vec![], vec![], pending]);
    assert_eq!(
        migrate::check(&url(&database)).await.expect("checked"),
        migrate::Schema::default()
    );
}

#[tokio::test]
async fn a_node_that_dies_half_way_leaves_nothing_and_the_next_one_goes_on() {
    let database = bare_database().await;
    // Whatever stands in the way of the last table stops the run late: after the lock and most migrations.
    let blocker = database.client().await;
    blocker
        .batch_execute("CREATE TYPE events AS (x int)")
        .await
        .expect("created");
    let error = migrate::run(&url(&database), DateTime::UNIX_EPOCH)
        .await
        .expect_err("the last migration fails");
    assert!(
        matches!(&error, MigrateError::Failed { name, .. } if name.ends_with("create_events")),
        "{error:?}"
    );
    let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_lock'";
    let count: i64 = blocker.query_one(tables, &[]).await.expect("counted").get(0);
    assert_eq!(count, 0);

    // The same with a process that is killed while it holds the row: its server process ends with it.
    let mut dying = database.client().await;
    let transaction = dying.transaction().await.expect("a transaction begins");
    transaction
        .batch_execute("SELECT 1 FROM schema_lock FOR UPDATE; CREATE TABLE users (x int)")
        .await
        .expect("the row is held");
    blocker.batch_execute("DROP TYPE events").await.expect("dropped");
    let waiting = tokio::spawn({
        let url = url(&database);
        async move { migrate::run(&url, DateTime::UNIX_EPOCH).await }
    });
    database.until_one_waits().await;
    blocker
        .batch_execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND state = 'idle in transaction'",
        )
        .await
        .expect("killed");
    let applied = waiting.await.expect("no panic").expect("the next node goes on");
    assert!(applied.len() >= 16);
}

#[tokio::test]
async fn a_newer_schema_is_told_and_a_contradicting_one_refused() {
    let database = database().await;
    let client = database.client().await;
    client
        .batch_execute("INSERT INTO refinery_schema_history VALUES (9000, 'to_come', '', '1')")
        .await
        .expect("recorded");
    let schema = migrate::check(&url(&database)).await.expect("checked");
    assert_eq!(schema.newer, ["V9000__to_come"]);
    assert_eq!(
        migrate::run(&url(&database), DateTime::UNIX_EPOCH)
            .await
            .expect("nothing to do"),
        Vec::<String>::new()
    );

    client
        .batch_execute("DELETE FROM refinery_schema_history WHERE version = 16")
        .await
        .expect("forgotten");
    assert!(matches!(
        migrate::run(&url(&database), DateTime::UNIX_EPOCH).await,
        Err(MigrateError::OutOfOrder { .. })
    ));

    client
        .batch_execute("UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1")
        .await
        .expect("changed");
    assert!(matches!(
        migrate::check(&url(&database)).await,
        Err(MigrateError::Divergent(name)) if name == "V0001__create_users"
    ));
}
