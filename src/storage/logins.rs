//! Logins: an attempt is reserved before the password is looked at and given back when it was right, so that
//! parallel guesses count. A browser that logged in to the account before has a bucket of its own; all others
//! share the account's, which is counted whether or not the account exists.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::users::{self, user_columns};
use super::{Execute, StorageError};
use crate::domain::browser_session::BrowserSession;
use crate::domain::email::EmailKey;
use crate::domain::ids::SessionId;
use crate::domain::password::PasswordHash;
use crate::domain::secret::TokenHash;
use crate::domain::user::User;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    BEGIN,
    GIVE_BACK,
    COMPLETE,
    INSERT_DEVICE,
    DELETE_EXPIRED_DEVICES,
    DELETE_OLD_ATTEMPTS,
];

/// Who tries to log in, from which browser.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// The account; `None` for a text that no account has as its address.
    pub email: Option<&'a EmailKey>,
    /// What the account is counted under.
    pub account: &'a [u8],
    /// The browser's device token.
    pub device: Option<TokenHash>,
    /// Buckets whose window began at or before this moment start anew.
    pub window_floor: DateTime<Utc>,
    /// How many failures a known browser has.
    pub device_failures: i32,
}

/// What the reservation found.
#[derive(Debug)]
pub struct Reserved {
    /// The user and the password's hash, if there is such an account.
    pub user: Option<(User, Option<PasswordHash>)>,
    /// The bucket that the attempt was taken from.
    pub bucket: Bucket,
}

/// Where an attempt was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bucket {
    /// The browser's own.
    Device(TokenHash),
    /// The account's, with the attempts in it and the beginning of its window.
    Account {
        /// This attempt included.
        attempts: i32,
        /// When the window began.
        since: DateTime<Utc>,
    },
}

impl Bucket {
    const fn device(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Device(hash) => Some(hash.as_bytes()),
            Self::Account { .. } => None,
        }
    }
}

const BEGIN: &str = concat!(
    "WITH u AS (SELECT * FROM users WHERE email_key = $1),
d AS (UPDATE devices v SET
        failures = CASE WHEN v.window_started_at > $5 THEN v.failures + 1 ELSE 1 END,
        window_started_at = CASE WHEN v.window_started_at > $5 THEN v.window_started_at ELSE $4 END
    FROM u WHERE v.token_hash = $3 AND v.user_id = u.id AND v.epoch = u.epoch AND v.expires_at > $4
        AND (v.failures < $6 OR v.window_started_at IS NULL OR v.window_started_at <= $5)
    RETURNING v.token_hash),
a AS (INSERT INTO login_attempts AS t (account_mac, attempts, window_started_at)
    SELECT $2, 1, $4 WHERE NOT EXISTS (SELECT FROM d)
    ON CONFLICT ON CONSTRAINT login_attempts_pkey DO UPDATE SET
        attempts = CASE WHEN t.window_started_at > $5 THEN t.attempts + 1 ELSE 1 END,
        window_started_at = CASE WHEN t.window_started_at > $5 THEN t.window_started_at ELSE $4 END
    RETURNING t.attempts, t.window_started_at)
SELECT (SELECT attempts FROM a) AS attempts, (SELECT window_started_at FROM a) AS window_started_at,
    u.password_hash, ",
    user_columns!(),
    " FROM (SELECT 1) one LEFT JOIN u ON true"
);

/// Reserves an attempt and finds the account.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn begin(
    db: &impl Execute,
    attempt: &Attempt<'_>,
    now: DateTime<Utc>,
) -> Result<Reserved, StorageError> {
    let email = attempt.email.map(EmailKey::as_str);
    let device = attempt.device.as_ref().map(|hash| &hash.as_bytes()[..]);
    let params = [
        (&email as _, Type::TEXT),
        (&attempt.account as _, Type::BYTEA),
        (&device as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
        (&attempt.window_floor as _, Type::TIMESTAMPTZ),
        (&attempt.device_failures as _, Type::INT4),
    ];
    let row = db.query_opt(BEGIN, &params).await?;
    let row = row.expect("a left join of one row answers with one row");
    let bucket = match (row.get("attempts"), row.get("window_started_at"), attempt.device) {
        (Some(attempts), Some(since), _) => Bucket::Account { attempts, since },
        (_, _, Some(device)) => Bucket::Device(device),
        _ => {
            return Err(StorageError::Inconsistent {
                table: "login_attempts",
                column: "attempts",
                id: "of this attempt".to_owned(),
            });
        }
    };
    let known: Option<uuid::Uuid> = row.get("user_id");
    let user = known.map(|_| users::read(&row)).transpose()?;
    let hash: Option<String> = row.get("password_hash");
    Ok(Reserved {
        user: user.map(|user| (user, hash.map(PasswordHash::from_stored))),
        bucket,
    })
}

const GIVE_BACK: &str = "WITH d AS (
    UPDATE devices SET failures = GREATEST(failures - 1, 0) WHERE token_hash = $2)
UPDATE login_attempts SET attempts = GREATEST(attempts - 1, 0) WHERE account_mac = $1 AND $2::bytea IS NULL";

/// Gives an attempt back that never got to look at the password.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back(db: &impl Execute, account: &[u8], bucket: Bucket) -> Result<(), StorageError> {
    let device = bucket.device().map(|hash| &hash[..]);
    let params = [(&account as _, Type::BYTEA), (&device as _, Type::BYTEA)];
    db.execute(GIVE_BACK, &params).await.map(drop)
}

/// A login whose password was right.
#[derive(Debug)]
pub struct Login<'a> {
    /// The session to begin, or to renew if it is there and the same user's.
    pub session: &'a BrowserSession,
    /// The session that the browser had until now, another user's.
    pub replaces: Option<SessionId>,
    /// What the attempt was counted under, and where.
    pub account: &'a [u8],
    /// Where it was counted.
    pub bucket: Bucket,
    /// The device token that the browser gets, if it had none for this user.
    pub new_device: Option<TokenHash>,
    /// When the device token ends.
    pub device_expires_at: DateTime<Utc>,
    /// The hash with the present parameters, if the stored one has others.
    pub new_hash: Option<&'a PasswordHash>,
}

// The expiry of a known browser stands in an index: it moves once a day, so that the others of a day's logins
// stay heap-only.
const COMPLETE: &str = "WITH u AS (
    UPDATE users SET last_login_at = $4, password_hash = COALESCE($15, password_hash)
    WHERE id = $2 AND epoch = $3 AND disabled_at IS NULL RETURNING id),
s AS (INSERT INTO sessions AS t (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent,
        created_at, last_used_at, idle_expires_at, expires_at, remembered)
    SELECT $1, id, $3, $4, $5, $6, $7, $8, $4, $4, $9, $10, $17 FROM u
    ON CONFLICT ON CONSTRAINT sessions_pkey DO UPDATE SET auth_time = $4, acr = $5, amr = $6, ip_address = $7,
        user_agent = $8, last_used_at = $4, idle_expires_at = $9, expires_at = $10,
        remembered = $17
    WHERE t.user_id = EXCLUDED.user_id AND t.epoch = EXCLUDED.epoch AND t.ended_at IS NULL RETURNING t.id),
replaced AS (UPDATE sessions SET ended_at = $4, ended_reason = 'replaced'
    WHERE id = $11 AND ended_at IS NULL AND EXISTS (SELECT FROM s)),
a AS (UPDATE login_attempts SET attempts = GREATEST(attempts - 1, 0)
    WHERE account_mac = $12 AND $13::bytea IS NULL AND EXISTS (SELECT FROM s)),
d AS (UPDATE devices SET failures = 0, window_started_at = NULL,
        expires_at = CASE WHEN expires_at + interval '1 day' < $16 THEN $16 ELSE expires_at END
    WHERE token_hash = $13 AND EXISTS (SELECT FROM s)),
n AS (INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
    SELECT $14, $2, $3, $4, $16 FROM s WHERE $14::bytea IS NOT NULL)
SELECT id FROM s";

/// Begins or renews the session, gives the attempt back and remembers the browser. Says whether it did: not if
/// the user was disabled or moved the epoch meanwhile, or the session to renew has ended.
///
/// # Errors
/// When the database does not answer.
pub async fn complete(db: &impl Execute, login: &Login<'_>) -> Result<bool, StorageError> {
    let session = login.session;
    let replaces = login.replaces.as_ref().map(SessionId::as_uuid);
    let known_device = login.bucket.device().map(|hash| &hash[..]);
    let new_device = login.new_device.as_ref().map(|hash| &hash.as_bytes()[..]);
    let new_hash = login.new_hash.map(PasswordHash::as_str);
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
        (&replaces as _, Type::UUID),
        (&login.account as _, Type::BYTEA),
        (&known_device as _, Type::BYTEA),
        (&new_device as _, Type::BYTEA),
        (&new_hash as _, Type::TEXT),
        (&login.device_expires_at as _, Type::TIMESTAMPTZ),
        (&session.remembered as _, Type::BOOL),
    ];
    Ok(db.query_opt(COMPLETE, &params).await?.is_some())
}

const INSERT_DEVICE: &str = "INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5)";

/// Remembers the browser of a user who just signed up.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_device(
    db: &impl Execute,
    device: TokenHash,
    session: &BrowserSession,
    expires_at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (&&device.as_bytes()[..] as _, Type::BYTEA),
        (session.user_id.as_uuid() as _, Type::UUID),
        (&session.epoch as _, Type::INT8),
        (&session.created_at as _, Type::TIMESTAMPTZ),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    db.execute(INSERT_DEVICE, &params).await.map(drop)
}

// An array, and not IN: the planner, who knows no LIMIT yet, would read the whole table to join it.
const DELETE_EXPIRED_DEVICES: &str = "DELETE FROM devices WHERE token_hash = ANY (ARRAY(
    SELECT token_hash FROM devices WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` devices that expired before `before`.
///
/// # Errors
/// When the database fails.
pub async fn delete_expired_devices(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED_DEVICES, &params).await
}

const DELETE_OLD_ATTEMPTS: &str = "DELETE FROM login_attempts WHERE account_mac = ANY (ARRAY(
    SELECT account_mac FROM login_attempts WHERE window_started_at < $1 LIMIT $2))";

/// Sweeps at most `limit` buckets whose window began before `before`.
///
/// # Errors
/// When the database fails.
pub async fn delete_old_attempts(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_OLD_ATTEMPTS, &params).await
}
