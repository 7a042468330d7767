//! Pending authorization requests. Every statement names the browser that the request belongs to, so that no
//! other browser can go on with it; the first that opens one without an owner gets it.

use chrono::{DateTime, Utc};
use tokio_postgres::types::{Json, Type};

use super::{Execute, StorageError};
use crate::domain::authorization::{AuthorizationRequest, Progress};
use crate::domain::ids::{AuthorizationRequestId, SessionId};
use crate::domain::secret::TokenHash;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[INSERT, OPEN, AUTHENTICATED, CONSENTED, DELETE, DELETE_EXPIRED];

/// A pending request as a browser finds it.
#[derive(Debug)]
pub struct Pending {
    /// What was asked.
    pub request: AuthorizationRequest,
    /// What was done for it.
    pub progress: Progress,
}

const INSERT: &str = "INSERT INTO authorization_requests
    (id, client_id, request, browser_hash, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";

/// Stores a request; without `browser` the first that opens it gets it.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    id: AuthorizationRequestId,
    request: &AuthorizationRequest,
    browser: Option<TokenHash>,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let browser = browser.as_ref().map(|hash| &hash.as_bytes()[..]);
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&request.client_id.as_str() as _, Type::TEXT),
        (&Json(request) as _, Type::JSONB),
        (&browser as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    db.execute(INSERT, &params).await.map(drop)
}

const OPEN: &str = "UPDATE authorization_requests SET browser_hash = $2
WHERE id = $1 AND expires_at > $3 AND (browser_hash IS NULL OR browser_hash = $2)
RETURNING request, authenticated_session_id, consented_at";

/// The request, if it is this browser's or nobody's yet.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn open(
    db: &impl Execute,
    id: AuthorizationRequestId,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Pending>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let Some(row) = db.query_opt(OPEN, &params).await? else {
        return Ok(None);
    };
    let Json(request) = row.try_get("request").map_err(|_| StorageError::Inconsistent {
        table: "authorization_requests",
        column: "request",
        id: id.to_string(),
    })?;
    let authenticated: Option<uuid::Uuid> = row.get("authenticated_session_id");
    let consented_at: Option<DateTime<Utc>> = row.get("consented_at");
    Ok(Some(Pending {
        request,
        progress: Progress {
            authenticated: authenticated.map(SessionId::from),
            consented: consented_at.is_some(),
        },
    }))
}

// Whoever was asked for consent before may have been somebody else.
const AUTHENTICATED: &str =
    "UPDATE authorization_requests SET authenticated_session_id = $3, consented_at = NULL
WHERE id = $1 AND browser_hash = $2 AND expires_at > $4";

/// Notes that `session` logged in for this request. Says whether the request is there.
///
/// # Errors
/// When the database does not answer.
pub async fn authenticated(
    db: &impl Execute,
    id: AuthorizationRequestId,
    browser: TokenHash,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (session.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(AUTHENTICATED, &params).await? > 0)
}

const CONSENTED: &str = "UPDATE authorization_requests SET consented_at = $3
WHERE id = $1 AND browser_hash = $2 AND expires_at > $3";

/// Notes that the user consented on this request's page. Says whether the request is there.
///
/// # Errors
/// When the database does not answer.
pub async fn consented(
    db: &impl Execute,
    id: AuthorizationRequestId,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(CONSENTED, &params).await? > 0)
}

const DELETE: &str = "DELETE FROM authorization_requests WHERE id = $1 AND browser_hash = $2";

/// Takes the request away: of all who would answer it, one gets `true`.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(
    db: &impl Execute,
    id: AuthorizationRequestId,
    browser: TokenHash,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
    ];
    Ok(db.execute(DELETE, &params).await? > 0)
}

// An array, and not IN: the planner, who knows no LIMIT yet, would read the whole table to join it.
const DELETE_EXPIRED: &str = "DELETE FROM authorization_requests WHERE id = ANY (ARRAY(
    SELECT id FROM authorization_requests WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` requests that expired before `before`.
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
