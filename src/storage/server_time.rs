//! The time of the database's machine. Nothing is ever decided by it; an operator hears when it differs.

use chrono::{DateTime, Utc};

use super::{Execute, StorageError};

const FIND: &str = "SELECT clock_timestamp() AS now";

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[FIND];

/// What the database's clock says.
///
/// # Errors
/// When the database does not answer.
pub async fn find(db: &impl Execute) -> Result<DateTime<Utc>, StorageError> {
    let row = db.query_opt(FIND, &[]).await?;
    Ok(row.expect("a SELECT without FROM has one row").try_get("now")?)
}
