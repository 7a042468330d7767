//! Events: what someone may have to look at later. They are written by the statements that see them happen.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{Execute, StorageError};

const DELETE_EXPIRED: &str = "DELETE FROM events WHERE ctid IN \
    (SELECT ctid FROM events WHERE at < $1 ORDER BY at LIMIT $2)";

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[DELETE_EXPIRED];

/// Sweeps at most `limit` events from before `before`.
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
