//! Tokens that were spent, and are good once. The token itself rests nowhere.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{Execute, StorageError};

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[REDEEM, DELETE_EXPIRED];

const REDEEM: &str = "INSERT INTO spent_one_time_tokens (token_hash, expires_at) VALUES ($1, $2)
ON CONFLICT ON CONSTRAINT spent_one_time_tokens_pkey DO NOTHING";

/// Spends a token of this hash, which is good until `expires_at`: of all callers at most one is told `true`.
///
/// # Errors
/// When the database does not answer.
pub async fn redeem(
    db: &impl Execute,
    hash: &[u8; 32],
    expires_at: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (&&hash[..] as _, Type::BYTEA),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(REDEEM, &params).await? > 0)
}

// An array, and not IN: the planner, who knows no LIMIT yet, would read the whole table to join it.
const DELETE_EXPIRED: &str = "DELETE FROM spent_one_time_tokens WHERE token_hash = ANY (ARRAY(
    SELECT token_hash FROM spent_one_time_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` tokens that expired before `before`.
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
