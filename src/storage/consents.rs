//! Consents: what a user let a client have. A new one adds to what was given before.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::consent::Consent;
use crate::domain::ids::{ClientId, UserId};
use crate::oauth::scope::ScopeSet;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[FIND, ADD];

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
    let Some(row) = db.query_opt(FIND, &params).await? else {
        return Ok(None);
    };
    let scopes = ScopeSet::from_tokens(row.get::<_, Vec<String>>("scopes"));
    Ok(Some(Consent {
        scopes: scopes.map_err(|_| StorageError::Inconsistent {
            table: "consents",
            column: "scopes",
            id: user.to_string(),
        })?,
        resources: row.get("resources"),
        claims: row.get("claims"),
    }))
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
