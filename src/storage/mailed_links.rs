//! Mailed links and codes: of each the database has the row alone. A link lives until it is used, its time is over, or
//! the epoch of its user has moved.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::{Execute, StorageError};
use crate::domain::ids::{MailId, UserId};
use crate::domain::mailed_link::{CODE_ATTEMPTS, Details, MailedLink, Purpose};
use crate::domain::secret::TokenHash;

macro_rules! link_columns {
    () => {
        "l.id, l.purpose, l.user_id, l.email, l.details, l.browser_hash, l.created_at, l.expires_at"
    };
}

/// Over `l` (links): that its user, if it has one, may still be helped by it.
macro_rules! user_is_as_before {
    () => {
        "(l.user_id IS NULL OR EXISTS (SELECT FROM users u WHERE u.id = l.user_id AND u.disabled_at IS NULL \
         AND (l.epoch IS NULL OR l.epoch = u.epoch)))"
    };
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    FIND,
    SPEND,
    TRY_CODE,
    GIVE_BACK_TRY,
    DELETE_OF_USER,
    DELETE_EXPIRED,
];

const INSERT: &str = "INSERT INTO mailed_links AS l
    (id, purpose, user_id, epoch, email, email_key, details, browser_hash, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10 WHERE EXISTS (SELECT FROM outgoing_mails WHERE id = $1)
ON CONFLICT ON CONSTRAINT mailed_links_pkey DO UPDATE SET expires_at = EXCLUDED.expires_at
    WHERE l.used_at IS NULL";

/// Stores the link that a mail brings, and says whether it is good: not when it was used already, or its mail was
/// withdrawn meanwhile. When the mail is tried again, its time begins anew. `epoch` is its user's, if it is to die with
/// that.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    link: &MailedLink,
    email_key: &str,
    epoch: Option<i64>,
) -> Result<bool, StorageError> {
    let user = link.user_id.as_ref().map(UserId::as_uuid);
    let browser = link.browser.as_ref().map(|hash| &hash.as_bytes()[..]);
    let params = [
        (link.id.as_uuid() as _, Type::UUID),
        (&link.purpose.as_str() as _, Type::TEXT),
        (&user as _, Type::UUID),
        (&epoch as _, Type::INT8),
        (&link.email as _, Type::TEXT),
        (&email_key as _, Type::TEXT),
        (&Json(&link.details) as _, Type::JSONB),
        (&browser as _, Type::BYTEA),
        (&link.created_at as _, Type::TIMESTAMPTZ),
        (&link.expires_at as _, Type::TIMESTAMPTZ),
    ];
    let stored = db.execute(INSERT, &params).await?;
    Ok(stored == 1)
}

/// What a link is at present.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// It can be used.
    Good(MailedLink),
    /// It was used.
    Used(MailedLink),
    /// It was good once, and its time is over.
    Expired(MailedLink),
    /// It has died with its user's epoch, or never was.
    Dead,
}

const FIND: &str = concat!(
    "SELECT ",
    link_columns!(),
    ", l.used_at FROM mailed_links l WHERE l.id = $1 AND l.purpose = $2 AND ",
    user_is_as_before!()
);

/// Looks at a link and leaves it as it is.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find(
    db: &impl Execute,
    purpose: Purpose,
    id: MailId,
    now: DateTime<Utc>,
) -> Result<Found, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&purpose.as_str() as _, Type::TEXT),
    ];
    let Some(row) = db.query_opt(FIND, &params).await? else {
        return Ok(Found::Dead);
    };
    let link = MailedLink::try_from(&row)?;
    let used_at: Option<DateTime<Utc>> = row.try_get("used_at")?;
    Ok(if used_at.is_some() {
        Found::Used(link)
    } else if link.expires_at > now {
        Found::Good(link)
    } else {
        Found::Expired(link)
    })
}

const SPEND: &str = concat!(
    "UPDATE mailed_links l SET used_at = $3
WHERE l.id = $1 AND l.purpose = $2 AND l.used_at IS NULL AND l.expires_at > $3 AND ",
    user_is_as_before!(),
    " RETURNING ",
    link_columns!()
);

/// Spends a link: of all callers at most one gets it.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn spend(
    db: &impl Execute,
    purpose: Purpose,
    id: MailId,
    now: DateTime<Utc>,
) -> Result<Option<MailedLink>, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&purpose.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(SPEND, &params).await?;
    row.as_ref().map(MailedLink::try_from).transpose()
}

/// What a try at a code found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeTry {
    /// The newest code of the address; the try was counted.
    Counted(MailedLink),
    /// There were too many tries at it.
    TooMany,
    /// Its time is over.
    Expired,
    /// There is none.
    Unknown,
}

// The newest one: whoever asks again has two mails, and reads the last; of two of one moment, one that is not spent. The
// try is counted before the code is compared, so that guesses in parallel count.
const TRY_CODE: &str = concat!(
    "UPDATE mailed_links l SET attempts = l.attempts + 1
WHERE l.id = (SELECT n.id FROM mailed_links n WHERE n.email_key = $1 AND n.purpose = $2
        AND ($3::uuid IS NULL OR n.user_id = $3) ORDER BY n.created_at DESC, n.used_at IS NULL DESC, n.id
        LIMIT 1)
    AND l.used_at IS NULL AND ",
    user_is_as_before!(),
    " RETURNING l.attempts, ",
    link_columns!()
);

/// Counts a try at the newest code that was mailed to an address for `purpose`, and says which that is. `user` makes it
/// that user's alone.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn try_code(
    db: &impl Execute,
    purpose: Purpose,
    email_key: &str,
    user: Option<UserId>,
    now: DateTime<Utc>,
) -> Result<CodeTry, StorageError> {
    let user = user.as_ref().map(UserId::as_uuid);
    let params = [
        (&email_key as _, Type::TEXT),
        (&purpose.as_str() as _, Type::TEXT),
        (&user as _, Type::UUID),
    ];
    let Some(row) = db.query_opt(TRY_CODE, &params).await? else {
        return Ok(CodeTry::Unknown);
    };
    let link = MailedLink::try_from(&row)?;
    Ok(if link.expires_at <= now {
        CodeTry::Expired
    } else if row.try_get::<_, i32>("attempts")? > CODE_ATTEMPTS {
        CodeTry::TooMany
    } else {
        CodeTry::Counted(link)
    })
}

const GIVE_BACK_TRY: &str = "UPDATE mailed_links SET attempts = attempts - 1 WHERE id = $1 AND attempts > 0";

/// Takes back that a try at a code was counted: it was right, which is no guess.
///
/// # Errors
/// When the database does not answer.
pub async fn give_back_try(db: &impl Execute, id: MailId) -> Result<(), StorageError> {
    db.execute(GIVE_BACK_TRY, &[(id.as_uuid(), Type::UUID)])
        .await
        .map(drop)
}

// The link of a mail that waits is made when it is sent, and would be a new one.
const DELETE_OF_USER: &str = "WITH m AS (DELETE FROM outgoing_mails WHERE user_id = $1
    AND kind IN ('confirm_email_change', 'verify_new_email', 'verify_new_email_code'))
DELETE FROM mailed_links WHERE user_id = $1 AND purpose <> 'undo_email_change'";

/// Forgets every pending link of a user, and the mail that waits to bring one that changes the address; the undoing of a
/// change of address stays.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_of_user(db: &impl Execute, user: UserId) -> Result<(), StorageError> {
    db.execute(DELETE_OF_USER, &[(user.as_uuid(), Type::UUID)])
        .await
        .map(drop)
}

const DELETE_EXPIRED: &str = "DELETE FROM mailed_links WHERE id = ANY (ARRAY(
    SELECT id FROM mailed_links WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` links that expired before `before`.
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

impl TryFrom<&Row> for MailedLink {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let id = MailId::from(row.try_get::<_, uuid::Uuid>("id")?);
        let inconsistent = |column| StorageError::Inconsistent {
            table: "mailed_links",
            column,
            id: id.to_string(),
        };
        let purpose: String = row.try_get("purpose")?;
        let Json::<Details>(details) = row.try_get("details").map_err(|_| inconsistent("details"))?;
        let browser: Option<&[u8]> = row.try_get("browser_hash")?;
        Ok(Self {
            id,
            purpose: Purpose::parse(&purpose).ok_or_else(|| inconsistent("purpose"))?,
            user_id: row.try_get::<_, Option<uuid::Uuid>>("user_id")?.map(UserId::from),
            email: row.try_get("email")?,
            details,
            browser: browser
                .map(|bytes| TokenHash::from_stored(bytes).ok_or_else(|| inconsistent("browser_hash")))
                .transpose()?,
            created_at: row.try_get("created_at")?,
            expires_at: row.try_get("expires_at")?,
        })
    }
}
