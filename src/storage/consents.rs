//! Consents: what a user let a client have. A new one adds to what was given before.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::consent::{Consent, GivenConsent};
use crate::domain::ids::{ClientId, UserId};
use crate::oauth::scope::ScopeSet;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[FIND, LIST_OF_USER, ADD, DELETE];

const FIND: &str = "SELECT scopes, resources, claims FROM consents WHERE user_id = $1 AND client_id = $2";

/// What `user` let `client` have.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find(
    db: &impl Execute,
    user: UserId,
    client: &ClientId,
) -> Result<Option<Consent>, StorageError> {
    let params = [
        (user.as_uuid() as _, Type::UUID),
        (&client.as_str() as _, Type::TEXT),
    ];
    let row = db.query_opt(FIND, &params).await?;
    row.as_ref().map(|row| read(row, user)).transpose()
}

const LIST_OF_USER: &str = "SELECT client_id, scopes, resources, claims, granted_at FROM consents
WHERE user_id = $1 ORDER BY granted_at DESC, client_id LIMIT $2";

/// What `user` let clients have, the last one first, `limit` at most.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn list_of_user(
    db: &impl Execute,
    user: UserId,
    limit: i64,
) -> Result<Vec<GivenConsent>, StorageError> {
    let params = [(user.as_uuid() as _, Type::UUID), (&limit as _, Type::INT8)];
    let rows = db.query(LIST_OF_USER, &params).await?;
    let given = |row: &Row| {
        let client: String = row.try_get("client_id")?;
        Ok(GivenConsent {
            client: client.parse().map_err(|_| inconsistent("client_id", user))?,
            consent: read(row, user)?,
            granted_at: row.try_get("granted_at")?,
        })
    };
    rows.iter().map(given).collect()
}

fn read(row: &Row, user: UserId) -> Result<Consent, StorageError> {
    let scopes = ScopeSet::from_tokens(row.try_get::<_, Vec<String>>("scopes")?);
    Ok(Consent {
        scopes: scopes.map_err(|_| inconsistent("scopes", user))?,
        resources: row.try_get("resources")?,
        claims: row.try_get("claims")?,
    })
}

fn inconsistent(column: &'static str, user: UserId) -> StorageError {
    StorageError::Inconsistent {
        table: "consents",
        column,
        id: user.to_string(),
    }
}

const ADD: &str =
    "INSERT INTO consents AS t (user_id, client_id, scopes, resources, claims, granted_at, updated_at)
VALUES ($1, $2, $3, $4, $5, $6, $6)
ON CONFLICT ON CONSTRAINT consents_pkey DO UPDATE SET
    scopes = ARRAY(SELECT unnest(t.scopes) UNION SELECT unnest(EXCLUDED.scopes)),
    resources = ARRAY(SELECT unnest(t.resources) UNION SELECT unnest(EXCLUDED.resources)),
    claims = ARRAY(SELECT unnest(t.claims) UNION SELECT unnest(EXCLUDED.claims)),
    updated_at = $6";

/// Adds to what `user` let `client` have.
///
/// # Errors
/// When the database does not answer.
pub async fn add(
    db: &impl Execute,
    user: UserId,
    client: &ClientId,
    consent: &Consent,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (user.as_uuid() as _, Type::UUID),
        (&client.as_str() as _, Type::TEXT),
        (&consent.scopes.as_slice() as _, Type::TEXT_ARRAY),
        (&consent.resources as _, Type::TEXT_ARRAY),
        (&consent.claims as _, Type::TEXT_ARRAY),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    db.execute(ADD, &params).await.map(drop)
}

const DELETE: &str = "DELETE FROM consents WHERE user_id = $1 AND client_id = $2";

/// Forgets what `user` let `client` have. Says whether that was anything.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(db: &impl Execute, user: UserId, client: &ClientId) -> Result<bool, StorageError> {
    let params = [
        (user.as_uuid() as _, Type::UUID),
        (&client.as_str() as _, Type::TEXT),
    ];
    Ok(db.execute(DELETE, &params).await? > 0)
}
