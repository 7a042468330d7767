//! Browser sessions. A session lives while it has not ended, neither of its times is over, and its user is
//! enabled and has not moved the epoch since the login.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;

use super::users::{self, user_columns};
use super::{Execute, StorageError};
use crate::domain::browser_session::BrowserSession;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::secret::TokenHash;
use crate::domain::user::User;

macro_rules! session_columns {
    () => {
        "s.id, s.user_id AS session_user_id, s.epoch, s.auth_time, s.acr, s.amr, s.ip_address, s.user_agent, \
         s.created_at, s.last_used_at, s.idle_expires_at, s.expires_at, s.remembered"
    };
}

/// Over `s` (sessions) and `u` (users); `$1` is now.
macro_rules! is_live {
    () => {
        "s.ended_at IS NULL AND s.expires_at > $1 AND s.idle_expires_at > $1 \
         AND u.epoch = s.epoch AND u.disabled_at IS NULL"
    };
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    RENEW,
    CAME_BY,
    PROVIDER,
    FIND_LIVE,
    FIND_LIVE_IMPORTED,
    TOUCH,
    LIST_LIVE_OF_USER,
    LIST_LIVE,
    END,
    END_OTHERS,
    END_ISSUED_BEFORE,
    DELETE_EXPIRED,
];

const INSERT: &str = "INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent,
    created_at, last_used_at, idle_expires_at, expires_at, remembered)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";

/// Stores a new session.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(db: &impl Execute, session: &BrowserSession) -> Result<(), StorageError> {
    let params = [
        (session.id.as_uuid() as _, Type::UUID),
        (session.user_id.as_uuid() as _, Type::UUID),
        (&session.epoch as _, Type::INT8),
        (&session.auth_time as _, Type::TIMESTAMPTZ),
        (&session.acr as _, Type::TEXT),
        (&session.amr as _, Type::TEXT_ARRAY),
        (&session.ip_address as _, Type::TEXT),
        (&session.user_agent as _, Type::TEXT),
        (&session.created_at as _, Type::TIMESTAMPTZ),
        (&session.last_used_at as _, Type::TIMESTAMPTZ),
        (&session.idle_expires_at as _, Type::TIMESTAMPTZ),
        (&session.expires_at as _, Type::TIMESTAMPTZ),
        (&session.remembered as _, Type::BOOL),
    ];
    db.execute(INSERT, &params).await.map(drop)
}

const RENEW: &str =
    "UPDATE sessions SET auth_time = $4, acr = $5, amr = $6, ip_address = $7, user_agent = $8,
    last_used_at = $4, idle_expires_at = $9, expires_at = $10, remembered = $11
WHERE id = $1 AND user_id = $2 AND epoch = $3 AND ended_at IS NULL";

/// The user of a session proved again who they are, and its life begins anew. `false` if it has ended meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn renew(db: &impl Execute, session: &BrowserSession) -> Result<bool, StorageError> {
    let params = [
        (session.id.as_uuid() as _, Type::UUID),
        (session.user_id.as_uuid() as _, Type::UUID),
        (&session.epoch as _, Type::INT8),
        (&session.auth_time as _, Type::TIMESTAMPTZ),
        (&session.acr as _, Type::TEXT),
        (&session.amr as _, Type::TEXT_ARRAY),
        (&session.ip_address as _, Type::TEXT),
        (&session.user_agent as _, Type::TEXT),
        (&session.idle_expires_at as _, Type::TIMESTAMPTZ),
        (&session.expires_at as _, Type::TIMESTAMPTZ),
        (&session.remembered as _, Type::BOOL),
    ];
    Ok(db.execute(RENEW, &params).await? > 0)
}

const CAME_BY: &str = "UPDATE sessions SET provider = $2 WHERE id = $1";

/// Notes the entry of the configuration that a session came by.
///
/// # Errors
/// When the database does not answer.
pub async fn came_by(db: &impl Execute, id: SessionId, provider: &str) -> Result<(), StorageError> {
    let params = [(id.as_uuid() as _, Type::UUID), (&provider as _, Type::TEXT)];
    db.execute(CAME_BY, &params).await.map(drop)
}

const PROVIDER: &str = "SELECT provider FROM sessions WHERE id = $1";

/// The entry of the configuration that a session came by, ended or not.
///
/// # Errors
/// When the database does not answer.
pub async fn provider_of(db: &impl Execute, id: SessionId) -> Result<Option<String>, StorageError> {
    let row = db.query_opt(PROVIDER, &[(id.as_uuid(), Type::UUID)]).await?;
    Ok(row.map(|row| row.try_get("provider")).transpose()?.flatten())
}

const FIND_LIVE: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", ",
    user_columns!(),
    " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $2 AND ",
    is_live!()
);

/// The session and its user, if it lives.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn find_live(
    db: &impl Execute,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<(BrowserSession, User)>, StorageError> {
    let params = [(&now as _, Type::TIMESTAMPTZ), (id.as_uuid() as _, Type::UUID)];
    let row = db.query_opt(FIND_LIVE, &params).await?;
    row.as_ref()
        .map(|row| Ok((BrowserSession::from(row), users::read(row)?)))
        .transpose()
}

const FIND_LIVE_IMPORTED: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", ",
    user_columns!(),
    " FROM imported_sessions k JOIN sessions s ON s.id = k.session_id JOIN users u ON u.id = s.user_id
    WHERE k.token_hash = $2 AND ",
    is_live!()
);

/// The session that moved in under this token, and its user, if it lives.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn find_live_imported(
    db: &impl Execute,
    token: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<(BrowserSession, User)>, StorageError> {
    let token = &token.as_bytes()[..];
    let params = [(&now as _, Type::TIMESTAMPTZ), (&token as _, Type::BYTEA)];
    let row = db.query_opt(FIND_LIVE_IMPORTED, &params).await?;
    row.as_ref()
        .map(|row| Ok((BrowserSession::from(row), users::read(row)?)))
        .transpose()
}

const TOUCH: &str = "UPDATE sessions SET last_used_at = $2, idle_expires_at = LEAST($3, expires_at)
WHERE id = $1 AND ended_at IS NULL AND last_used_at < $2";

/// Writes down a use: the session then idles out at `idle_expires_at`, but never after its end.
///
/// # Errors
/// When the database does not answer.
pub async fn touch(
    db: &impl Execute,
    id: SessionId,
    now: DateTime<Utc>,
    idle_expires_at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
        (&idle_expires_at as _, Type::TIMESTAMPTZ),
    ];
    db.execute(TOUCH, &params).await.map(drop)
}

const LIST_LIVE_OF_USER: &str = concat!(
    "SELECT ",
    session_columns!(),
    " FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.user_id = $2 AND ",
    is_live!(),
    " ORDER BY s.last_used_at DESC LIMIT $3"
);

/// The live sessions of a user, last used first, `limit` at most.
///
/// # Errors
/// When the database does not answer.
pub async fn list_live_of_user(
    db: &impl Execute,
    user: UserId,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<BrowserSession>, StorageError> {
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (user.as_uuid() as _, Type::UUID),
        (&limit as _, Type::INT8),
    ];
    let rows = db.query(LIST_LIVE_OF_USER, &params).await?;
    Ok(rows.iter().map(BrowserSession::from).collect())
}

/// A session as an operator sees it.
#[derive(Debug)]
pub struct ListedSession {
    /// The session.
    pub session: BrowserSession,
    /// The user's address.
    pub email: String,
    /// The clients that hold live tokens of it.
    pub clients: Vec<String>,
}

const LIST_LIVE: &str = concat!(
    "SELECT ",
    session_columns!(),
    ", u.email, ARRAY(SELECT DISTINCT t.client_id FROM token_families t \
        WHERE t.session_id = s.id AND t.ended_at IS NULL AND t.expires_at > $1 ORDER BY 1) AS clients \
     FROM sessions s JOIN users u ON u.id = s.user_id \
     WHERE s.id > $2 AND ($3::uuid IS NULL OR s.user_id = $3) AND ",
    is_live!(),
    " ORDER BY s.id LIMIT $4"
);

/// The next `limit` live sessions after the id `after`, of one user or of all, in the order of their ids.
///
/// # Errors
/// When the database does not answer.
pub async fn list_live(
    db: &impl Execute,
    after: SessionId,
    user: Option<UserId>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ListedSession>, StorageError> {
    let user = user.as_ref().map(UserId::as_uuid);
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (after.as_uuid() as _, Type::UUID),
        (&user as _, Type::UUID),
        (&limit as _, Type::INT8),
    ];
    let rows = db.query(LIST_LIVE, &params).await?;
    Ok(rows
        .iter()
        .map(|row| ListedSession {
            session: BrowserSession::from(row),
            email: row.get("email"),
            clients: row.get("clients"),
        })
        .collect())
}

/// Why a session ended, as the row keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The user logged out.
    Logout,
    /// The user or an operator ended it from elsewhere.
    Revoked,
}

impl EndReason {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
        }
    }
}

const END: &str = "UPDATE sessions SET ended_at = $3, ended_reason = $4
WHERE id = $1 AND ($2::uuid IS NULL OR user_id = $2) AND ended_at IS NULL";

/// Ends a session; `owner` makes it that user's alone to end. Its families without `offline_access` die with
/// it. Says whether it was still going on.
///
/// # Errors
/// When the database does not answer.
pub async fn end(
    db: &impl Execute,
    id: SessionId,
    owner: Option<UserId>,
    reason: EndReason,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let owner = owner.as_ref().map(UserId::as_uuid);
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&owner as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
        (&reason.as_str() as _, Type::TEXT),
    ];
    Ok(db.execute(END, &params).await? > 0)
}

const END_OTHERS: &str = "UPDATE sessions SET ended_at = $3, ended_reason = $4
WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL";

/// Ends all sessions of a user but `kept`, and says how many; the nil id keeps none.
///
/// # Errors
/// When the database does not answer.
pub async fn end_others(
    db: &impl Execute,
    user: UserId,
    kept: SessionId,
    now: DateTime<Utc>,
) -> Result<u64, StorageError> {
    let params = [
        (user.as_uuid() as _, Type::UUID),
        (kept.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
        (&EndReason::Revoked.as_str() as _, Type::TEXT),
    ];
    db.execute(END_OTHERS, &params).await
}

// An array, and not a join: the planner, who knows no LIMIT yet, would read the whole table for every batch.
const END_ISSUED_BEFORE: &str = "WITH batch AS (
    SELECT id, created_at FROM sessions WHERE id > $1 ORDER BY id LIMIT $2),
ended AS (
    UPDATE sessions SET ended_at = $3, ended_reason = 'revoked' WHERE ended_at IS NULL AND id = ANY (ARRAY(
        SELECT id FROM batch WHERE $4::timestamptz IS NULL OR created_at < $4)) RETURNING id)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*) FROM ended) AS ended";

/// Looks at the next `limit` sessions after the id `after` and ends those begun before `before`, or all. Answers
/// with the last id looked at, `None` at the end, and how many it ended.
///
/// # Errors
/// When the database does not answer.
pub async fn end_issued_before(
    db: &impl Execute,
    after: SessionId,
    limit: i64,
    now: DateTime<Utc>,
    before: Option<DateTime<Utc>>,
) -> Result<(Option<SessionId>, i64), StorageError> {
    let params = [
        (after.as_uuid() as _, Type::UUID),
        (&limit as _, Type::INT8),
        (&now as _, Type::TIMESTAMPTZ),
        (&before as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(END_ISSUED_BEFORE, &params).await?;
    Ok(row.map_or((None, 0), |row| {
        let last: Option<uuid::Uuid> = row.get("last");
        (last.map(SessionId::from), row.get("ended"))
    }))
}

// An array, and not IN, and a subquery with an OFFSET, which is not joined: the planner, who knows no LIMIT yet,
// would read both tables whole to join them.
const DELETE_EXPIRED: &str = "DELETE FROM sessions WHERE id = ANY (ARRAY(
    SELECT s.id FROM sessions s WHERE s.expires_at < $1
        AND NOT EXISTS (SELECT FROM token_families t WHERE t.session_id = s.id OFFSET 0)
    ORDER BY s.expires_at LIMIT $2))";

/// Sweeps at most `limit` sessions that expired before `before` and have no family left, which reads them.
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

impl From<&Row> for BrowserSession {
    fn from(row: &Row) -> Self {
        Self {
            id: SessionId::from(row.get::<_, uuid::Uuid>("id")),
            user_id: UserId::from(row.get::<_, uuid::Uuid>("session_user_id")),
            epoch: row.get("epoch"),
            auth_time: row.get("auth_time"),
            acr: row.get("acr"),
            amr: row.get("amr"),
            ip_address: row.get("ip_address"),
            user_agent: row.get("user_agent"),
            created_at: row.get("created_at"),
            last_used_at: row.get("last_used_at"),
            idle_expires_at: row.get("idle_expires_at"),
            expires_at: row.get("expires_at"),
            remembered: row.get("remembered"),
        }
    }
}
