use std::process::{Command, Stdio};

use chrono::DateTime;
use signet::domain::secret::Secret;
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
async fn a_migration_that_fails_leaves_nothing_of_those_before_it() {
    let database = bare_database().await;
    let client = database.client().await;
    client
        .batch_execute("CREATE TYPE events AS (x int)")
        .await
        .expect("something has the name of a late table");
    let error = migrate::run(&url(&database), DateTime::UNIX_EPOCH)
        .await
        .expect_err("the name is taken");
    assert!(
        matches!(&error, MigrateError::Failed { name, .. } if name.ends_with("create_events")),
        "{error:?}"
    );
    assert_eq!(tables(&client).await, 0);
    client.batch_execute("DROP TYPE events").await.expect("dropped");
    assert!(
        !migrate::run(&url(&database), DateTime::UNIX_EPOCH)
            .await
            .expect("the way is free")
            .is_empty()
    );
}

#[tokio::test]
async fn a_node_killed_half_way_leaves_nothing_and_the_next_one_goes_on() {
    let database = bare_database().await;
    let pending = migrate::check(&url(&database)).await.expect("checked").pending;
    // Whoever wants to create this table too waits for the end of our transaction, late in the run.
    let mut holder = database.client().await;
    let held = holder.transaction().await.expect("a transaction begins");
    held.batch_execute("CREATE TABLE events (x int)")
        .await
        .expect("created");
    let mut node = Command::new(std::env::current_exe().expect("a test knows its binary"))
        .args(["--ignored", "--exact", "storage::migrate::migrating_node"])
        .env(NODE, database.url.expose())
        .stdout(Stdio::null())
        .spawn()
        .expect("a test binary can run itself");
    database.until_one_waits().await;
    node.kill().expect("killed with -9");
    node.wait().expect("collected");
    held.rollback().await.expect("out of the way");
    // At once, though the dead node's session may not have noticed yet: it still holds the lock's row then.
    let applied = migrate::run(&url(&database), DateTime::UNIX_EPOCH)
        .await
        .expect("the next node goes on");
    assert_eq!(applied, pending);
}

const NODE: &str = "SIGNET_TEST_MIGRATE";

/// Not a test: a node of its own that migrates.
#[test]
#[ignore = "run by the test above"]
fn migrating_node() {
    let Ok(url) = std::env::var(NODE) else { return };
    let url = DatabaseUrl::parse(&Secret::new(url)).expect("a URL of ours is understood");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be made");
    runtime
        .block_on(migrate::run(&url, DateTime::UNIX_EPOCH))
        .expect("nobody stops it");
}

/// How many tables there are beside the lock.
async fn tables(client: &tokio_postgres::Client) -> i64 {
    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_lock'";
    client.query_one(count, &[]).await.expect("counted").get(0)
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
