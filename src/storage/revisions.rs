//! Numbers that move with the rows behind them, so that a node learns by one small read whether its
//! snapshot of keys or clients is still the present one.

use super::{Execute, StorageError};

/// What the numbers were when they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revisions {
    /// Moves with signing keys and MAC keys.
    pub keys: i64,
    /// Moves with clients and resources.
    pub registry: i64,
}

const FIND: &str = "SELECT max(revision) FILTER (WHERE name = 'keys') AS keys, \
    max(revision) FILTER (WHERE name = 'registry') AS registry FROM revisions";

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[FIND];

/// Reads both numbers. Rows read afterwards are at least as new as the numbers: a writer moves its number
/// under a row lock in the transaction of the change, so numbers and changes commit in one order.
///
/// # Errors
/// When the database does not answer, or a number is missing.
pub async fn find(db: &impl Execute) -> Result<Revisions, StorageError> {
    let missing = |id: &str| StorageError::Inconsistent {
        table: "revisions",
        column: "revision",
        id: id.to_owned(),
    };
    let row = db.query_opt(FIND, &[]).await?.ok_or_else(|| missing("all"))?;
    Ok(Revisions {
        keys: row.get::<_, Option<i64>>("keys").ok_or_else(|| missing("keys"))?,
        registry: row
            .get::<_, Option<i64>>("registry")
            .ok_or_else(|| missing("registry"))?,
    })
}
