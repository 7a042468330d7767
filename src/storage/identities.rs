//! Who users are at other providers. Issuer and subject name an identity, and no two users have the same.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::users::{self, user_columns};
use super::{Execute, StorageError, Tx};
use crate::domain::federation::{Identity, IdentityProfile, SealedTokens};
use crate::domain::ids::{IdentityId, UserId};
use crate::domain::user::User;

macro_rules! identity_columns {
    () => {
        "i.id, i.user_id AS identity_user_id, i.provider, i.issuer, i.subject, i.profile AS identity_profile, \
         i.tokens_sealed, i.created_at, i.updated_at, i.last_used_at"
    };
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    FIND_USER,
    INSERT,
    USED,
    KEEP_TOKENS,
    FIND_OF_USER,
    LIST_OF_USER,
    LOCK_USER,
    DELETE,
    REMOVE_PASSWORD,
];

/// An identity that comes in.
#[derive(Debug)]
pub struct NewIdentity<'a> {
    /// The row to be.
    pub id: IdentityId,
    /// The entry of the configuration that it came by.
    pub provider: &'a str,
    /// `iss` there.
    pub issuer: &'a str,
    /// `sub` there.
    pub subject: &'a str,
    /// What the provider says.
    pub profile: &'a IdentityProfile,
    /// The provider's tokens, encrypted.
    pub tokens: Option<&'a SealedTokens>,
}

const FIND_USER: &str = concat!(
    "SELECT ",
    identity_columns!(),
    ", ",
    user_columns!(),
    " FROM identities i JOIN users u ON u.id = i.user_id WHERE i.issuer = $1 AND i.subject = $2"
);

/// The identity, and whose it is.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn find_user(
    db: &impl Execute,
    issuer: &str,
    subject: &str,
) -> Result<Option<(Identity, User)>, StorageError> {
    let params = [(&issuer as _, Type::TEXT), (&subject as _, Type::TEXT)];
    let row = db.query_opt(FIND_USER, &params).await?;
    row.as_ref()
        .map(|row| Ok((Identity::try_from(row)?, users::read(row)?)))
        .transpose()
}

const INSERT: &str = "INSERT INTO identities
    (id, user_id, provider, issuer, subject, profile, tokens_sealed, created_at, updated_at, last_used_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $8) ON CONFLICT ON CONSTRAINT identities_issuer_subject_key DO NOTHING";

/// Gives a user an identity. `false` if somebody has it.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    user: UserId,
    identity: &NewIdentity<'_>,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let tokens = identity.tokens.map(|tokens| &*tokens.0);
    let params = [
        (identity.id.as_uuid() as _, Type::UUID),
        (user.as_uuid() as _, Type::UUID),
        (&identity.provider as _, Type::TEXT),
        (&identity.issuer as _, Type::TEXT),
        (&identity.subject as _, Type::TEXT),
        (&Json(identity.profile) as _, Type::JSONB),
        (&tokens as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(INSERT, &params).await? > 0)
}

// An entry that keeps no tokens keeps none of earlier times either.
const USED: &str = "UPDATE identities SET provider = $2, profile = $3, tokens_sealed = $4, last_used_at = $5,
    updated_at = $5
WHERE id = $1";

/// A user came by it: what the provider says now counts.
///
/// # Errors
/// When the database does not answer.
pub async fn used(
    db: &impl Execute,
    id: IdentityId,
    identity: &NewIdentity<'_>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let tokens = identity.tokens.map(|tokens| &*tokens.0);
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&identity.provider as _, Type::TEXT),
        (&Json(identity.profile) as _, Type::JSONB),
        (&tokens as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    db.execute(USED, &params).await.map(drop)
}

const KEEP_TOKENS: &str = "UPDATE identities SET tokens_sealed = $3, updated_at = $4
WHERE id = $1 AND tokens_sealed = $2";

/// Keeps new tokens in the place of `old`. `false` if others were kept meanwhile.
///
/// # Errors
/// When the database does not answer.
pub async fn keep_tokens(
    db: &impl Execute,
    id: IdentityId,
    old: &SealedTokens,
    new: &SealedTokens,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (&old.0 as _, Type::TEXT),
        (&new.0 as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(KEEP_TOKENS, &params).await? > 0)
}

const FIND_OF_USER: &str = concat!(
    "SELECT ",
    identity_columns!(),
    " FROM identities i WHERE i.id = $1 AND i.user_id = $2"
);

/// One identity of a user.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find_of_user(
    db: &impl Execute,
    id: IdentityId,
    user: UserId,
) -> Result<Option<Identity>, StorageError> {
    let params = [(id.as_uuid() as _, Type::UUID), (user.as_uuid() as _, Type::UUID)];
    let row = db.query_opt(FIND_OF_USER, &params).await?;
    row.as_ref().map(Identity::try_from).transpose()
}

const LIST_OF_USER: &str = concat!(
    "SELECT ",
    identity_columns!(),
    " FROM identities i WHERE i.user_id = $1 ORDER BY i.created_at, i.id LIMIT $2"
);

/// Who a user is elsewhere, oldest first, `limit` at most.
///
/// # Errors
/// When the database does not answer, or a row is not one of ours.
pub async fn list_of_user(
    db: &impl Execute,
    user: UserId,
    limit: i64,
) -> Result<Vec<Identity>, StorageError> {
    let params = [(user.as_uuid() as _, Type::UUID), (&limit as _, Type::INT8)];
    let rows = db.query(LIST_OF_USER, &params).await?;
    rows.iter().map(Identity::try_from).collect()
}

const LOCK_USER: &str =
    "SELECT password_hash IS NOT NULL AS has_password FROM users WHERE id = $1 FOR UPDATE";

const DELETE: &str = "DELETE FROM identities WHERE id = $1 AND user_id = $2
    AND ($3 OR EXISTS (SELECT FROM identities o WHERE o.user_id = $2 AND o.id <> $1))";

/// Takes an identity from a user, unless it is the last way in. `false` if it is, or not the user's.
///
/// # Errors
/// When the database does not answer.
pub async fn delete(tx: &Tx, id: IdentityId, user: UserId) -> Result<bool, StorageError> {
    // The user first, so that of two that are taken at once the second sees that the first is gone.
    let row = tx.query_opt(LOCK_USER, &[(user.as_uuid(), Type::UUID)]).await?;
    let Some(row) = row else { return Ok(false) };
    let has_password: bool = row.try_get("has_password")?;
    let params = [
        (id.as_uuid() as _, Type::UUID),
        (user.as_uuid() as _, Type::UUID),
        (&has_password as _, Type::BOOL),
    ];
    Ok(tx.execute(DELETE, &params).await? > 0)
}

const REMOVE_PASSWORD: &str = "UPDATE users SET password_hash = NULL, updated_at = $2
WHERE id = $1 AND password_hash IS NOT NULL AND EXISTS (SELECT FROM identities WHERE user_id = $1)";

/// Takes the password from a user, unless it is the last way in. `false` if it is, or there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn remove_password(tx: &Tx, user: UserId, now: DateTime<Utc>) -> Result<bool, StorageError> {
    tx.query_opt(LOCK_USER, &[(user.as_uuid(), Type::UUID)]).await?;
    let params = [(user.as_uuid() as _, Type::UUID), (&now as _, Type::TIMESTAMPTZ)];
    Ok(tx.execute(REMOVE_PASSWORD, &params).await? > 0)
}

impl TryFrom<&Row> for Identity {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let id: uuid::Uuid = row.try_get("id")?;
        let user: uuid::Uuid = row.try_get("identity_user_id")?;
        let Json(profile) = row
            .try_get::<_, Json<IdentityProfile>>("identity_profile")
            .map_err(|_| StorageError::Inconsistent {
                table: "identities",
                column: "profile",
                id: id.to_string(),
            })?;
        Ok(Self {
            id: IdentityId::from(id),
            user_id: UserId::from(user),
            provider: row.try_get("provider")?,
            issuer: row.try_get::<_, Option<String>>("issuer")?.unwrap_or_default(),
            subject: row.try_get("subject")?,
            profile,
            tokens: row
                .try_get::<_, Option<String>>("tokens_sealed")?
                .map(SealedTokens),
            created_at: row.try_get("created_at")?,
            updated_at: row.try_get("updated_at")?,
            last_used_at: row.try_get("last_used_at")?,
        })
    }
}
