//! How the statements find their rows.

use signet::storage::{access_tokens, authorization_codes, token_families};
use tokio_postgres::Client as Connection;

use crate::support::database;

/// Ten thousand logins, each with a code, a family and a revoked token.
const FILL: &str = "
INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at)
    SELECT gen_random_uuid(), 'u' || n, 'u' || n, true, 'u', to_timestamp(n), to_timestamp(n)
    FROM generate_series(1, 10000) n;
INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at, expires_at)
    SELECT gen_random_uuid(), id, 0, created_at, '0', '{pwd}', created_at, created_at, created_at, created_at FROM users;
INSERT INTO clients (id, metadata, created_at, updated_at)
    SELECT 'c' || n, '{}', to_timestamp(n), to_timestamp(n) FROM generate_series(1, 10000) n;
INSERT INTO authorization_codes (code_hash, family_id, client_id, user_id, session_id, epoch, redirect_uri, scopes,
        resources, auth_time, acr, amr, created_at, expires_at, redeemed_at)
    SELECT sha256(id::text::bytea), gen_random_uuid(), 'c' || extract(epoch FROM created_at)::int, user_id, id, 0, 'r',
        '{openid}', '{}', auth_time, acr, amr, created_at, created_at,
        CASE WHEN extract(epoch FROM created_at)::int % 10 > 0 THEN created_at END FROM sessions;
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, rotates,
        offline, head, head_kv, created_at, expires_at, idle_expires_at)
    SELECT family_id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, true,
        false, 1, 1, created_at, created_at, created_at FROM authorization_codes;
INSERT INTO revoked_access_tokens (jti, expires_at) SELECT id, created_at FROM sessions;
ANALYZE";

#[tokio::test]
async fn every_statement_finds_its_rows_by_an_index() {
    let database = database().await;
    let sql = database.client().await;
    sql.batch_execute(FILL).await.expect("filled");
    // As a prepared statement is planned once it has run a few times.
    sql.batch_execute("SET plan_cache_mode = force_generic_plan")
        .await
        .expect("set");
    let statements = [
        authorization_codes::STATEMENTS,
        token_families::STATEMENTS,
        access_tokens::STATEMENTS,
    ]
    .concat();
    for statement in statements {
        let plan = plan(&sql, statement).await;
        let scans = [
            "users",
            "sessions",
            "clients",
            "authorization_codes",
            "token_families",
            "revoked_access_tokens",
        ]
        .map(|table| format!("Seq Scan on {table}"));
        assert!(
            !scans.iter().any(|scan| plan.contains(scan)),
            "{statement}\n{plan}"
        );
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
