//! Reading the lists costs what ended lately, however many there are of everything.

use signet::storage::status_lists;
use tokio_postgres::Client as Connection;

use crate::support::database;

/// Twenty thousand of everything, half of which ended long ago, and some lately.
const FILL: &str = "
INSERT INTO clients (id, metadata, created_at, updated_at)
    SELECT 'c' || n, '{}', to_timestamp(n), to_timestamp(n) FROM generate_series(1, 100) n;
INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at, epoch_moved_at)
    SELECT gen_random_uuid(), 'u' || n, 'u' || n, true, 'u', to_timestamp(n), to_timestamp(n),
        CASE WHEN n % 2 = 0 THEN to_timestamp(n) END FROM generate_series(1, 20000) n;
INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at, expires_at,
        ended_at)
    SELECT gen_random_uuid(), id, 0, created_at, '0', '{pwd}', created_at, created_at, created_at, created_at,
        epoch_moved_at FROM users;
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, rotates,
        offline, head, head_kv, created_at, expires_at, idle_expires_at, ended_at, status_index)
    SELECT gen_random_uuid(), user_id, 'c' || 1 + extract(epoch FROM created_at)::int % 100, id, 0, '{openid}', '{}',
        auth_time, acr, amr, true, false, 1, 1, created_at, to_timestamp(2e9), created_at, ended_at,
        extract(epoch FROM created_at)::int FROM sessions;
INSERT INTO status_tombstones (status_index, ended_at) SELECT n, to_timestamp(n) FROM generate_series(1, 20000) n;
INSERT INTO revoked_access_tokens (jti, expires_at, status_index)
    SELECT gen_random_uuid(), to_timestamp(n), n FROM generate_series(1, 20000) n;
ANALYZE";

#[tokio::test]
async fn what_ended_lately_is_found_by_an_index() {
    let database = database().await;
    let sql = database.client().await;
    sql.batch_execute(FILL).await.expect("filled");
    // As a prepared statement is planned once it has run a few times.
    sql.batch_execute("SET plan_cache_mode = force_generic_plan")
        .await
        .expect("set");
    for statement in status_lists::STATEMENTS {
        let plan = plan(&sql, statement).await;
        for table in ["users", "sessions", "token_families", "status_tombstones"] {
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
