//! Access tokens where they are looked up at all: the ones revoked one by one, and whether anything that a
//! token stands on has ended. The tokens themselves are stored nowhere.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::grants::{grant_stands_sql, requested_claims};
use super::users::{self, user_columns};
use super::{Execute, StorageError};
use crate::domain::authorization::RequestedClaims;
use crate::domain::ids::{ClientId, FamilyId, SessionId, TokenId};
use crate::domain::status_list::StatusIndex;
use crate::domain::user::User;

/// Whether an access token is still good.
#[derive(Debug, Clone, PartialEq)]
pub enum TokenStatus {
    /// It is. With its user, unless a client got it for itself.
    Live(Option<Box<TokenUser>>),
    /// It was revoked, or what it stands on has ended or is gone.
    Dead,
}

/// What `/userinfo` answers from.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenUser {
    /// The user as they are now.
    pub user: User,
    /// The `claims` parameter of the request that the token comes from.
    pub claims: Option<RequestedClaims>,
}

/// An access token to be revoked alone.
#[derive(Debug, Clone, Copy)]
pub struct RevokedToken {
    /// Its name.
    pub jti: TokenId,
    /// When it would have expired.
    pub expires_at: DateTime<Utc>,
    /// Its place in the status lists.
    pub status_index: Option<StatusIndex>,
    /// If it is of a grant: its family, and the place that the family's further tokens get.
    pub moves: Option<(FamilyId, StatusIndex)>,
}

const REVOKE: &str = "WITH revoked AS (
    INSERT INTO revoked_access_tokens (jti, expires_at, status_index) VALUES ($1, $2, $3)
    ON CONFLICT ON CONSTRAINT revoked_access_tokens_pkey DO NOTHING RETURNING 1)
UPDATE token_families SET status_index = $5 WHERE id = $4 AND status_index = $3 AND EXISTS (SELECT FROM revoked)";

/// Revokes one access token (RFC 7009 §2.1). The caller has verified it, and that it is its client's own. The status
/// list knows the tokens of a grant by one bit: the family moves to another, or what it gives from now on would be
/// refused too. Says whether it moved.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(db: &impl Execute, token: &RevokedToken) -> Result<bool, StorageError> {
    let (family, moved) = token.moves.unzip();
    let params = [
        (token.jti.as_uuid() as _, Type::UUID),
        (&token.expires_at as _, Type::TIMESTAMPTZ),
        (&token.status_index.map(StatusIndex::as_i64) as _, Type::INT8),
        (&family.as_ref().map(FamilyId::as_uuid) as _, Type::UUID),
        (&moved.map(StatusIndex::as_i64) as _, Type::INT8),
    ];
    Ok(db.execute(REVOKE, &params).await? > 0)
}

// $1 jti, $2 family, $3 session, $4 subject, $5 client. A token of a user stands on all of them; one that a client
// got for itself names neither user, session nor family. A token that names but some of them is none of ours.
const STATUS: &str = concat!(
    "SELECT g.claims, ",
    user_columns!(),
    "
FROM clients c
LEFT JOIN token_families g ON g.id = $2 AND g.session_id = $3 AND g.client_id = c.id
LEFT JOIN sessions s ON s.id = g.session_id
LEFT JOIN users u ON u.id = g.user_id AND COALESCE(u.subject, u.id::text) = $4
WHERE c.id = $5 AND NOT EXISTS (SELECT FROM revoked_access_tokens WHERE jti = $1)
    AND CASE WHEN $2 IS NULL AND $3 IS NULL AND $4 IS NULL THEN c.disabled_at IS NULL
        ELSE s.id IS NOT NULL AND u.id IS NOT NULL AND ",
    grant_stands_sql!(),
    " END"
);

/// Whether an access token whose signature and times are good still stands: not revoked itself, its family and
/// session not ended (the session of an offline family may have), its user enabled and of the same epoch, its
/// client enabled. One statement, so that all of it is true at one moment.
///
/// # Errors
/// When the database does not answer.
pub async fn status(
    db: &impl Execute,
    jti: TokenId,
    family: Option<FamilyId>,
    session: Option<SessionId>,
    subject: Option<&str>,
    client: &ClientId,
) -> Result<TokenStatus, StorageError> {
    let params = [
        (jti.as_uuid() as _, Type::UUID),
        (&family.as_ref().map(FamilyId::as_uuid) as _, Type::UUID),
        (&session.as_ref().map(SessionId::as_uuid) as _, Type::UUID),
        (&subject as _, Type::TEXT),
        (&client.as_str() as _, Type::TEXT),
    ];
    let Some(row) = db.query_opt(STATUS, &params).await? else {
        return Ok(TokenStatus::Dead);
    };
    let Some(family) = family else {
        return Ok(TokenStatus::Live(None));
    };
    Ok(TokenStatus::Live(Some(Box::new(TokenUser {
        user: users::read(&row)?,
        claims: requested_claims(&row, family)?,
    }))))
}

const DELETE_EXPIRED: &str = "DELETE FROM revoked_access_tokens WHERE jti = ANY (ARRAY(
    SELECT jti FROM revoked_access_tokens WHERE expires_at < $1 ORDER BY expires_at LIMIT $2
    FOR UPDATE SKIP LOCKED))";

/// Sweeps at most `limit` revocations of tokens that expired before `before`. The clocks of nodes differ, so
/// `before` lies some minutes back.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED, &params).await
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[REVOKE, STATUS, DELETE_EXPIRED];
