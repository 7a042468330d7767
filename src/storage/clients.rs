//! Clients. Each statement that changes one moves the registry's revision with it, so that every node
//! reloads its snapshot.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::last_use::{unused_since, used_since_sql};
use super::{Execute, StorageError};
use crate::domain::client::{Client, ClientMetadata, ClientSecretMac};
use crate::domain::ids::ClientId;

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It is stored.
    Inserted,
    /// There is a client of this id.
    Exists,
    /// There is a resource of this name: a token for it and a token of the client would look alike.
    NamesResource,
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[INSERT, LIST, FIND, UPDATE, DISABLE, DELETE_GRANTS, DELETE];

const INSERT: &str = "WITH changed AS (
    INSERT INTO clients (id, metadata, secret_hash, secret_key_version, created_at, updated_at)
    SELECT $1, $2, $3, $4, $5, $5 WHERE NOT EXISTS (SELECT FROM resources WHERE identifier = $1)
    ON CONFLICT ON CONSTRAINT clients_pkey DO NOTHING RETURNING id),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE name = 'registry')
SELECT EXISTS (SELECT FROM changed) AS inserted,
    EXISTS (SELECT FROM resources WHERE identifier = $1) AS names_resource";

/// Stores a new client.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(db: &impl Execute, client: &Client) -> Result<Insertion, StorageError> {
    let (mac, version) = secret_columns(client);
    let row = db
        .query_opt(
            INSERT,
            &[
                (&client.id.as_str(), Type::TEXT),
                (&Json(&client.metadata), Type::JSONB),
                (&mac, Type::BYTEA),
                (&version, Type::INT4),
                (&client.created_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let said = |column| row.as_ref().is_some_and(|row| row.get(column));
    Ok(if said("inserted") {
        Insertion::Inserted
    } else if said("names_resource") {
        Insertion::NamesResource
    } else {
        Insertion::Exists
    })
}

const LIST: &str = "SELECT id, metadata, secret_hash, secret_key_version, created_at, updated_at, disabled_at
FROM clients ORDER BY created_at, id";

/// Every client, oldest first. A row that this version cannot read is an error of its own: the clients
/// beside it must go on working while a newer version runs on the same database.
///
/// # Errors
/// When the database does not answer.
pub async fn list(db: &impl Execute) -> Result<Vec<Result<Client, StorageError>>, StorageError> {
    Ok(db.query(LIST, &[]).await?.iter().map(Client::try_from).collect())
}

const FIND: &str = "SELECT id, metadata, secret_hash, secret_key_version, created_at, updated_at, disabled_at
FROM clients WHERE id = $1";

/// One client, as the database has it this moment.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find(db: &impl Execute, id: &ClientId) -> Result<Option<Client>, StorageError> {
    let row = db.query_opt(FIND, &[(&id.as_str(), Type::TEXT)]).await?;
    row.as_ref().map(Client::try_from).transpose()
}

const UPDATE: &str = "WITH changed AS (
    UPDATE clients SET metadata = $3, secret_hash = $4, secret_key_version = $5, disabled_at = $6, updated_at = $7
    WHERE id = $1 AND updated_at = $2 RETURNING id),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE name = 'registry')
SELECT id FROM changed";

/// Replaces what `client` registered, its secret and its disabling, if nobody changed it since `seen`, the
/// `updated_at` that the change was made from. Says whether it did.
///
/// # Errors
/// When the database does not answer.
pub async fn update(db: &impl Execute, client: &Client, seen: DateTime<Utc>) -> Result<bool, StorageError> {
    let (mac, version) = secret_columns(client);
    let row = db
        .query_opt(
            UPDATE,
            &[
                (&client.id.as_str(), Type::TEXT),
                (&seen, Type::TIMESTAMPTZ),
                (&Json(&client.metadata), Type::JSONB),
                (&mac, Type::BYTEA),
                (&version, Type::INT4),
                (&client.disabled_at, Type::TIMESTAMPTZ),
                (&client.updated_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(row.is_some())
}

const DISABLE: &str = "WITH changed AS (
    UPDATE clients SET disabled_at = COALESCE(disabled_at, $2), updated_at = $2 WHERE id = $1 RETURNING id),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE name = 'registry')
SELECT id FROM changed";

/// Forbids a client everything. Says whether there is one.
///
/// # Errors
/// When the database does not answer.
pub async fn disable(db: &impl Execute, id: &ClientId, now: DateTime<Utc>) -> Result<bool, StorageError> {
    let params = [(&id.as_str() as _, Type::TEXT), (&now as _, Type::TIMESTAMPTZ)];
    Ok(db.query_opt(DISABLE, &params).await?.is_some())
}

// Arrays, and not IN: the planner, who knows no LIMIT yet, would read whole tables to join them. $3 is now. A family
// leaves to the status lists what tokens of it may be about, unless they are over since $4.
const DELETE_GRANTS: &str = concat!(
    "WITH families AS (
    DELETE FROM token_families g WHERE id = ANY (ARRAY(
        SELECT id FROM token_families WHERE client_id = $1 LIMIT $2))
    RETURNING g.status_index, LEAST($3, g.expires_at, g.ended_at) AS ended_at, ",
    used_since_sql!("$4"),
    " AS used),
tombstones AS (
    INSERT INTO status_tombstones (status_index, ended_at)
    SELECT status_index, ended_at FROM families WHERE used AND status_index IS NOT NULL),
codes AS (
    DELETE FROM authorization_codes WHERE code_hash = ANY (ARRAY(
        SELECT code_hash FROM authorization_codes WHERE client_id = $1 LIMIT $2)) RETURNING 1),
given AS (DELETE FROM consents WHERE (user_id, client_id) IN
    (SELECT user_id, client_id FROM consents WHERE client_id = $1 LIMIT $2) RETURNING 1)
SELECT (SELECT count(*) FROM families) + (SELECT count(*) FROM codes) + (SELECT count(*) FROM given) AS deleted"
);

/// Deletes families, codes and consents of a client, `limit` of each kind at most, and says how many rows
/// that were. They must be gone before the client is: a new client of the same id would inherit them.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_grants(
    db: &impl Execute,
    id: &ClientId,
    limit: i64,
    now: DateTime<Utc>,
) -> Result<i64, StorageError> {
    let params = [
        (&id.as_str() as _, Type::TEXT),
        (&limit as _, Type::INT8),
        (&now as _, Type::TIMESTAMPTZ),
        (&unused_since(now) as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(DELETE_GRANTS, &params).await?;
    Ok(row.map_or(0, |row| row.get("deleted")))
}

// A code that was redeemed while the grants were deleted may have left a family; the status lists look for it.
const DELETE: &str = "WITH changed AS (DELETE FROM clients WHERE id = $1 RETURNING id),
tombstone AS (INSERT INTO deleted_clients (client_id, deleted_at) SELECT id, $2 FROM changed),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE name = 'registry')
SELECT id FROM changed";

/// Deletes a client. Says whether there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(db: &impl Execute, id: &ClientId, now: DateTime<Utc>) -> Result<bool, StorageError> {
    let params = [(&id.as_str() as _, Type::TEXT), (&now as _, Type::TIMESTAMPTZ)];
    let row = db.query_opt(DELETE, &params).await?;
    Ok(row.is_some())
}

fn secret_columns(client: &Client) -> (Option<&[u8]>, Option<i32>) {
    match &client.secret {
        Some(secret) => (Some(&secret.mac), Some(secret.key_version)),
        None => (None, None),
    }
}

impl TryFrom<&Row> for Client {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let id: String = row.get("id");
        let inconsistent = |column| StorageError::Inconsistent {
            table: "clients",
            column,
            id: id.clone(),
        };
        let Json(metadata): Json<ClientMetadata> =
            row.try_get("metadata").map_err(|_| inconsistent("metadata"))?;
        let secret = match (row.get("secret_hash"), row.get("secret_key_version")) {
            (Some(mac), Some(key_version)) => Some(ClientSecretMac { mac, key_version }),
            (None, None) => None,
            _ => return Err(inconsistent("secret_key_version")),
        };
        Ok(Self {
            id: ClientId::try_from(id.clone()).map_err(|_| inconsistent("id"))?,
            metadata,
            secret,
            created_at: row.get("created_at"),
            updated_at: row.get("updated_at"),
            disabled_at: row.get("disabled_at"),
        })
    }
}
