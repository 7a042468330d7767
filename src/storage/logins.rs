//! Logins: an attempt is reserved before the password is looked at and given back when it was right, so that
//! parallel guesses count. A browser that logged in to the account before has a bucket of its own; all others
//! share the account's, which is counted whether or not the account exists, and which after some failures waits
//! longer after each. What the source of the request may do on all nodes together is taken before either, so that
//! whoever is past that fills nobody's bucket.
//!
//! Statements lock buckets of sources first, then the account's or the browser's: none waits for another in a ring.

use chrono::{DateTime, Utc};
use tokio_postgres::types::Type;

use super::limit_counters::{self, Columns, give_back_to_buckets, take_from_buckets};
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
    /// What the source of the request may do.
    pub source: &'a [limit_counters::Bucket],
    /// Buckets whose window began at or before this moment start anew.
    pub window_floor: DateTime<Utc>,
    /// How many failures a known browser has.
    pub device_failures: i32,
    /// How many failures an account has before it waits.
    pub free_failures: i32,
    /// When the account is open again after that failure, after the next, and so on; the last serves for all others.
    pub waits: &'a [DateTime<Utc>],
    /// Waits that end by then hold nobody: the present, where anybody is ever told to wait.
    pub open_at: DateTime<Utc>,
    /// An account whose wait ended at or before this moment starts anew.
    pub quiet_floor: DateTime<Utc>,
}

/// What came of the reservation.
#[derive(Debug)]
pub enum Begun {
    /// The attempt may go on.
    Reserved(Box<Reserved>),
    /// The source has no attempts left until then, and none was taken from the account.
    SourceWaits(DateTime<Utc>),
    /// The account waits until then, for browsers that it does not know.
    AccountWaits(DateTime<Utc>),
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
    /// The account's.
    Account,
}

impl Bucket {
    const fn device(&self) -> Option<&[u8; 32]> {
        match self {
            Self::Device(hash) => Some(hash.as_bytes()),
            Self::Account => None,
        }
    }
}

const BEGIN: &str = concat!(
    "WITH ",
    take_from_buckets!("$7", "$8", "$9", "$4"),
    ",
source AS (SELECT (SELECT count(*) FROM taken) = (SELECT count(*) FROM wanted) AS may_go_on),
u AS (SELECT * FROM users WHERE email_key = $1),
d AS (UPDATE devices v SET
        failures = CASE WHEN v.window_started_at > $5 THEN v.failures + 1 ELSE 1 END,
        window_started_at = CASE WHEN v.window_started_at > $5 THEN v.window_started_at ELSE $4 END
    FROM u WHERE (SELECT may_go_on FROM source) AND v.token_hash = $3 AND v.user_id = u.id AND v.epoch = u.epoch
        AND v.expires_at > $4 AND (v.failures < $6 OR v.window_started_at IS NULL OR v.window_started_at <= $5)
    RETURNING v.token_hash),
a AS (INSERT INTO login_attempts AS t (account_mac, attempts, window_started_at)
    SELECT $2, 1, $4 WHERE (SELECT may_go_on FROM source) AND NOT EXISTS (SELECT FROM d)
    ON CONFLICT ON CONSTRAINT login_attempts_pkey DO UPDATE SET (attempts, window_started_at, blocked_until) = (
        SELECT n.attempts, CASE WHEN n.attempts > 1 THEN t.window_started_at ELSE $4 END,
            CASE WHEN n.attempts >= $10 THEN ($11::timestamptz[])[LEAST(n.attempts - $10 + 1, cardinality($11))] END
        FROM (SELECT CASE WHEN t.window_started_at > $5 OR t.blocked_until > $13 THEN t.attempts + 1 ELSE 1 END
            AS attempts) n)
    WHERE t.blocked_until IS NULL OR t.blocked_until <= $12
    RETURNING t.attempts)
SELECT (SELECT may_go_on FROM source) AS may_go_on, (SELECT max(window_ends_at) FROM empty) AS empty_until,
    EXISTS (SELECT FROM d) AS is_known, EXISTS (SELECT FROM a) AS is_counted,
    (SELECT blocked_until FROM login_attempts WHERE account_mac = $2) AS blocked_until, u.password_hash, ",
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
) -> Result<Begun, StorageError> {
    let email = attempt.email.map(EmailKey::as_str);
    let device = attempt.device.as_ref().map(|hash| &hash.as_bytes()[..]);
    let source = Columns::of(attempt.source);
    let params = [
        (&email as _, Type::TEXT),
        (&attempt.account as _, Type::BYTEA),
        (&device as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
        (&attempt.window_floor as _, Type::TIMESTAMPTZ),
        (&attempt.device_failures as _, Type::INT4),
        (&source.keys as _, Type::BYTEA_ARRAY),
        (&source.most as _, Type::INT4_ARRAY),
        (&source.ends_at as _, Type::TIMESTAMPTZ_ARRAY),
        (&attempt.free_failures as _, Type::INT4),
        (&attempt.waits as _, Type::TIMESTAMPTZ_ARRAY),
        (&attempt.open_at as _, Type::TIMESTAMPTZ),
        (&attempt.quiet_floor as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(BEGIN, &params).await?;
    let row = row.expect("a left join of one row answers with one row");
    if !row.get::<_, bool>("may_go_on") {
        // Without a time, others took the last attempt at this very moment.
        let until: Option<DateTime<Utc>> = row.get("empty_until");
        return Ok(Begun::SourceWaits(until.unwrap_or(now)));
    }
    let bucket = match attempt.device {
        Some(device) if row.get("is_known") => Bucket::Device(device),
        _ if row.get("is_counted") => Bucket::Account,
        _ => {
            // What was read may be older than what refused: the failure that others had at this very moment.
            let until: Option<DateTime<Utc>> = row.get("blocked_until");
            let until = until.filter(|until| *until > now);
            let until = until.or(attempt.waits.first().copied());
            return Ok(Begun::AccountWaits(until.unwrap_or(now)));
        }
    };
    let known: Option<uuid::Uuid> = row.get("user_id");
    let user = known.map(|_| users::read(&row)).transpose()?;
    let hash: Option<String> = row.get("password_hash");
    Ok(Begun::Reserved(Box::new(Reserved {
        user: user.map(|user| (user, hash.map(PasswordHash::from_stored))),
        bucket,
    })))
}

const GIVE_BACK: &str = concat!(
    "WITH c AS (",
    give_back_to_buckets!("$4"),
    " RETURNING 1),
source AS (SELECT count(*) FROM c),
d AS (UPDATE devices SET failures = GREATEST(failures - 1, 0)
    WHERE (SELECT count FROM source) >= 0 AND token_hash = $2)
UPDATE login_attempts SET attempts = GREATEST(attempts - 1, 0),
    blocked_until = CASE WHEN blocked_until > $3 THEN $3 ELSE blocked_until END
WHERE (SELECT count FROM source) >= 0 AND account_mac = $1 AND $2::bytea IS NULL"
);

/// Gives an attempt back that never got to look at the password.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back(
    db: &impl Execute,
    account: &[u8],
    bucket: Bucket,
    source: &[limit_counters::Bucket],
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let device = bucket.device().map(|hash| &hash[..]);
    let source = Columns::of(source).keys;
    let params = [
        (&account as _, Type::BYTEA),
        (&device as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
        (&source as _, Type::BYTEA_ARRAY),
    ];
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
    /// Where its source was counted.
    pub source: &'a [limit_counters::Bucket],
    /// The device token that the browser gets, if it had none for this user.
    pub new_device: Option<TokenHash>,
    /// When the device token ends.
    pub device_expires_at: DateTime<Utc>,
    /// The hash with the present parameters, if the stored one has others.
    pub new_hash: Option<&'a PasswordHash>,
}

// The expiry of a known browser stands in an index: it moves once a day, so that the others of a day's logins
// stay heap-only.
const COMPLETE: &str = concat!(
    "WITH c AS (",
    give_back_to_buckets!("$18"),
    " RETURNING 1),
u AS (UPDATE users SET last_login_at = $4, password_hash = COALESCE($15, password_hash)
    WHERE (SELECT count(*) FROM c) >= 0 AND id = $2 AND epoch = $3 AND disabled_at IS NULL RETURNING id),
s AS (INSERT INTO sessions AS t (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent,
        created_at, last_used_at, idle_expires_at, expires_at, remembered)
    SELECT $1, id, $3, $4, $5, $6, $7, $8, $4, $4, $9, $10, $17 FROM u
    ON CONFLICT ON CONSTRAINT sessions_pkey DO UPDATE SET auth_time = $4, acr = $5, amr = $6, ip_address = $7,
        user_agent = $8, last_used_at = $4, idle_expires_at = $9, expires_at = $10,
        remembered = $17
    WHERE t.user_id = EXCLUDED.user_id AND t.epoch = EXCLUDED.epoch AND t.ended_at IS NULL RETURNING t.id),
replaced AS (UPDATE sessions SET ended_at = $4, ended_reason = 'replaced'
    WHERE id = $11 AND ended_at IS NULL AND EXISTS (SELECT FROM s)),
a AS (UPDATE login_attempts SET attempts = GREATEST(attempts - 1, 0),
        blocked_until = CASE WHEN blocked_until > $4 THEN $4 ELSE blocked_until END
    WHERE account_mac = $12 AND $13::bytea IS NULL AND EXISTS (SELECT FROM s)),
d AS (UPDATE devices SET failures = 0, window_started_at = NULL,
        expires_at = CASE WHEN expires_at + interval '1 day' < $16 THEN $16 ELSE expires_at END
    WHERE token_hash = $13 AND EXISTS (SELECT FROM s)),
n AS (INSERT INTO devices (token_hash, user_id, epoch, created_at, expires_at)
    SELECT $14, $2, $3, $4, $16 FROM s WHERE $14::bytea IS NOT NULL)
SELECT id FROM s"
);

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
    let source = Columns::of(login.source).keys;
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
        (&source as _, Type::BYTEA_ARRAY),
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
    SELECT account_mac FROM login_attempts
    WHERE window_started_at < $1 AND (blocked_until IS NULL OR blocked_until < $1) LIMIT $2))";

/// Sweeps at most `limit` buckets whose window began, and whose wait ended, before `before`.
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
