//! Browsers on their way to another provider. Each step is taken once: the answer is stored once, spent once by the
//! browser that set out, and an arrival joins an account once.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::{Json, Type};

use super::{Execute, StorageError};
use crate::domain::federation::Way;
use crate::domain::secret::TokenHash;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    INSERT,
    STORE_ANSWER,
    SPEND,
    FIND,
    KEEP_ARRIVAL,
    FIND_ARRIVAL,
    JOIN,
    DELETE_EXPIRED,
];

/// An attempt that is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The entry of the configuration.
    pub provider: String,
    /// The browser.
    pub browser: TokenHash,
    /// The MAC key that its proofs are made with.
    pub key_version: i32,
    /// What it is for.
    pub way: Way,
}

const INSERT: &str = "INSERT INTO federation_attempts
    (state_hash, provider, browser_hash, key_version, way, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $6, $7)";

/// Stores an attempt.
///
/// # Errors
/// When the database does not answer.
pub async fn insert(
    db: &impl Execute,
    state: TokenHash,
    attempt: &Attempt,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&attempt.provider as _, Type::TEXT),
        (&&attempt.browser.as_bytes()[..] as _, Type::BYTEA),
        (&attempt.key_version as _, Type::INT4),
        (&Json(&attempt.way) as _, Type::JSONB),
        (&now as _, Type::TIMESTAMPTZ),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    db.execute(INSERT, &params).await.map(drop)
}

const STORE_ANSWER: &str = "UPDATE federation_attempts SET answer_sealed = $3
WHERE state_hash = $1 AND provider = $2 AND answer_sealed IS NULL AND answered_at IS NULL AND expires_at > $4";

/// Keeps what a provider posted until its browser comes. The first answer counts.
///
/// # Errors
/// When the database does not answer.
pub async fn store_answer(
    db: &impl Execute,
    state: TokenHash,
    provider: &str,
    sealed: &str,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&provider as _, Type::TEXT),
        (&sealed as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    db.execute(STORE_ANSWER, &params).await.map(drop)
}

const SPEND: &str = "UPDATE federation_attempts SET answered_at = $4
WHERE state_hash = $1 AND provider = $2 AND browser_hash = $3 AND answered_at IS NULL AND expires_at > $4
RETURNING provider, browser_hash, key_version, way, created_at, answer_sealed";

/// Spends an attempt: of all callers at most one gets it, with when it began and what the provider posted, if it did.
/// `None` for another browser or provider too.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn spend(
    db: &impl Execute,
    state: TokenHash,
    provider: &str,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<(Attempt, DateTime<Utc>, Option<String>)>, StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&provider as _, Type::TEXT),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(SPEND, &params).await?;
    row.as_ref()
        .map(|row| {
            Ok((
                Attempt::try_from(row)?,
                row.try_get("created_at")?,
                row.try_get("answer_sealed")?,
            ))
        })
        .transpose()
}

const FIND: &str = "SELECT provider, browser_hash, key_version, way FROM federation_attempts
WHERE state_hash = $1 AND expires_at > $2";

/// An attempt whose time is not over, spent or not: it says where a browser may be told that nothing came of it.
///
/// # Errors
/// When the database does not answer, or the row is not one of ours.
pub async fn find(
    db: &impl Execute,
    state: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Attempt>, StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(FIND, &params).await?;
    row.as_ref().map(Attempt::try_from).transpose()
}

const KEEP_ARRIVAL: &str = "UPDATE federation_attempts SET arrival_sealed = $2, expires_at = $3
WHERE state_hash = $1 AND answered_at IS NOT NULL AND arrival_sealed IS NULL";

/// Keeps who came until the user has proven the account that it is to join.
///
/// # Errors
/// When the database does not answer.
pub async fn keep_arrival(
    db: &impl Execute,
    state: TokenHash,
    sealed: &str,
    expires_at: DateTime<Utc>,
) -> Result<(), StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&sealed as _, Type::TEXT),
        (&expires_at as _, Type::TIMESTAMPTZ),
    ];
    db.execute(KEEP_ARRIVAL, &params).await.map(drop)
}

const FIND_ARRIVAL: &str = "SELECT arrival_sealed FROM federation_attempts
WHERE state_hash = $1 AND browser_hash = $2 AND joined_at IS NULL AND arrival_sealed IS NOT NULL AND expires_at > $3";

/// Who came in this browser and waits to join an account.
///
/// # Errors
/// When the database does not answer.
pub async fn find_arrival(
    db: &impl Execute,
    state: TokenHash,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<String>, StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let row = db.query_opt(FIND_ARRIVAL, &params).await?;
    row.map(|row| Ok(row.try_get("arrival_sealed")?)).transpose()
}

const JOIN: &str = "UPDATE federation_attempts SET joined_at = $3
WHERE state_hash = $1 AND browser_hash = $2 AND joined_at IS NULL AND arrival_sealed IS NOT NULL AND expires_at > $3";

/// Lets who came join: of all callers at most one is told `true`.
///
/// # Errors
/// When the database does not answer.
pub async fn join(
    db: &impl Execute,
    state: TokenHash,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let params = [
        (&&state.as_bytes()[..] as _, Type::BYTEA),
        (&&browser.as_bytes()[..] as _, Type::BYTEA),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    Ok(db.execute(JOIN, &params).await? > 0)
}

// An array, and not IN: the planner, who knows no LIMIT yet, would read the whole table to join it.
const DELETE_EXPIRED: &str = "DELETE FROM federation_attempts WHERE state_hash = ANY (ARRAY(
    SELECT state_hash FROM federation_attempts WHERE expires_at < $1 ORDER BY expires_at LIMIT $2))";

/// Sweeps at most `limit` attempts that expired before `before`.
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

impl TryFrom<&Row> for Attempt {
    type Error = StorageError;

    fn try_from(row: &Row) -> Result<Self, StorageError> {
        let inconsistent = |column| StorageError::Inconsistent {
            table: "federation_attempts",
            column,
            // The key is the hash of a secret: it names no row that anybody may look up.
            id: "one".to_owned(),
        };
        let browser: &[u8] = row.try_get("browser_hash")?;
        let Json(way) = row
            .try_get::<_, Json<Way>>("way")
            .map_err(|_| inconsistent("way"))?;
        Ok(Self {
            provider: row.try_get("provider")?,
            browser: TokenHash::from_stored(browser).ok_or_else(|| inconsistent("browser_hash"))?,
            key_version: row.try_get("key_version")?,
            way,
        })
    }
}
