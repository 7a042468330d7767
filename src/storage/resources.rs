//! Resources: the APIs that tokens are for. Each statement that changes one moves the registry's revision
//! with it, so that every node reloads its snapshot.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::{Execute, StorageError};
use crate::domain::resource::Resource;
use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// It is stored.
    Inserted,
    /// There is a resource of this name.
    Exists,
    /// There is a client of this id: a token for the resource and a token of the client would look alike.
    NamesClient,
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[INSERT, LIST, UPDATE, DELETE];

const INSERT: &str = "WITH changed AS (
    INSERT INTO resources (identifier, name, scopes, access_token_signing_alg, created_at, updated_at)
    SELECT $1, $2, $3, $4, $5, $5 WHERE NOT EXISTS (SELECT FROM clients WHERE id = $1)
    ON CONFLICT ON CONSTRAINT resources_pkey DO NOTHING RETURNING identifier),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE revisions.name = 'registry')
SELECT EXISTS (SELECT FROM changed) AS inserted, EXISTS (SELECT FROM clients WHERE id = $1) AS names_client";

/// Stores a new resource.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    resource: &Resource,
    now: DateTime<Utc>,
) -> Result<Insertion, StorageError> {
    let row = db
        .query_opt(
            INSERT,
            &[
                (&resource.identifier, Type::TEXT),
                (&resource.name, Type::TEXT),
                (&resource.scopes.as_slice(), Type::TEXT_ARRAY),
                (
                    &resource.access_token_signing_alg.map(SigningAlgorithm::as_str),
                    Type::TEXT,
                ),
                (&now, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    let said = |column| row.as_ref().is_some_and(|row| row.get(column));
    Ok(if said("inserted") {
        Insertion::Inserted
    } else if said("names_client") {
        Insertion::NamesClient
    } else {
        Insertion::Exists
    })
}

const LIST: &str =
    "SELECT identifier, name, scopes, access_token_signing_alg FROM resources ORDER BY identifier";

/// Every resource, by identifier. A row that this version cannot read is an error of its own.
///
/// # Errors
/// When the database does not answer.
pub async fn list(db: &impl Execute) -> Result<Vec<Result<Resource, StorageError>>, StorageError> {
    Ok(db
        .query(LIST, &[])
        .await?
        .iter()
        .map(Resource::try_from)
        .collect())
}

const UPDATE: &str = "WITH changed AS (
    UPDATE resources SET name = COALESCE($2, name), scopes = COALESCE($3, scopes),
        access_token_signing_alg = COALESCE($4, access_token_signing_alg), updated_at = $5
    WHERE identifier = $1 RETURNING identifier, name, scopes, access_token_signing_alg),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE revisions.name = 'registry')
SELECT identifier, name, scopes, access_token_signing_alg FROM changed";

/// What to change of a resource; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct ResourceChange {
    /// The new name.
    pub name: Option<String>,
    /// The new scopes, in place of all old ones.
    pub scopes: Option<ScopeSet>,
    /// What its access tokens are signed with from now on.
    pub access_token_signing_alg: Option<SigningAlgorithm>,
}

/// Changes a resource and returns it as it is then; `None` if there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn update(
    db: &impl Execute,
    identifier: &str,
    change: &ResourceChange,
    now: DateTime<Utc>,
) -> Result<Option<Resource>, StorageError> {
    let row = db
        .query_opt(
            UPDATE,
            &[
                (&identifier, Type::TEXT),
                (&change.name, Type::TEXT),
                (&change.scopes.as_ref().map(ScopeSet::as_slice), Type::TEXT_ARRAY),
                (
                    &change.access_token_signing_alg.map(SigningAlgorithm::as_str),
                    Type::TEXT,
                ),
                (&now, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    row.as_ref().map(Resource::try_from).transpose()
}

const DELETE: &str = "WITH changed AS (DELETE FROM resources WHERE identifier = $1 RETURNING identifier),
moved AS (UPDATE revisions SET revision = revision + 1 FROM changed WHERE revisions.name = 'registry')
SELECT identifier FROM changed";

/// Deletes a resource. Says whether there was one.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(db: &impl Execute, identifier: &str) -> Result<bool, StorageError> {
    let row = db.query_opt(DELETE, &[(&identifier, Type::TEXT)]).await?;
    Ok(row.is_some())
}

impl TryFrom<&Row> for Resource {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let identifier: String = row.get("identifier");
        let inconsistent = |column| StorageError::Inconsistent {
            table: "resources",
            column,
            id: identifier.clone(),
        };
        let scopes =
            ScopeSet::from_tokens(row.get::<_, Vec<String>>("scopes")).map_err(|_| inconsistent("scopes"))?;
        let algorithm = |text: &str| {
            SigningAlgorithm::parse(text).ok_or_else(|| inconsistent("access_token_signing_alg"))
        };
        let stored: Option<&str> = row.get("access_token_signing_alg");
        Ok(Self {
            access_token_signing_alg: stored.map(algorithm).transpose()?,
            name: row.get("name"),
            scopes,
            identifier,
        })
    }
}
