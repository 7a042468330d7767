//! The servers that run, and the revision of the keys that each serves.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{Execute, StorageError};

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[RECORD, LIST, DELETE, DELETE_UNSEEN];

/// A server as it was last heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Chosen at its start.
    pub id: Uuid,
    /// What its operator knows it by: the name of its machine.
    pub name: String,
    /// The revision of the keys that it serves.
    pub keys_revision: i64,
    /// Since when it serves them.
    pub keys_loaded_at: DateTime<Utc>,
    /// When it last said so.
    pub seen_at: DateTime<Utc>,
}

const RECORD: &str = "\
    INSERT INTO nodes (id, name, keys_revision, keys_loaded_at, seen_at) VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (id) DO UPDATE SET keys_revision = excluded.keys_revision, \
        keys_loaded_at = excluded.keys_loaded_at, seen_at = excluded.seen_at";

/// Says that a server is there and what it serves.
///
/// # Errors
/// When the database does not answer.
pub async fn record(db: &impl Execute, node: &Node) -> Result<(), StorageError> {
    db.execute(
        RECORD,
        &[
            (&node.id, Type::UUID),
            (&node.name, Type::TEXT),
            (&node.keys_revision, Type::INT8),
            (&node.keys_loaded_at, Type::TIMESTAMPTZ),
            (&node.seen_at, Type::TIMESTAMPTZ),
        ],
    )
    .await?;
    Ok(())
}

const LIST: &str = "SELECT id, name, keys_revision, keys_loaded_at, seen_at FROM nodes ORDER BY name, id";

/// All servers.
///
/// # Errors
/// When the database does not answer.
pub async fn list(db: &impl Execute) -> Result<Vec<Node>, StorageError> {
    let rows = db.query(LIST, &[]).await?;
    let node = |row: &tokio_postgres::Row| {
        Ok(Node {
            id: row.try_get("id")?,
            name: row.try_get("name")?,
            keys_revision: row.try_get("keys_revision")?,
            keys_loaded_at: row.try_get("keys_loaded_at")?,
            seen_at: row.try_get("seen_at")?,
        })
    };
    rows.iter().map(node).collect()
}

const DELETE: &str = "DELETE FROM nodes WHERE id = $1";

/// Forgets a server that has stopped.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(db: &impl Execute, id: Uuid) -> Result<(), StorageError> {
    db.execute(DELETE, &[(&id, Type::UUID)]).await?;
    Ok(())
}

const DELETE_UNSEEN: &str = "DELETE FROM nodes WHERE seen_at < $1";

/// Forgets servers that were not heard of since `since`.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_unseen(db: &impl Execute, since: DateTime<Utc>) -> Result<u64, StorageError> {
    db.execute(DELETE_UNSEEN, &[(&since, Type::TIMESTAMPTZ)]).await
}
