//! What a user does to the account, and what a proof of its address does. Statements on the table `users` that an
//! operator needs too stand in [`users`].

use chrono::{DateTime, Utc};
use tokio_postgres::types::{Json, Type};

use super::users::{self, Signup, user_columns};
use super::{Execute, StorageError};
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::password::PasswordHash;
use crate::domain::secret::TokenHash;
use crate::domain::user::{Profile, User};

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    FIND_SIGNUP,
    VERIFY_EMAIL,
    TAKE_OVER,
    RELEASE_EMAIL,
    UPDATE_EMAIL,
    UNDO_EMAIL_CHANGE,
    CHANGE_PASSWORD,
    UPDATE_PROFILE,
    LOG_IN,
];

const FIND_SIGNUP: &str = "SELECT signup_browser_hash, signup_user_agent FROM users WHERE id = $1";

/// The browser that an account was made with, unless its address is proven since.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find_signup(db: &impl Execute, id: UserId) -> Result<Option<Signup>, StorageError> {
    let Some(row) = db.query_opt(FIND_SIGNUP, &[(id.as_uuid(), Type::UUID)]).await? else {
        return Ok(None);
    };
    let browser: Option<&[u8]> = row.try_get("signup_browser_hash")?;
    let inconsistent = || StorageError::Inconsistent {
        table: "users",
        column: "signup_browser_hash",
        id: id.to_string(),
    };
    Ok(Some(Signup {
        browser: browser
            .map(|bytes| TokenHash::from_stored(bytes).ok_or_else(inconsistent))
            .transpose()?,
        user_agent: row.try_get("signup_user_agent")?,
    }))
}

const VERIFY_EMAIL: &str = concat!(
    "UPDATE users u SET email_verified = true, signup_browser_hash = NULL, signup_user_agent = NULL,
    updated_at = CASE WHEN email_verified THEN updated_at ELSE $3 END
WHERE u.id = $1 AND u.email_key = $2 AND u.disabled_at IS NULL RETURNING ",
    user_columns!()
);

/// The address is the user's, who keeps everything. `None` if the account has another one by now.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn verify_email(
    db: &impl Execute,
    id: UserId,
    email: &EmailKey,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&email.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(VERIFY_EMAIL, &params).await?;
    row.as_ref().map(users::read).transpose()
}

// The epoch ends sessions, families and codes; what else lets somebody in as the user, found as `u`, is deleted. So is
// mail that waits to be sent to another address than the user's: its link is made only then, and would be a new one.
macro_rules! delete_ways_in {
    () => {
        "
d AS (DELETE FROM devices WHERE user_id = (SELECT user_id FROM u)),
i AS (DELETE FROM identities WHERE user_id = (SELECT user_id FROM u)),
p AS (DELETE FROM passkeys WHERE user_id = (SELECT user_id FROM u)),
l AS (DELETE FROM mailed_links WHERE user_id = (SELECT user_id FROM u) AND used_at IS NULL),
m AS (DELETE FROM outgoing_mails WHERE user_id = (SELECT user_id FROM u)
    AND kind IN ('confirm_email_change', 'verify_new_email', 'verify_new_email_code', 'email_changed'))
"
    };
}

const TAKE_OVER: &str = concat!(
    "WITH u AS (UPDATE users u SET email_verified = true, password_hash = NULL, epoch = epoch + 1,
        epoch_moved_at = $3, updated_at = $3, signup_browser_hash = NULL, signup_user_agent = NULL
    WHERE u.id = $1 AND u.email_key = $2 AND NOT u.email_verified AND u.disabled_at IS NULL RETURNING ",
    user_columns!(),
    "),
c AS (DELETE FROM consents WHERE user_id = (SELECT user_id FROM u)),",
    delete_ways_in!(),
    "SELECT * FROM u"
);

/// Somebody has proven an address that the holder of the account had not: whatever that holder made is gone, and the
/// account is whoever's reads the address. `None` if it is proven already, or the account has another one.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn take_over(
    db: &impl Execute,
    id: UserId,
    email: &EmailKey,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&email.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(TAKE_OVER, &params).await?;
    row.as_ref().map(users::read).transpose()
}

// RFC 2606 §2: no mail ever goes below .invalid.
const RELEASE_EMAIL: &str = "WITH u AS (UPDATE users SET email = id || '@released.invalid',
        email_key = id || '@released.invalid', updated_at = $3
    WHERE email_key = $1 AND id <> $2 AND NOT email_verified RETURNING id)
DELETE FROM mailed_links WHERE user_id = (SELECT id FROM u)";

/// Takes an address from an account other than `except` that never proved it.
///
/// # Errors
/// When the database does not answer.
pub async fn release_email(
    db: &impl Execute,
    email: &EmailKey,
    except: UserId,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (&email.as_str() as _, Type::TEXT),
        (except.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    db.execute(RELEASE_EMAIL, &params).await.map(drop)
}

const UPDATE_EMAIL: &str = concat!(
    "UPDATE users u SET email = $3, email_key = $4, email_verified = true, updated_at = $5,
    signup_browser_hash = NULL, signup_user_agent = NULL
WHERE u.id = $1 AND u.email_key = $2 AND u.disabled_at IS NULL
    AND NOT EXISTS (SELECT FROM users o WHERE o.email_key = $4 AND o.id <> $1) RETURNING ",
    user_columns!()
);

/// Gives a user whose address is `from` the proven address `to`. `None` if the user has another one by now, or another
/// account has this one.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours. Two accounts that take one address at the same
/// moment have one of them fail.
pub async fn update_email(
    db: &impl Execute,
    id: UserId,
    from: &EmailKey,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&from.as_str() as _, Type::TEXT),
        (&to.as_str() as _, Type::TEXT),
        (&to.key().as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(UPDATE_EMAIL, &params).await?;
    row.as_ref().map(users::read).transpose()
}

// Password, identities and passkeys may be the thief's.
const UNDO_EMAIL_CHANGE: &str = concat!(
    "WITH u AS (UPDATE users u SET email = $2, email_key = $3, email_verified = true, password_hash = NULL,
        epoch = epoch + 1, epoch_moved_at = $4, updated_at = $4
    WHERE u.id = $1 AND u.disabled_at IS NULL
        AND NOT EXISTS (SELECT FROM users o WHERE o.email_key = $3 AND o.id <> $1) RETURNING ",
    user_columns!(),
    "),",
    delete_ways_in!(),
    "SELECT * FROM u"
);

/// Gives a user an earlier address back, and ends everything since: sessions, tokens, links, and the password. `None` if
/// another account has the address.
///
/// # Errors
/// As for [`update_email`].
pub async fn undo_email_change(
    db: &impl Execute,
    id: UserId,
    to: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&to.as_str() as _, Type::TEXT),
        (&to.key().as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(UNDO_EMAIL_CHANGE, &params).await?;
    row.as_ref().map(users::read).transpose()
}

/// Which sessions survive a new password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptSessions {
    /// All that live.
    All,
    /// One.
    One(SessionId),
    /// None.
    None,
}

// A session that stays goes over to the new epoch in the same statement; everything else of the old one is dead.
const CHANGE_PASSWORD: &str = concat!(
    "WITH u AS (UPDATE users u SET password_hash = $3, epoch = epoch + 1, epoch_moved_at = $4, updated_at = $4
    WHERE u.id = $1 AND u.epoch = $2 AND u.disabled_at IS NULL RETURNING ",
    user_columns!(),
    "),
kept AS (UPDATE sessions s SET epoch = (SELECT user_epoch FROM u)
    WHERE s.user_id = (SELECT user_id FROM u) AND s.epoch = $2 AND s.ended_at IS NULL
        AND ($5 OR s.id = $6)),
l AS (DELETE FROM mailed_links WHERE user_id = (SELECT user_id FROM u) AND used_at IS NULL
    AND purpose <> 'undo_email_change'),
m AS (DELETE FROM outgoing_mails WHERE user_id = (SELECT user_id FROM u)
    AND kind IN ('confirm_email_change', 'verify_new_email', 'verify_new_email_code'))
SELECT * FROM u"
);

/// Gives a user, whose epoch is `epoch`, another password. Families, codes, links and devices die, and the sessions that
/// are not kept. `None` if the user is disabled, gone, or has moved the epoch meanwhile.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn change_password(
    db: &impl Execute,
    id: UserId,
    epoch: i64,
    hash: &PasswordHash,
    kept: KeptSessions,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let all = kept == KeptSessions::All;
    let one = match &kept {
        KeptSessions::One(id) => Some(id.as_uuid()),
        KeptSessions::All | KeptSessions::None => None,
    };
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&epoch as _, Type::INT8),
        (&hash.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&all as _, Type::BOOL),
        (&one as _, Type::UUID),
    ];
    let row = db.query_opt(CHANGE_PASSWORD, &params).await?;
    row.as_ref().map(users::read).transpose()
}

const UPDATE_PROFILE: &str = concat!(
    "UPDATE users u SET name = $2, profile = $3, updated_at = $4 WHERE u.id = $1 RETURNING ",
    user_columns!()
);

/// Gives a user another name and other claims. `None` if there is no such user.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn update_profile(
    db: &impl Execute,
    id: UserId,
    name: &str,
    profile: &Profile,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&name as _, Type::TEXT),
        (&Json(profile.as_map()) as _, Type::JSONB),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(UPDATE_PROFILE, &params).await?;
    row.as_ref().map(users::read).transpose()
}

const LOG_IN: &str = "UPDATE users SET last_login_at = $3
WHERE id = $1 AND epoch = $2 AND disabled_at IS NULL";

/// Writes a login down. Says whether the user may: not if disabled, or if the epoch has moved meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn log_in(
    db: &impl Execute,
    id: UserId,
    epoch: i64,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&epoch as _, Type::INT8),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(LOG_IN, &params).await? > 0)
}
