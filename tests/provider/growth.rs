//! What a login, a session's use and userinfo cost does not depend on how many others there are: with ten
//! thousand of everything each row is found by an index, and what is used again and again changes in place.
//! `make bench` weighs the same with a million. Codes and families: `refresh_families/plans.rs`.

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::browser_session::BrowserSession;
use signet::domain::email::EmailAddress;
use signet::domain::ids::{AuthorizationRequestId, FamilyId, SessionId, TokenId, UserId};
use signet::domain::secret::{PlainToken, TokenKind};
use signet::random::SeededRandom;
use signet::storage::access_tokens::{self, TokenStatus};
use signet::storage::logins::{self, Attempt, Begun, Login};
use signet::storage::{Db, Execute, authorization_requests, limit_counters, sessions, users};
use tokio_postgres::Client as Connection;

use crate::support::database;
use crate::support::grants::start;

/// How many there are of everything.
const ROWS: i64 = 10_000;

/// Ten thousand users with one row each in every table that grows with them.
const FILL: &str = "
INSERT INTO clients (id, metadata, created_at, updated_at)
    SELECT 'c' || n, '{}', to_timestamp(n), to_timestamp(n) FROM generate_series(1, 10000) n;
INSERT INTO users (id, email, email_key, email_verified, name, created_at, updated_at)
    SELECT gen_random_uuid(), 'u' || n || '@example.org', 'u' || n || '@example.org', true, 'Ada Lovelace',
        to_timestamp(n), to_timestamp(n) FROM generate_series(1, 10000) n;
INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, created_at, last_used_at, idle_expires_at, expires_at)
    SELECT gen_random_uuid(), id, 0, created_at, '1', '{pwd}', created_at, created_at, to_timestamp(2e9),
        to_timestamp(2e9) FROM users;
INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, auth_time, acr, amr, rotates,
        offline, head, head_kv, created_at, expires_at, idle_expires_at)
    SELECT gen_random_uuid(), user_id, 'c' || extract(epoch FROM created_at)::int, id, 0, '{openid}', '{}', auth_time,
        acr, amr, true, false, 1, 1, created_at, expires_at, expires_at FROM sessions;
INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
    SELECT sha256(id::text::bytea), id, 0, created_at, to_timestamp(2e9) FROM users;
INSERT INTO login_attempts (account_mac, attempts, window_started_at)
    SELECT email_key::bytea, 0, created_at FROM users;
INSERT INTO limit_counters (key_mac, attempts, window_ends_at)
    SELECT sha256(email_key::bytea), 0, created_at FROM users;
INSERT INTO authorization_requests (id, client_id, request, created_at, expires_at)
    SELECT gen_random_uuid(), 'c1', '{}', created_at, to_timestamp(2e9) FROM users;
INSERT INTO revoked_access_tokens (jti, expires_at) SELECT id, created_at FROM sessions;
INSERT INTO imported_sessions (token_hash, session_id) SELECT sha256(id::text::bytea), id FROM sessions;
ANALYZE";

#[tokio::test]
async fn logins_sessions_requests_and_tokens_are_found_by_an_index() {
    let database = database().await;
    let sql = database.client().await;
    sql.batch_execute(FILL).await.expect("filled");
    // As a prepared statement is planned once it has run a few times.
    sql.batch_execute("SET plan_cache_mode = force_generic_plan")
        .await
        .expect("set");
    let statements = [
        logins::STATEMENTS,
        limit_counters::STATEMENTS,
        sessions::STATEMENTS,
        authorization_requests::STATEMENTS,
        access_tokens::STATEMENTS,
        users::STATEMENTS,
    ]
    .concat();
    let mut read_in_turn = 0;
    for statement in statements {
        // Buckets have no index on the time that every attempt changes, so their sweep reads them in turn; and an
        // operator who ends all sessions goes through all of them.
        if statement.contains("DELETE FROM login_attempts") || statement.starts_with("WITH batch AS") {
            read_in_turn += 1;
            continue;
        }
        let plan = plan(&sql, statement).await;
        assert!(!plan.contains("Seq Scan on"), "{statement}\n{plan}");
    }
    assert_eq!(read_in_turn, 2);
}

#[tokio::test]
async fn logins_and_uses_leave_no_more_rows_than_they_must_and_change_the_others_in_place() {
    let database = database().await;
    let (db, sql) = (
        &database.open(signet::storage::Statements::Prepared, 1),
        database.client().await,
    );
    sql.batch_execute(FILL).await.expect("filled");
    // A twentieth of all, spread over the pages: each has room for its own, whoever keeps old rows from being
    // pruned.
    let chosen = sql
        .query(
            "SELECT u.id, u.email, s.id, g.id, g.client_id
             FROM users u JOIN sessions s ON s.user_id = u.id JOIN token_families g ON g.session_id = s.id
             WHERE extract(epoch FROM u.created_at)::int % 20 = 0",
            &[],
        )
        .await
        .expect("chosen");
    assert_eq!(chosen.len(), 500);
    let random = SeededRandom::new(11);
    let now = start();
    for row in &chosen {
        let (user, session, family) = (
            UserId::from(row.get::<_, uuid::Uuid>(0)),
            SessionId::from(row.get::<_, uuid::Uuid>(2)),
            FamilyId::from(row.get::<_, uuid::Uuid>(3)),
        );
        log_in(db, row.get(1), &random, now).await;
        let used = now + TimeDelta::minutes(2);
        let found = sessions::find_live(db, session, used).await.expect("asked");
        assert_eq!(found.expect("it lives").1.id, user);
        sessions::touch(db, session, used, used + TimeDelta::days(7))
            .await
            .expect("written down");
        let client = row.get::<_, &str>(4).parse().expect("a client_id");
        let jti = TokenId::generate(&random);
        let subject = user.to_string();
        let status =
            access_tokens::status(db, jti, Some(family), Some(session), Some(&subject), &client).await;
        assert!(matches!(status, Ok(TokenStatus::Live(Some(_)))));
    }
    for (table, rows) in [
        ("users", ROWS),
        ("sessions", ROWS + 500),
        ("devices", ROWS + 500),
        ("login_attempts", ROWS),
        ("limit_counters", ROWS + 9),
        ("token_families", ROWS),
        ("revoked_access_tokens", ROWS),
    ] {
        let row = sql.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await;
        assert_eq!(row.expect("counted").get::<_, i64>(0), rows, "{table}");
    }
    db.query("SELECT pg_stat_force_next_flush()", &[])
        .await
        .expect("asked to tell its numbers");
    db.ping().await.expect("told");
    // One for the attempt and one to give it back; one for the use; one for the time of the last login.
    for (table, updates) in [("login_attempts", 1000), ("sessions", 500), ("users", 500)] {
        assert_eq!(updates_of(&sql, table).await, (updates, updates), "{table}");
    }
    // Nine rows that all logins change: now and then one moves, since the versions before it fill the page.
    let (updates, in_place) = updates_of(&sql, "limit_counters").await;
    assert_eq!(updates, 991);
    assert!(in_place * 10 >= updates * 9, "{in_place}");
}

#[tokio::test]
async fn a_pending_request_is_opened_in_place() {
    let database = database().await;
    let (db, sql) = (&database.db, database.client().await);
    sql.batch_execute(FILL).await.expect("filled");
    let browser = PlainToken::generate(TokenKind::Browser, &SeededRandom::new(12)).hash();
    let rows = sql
        .query("SELECT id FROM authorization_requests ORDER BY id LIMIT 50", &[])
        .await
        .expect("chosen");
    for row in &rows {
        let id = AuthorizationRequestId::from(row.get::<_, uuid::Uuid>(0));
        // What is stored here is no request, which is told only after the row was found.
        let opened = authorization_requests::open(db, id, browser, start()).await;
        assert!(opened.is_err());
    }
    let row = sql
        .query_one(
            "SELECT count(*), count(browser_hash) FROM authorization_requests",
            &[],
        )
        .await
        .expect("counted");
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (ROWS, 50));
}

/// From one of nine sources, each with a bucket of its own.
async fn log_in(db: &Db, email: &str, random: &SeededRandom, now: DateTime<Utc>) {
    let address = EmailAddress::parse(email).expect("an address");
    let source = [limit_counters::Bucket {
        key: [email.as_bytes()[1]; 32],
        most: 10,
        ends_at: now + TimeDelta::minutes(5),
    }];
    let attempt = Attempt {
        email: Some(address.key()),
        account: email.as_bytes(),
        device: None,
        source: &source,
        window_floor: now - TimeDelta::minutes(15),
        device_failures: 5,
        free_failures: 20,
        waits: &[now + TimeDelta::minutes(1)],
        open_at: now,
        quiet_floor: now - TimeDelta::hours(1),
    };
    let begun = logins::begin(db, &attempt, now).await.expect("begun");
    let Begun::Reserved(reserved) = begun else {
        panic!("{begun:?}");
    };
    let (user, _) = reserved.user.expect("there is such a user");
    let session = BrowserSession {
        id: SessionId::generate(random),
        user_id: user.id,
        epoch: 0,
        auth_time: now,
        acr: "1".to_owned(),
        amr: vec!["pwd".to_owned()],
        ip_address: None,
        user_agent: None,
        created_at: now,
        last_used_at: now,
        idle_expires_at: now + TimeDelta::days(7),
        expires_at: now + TimeDelta::days(30),
        remembered: true,
    };
    let login = Login {
        session: &session,
        replaces: None,
        account: email.as_bytes(),
        bucket: reserved.bucket,
        source: &source,
        new_device: Some(PlainToken::generate(TokenKind::Device, random).hash()),
        device_expires_at: now + TimeDelta::days(180),
        new_hash: None,
    };
    assert!(logins::complete(db, &login).await.expect("completed"));
}

/// How many updates a table has seen, and how many of them were heap-only.
async fn updates_of(sql: &Connection, table: &str) -> (i64, i64) {
    let row = sql
        .query_one(
            "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = $1",
            &[&table],
        )
        .await
        .expect("asked");
    (row.get(0), row.get(1))
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
