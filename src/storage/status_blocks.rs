//! Blocks of indexes of the status lists, leased by nodes one write a block, and the runs of them that clients got.
//! What is leased, and for how long, is said above.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::status_blocks::{BLOCK, Purpose, Run, Stretch};

// The row of a block that is over, or that a node gave back, is taken before a new one is made: lists stay few. $5 is
// the length of a block, which as `next` says that all of it may have been used.
const LEASE: &str = "WITH picked AS (
    SELECT block, reusable_at, CASE WHEN reusable_at <= $2 THEN 0 ELSE next END AS next FROM status_blocks
    WHERE reusable_at <= $2 OR purpose = $1 AND next < $5 ORDER BY block LIMIT $4 FOR UPDATE SKIP LOCKED),
again AS (
    UPDATE status_blocks b SET purpose = $1, next = $5, reusable_at = GREATEST(p.reusable_at, $3)
    FROM picked p WHERE b.block = p.block RETURNING b.block, p.next, b.reusable_at),
missing AS (SELECT $4 - count(*) AS n FROM picked),
moved AS (UPDATE status_frontier SET next_block = next_block + n FROM missing WHERE n > 0 RETURNING next_block, n),
made AS (
    INSERT INTO status_blocks (block, purpose, next, reusable_at)
    SELECT block, $1, $5, $3 FROM moved, generate_series(next_block - n, next_block - 1) block RETURNING block)
SELECT block, next, reusable_at FROM again UNION ALL SELECT block, 0, $3 FROM made ORDER BY block";

/// Leases `count` blocks to this node alone, until `until`; nobody else has any of them before `reusable_at`.
///
/// # Errors
/// When the database does not answer. What was leased without the answer arriving comes back at `reusable_at`.
pub async fn lease(
    db: &impl Execute,
    purpose: Purpose,
    count: i64,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    reusable_at: DateTime<Utc>,
) -> Result<Vec<Stretch>, StorageError> {
    let params = [
        (&purpose.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&reusable_at as _, Type::TIMESTAMPTZ),
        (&count as _, Type::INT8),
        (&length() as _, Type::INT4),
    ];
    let rows = db.query(LEASE, &params).await?;
    rows.iter()
        .map(|row| {
            let first = row.try_get::<_, i64>("block")? * BLOCK;
            Ok(Stretch {
                next: first + i64::from(row.try_get::<_, i32>("next")?),
                end: first + BLOCK,
                until,
                reusable_at: row.try_get("reusable_at")?,
            })
        })
        .collect()
}

fn length() -> i32 {
    i32::try_from(BLOCK).expect("4096")
}

const GIVE_BACK: &str = "UPDATE status_blocks SET next = $2 WHERE block = $1 AND next = $3";

/// Gives back what this node has not used of a block whose lease is not over.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back(db: &impl Execute, unused: &Stretch) -> Result<(), StorageError> {
    let next = i32::try_from(unused.next % BLOCK).expect("less than 4096");
    let params = [
        (&(unused.next / BLOCK) as _, Type::INT8),
        (&next as _, Type::INT4),
        (&length() as _, Type::INT4),
    ];
    db.execute(GIVE_BACK, &params).await?;
    Ok(())
}

// A run of an earlier lease of the block may still be there: nobody looks at it any more.
const INSERT_RUNS: &str = "INSERT INTO status_runs (first_index, length, client_id, reusable_at)
SELECT * FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::timestamptz[])
ON CONFLICT ON CONSTRAINT status_runs_pkey DO UPDATE SET length = EXCLUDED.length, client_id = EXCLUDED.client_id,
    reusable_at = EXCLUDED.reusable_at";

/// Writes down which clients got which runs.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_runs(db: &impl Execute, runs: &[Run]) -> Result<(), StorageError> {
    let firsts: Vec<i64> = runs.iter().map(|run| run.first).collect();
    let lengths: Vec<i32> = runs
        .iter()
        .map(|run| i32::try_from(run.length).expect("a block at most"))
        .collect();
    let clients: Vec<&str> = runs.iter().map(|run| run.client.as_str()).collect();
    let ends: Vec<DateTime<Utc>> = runs.iter().map(|run| run.reusable_at).collect();
    let params = [
        (&firsts as _, Type::INT8_ARRAY),
        (&lengths as _, Type::INT4_ARRAY),
        (&clients as _, Type::TEXT_ARRAY),
        (&ends as _, Type::TIMESTAMPTZ_ARRAY),
    ];
    db.execute(INSERT_RUNS, &params).await?;
    Ok(())
}

const DELETE_EXPIRED_RUNS: &str = "DELETE FROM status_runs WHERE first_index = ANY (ARRAY(
    SELECT first_index FROM status_runs WHERE reusable_at < $1 ORDER BY reusable_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Sweeps at most `limit` runs that were over before `before`.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired_runs(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED_RUNS, &params).await
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[LEASE, GIVE_BACK, INSERT_RUNS, DELETE_EXPIRED_RUNS];
