//! Looking for what ended costs what ended, however many there are of everything: it is done twice a second.

use signet::storage::{logout_deliveries, users};
use tokio_postgres::Client as Connection;

use crate::support::database;

/// Twenty thousand of everything, half of which ended, and all of it was told.
const FILL: &str = "
INSERT INTO clients (id, metadata, created_at, updated_at)
    SELECT 'c' || n, '{\"backchannel_logout_uri\": \"https://app.example/\"}', to_timestamp(n), to_timestamp(n)
    FROM generate_series(1, 100) n;
INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at, epoch, logout_told_epoch)
    SELECT gen_random_uuid(), 'u' || n, 'u' || n, true, 'u', to_timestamp(n), to_timestamp(n), n % 2, n % 2
    FROM generate_series(1, 20000) n;
INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at, expires_at,
        ended_at, logout_told_at)
    SELECT gen_random_uuid(), id, 0, created_at, '0', '{pwd}', created_at, created_at, created_at, created_at,
        CASE WHEN epoch = 1 THEN created_at END, CASE WHEN epoch = 1 THEN created_at END FROM users;
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, rotates,
        offline, head, head_kv, created_at, expires_at, idle_expires_at)
    SELECT gen_random_uuid(), user_id, 'c' || 1 + extract(epoch FROM created_at)::int % 100, id, 0, '{openid}', '{}',
        auth_time, acr, amr, true, false, 1, 1, created_at, created_at, created_at FROM sessions;
INSERT INTO logout_deliveries (client_id, session_id, user_id, created_at, next_attempt_at)
    SELECT client_id, session_id, user_id, created_at, created_at FROM token_families;
ANALYZE";

#[tokio::test]
async fn what_is_to_be_told_is_found_by_an_index() {
    let database = database().await;
    let sql = database.client().await;
    sql.batch_execute(FILL).await.expect("filled");
    // As a prepared statement is planned once it has run a few times.
    sql.batch_execute("SET plan_cache_mode = force_generic_plan")
        .await
        .expect("set");
    let deletes_user = |statement: &&&str| statement.contains("DELETE FROM users");
    // To count the queue is to read it, now and then.
    let statements = logout_deliveries::STATEMENTS
        .iter()
        .filter(|statement| !statement.starts_with("SELECT count(*)"))
        .chain(users::STATEMENTS.iter().filter(deletes_user));
    for statement in statements {
        let plan = plan(&sql, statement).await;
        for table in ["users", "sessions", "token_families", "logout_deliveries"] {
            assert!(
                !plan.contains(&format!("Seq Scan on {table}")),
                "{table}: {statement}\n{plan}"
            );
        }
    }
}

async fn plan(sql: &Connection, statement: &str) -> String {
    let parameters = sql.prepare(statement).await.expect("prepared").params().len();
    let values = vec!["NULL"; parameters].join(", ");
    let messages = sql
        .simple_query(&format!(
            "PREPARE planned AS {statement}; EXPLAIN EXECUTE planned({values}); DEALLOCATE planned"
        ))
        .await
        .expect("planned");
    let lines = messages.iter().filter_map(|message| match message {
        tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n")
}
