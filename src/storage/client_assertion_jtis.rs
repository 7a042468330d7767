//! The names of client assertions, each spent once (RFC 7523 §3).

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::ids::ClientId;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[SPEND, DELETE_EXPIRED];

const SPEND: &str = "INSERT INTO client_assertion_jtis (client_id, jti_hash, expires_at) VALUES ($1, $2, $3)
ON CONFLICT ON CONSTRAINT client_assertion_jtis_pkey DO NOTHING";

/// Spends a `jti` that is refused by its time alone from `expires_at` on. Says whether it was unspent.
///
/// # Errors
/// When the database does not answer.
pub async fn spend(
    db: &impl Execute,
    client: &ClientId,
    jti: &str,
    expires_at: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let hash: [u8; 32] = Sha256::digest(jti).into();
    let params = [
        (&client.as_str() as _, Type::TEXT),
        (&&hash[..] as _, Type::BYTEA),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(SPEND, &params).await? > 0)
}

// An array, and not IN: the planner, who knows no LIMIT yet, would read the whole table to join it. The rows never
// change, so their places name them.
const DELETE_EXPIRED: &str = "DELETE FROM client_assertion_jtis WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM client_assertion_jtis WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` names that expired before `before`.
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
