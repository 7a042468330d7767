//! What the status lists show: every index whose tokens are dead though they have not expired. It is read from the
//! rows that ended lately, by the question that introspection asks too, so that no way of ending access has to think
//! of it. Deleted rows leave a tombstone, by the statement that deletes them.

use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::grants::grant_stands_sql;
use super::last_use::used_since_sql;
use super::{Execute, StorageError};
use crate::domain::status_blocks::BLOCK;
use crate::domain::status_list::{LONGEST_RETRY, SHARD, shown_for};

/// A time that lies between $1 and $2. Both ends are said: of an open range a planner who does not know the value
/// expects a third of the table, and reads it whole.
macro_rules! lately_sql {
    ($column:literal) => {
        concat!("(", $column, " > $1 AND ", $column, " <= $2)")
    };
}

/// Whether the family `g`, which has not been over since $1, no longer stands. The subquery has an OFFSET so that it is
/// not joined, which might read whole tables, and the CASE keeps the index on expires_at out, which has nearly all
/// families.
macro_rules! has_ended_sql {
    () => {
        concat!(
            "CASE WHEN g.status_index IS NULL OR g.expires_at <= $1 THEN false ELSE
        NOT EXISTS (SELECT FROM sessions s, users u, clients c
            WHERE s.id = g.session_id AND u.id = g.user_id AND c.id = g.client_id AND ",
            grant_stands_sql!(),
            " OFFSET 0) END"
        )
    };
}

// $1 what ended before it has no token left, $2 beyond every clock, $3 now, $4 what expired before it no verifier takes.
//
// 1. Families that ended themselves, whose session ended (a theft counts even in one that had ended before), or whose
//    user moved the epoch: found by what ended, which is little, and asked once more whether they stand.
// 2. What is left of deleted families.
// 3. Single tokens that were revoked.
// 4. All that a client got for itself which is disabled or gone.
const LIST_INVALID: &str = concat!(
    "SELECT g.status_index AS first_index, 1 AS length FROM token_families g
WHERE (",
    lately_sql!("g.ended_at"),
    "
        OR g.session_id = ANY (ARRAY(SELECT id FROM sessions s WHERE ",
    lately_sql!("s.ended_at"),
    "))
        OR g.session_id = ANY (ARRAY(SELECT session_id FROM token_families t WHERE ",
    lately_sql!("t.ended_at"),
    " AND t.ended_reason = 'theft'))
        OR g.user_id = ANY (ARRAY(SELECT id FROM users u WHERE ",
    lately_sql!("u.epoch_moved_at"),
    ")))
    AND ",
    has_ended_sql!(),
    "
UNION ALL
SELECT status_index, 1 FROM status_tombstones d WHERE ",
    lately_sql!("d.ended_at"),
    "
UNION ALL
SELECT status_index, 1 FROM revoked_access_tokens WHERE expires_at > $4 AND status_index IS NOT NULL
UNION ALL
SELECT first_index, length FROM status_runs r WHERE r.reusable_at > $3
    AND NOT EXISTS (SELECT FROM clients c WHERE c.id = r.client_id AND c.disabled_at IS NULL)"
);

/// The indexes whose tokens are invalid at `now`, though one that lives `token` may not have expired, except for those
/// of [`list_invalid_of_clients`]. Several that follow each other are one range.
///
/// # Errors
/// When the database does not answer, or holds an index that is none.
pub async fn list_invalid(
    db: &impl Execute,
    token: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Vec<Range<i64>>, StorageError> {
    let params = [
        (&(now - shown_for(token)) as _, Type::TIMESTAMPTZ),
        (&beyond(now) as _, Type::TIMESTAMPTZ),
        (&now as _, Type::TIMESTAMPTZ),
        (&(now - shown_for(TimeDelta::zero())) as _, Type::TIMESTAMPTZ),
    ];
    ranges(&db.query(LIST_INVALID, &params).await?)
}

/// A time that no clock of ours has reached.
fn beyond(now: DateTime<Utc>) -> DateTime<Utc> {
    now + TimeDelta::days(1)
}

fn ranges(rows: &[Row]) -> Result<Vec<Range<i64>>, StorageError> {
    rows.iter()
        .map(|row| {
            let (first, length): (i64, i32) = (row.try_get("first_index")?, row.try_get("length")?);
            if first < 0 || length < 0 {
                return Err(StorageError::Inconsistent {
                    table: "status lists",
                    column: "status_index",
                    id: first.to_string(),
                });
            }
            Ok(first..first.saturating_add(i64::from(length)))
        })
        .collect()
}

const LIST_ENDED_CLIENTS: &str = concat!(
    "SELECT id FROM clients c WHERE ",
    lately_sql!("c.disabled_at"),
    " UNION ALL SELECT client_id FROM deleted_clients d WHERE ",
    lately_sql!("d.deleted_at")
);

/// The clients that were disabled or deleted lately: none, nearly always.
///
/// # Errors
/// When the database does not answer.
pub async fn list_ended_clients(
    db: &impl Execute,
    token: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Vec<String>, StorageError> {
    let params = [
        (&(now - shown_for(token)) as _, Type::TIMESTAMPTZ),
        (&beyond(now) as _, Type::TIMESTAMPTZ),
    ];
    let rows = db.query(LIST_ENDED_CLIENTS, &params).await?;
    rows.iter().map(|row| Ok(row.try_get("id")?)).collect()
}

// A statement of its own: a client may have half of all families, and a plan that counts on that costs more than all
// the rest of a round. $1 as above, $2 the clients, $3 what was last used before it has no token left.
const LIST_INVALID_OF_CLIENTS: &str = concat!(
    "SELECT g.status_index AS first_index, 1 AS length FROM token_families g
WHERE g.client_id = ANY ($2) AND ",
    used_since_sql!("$3"),
    " AND ",
    has_ended_sql!()
);

/// The indexes of the grants of these clients whose tokens are invalid, as [`list_invalid`] has them.
///
/// # Errors
/// When the database does not answer, or holds an index that is none.
pub async fn list_invalid_of_clients(
    db: &impl Execute,
    clients: &[String],
    token: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Vec<Range<i64>>, StorageError> {
    let shown_since = now - shown_for(token);
    let params = [
        (&shown_since as _, Type::TIMESTAMPTZ),
        (&clients as _, Type::TEXT_ARRAY),
        (&(shown_since - LONGEST_RETRY) as _, Type::TIMESTAMPTZ),
    ];
    ranges(&db.query(LIST_INVALID_OF_CLIENTS, &params).await?)
}

// The list after the last is there before anything names it.
const LIST_SHARDS: &str = "SELECT DISTINCT block / $2 AS shard FROM status_blocks WHERE reusable_at > $1
UNION SELECT unnest(ARRAY[next_block / $2, next_block / $2 + 1]) FROM status_frontier";

/// The lists that a token which lives at `now` may name, and the one that may be needed next.
///
/// # Errors
/// When the database does not answer.
pub async fn list_shards(db: &impl Execute, now: DateTime<Utc>) -> Result<Vec<i64>, StorageError> {
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (&(SHARD / BLOCK) as _, Type::INT8),
    ];
    let rows = db.query(LIST_SHARDS, &params).await?;
    rows.iter().map(|row| Ok(row.try_get("shard")?)).collect()
}

const DELETE_EXPIRED: &str = "WITH tombstones AS (
    DELETE FROM status_tombstones WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM status_tombstones WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)) RETURNING 1),
deleted AS (
    DELETE FROM deleted_clients WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM deleted_clients WHERE deleted_at < $1 ORDER BY deleted_at LIMIT $2)) RETURNING 1)
SELECT (SELECT count(*) FROM tombstones) + (SELECT count(*) FROM deleted) AS deleted";

/// Sweeps at most `limit` tombstones of either kind from before `before`.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    let row = db.query_opt(DELETE_EXPIRED, &params).await?;
    let deleted: i64 = row.map_or(Ok(0), |row| row.try_get("deleted"))?;
    Ok(deleted.unsigned_abs())
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    LIST_INVALID,
    LIST_ENDED_CLIENTS,
    LIST_INVALID_OF_CLIENTS,
    LIST_SHARDS,
    DELETE_EXPIRED,
];
