//! The jobs of a running provider.

use chrono::TimeDelta;
use signet::clock::Clock;
use signet::jobs::sweep_expired;
use tokio_util::sync::CancellationToken;

use crate::support::app::TestApp;

/// For each table that is swept, a row that has been over for `$1` and one that has not; tables of few columns.
const ROWS: [&str; 11] = [
    "INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at)
     VALUES ('00000000-0000-4000-8000-000000000001', 'x', 'x', true, 'x', now(), now())",
    "INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at,
        expires_at)
     SELECT gen_random_uuid(), '00000000-0000-4000-8000-000000000001', 0, t, '1', '{}', t, t, t, t FROM times",
    "INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr,
        rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at)
     SELECT gen_random_uuid(), user_id, 'c', id, 0, '{}', '{}', auth_time, '1', '{}', true, false, 1, 1, expires_at,
        expires_at, expires_at FROM sessions",
    "INSERT INTO authorization_codes (code_hash, family_id, client_id, user_id, session_id, epoch, redirect_uri,
        scopes, resources, auth_time, acr, amr, created_at, expires_at)
     SELECT decode(md5(id::text), 'hex'), gen_random_uuid(), 'c', user_id, id, 0, 'u', '{}', '{}', auth_time, '1',
        '{}', expires_at, expires_at FROM sessions",
    "INSERT INTO authorization_requests (id, client_id, request, created_at, expires_at)
     SELECT gen_random_uuid(), 'c', '{}', t, t FROM times",
    "INSERT INTO revoked_access_tokens (jti, expires_at) SELECT gen_random_uuid(), t FROM times",
    "INSERT INTO client_assertion_jtis (client_id, jti_hash, expires_at)
     SELECT 'c', decode(md5(t::text), 'hex'), t FROM times",
    "INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
     SELECT decode(md5(t::text), 'hex'), '00000000-0000-4000-8000-000000000001', 0, t, t FROM times",
    "INSERT INTO events (at, kind, subject_id) SELECT t, 'refresh_theft', gen_random_uuid() FROM times;
     INSERT INTO login_attempts (account_mac, attempts, window_started_at)
     SELECT decode(md5(t::text), 'hex'), 1, t FROM times;
     INSERT INTO limit_counters (key_mac, attempts, window_ends_at)
     SELECT decode(md5(t::text), 'hex'), 1, t FROM times",
    "INSERT INTO outgoing_mails (id, kind, email, email_key, params, created_at, next_attempt_at, failed_at)
     SELECT gen_random_uuid(), 'verify_email', 'x', 'x', '{}', t, t, t FROM times",
    "INSERT INTO mailed_links (id, purpose, email, email_key, details, created_at, expires_at)
     SELECT gen_random_uuid(), 'sign_in', 'x', 'x', '{}', t, t FROM times",
];

const TABLES: [&str; 12] = [
    "sessions",
    "token_families",
    "authorization_codes",
    "authorization_requests",
    "revoked_access_tokens",
    "client_assertion_jtis",
    "devices",
    "events",
    "login_attempts",
    "limit_counters",
    "outgoing_mails",
    "mailed_links",
];

#[tokio::test]
async fn a_sweep_takes_what_is_over_in_every_table_and_nothing_else() {
    let app = TestApp::start().await;
    let now = app.clock.now();
    // More than one batch is over; a second ago is not long enough; the rest is to come.
    app.sql(&format!(
        "CREATE TABLE times AS SELECT timestamptz '{now}' + d AS t FROM (
            SELECT n * interval '-1 s' - interval '200 days' AS d FROM generate_series(1, 1200) n
            UNION ALL VALUES (interval '-1 s'), (interval '1 day')) AS all_times",
        now = now.to_rfc3339(),
    ))
    .await;
    for statement in ROWS {
        app.sql(statement).await;
    }
    for table in TABLES {
        assert_eq!(app.count(table).await, 1202, "{table}");
    }
    let skew = TimeDelta::seconds(60);
    sweep_expired::round(&app.provider, skew, &CancellationToken::new()).await;
    for table in TABLES {
        assert_eq!(app.count(table).await, 2, "{table}");
    }
}

#[tokio::test]
async fn a_sweep_that_is_told_to_stop_ends_after_a_batch() {
    let app = TestApp::start().await;
    app.sql(
        "INSERT INTO revoked_access_tokens (jti, expires_at)
         SELECT gen_random_uuid(), timestamptz '2000-01-01' FROM generate_series(1, 1200)",
    )
    .await;
    let stopped = CancellationToken::new();
    stopped.cancel();
    sweep_expired::round(&app.provider, TimeDelta::zero(), &stopped).await;
    assert_eq!(app.count("revoked_access_tokens").await, 700);
}
