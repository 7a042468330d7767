//! Who is to be told of the end of which session: found by what ended, so that no way of ending one has to think of
//! it, and kept until it was told. Only the deletion of a user leaves nothing to be found; that statement says so
//! itself (`users::delete`).

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::ids::{ClientId, SessionId};

/// One row for each client that has something of the session `t.session_id` and wants to hear of it. A statement adds
/// which families `t` those are; $1 is now.
macro_rules! insert_deliveries_sql {
    () => {
        "INSERT INTO logout_deliveries (client_id, session_id, user_id, subject, created_at, next_attempt_at)
    SELECT DISTINCT t.client_id, t.session_id, t.user_id,
        (SELECT named.subject FROM users named WHERE named.id = t.user_id), $1::timestamptz, $1::timestamptz
    FROM token_families t JOIN clients c ON c.id = t.client_id
    WHERE c.disabled_at IS NULL AND c.metadata ? 'backchannel_logout_uri' AND "
    };
}
pub(super) use insert_deliveries_sql;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    ENQUEUE_ENDED,
    ENQUEUE_MOVED,
    CLAIM,
    DELETE,
    UPDATE_NEXT_ATTEMPT,
    GIVE_UP,
    COUNT,
    DELETE_EXPIRED,
];

// A session that another node is at is left to it. Arrays, and not joins: the planner, who knows no LIMIT yet, would
// read whole tables.
const ENQUEUE_ENDED: &str = concat!(
    "WITH ended AS (
    SELECT id FROM sessions WHERE ended_at IS NOT NULL AND logout_told_at IS NULL
    ORDER BY ended_at LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
told AS (UPDATE sessions SET logout_told_at = $1 WHERE id = ANY (ARRAY(SELECT id FROM ended)) RETURNING id),
deliveries AS (",
    insert_deliveries_sql!(),
    "t.session_id = ANY (ARRAY(SELECT id FROM ended)) ON CONFLICT DO NOTHING)
SELECT count(*) AS looked_at FROM told"
);

/// Takes up to `limit` sessions that ended and of which nobody was told, and writes down who is to be told. Says how
/// many sessions that were.
///
/// # Errors
/// When the database does not answer.
pub async fn enqueue_ended(db: &impl Execute, now: DateTime<Utc>, limit: i64) -> Result<i64, StorageError> {
    looked_at(db, ENQUEUE_ENDED, now, limit).await
}

// The lock answers with the epoch as it is by then, and that one is written down: had it moved since this statement
// began, the session that came into being with the newer one differs from it no less.
const ENQUEUE_MOVED: &str = concat!(
    "WITH moved AS (
    SELECT id, epoch FROM users WHERE epoch > logout_told_epoch
    ORDER BY id LIMIT $2 FOR NO KEY UPDATE SKIP LOCKED),
caught_up AS (UPDATE users u SET logout_told_epoch = m.epoch FROM moved m
    WHERE u.id = m.id AND u.id = ANY (ARRAY(SELECT id FROM moved)) RETURNING u.id),
told AS (UPDATE sessions s SET logout_told_at = $1 FROM moved m
    WHERE s.user_id = ANY (ARRAY(SELECT id FROM moved)) AND m.id = s.user_id AND s.epoch < m.epoch
        AND s.logout_told_at IS NULL RETURNING s.id),
deliveries AS (",
    insert_deliveries_sql!(),
    "t.session_id = ANY (ARRAY(SELECT id FROM told)) ON CONFLICT DO NOTHING)
SELECT count(*) AS looked_at FROM caught_up"
);

/// Takes up to `limit` users whose epoch moved, which ended the sessions that are older, and writes down who is to be
/// told. Says how many users that were.
///
/// # Errors
/// When the database does not answer.
pub async fn enqueue_moved(db: &impl Execute, now: DateTime<Utc>, limit: i64) -> Result<i64, StorageError> {
    looked_at(db, ENQUEUE_MOVED, now, limit).await
}

async fn looked_at(
    db: &impl Execute,
    statement: &'static str,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<i64, StorageError> {
    let params = [(&now as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    let row = db.query_opt(statement, &params).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("looked_at")?))
}

/// A client that is to be told, at this moment by whoever claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    id: i64,
    /// Whom to tell.
    pub client: ClientId,
    /// Which session ended.
    pub session: SessionId,
    /// Whose it was, as tokens name them.
    pub subject: String,
    /// When it was written down that the client is to be told.
    pub created_at: DateTime<Utc>,
    /// Which attempt this is, counted from one.
    pub attempts: u32,
}

// The oldest of each client, as many as it may be told at once: a client that is slow, or has a long queue, takes
// nobody's turn.
const CLAIM: &str = "UPDATE logout_deliveries d SET next_attempt_at = $2, attempts = d.attempts + 1
WHERE d.id = ANY (ARRAY(
    SELECT due.id FROM unnest($3::text[], $4::bigint[]) AS c (client_id, free), LATERAL (
        SELECT q.id FROM logout_deliveries q WHERE q.client_id = c.client_id AND q.next_attempt_at <= $1
        ORDER BY q.next_attempt_at LIMIT c.free FOR UPDATE SKIP LOCKED) due))
RETURNING d.id, d.client_id, d.session_id, COALESCE(d.subject, d.user_id::text) AS subject, d.created_at, d.attempts";

/// Claims what is due, for each of `clients` as many as stand beside it: of all callers one gets each, until
/// `leased_until`, when it falls due again unless it was told by then.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn claim(
    db: &impl Execute,
    clients: &[(ClientId, i64)],
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
) -> Result<Vec<Delivery>, StorageError> {
    let (ids, free): (Vec<&str>, Vec<i64>) = clients
        .iter()
        .map(|(client, free)| (client.as_str(), *free))
        .unzip();
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (&leased_until as _, Type::TIMESTAMPTZ),
        (&ids as _, Type::TEXT_ARRAY),
        (&free as _, Type::INT8_ARRAY),
    ];
    let rows = db.query(CLAIM, &params).await?;
    rows.iter().map(Delivery::try_from).collect()
}

const DELETE: &str = "DELETE FROM logout_deliveries WHERE id = $1";

/// The client has heard of it, or may not be told any more.
///
/// # Errors
/// When the database does not answer; then it is told again.
pub async fn delete(db: &impl Execute, delivery: &Delivery) -> Result<(), StorageError> {
    db.execute(DELETE, &[(&delivery.id, Type::INT8)]).await.map(drop)
}

const UPDATE_NEXT_ATTEMPT: &str =
    "UPDATE logout_deliveries SET next_attempt_at = $3 WHERE id = $1 AND attempts = $2";

/// The attempt failed, and the next one is due at `next`. One that was claimed anew meanwhile is left alone.
///
/// # Errors
/// When the database does not answer; then the next attempt is when the claim ends.
pub async fn update_next_attempt(
    db: &impl Execute,
    delivery: &Delivery,
    next: DateTime<Utc>,
) -> Result<(), StorageError> {
    let attempts = i32::try_from(delivery.attempts).unwrap_or(i32::MAX);
    let params = [
        (&delivery.id as _, Type::INT8),
        (&attempts as _, Type::INT4),
        (&next as _, Type::TIMESTAMPTZ),
    ];
    db.execute(UPDATE_NEXT_ATTEMPT, &params).await.map(drop)
}

const GIVE_UP: &str = "WITH gone AS (DELETE FROM logout_deliveries WHERE id = $1 RETURNING session_id)
INSERT INTO events (at, kind, subject_id) SELECT $2, 'logout_undelivered', session_id FROM gone";

/// The client will not be told, and someone may have to look at that later.
///
/// # Errors
/// When the database does not answer.
pub async fn give_up(db: &impl Execute, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), StorageError> {
    let params = [(&delivery.id as _, Type::INT8), (&now as _, Type::TIMESTAMPTZ)];
    db.execute(GIVE_UP, &params).await.map(drop)
}

const COUNT: &str = "SELECT count(*) AS pending FROM logout_deliveries";

/// How many are still to be told.
///
/// # Errors
/// When the database does not answer.
pub async fn count(db: &impl Execute) -> Result<i64, StorageError> {
    let row = db.query_opt(COUNT, &[]).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("pending")?))
}

const DELETE_EXPIRED: &str = "DELETE FROM logout_deliveries WHERE id = ANY (ARRAY(
    SELECT id FROM logout_deliveries WHERE created_at < $1 ORDER BY created_at LIMIT $2))";

/// Sweeps at most `limit` rows from before `before`: those of clients that are gone, which nobody claims.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED, &params).await
}

impl TryFrom<&Row> for Delivery {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let id: i64 = row.try_get("id")?;
        let inconsistent = |column| StorageError::Inconsistent {
            table: "logout_deliveries",
            column,
            id: id.to_string(),
        };
        Ok(Self {
            id,
            client: ClientId::try_from(row.try_get::<_, String>("client_id")?)
                .map_err(|_| inconsistent("client_id"))?,
            session: SessionId::from(row.try_get::<_, uuid::Uuid>("session_id")?),
            subject: row.try_get("subject")?,
            created_at: row.try_get("created_at")?,
            attempts: u32::try_from(row.try_get::<_, i32>("attempts")?)
                .map_err(|_| inconsistent("attempts"))?,
        })
    }
}
