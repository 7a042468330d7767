//! Who users are at other providers, and their passkeys.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::{Execute, StorageError};
use crate::domain::ids::UserId;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[LIST_IDENTITIES, LIST_PASSKEYS];

/// Who a user is at another provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The row.
    pub id: Uuid,
    /// What the provider is called here.
    pub provider: String,
    /// Its issuer, where it is known.
    pub issuer: Option<String>,
    /// The user there.
    pub subject: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

const LIST_IDENTITIES: &str = "SELECT id, provider, issuer, subject, created_at, updated_at
FROM identities WHERE user_id = $1 ORDER BY created_at, id LIMIT $2";

/// Who a user is elsewhere, oldest first, `limit` at most.
///
/// # Errors
/// When the database does not answer.
pub async fn list_of_user(
    db: &impl Execute,
    user: UserId,
    limit: i64,
) -> Result<Vec<Identity>, StorageError> {
    let params = [(user.as_uuid() as _, Type::UUID), (&limit as _, Type::INT8)];
    let rows = db.query(LIST_IDENTITIES, &params).await?;
    Ok(rows
        .iter()
        .map(|row| Identity {
            id: row.get("id"),
            provider: row.get("provider"),
            issuer: row.get("issuer"),
            subject: row.get("subject"),
            created_at: row.get("created_at"),
            updated_at: row.get("updated_at"),
        })
        .collect())
}

/// A passkey, without the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// The row.
    pub id: Uuid,
    /// What the user calls it.
    pub name: Option<String>,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// `singleDevice` or `multiDevice`.
    pub device_type: String,
    /// Whether it is kept in several places.
    pub backed_up: bool,
    /// How it is reached.
    pub transports: Vec<String>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

const LIST_PASSKEYS: &str = "SELECT id, name, credential_id, device_type, backed_up, transports, created_at
FROM passkeys WHERE user_id = $1 ORDER BY created_at, id LIMIT $2";

/// The passkeys of a user, oldest first, `limit` at most.
///
/// # Errors
/// When the database does not answer.
pub async fn list_passkeys_of_user(
    db: &impl Execute,
    user: UserId,
    limit: i64,
) -> Result<Vec<Passkey>, StorageError> {
    let params = [(user.as_uuid() as _, Type::UUID), (&limit as _, Type::INT8)];
    let rows = db.query(LIST_PASSKEYS, &params).await?;
    Ok(rows
        .iter()
        .map(|row| Passkey {
            id: row.get("id"),
            name: row.get("name"),
            credential_id: row.get("credential_id"),
            device_type: row.get("device_type"),
            backed_up: row.get("backed_up"),
            transports: row.get("transports"),
            created_at: row.get("created_at"),
        })
        .collect())
}
