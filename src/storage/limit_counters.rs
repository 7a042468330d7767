//! What is counted across nodes: attempts in windows of time, a row a bucket. An attempt is taken before the work that it
//! is for, so that attempts at once count, and given back where it turns out to be none that is limited.
//!
//! Buckets are taken in the order of their keys, so that two statements never wait for each other.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::mac::MAC_LENGTH;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[TAKE, GIVE_BACK, DELETE_EXPIRED];

/// A bucket to take an attempt from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What it is found by: a MAC over what it is for and who is counted in it.
    pub key: [u8; MAC_LENGTH],
    /// How many attempts a window has.
    pub most: i32,
    /// When a window ends that begins now.
    pub ends_at: DateTime<Utc>,
}

/// Buckets as the columns of a statement, in the order in which they are locked.
#[derive(Debug, Default)]
pub(super) struct Columns<'a> {
    pub(super) keys: Vec<&'a [u8]>,
    pub(super) most: Vec<i32>,
    pub(super) ends_at: Vec<DateTime<Utc>>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(buckets: &'a [Bucket]) -> Self {
        let mut sorted: Vec<_> = buckets.iter().collect();
        sorted.sort_by_key(|bucket| bucket.key);
        sorted.dedup_by_key(|bucket| bucket.key);
        Self {
            keys: sorted.iter().map(|bucket| &bucket.key[..]).collect(),
            most: sorted.iter().map(|bucket| bucket.most).collect(),
            ends_at: sorted.iter().map(|bucket| bucket.ends_at).collect(),
        }
    }
}

/// What came of taking attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every bucket had one.
    Taken,
    /// Some are empty, and nothing was taken from the others.
    Refused {
        /// The empty ones.
        by: Vec<[u8; MAC_LENGTH]>,
        /// When the last window of an empty one ends; the present, if others emptied it at this very moment.
        until: DateTime<Utc>,
    },
}

/// The buckets that are wanted and those of them that are empty, then the taking: nothing is written where one is empty.
/// $keys, $most and $ends are columns, $now the present moment. A bucket that others emptied since the statement began is
/// seen by the update alone.
macro_rules! take_from_buckets {
    ($keys:literal, $most:literal, $ends:literal, $now:literal) => {
        concat!(
            "wanted AS (SELECT * FROM unnest(",
            $keys,
            "::bytea[], ",
            $most,
            "::int4[], ",
            $ends,
            "::timestamptz[]) AS w (key_mac, most, ends_at)),
empty AS (SELECT c.key_mac, c.window_ends_at FROM wanted w JOIN limit_counters c ON c.key_mac = w.key_mac
    WHERE c.window_ends_at > ",
            $now,
            " AND c.attempts >= w.most),
taken AS (INSERT INTO limit_counters AS t (key_mac, attempts, window_ends_at)
    SELECT key_mac, 1, ends_at FROM wanted WHERE NOT EXISTS (SELECT FROM empty) ORDER BY key_mac
    ON CONFLICT ON CONSTRAINT limit_counters_pkey DO UPDATE SET
        attempts = CASE WHEN t.window_ends_at > ",
            $now,
            " THEN t.attempts + 1 ELSE 1 END,
        window_ends_at = CASE WHEN t.window_ends_at > ",
            $now,
            " THEN t.window_ends_at ELSE EXCLUDED.window_ends_at END
    WHERE t.window_ends_at <= ",
            $now,
            " OR t.attempts < (SELECT most FROM wanted w WHERE w.key_mac = t.key_mac)
    RETURNING t.key_mac, t.window_ends_at)"
        )
    };
}
pub(super) use take_from_buckets;

const TAKE: &str = concat!(
    "WITH ",
    take_from_buckets!("$1", "$2", "$3", "$4"),
    "
SELECT w.key_mac, EXISTS (SELECT FROM taken t WHERE t.key_mac = w.key_mac) AS taken, e.window_ends_at AS empty_until
FROM wanted w LEFT JOIN empty e ON e.key_mac = w.key_mac"
);

/// Takes an attempt from each of `buckets`, or from none.
///
/// # Errors
/// When the database does not answer.
pub async fn take(
    db: &impl Execute,
    buckets: &[Bucket],
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let columns = Columns::of(buckets);
    let params = [
        (&columns.keys as _, Type::BYTEA_ARRAY),
        (&columns.most as _, Type::INT4_ARRAY),
        (&columns.ends_at as _, Type::TIMESTAMPTZ_ARRAY),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let rows = db.query(TAKE, &params).await?;
    let keys = |of: &dyn Fn(&Row) -> bool| -> Vec<&[u8]> {
        let chosen = rows.iter().filter(|row| of(row));
        chosen.map(|row| row.get("key_mac")).collect()
    };
    let taken = keys(&|row| row.get("taken"));
    if taken.len() == rows.len() {
        return Ok(Outcome::Taken);
    }
    let until = rows.iter().filter_map(|row| row.get("empty_until")).max();
    let mut by = keys(&|row| row.get::<_, Option<DateTime<Utc>>>("empty_until").is_some());
    if by.is_empty() {
        // Others took the last ones at this very moment, and what this statement took must go back.
        by = keys(&|row| !row.get::<_, bool>("taken"));
        give_back_keys(db, &taken).await?;
    }
    Ok(Outcome::Refused {
        by: by.iter().filter_map(|key| (*key).try_into().ok()).collect(),
        until: until.unwrap_or(now),
    })
}

/// Gives an attempt back to each of the buckets $keys.
macro_rules! give_back_to_buckets {
    ($keys:literal) => {
        concat!(
            "UPDATE limit_counters c SET attempts = GREATEST(c.attempts - 1, 0)
    FROM (SELECT key_mac FROM limit_counters WHERE key_mac = ANY (",
            $keys,
            "::bytea[]) ORDER BY key_mac FOR UPDATE) locked
    WHERE c.key_mac = locked.key_mac"
        )
    };
}
pub(super) use give_back_to_buckets;

const GIVE_BACK: &str = give_back_to_buckets!("$1");

/// Gives back an attempt that was taken from each of these buckets.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back(db: &impl Execute, buckets: &[Bucket]) -> Result<(), StorageError> {
    give_back_keys(db, &Columns::of(buckets).keys).await
}

async fn give_back_keys(db: &impl Execute, keys: &[&[u8]]) -> Result<(), StorageError> {
    let params = [(&keys as _, Type::BYTEA_ARRAY)];
    db.execute(GIVE_BACK, &params).await.map(drop)
}

const DELETE_EXPIRED: &str = "DELETE FROM limit_counters WHERE key_mac = ANY (ARRAY(
    SELECT key_mac FROM limit_counters WHERE window_ends_at < $1 ORDER BY window_ends_at LIMIT $2))";

/// Sweeps at most `limit` buckets whose window ended before `before`.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED, &params).await
}
