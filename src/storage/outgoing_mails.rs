//! The outbox: what is to be mailed, until it was. A claim moves `next_attempt_at` by the time that an attempt may
//! take, so what a node was at when it died falls due again.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::{Execute, StorageError};
use crate::domain::ids::{MailId, UserId};
use crate::domain::mail::{MailKind, MailParams};

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    CLAIM,
    DELETE,
    DELETE_OF_USER,
    UPDATE_NEXT_ATTEMPT,
    BURY,
    COUNT,
    DELETE_EXPIRED,
];

/// A mail that is asked for.
#[derive(Debug)]
pub struct NewMail<'a> {
    /// Random; a link or code in the mail has it too.
    pub id: MailId,
    /// Why.
    pub kind: MailKind,
    /// Whom to, as it was given.
    pub email: &'a str,
    /// Its canonical form.
    pub email_key: &'a str,
    /// Whose account it is about, where that is known.
    pub user_id: Option<UserId>,
    /// The rest.
    pub params: &'a MailParams,
}

const INSERT: &str =
    "INSERT INTO outgoing_mails (id, kind, email, email_key, user_id, params, created_at, next_attempt_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $7)";

/// Asks for a mail.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(db: &impl Execute, mail: &NewMail<'_>, now: DateTime<Utc>) -> Result<(), StorageError> {
    let user = mail.user_id.as_ref().map(UserId::as_uuid);
    let params = [
        (mail.id.as_uuid() as _, Type::UUID),
        (&mail.kind.as_str() as _, Type::TEXT),
        (&mail.email as _, Type::TEXT),
        (&mail.email_key as _, Type::TEXT),
        (&user as _, Type::UUID),
        (&Json(mail.params) as _, Type::JSONB),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    db.execute(INSERT, &params).await.map(drop)
}

/// A mail that is to be sent, at this moment by whoever claimed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMail {
    /// Its id.
    pub id: MailId,
    /// Why.
    pub kind: MailKind,
    /// Whom to, as it was given.
    pub email: String,
    /// Its canonical form.
    pub email_key: String,
    /// Whose account it is about, where that was known.
    pub user_id: Option<UserId>,
    /// The rest.
    pub params: MailParams,
    /// When it was asked for.
    pub created_at: DateTime<Utc>,
    /// Which attempt this is, counted from one.
    pub attempts: u32,
}

const CLAIM: &str = "UPDATE outgoing_mails SET next_attempt_at = $2, attempts = attempts + 1
WHERE id = ANY (ARRAY(
    SELECT id FROM outgoing_mails WHERE next_attempt_at <= $1 AND failed_at IS NULL
    ORDER BY next_attempt_at LIMIT $3 FOR UPDATE SKIP LOCKED))
RETURNING id, kind, email, email_key, user_id, params, created_at, attempts";

/// Claims up to `limit` mails that are due: of all callers one gets each, until `leased_until`, when it falls due again
/// unless it was sent by then.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn claim(
    db: &impl Execute,
    now: DateTime<Utc>,
    leased_until: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<OutgoingMail>, StorageError> {
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (&leased_until as _, Type::TIMESTAMPTZ),
        (&limit as _, Type::INT8),
    ];
    let rows = db.query(CLAIM, &params).await?;
    rows.iter().map(OutgoingMail::try_from).collect()
}

const DELETE: &str = "DELETE FROM outgoing_mails WHERE id = $1";

/// The mail was sent, or there is nobody to send it to.
///
/// # Errors
/// When the database does not answer; then it is sent again.
pub async fn delete(db: &impl Execute, id: MailId) -> Result<(), StorageError> {
    db.execute(DELETE, &[(id.as_uuid(), Type::UUID)]).await.map(drop)
}

const DELETE_OF_USER: &str = "DELETE FROM outgoing_mails WHERE user_id = $1
    OR email_key = (SELECT email_key FROM users WHERE id = $1)";

/// Forgets what was still to be mailed to a user, who is about to be deleted.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_of_user(db: &impl Execute, user: UserId) -> Result<(), StorageError> {
    db.execute(DELETE_OF_USER, &[(user.as_uuid(), Type::UUID)])
        .await
        .map(drop)
}

const UPDATE_NEXT_ATTEMPT: &str =
    "UPDATE outgoing_mails SET next_attempt_at = $3, failure = $4 WHERE id = $1 AND attempts = $2";

/// The attempt failed for the reason `failure`, and the next one is due at `next`. One that was claimed anew meanwhile
/// is left alone.
///
/// # Errors
/// When the database does not answer; then the next attempt is when the claim ends.
pub async fn update_next_attempt(
    db: &impl Execute,
    mail: &OutgoingMail,
    next: DateTime<Utc>,
    failure: &str,
) -> Result<(), StorageError> {
    let attempts = i32::try_from(mail.attempts).unwrap_or(i32::MAX);
    let params = [
        (mail.id.as_uuid() as _, Type::UUID),
        (&attempts as _, Type::INT4),
        (&next as _, Type::TIMESTAMPTZ),
        (&failure as _, Type::TEXT),
    ];
    db.execute(UPDATE_NEXT_ATTEMPT, &params).await.map(drop)
}

const BURY: &str = "UPDATE outgoing_mails SET failed_at = $2, failure = $3 WHERE id = $1";

/// Makes it a dead letter: nobody tries any more.
///
/// # Errors
/// When the database does not answer.
pub async fn bury(
    db: &impl Execute,
    id: MailId,
    now: DateTime<Utc>,
    failure: &str,
) -> Result<(), StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
        (&failure as _, Type::TEXT),
    ];
    db.execute(BURY, &params).await.map(drop)
}

/// How full the outbox is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Mails that are still to be sent.
    pub pending: i64,
    /// Dead letters.
    pub dead: i64,
    /// When the oldest of those still to be sent was asked for.
    pub oldest: Option<DateTime<Utc>>,
}

const COUNT: &str = "SELECT count(*) FILTER (WHERE failed_at IS NULL) AS pending,
    count(*) FILTER (WHERE failed_at IS NOT NULL) AS dead,
    min(created_at) FILTER (WHERE failed_at IS NULL) AS oldest FROM outgoing_mails";

/// Counts the outbox.
///
/// # Errors
/// When the database does not answer.
pub async fn count(db: &impl Execute) -> Result<Counts, StorageError> {
    let row = db.query_opt(COUNT, &[]).await?;
    row.map_or(
        Ok(Counts {
            pending: 0,
            dead: 0,
            oldest: None,
        }),
        |row| {
            Ok(Counts {
                pending: row.try_get("pending")?,
                dead: row.try_get("dead")?,
                oldest: row.try_get("oldest")?,
            })
        },
    )
}

const DELETE_EXPIRED: &str = "DELETE FROM outgoing_mails WHERE id = ANY (ARRAY(
    SELECT id FROM outgoing_mails WHERE failed_at < $1 ORDER BY failed_at LIMIT $2))";

/// Sweeps at most `limit` dead letters from before `before`.
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

impl TryFrom<&Row> for OutgoingMail {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let id = MailId::from(row.try_get::<_, uuid::Uuid>("id")?);
        let inconsistent = |column| StorageError::Inconsistent {
            table: "outgoing_mails",
            column,
            id: id.to_string(),
        };
        let kind: String = row.try_get("kind")?;
        let Json(params) = row.try_get("params").map_err(|_| inconsistent("params"))?;
        Ok(Self {
            id,
            kind: MailKind::parse(&kind).ok_or_else(|| inconsistent("kind"))?,
            email: row.try_get("email")?,
            email_key: row.try_get("email_key")?,
            user_id: row.try_get::<_, Option<uuid::Uuid>>("user_id")?.map(UserId::from),
            params,
            created_at: row.try_get("created_at")?,
            attempts: u32::try_from(row.try_get::<_, i32>("attempts")?)
                .map_err(|_| inconsistent("attempts"))?,
        })
    }
}
