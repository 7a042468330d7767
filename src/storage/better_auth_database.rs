//! The database of a Better Auth server, read for users who move in: one pass over its users, each with what belongs to
//! them, in one snapshot, a page at a time. Rows come as JSON, because tables differ by version and plugin. Nothing is
//! written there.

use serde_json::Value;
use tokio_postgres::types::{Json, Type};

use super::pool::{self, PoolSettings};
use super::{DatabaseUrlError, Db, Execute, Statements, StorageError, Tx};
use crate::domain::secret::Secret;

/// How long a statement may take: nobody waits for it but the operator.
const LIMIT: std::time::Duration = std::time::Duration::from_secs(300);
/// How many keys are read.
const MAX_KEYS: i64 = 100;

const HAS_TABLES: &str = r#"SELECT to_regclass('"user"') IS NOT NULL AS users, to_regclass('"account"') IS NOT NULL AS accounts,
    to_regclass('"session"') IS NOT NULL AS sessions, to_regclass('"passkey"') IS NOT NULL AS passkeys,
    to_regclass('"jwks"') IS NOT NULL AS jwks"#;

const OPEN: &str = r#"DECLARE moving NO SCROLL CURSOR FOR SELECT to_jsonb(u) AS "user",
    (SELECT jsonb_agg(to_jsonb(a) - 'accessToken' - 'refreshToken' - 'idToken') FROM (
        SELECT * FROM "account" a WHERE a."userId" = u.id LIMIT 100) a) AS accounts,
    (SELECT jsonb_agg(to_jsonb(s)) FROM (
        SELECT * FROM "session" s WHERE s."userId" = u.id ORDER BY s."expiresAt" DESC LIMIT 100) s) AS sessions,
    NULL::jsonb AS passkeys
FROM "user" u"#;

const OPEN_WITH_PASSKEYS: &str = r#"DECLARE moving NO SCROLL CURSOR FOR SELECT to_jsonb(u) AS "user",
    (SELECT jsonb_agg(to_jsonb(a) - 'accessToken' - 'refreshToken' - 'idToken') FROM (
        SELECT * FROM "account" a WHERE a."userId" = u.id LIMIT 100) a) AS accounts,
    (SELECT jsonb_agg(to_jsonb(s)) FROM (
        SELECT * FROM "session" s WHERE s."userId" = u.id ORDER BY s."expiresAt" DESC LIMIT 100) s) AS sessions,
    (SELECT jsonb_agg(to_jsonb(p)) FROM (
        SELECT * FROM "passkey" p WHERE p."userId" = u.id LIMIT 100) p) AS passkeys
FROM "user" u"#;

const NEXT: &str = "FETCH 500 FROM moving";

const KEYS: &str = r#"SELECT to_jsonb(k) AS key FROM "jwks" k ORDER BY k."createdAt" DESC LIMIT $1"#;

/// A database that users move out of.
pub struct BetterAuthDatabase {
    tx: Tx,
    has_jwks: bool,
    /// Keeps the connection's pool.
    _db: Db,
}

/// Why it cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BetterAuthDatabaseError {
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] DatabaseUrlError),
    /// It has not the tables of Better Auth.
    #[error("the database has no tables \"user\", \"account\" and \"session\" of Better Auth")]
    NoTables,
    /// It did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A user with what belongs to them, as the tables have it; absent tables are `null`.
pub struct BetterAuthRow {
    /// The row of the user.
    pub user: Value,
    /// The rows of their accounts, without the tokens of others.
    pub accounts: Option<Value>,
    /// The rows of their sessions.
    pub sessions: Option<Value>,
    /// The rows of their passkeys.
    pub passkeys: Option<Value>,
}

impl BetterAuthDatabase {
    /// Opens it, and a snapshot of its users.
    ///
    /// # Errors
    /// When it cannot be reached, or is no database of Better Auth.
    pub async fn open(url: &Secret) -> Result<Self, BetterAuthDatabaseError> {
        let settings = PoolSettings {
            url: url.clone(),
            size: 1,
            statements: Statements::Typed,
        };
        let db = pool::open(&settings)?.with_limit(LIMIT);
        let tx = db.begin().await?;
        tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY", &[])
            .await?;
        let row = tx.query_opt(HAS_TABLES, &[]).await?;
        let has = |name: &str| row.as_ref().is_some_and(|row| row.get(name));
        if !has("users") || !has("accounts") || !has("sessions") {
            return Err(BetterAuthDatabaseError::NoTables);
        }
        let (has_jwks, has_passkeys) = (has("jwks"), has("passkeys"));
        let open = if has_passkeys { OPEN_WITH_PASSKEYS } else { OPEN };
        tx.execute(open, &[]).await?;
        Ok(Self {
            tx,
            has_jwks,
            _db: db,
        })
    }

    /// The next users; none at the end.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn next(&self) -> Result<Vec<BetterAuthRow>, StorageError> {
        let rows = self.tx.query(NEXT, &[]).await?;
        let json = |row: &tokio_postgres::Row, name: &str| {
            let value: Option<Json<Value>> = row.try_get(name)?;
            Ok::<_, StorageError>(value.map(|Json(value)| value))
        };
        rows.iter()
            .map(|row| {
                Ok(BetterAuthRow {
                    user: json(row, "user")?.unwrap_or_default(),
                    accounts: json(row, "accounts")?,
                    sessions: json(row, "sessions")?,
                    passkeys: json(row, "passkeys")?,
                })
            })
            .collect()
    }

    /// The rows of its signing keys, newest first.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn keys(&self) -> Result<Vec<Value>, StorageError> {
        if !self.has_jwks {
            return Ok(Vec::new());
        }
        let rows = self.tx.query(KEYS, &[(&MAX_KEYS, Type::INT8)]).await?;
        rows.iter()
            .map(|row| {
                let Json(key) = row.try_get("key")?;
                Ok(key)
            })
            .collect()
    }
}

impl std::fmt::Debug for BetterAuthRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BetterAuthRow")
    }
}

impl std::fmt::Debug for BetterAuthDatabase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BetterAuthDatabase")
    }
}
