//! Users. The password's hash is a secret here: it is read only to be verified.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::last_use::{unused_since, used_since_sql};
use super::logout_deliveries::insert_deliveries_sql;
use super::{Execute, StorageError, Tx};
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::UserId;
use crate::domain::password::PasswordHash;
use crate::domain::secret::TokenHash;
use crate::domain::user::{Profile, User};

/// The columns that make a [`User`], under the names that [`read`] expects; `u` is the table.
macro_rules! user_columns {
    () => {
        "u.id AS user_id, u.subject AS user_subject, u.email, u.email_verified, u.name, u.profile, u.epoch AS user_epoch, \
         u.created_at AS user_created_at, u.updated_at AS user_updated_at, u.last_login_at, u.disabled_at"
    };
}
pub(super) use user_columns;

/// A user of whom nothing is stored yet.
#[derive(Debug)]
pub struct NewUser<'a> {
    /// Random, and never used again.
    pub id: UserId,
    /// The address.
    pub email: &'a EmailAddress,
    /// Whether the address is known to be the user's.
    pub email_verified: bool,
    /// The name.
    pub name: &'a str,
    /// Further standard claims.
    pub profile: &'a Profile,
    /// The password's hash; `None`: no password opens the account.
    pub password_hash: Option<&'a PasswordHash>,
    /// When the user logged in; who signs up has done so.
    pub last_login_at: Option<DateTime<Utc>>,
    /// The browser that signed up; `None`: whoever made the account did not.
    pub signup: Option<Signup>,
}

/// The browser that an account was made with, kept until the address is proven.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signup {
    /// Its token.
    pub browser: Option<TokenHash>,
    /// What it called itself.
    pub user_agent: Option<String>,
}

/// What became of a new user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insertion {
    /// Stored.
    Inserted,
    /// Another account has the address.
    EmailTaken,
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    FIND,
    FIND_BY_EMAIL,
    FIND_BY_SUBJECT,
    HAS_PASSWORD,
    LIST,
    LOCK,
    SET_PASSWORD,
    MOVE_EPOCH,
    DISABLE,
    ENABLE,
    DELETE,
];

const INSERT: &str = "INSERT INTO users
    (id, email, email_key, email_verified, name, profile, password_hash, created_at, updated_at, last_login_at,
     signup_browser_hash, signup_user_agent)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9, $10, $11) ON CONFLICT ON CONSTRAINT users_email_key_key DO NOTHING";

/// Stores a new user, unless the address is taken.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    user: &NewUser<'_>,
    now: DateTime<Utc>,
) -> Result<Insertion, StorageError> {
    let signup = user.signup.as_ref();
    let browser = signup.and_then(|signup| signup.browser.as_ref());
    let browser = browser.map(|hash| &hash.as_bytes()[..]);
    let user_agent = signup.and_then(|signup| signup.user_agent.as_deref());
    let params = [
        (user.id.as_uuid() as _, Type::UUID),
        (&user.email.as_str() as _, Type::TEXT),
        (&user.email.key().as_str() as _, Type::TEXT),
        (&user.email_verified as _, Type::BOOL),
        (&user.name as _, Type::TEXT),
        (&Json(user.profile.as_map()) as _, Type::JSONB),
        (&user.password_hash.map(PasswordHash::as_str) as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&user.last_login_at as _, Type::TIMESTAMPTZ),
        (&browser as _, Type::BYTEA),
        (&user_agent as _, Type::TEXT),
    ];
    Ok(match db.execute(INSERT, &params).await? {
        0 => Insertion::EmailTaken,
        _ => Insertion::Inserted,
    })
}

const FIND: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.id = $1");

/// The user of this id.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find(db: &impl Execute, id: UserId) -> Result<Option<User>, StorageError> {
    let row = db.query_opt(FIND, &[(id.as_uuid(), Type::UUID)]).await?;
    row.as_ref().map(read).transpose()
}

const FIND_BY_EMAIL: &str = concat!("SELECT ", user_columns!(), " FROM users u WHERE u.email_key = $1");

/// The user whose address has this key.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find_by_email(db: &impl Execute, key: &EmailKey) -> Result<Option<User>, StorageError> {
    let row = db
        .query_opt(FIND_BY_EMAIL, &[(&key.as_str(), Type::TEXT)])
        .await?;
    row.as_ref().map(read).transpose()
}

// Two look-ups by a key each, of which one finds nothing: a subject never looks like an id.
const FIND_BY_SUBJECT: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM users u WHERE u.id = $2 AND u.subject IS NULL OR u.subject = $1"
);

/// The user whose tokens say `subject` as `sub`.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find_by_subject(db: &impl Execute, subject: &str) -> Result<Option<User>, StorageError> {
    let id: Option<UserId> = subject.parse().ok();
    let params = [
        (&subject as _, Type::TEXT),
        (&id.as_ref().map(UserId::as_uuid) as _, Type::UUID),
    ];
    let row = db.query_opt(FIND_BY_SUBJECT, &params).await?;
    row.as_ref().map(read).transpose()
}

const HAS_PASSWORD: &str = "SELECT FROM users WHERE id = $1 AND password_hash IS NOT NULL";

/// Whether a password opens the user's account.
///
/// # Errors
/// When the database does not answer.
pub async fn has_password(db: &impl Execute, id: UserId) -> Result<bool, StorageError> {
    let row = db.query_opt(HAS_PASSWORD, &[(id.as_uuid(), Type::UUID)]).await?;
    Ok(row.is_some())
}

const LIST: &str = concat!(
    "SELECT ",
    user_columns!(),
    " FROM users u WHERE u.id > $1 ORDER BY u.id LIMIT $2"
);

/// The next `limit` users after the id `after`, in the order of their ids; begin with the nil id.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn list(db: &impl Execute, after: UserId, limit: i64) -> Result<Vec<User>, StorageError> {
    let params = [(after.as_uuid() as _, Type::UUID), (&limit as _, Type::INT8)];
    db.query(LIST, &params).await?.iter().map(read).collect()
}

const SET_PASSWORD: &str = "UPDATE users SET password_hash = $2, epoch = epoch + 1, epoch_moved_at = $3, updated_at = $3 WHERE id = $1";

/// Replaces the password and moves the epoch: what was issued before dies. Says whether there is such a user.
///
/// # Errors
/// When the database does not answer.
pub async fn set_password(
    db: &impl Execute,
    id: UserId,
    hash: &PasswordHash,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&hash.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(SET_PASSWORD, &params).await? > 0)
}

const MOVE_EPOCH: &str = "UPDATE users SET epoch = epoch + 1, epoch_moved_at = $2 WHERE id = $1";

/// Moves the epoch: sessions, codes and families made before die. Says whether there is such a user.
///
/// # Errors
/// When the database does not answer.
pub async fn move_epoch(db: &impl Execute, id: UserId, now: DateTime<Utc>) -> Result<bool, StorageError> {
    let params = [(id.as_uuid() as _, Type::UUID), (&now as _, Type::TIMESTAMPTZ)];
    Ok(db.execute(MOVE_EPOCH, &params).await? > 0)
}

const DISABLE: &str = concat!(
    "UPDATE users u SET disabled_at = COALESCE(disabled_at, $2),
        epoch = epoch + CASE WHEN disabled_at IS NULL THEN 1 ELSE 0 END,
        epoch_moved_at = CASE WHEN disabled_at IS NULL THEN $2 ELSE epoch_moved_at END
     WHERE id = $1 RETURNING ",
    user_columns!()
);

/// Forbids the user everything and moves the epoch, once. `None` if there is no such user.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn disable(
    db: &impl Execute,
    id: UserId,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [(id.as_uuid() as _, Type::UUID), (&now as _, Type::TIMESTAMPTZ)];
    let row = db.query_opt(DISABLE, &params).await?;
    row.as_ref().map(read).transpose()
}

const ENABLE: &str = concat!(
    "UPDATE users u SET disabled_at = NULL WHERE id = $1 RETURNING ",
    user_columns!()
);

/// Lets a disabled user in again; what was issued before stays dead. `None` if there is no such user.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn enable(db: &impl Execute, id: UserId) -> Result<Option<User>, StorageError> {
    let row = db.query_opt(ENABLE, &[(id.as_uuid(), Type::UUID)]).await?;
    row.as_ref().map(read).transpose()
}

const LOCK: &str = "SELECT FROM users WHERE id = $1 FOR UPDATE";

// Their families go with them, and leave to the status lists what tokens of them may be about, and to the queue of
// logouts which clients are to hear of sessions that nobody was told of. Who was imported could be so again: their
// name is never given again. $1 is now.
const DELETE: &str = concat!(
    "WITH families AS (
    INSERT INTO status_tombstones (status_index, ended_at)
    SELECT g.status_index, LEAST($1, g.expires_at, g.ended_at) FROM token_families g
    WHERE g.user_id = $2 AND g.status_index IS NOT NULL AND ",
    used_since_sql!("$3"),
    "),
deliveries AS (",
    insert_deliveries_sql!(),
    "t.user_id = $2 AND EXISTS (SELECT FROM sessions s WHERE s.id = t.session_id AND s.logout_told_at IS NULL)
    ON CONFLICT DO NOTHING),
retired AS (
    INSERT INTO retired_subjects (subject_hash, retired_at)
    SELECT sha256(convert_to(COALESCE(u.subject, u.id::text), 'UTF8')), $1 FROM users u
    WHERE u.id = $2 AND u.origin IS NOT NULL ON CONFLICT DO NOTHING)
DELETE FROM users WHERE id = $2"
);

/// Deletes a user and all that belongs to one. Says whether there was one.
///
/// The row is locked by a statement of its own: whoever redeems a code of the user at this moment holds it until
/// the family is made, and the deletion, which begins thereafter, sees that family.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(tx: &Tx, id: UserId, now: DateTime<Utc>) -> Result<bool, StorageError> {
    tx.query_opt(LOCK, &[(id.as_uuid(), Type::UUID)]).await?;
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (id.as_uuid() as _, Type::UUID),
        (&unused_since(now) as _, Type::TIMESTAMPTZ),
    ];
    Ok(tx.execute(DELETE, &params).await? > 0)
}

/// Reads a user from a row with the columns of `user_columns!`.
///
/// # Errors
/// When the profile is not one of ours.
pub(super) fn read(row: &Row) -> Result<User, StorageError> {
    let id = UserId::from(row.get::<_, uuid::Uuid>("user_id"));
    let Json(profile): Json<Map<String, Value>> = row.get("profile");
    let profile = Profile::new(profile).map_err(|_| StorageError::Inconsistent {
        table: "users",
        column: "profile",
        id: id.to_string(),
    })?;
    Ok(User {
        id,
        imported_subject: row.get("user_subject"),
        email: row.get("email"),
        email_verified: row.get("email_verified"),
        name: row.get("name"),
        profile,
        epoch: row.get("user_epoch"),
        created_at: row.get("user_created_at"),
        updated_at: row.get("user_updated_at"),
        last_login_at: row.get("last_login_at"),
        disabled_at: row.get("disabled_at"),
    })
}
