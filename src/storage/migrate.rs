//! Brings the schema up to date: the migrations are part of the binary.
//!
//! Everything that is pending is applied in one transaction, which holds a row of `schema_lock` from its
//! first to its last statement. Of several nodes that start at once one applies, the others wait for its row
//! and then find nothing to do; a node killed half-way leaves nothing behind. (An advisory lock would be
//! simpler, but means nothing behind a pooler.) Therefore no migration may contain what refuses to run in a
//! transaction, such as `CREATE INDEX CONCURRENTLY`.
//!
//! refinery names and checks the migrations, and its table keeps the record; it opens transactions of its
//! own, so the statements are sent from here.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use refinery::Migration;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, GenericClient};

use super::database_url::DatabaseUrl;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// How long a node waits for another one that is migrating.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);

/// Why the schema was not brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The database cannot be reached, or gave no answer.
    #[error("the database is not reachable")]
    Unreachable(#[source] tokio_postgres::Error),
    /// The lock, or the record of what was applied, cannot be read or written.
    #[error("the record of applied migrations cannot be read or written")]
    Record(#[source] tokio_postgres::Error),
    /// A migration failed. Nothing was changed, neither by it nor by those before it.
    #[error("migration {name} failed, and nothing was changed")]
    Failed {
        /// The migration's name.
        name: String,
        /// What the database said.
        #[source]
        source: tokio_postgres::Error,
    },
    /// An applied migration is not the one that this binary holds under the same number.
    #[error("migration {0} was applied in another form than this version of Signet knows")]
    Divergent(String),
    /// The schema went another way: something newer was applied than what this binary still wants to apply.
    #[error(
        "migration {pending} is not applied, but the later {newer} is: another version of Signet was here"
    )]
    OutOfOrder {
        /// What is missing.
        pending: String,
        /// What is there instead.
        newer: String,
    },
    /// Another node has been migrating for a long time.
    #[error("another node has held the schema's lock for five minutes")]
    Locked,
}

/// How the schema stands to this binary.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// What this binary would apply, in order.
    pub pending: Vec<String>,
    /// What was applied by a newer version. Migrations expand before they contract, so the version before
    /// runs on it; an older one may not.
    pub newer: Vec<String>,
}

/// Compares the schema with this binary, without changing it or waiting for anyone.
///
/// # Errors
/// When the database cannot be asked, or holds what this binary contradicts.
pub async fn check(url: &DatabaseUrl) -> Result<Schema, MigrateError> {
    let client = url.connect().await.map_err(MigrateError::Unreachable)?;
    Ok(compare(&client).await?.0)
}

/// Applies what is pending and returns its names, in order. `url` must lead past any pooler to the server
/// (`database.direct_url`), and its user must own the schema; where nothing is pending, it may be anyone.
///
/// # Errors
/// When the database refuses, or holds what this binary contradicts; then nothing was changed.
pub async fn run(url: &DatabaseUrl, now: DateTime<Utc>) -> Result<Vec<String>, MigrateError> {
    let mut client = url.connect().await.map_err(MigrateError::Unreachable)?;
    let (schema, _) = compare(&client).await?;
    if !schema.newer.is_empty() {
        tracing::warn!(
            newer = schema.newer.len(),
            "the schema is newer than this version of Signet"
        );
    }
    if schema.pending.is_empty() {
        return Ok(Vec::new());
    }
    tokio::time::timeout(LOCK_PATIENCE, create_lock(&client))
        .await
        .map_err(|_| MigrateError::Locked)??;
    let transaction = client.transaction().await.map_err(MigrateError::Unreachable)?;
    tokio::time::timeout(
        LOCK_PATIENCE,
        transaction.query_typed(
            "SELECT name FROM schema_lock WHERE name = 'migrations' FOR UPDATE",
            &[],
        ),
    )
    .await
    .map_err(|_| MigrateError::Locked)?
    .map_err(MigrateError::Record)?;
    // Whoever held the row before us has committed, and this statement sees what they did.
    let (_, migrations) = compare(&transaction).await?;
    transaction
        .batch_execute(CREATE_HISTORY)
        .await
        .map_err(MigrateError::Record)?;
    let mut applied = Vec::new();
    for migration in &migrations {
        apply(&transaction, migration, now).await?;
        applied.push(name(migration));
    }
    transaction.commit().await.map_err(MigrateError::Record)?;
    for migration in &applied {
        tracing::info!(migration, "the schema was migrated");
    }
    Ok(applied)
}

const CREATE_LOCK: &str = "CREATE TABLE IF NOT EXISTS schema_lock (
    name text CONSTRAINT schema_lock_pkey PRIMARY KEY
); INSERT INTO schema_lock (name) VALUES ('migrations') ON CONFLICT DO NOTHING";

/// Creates the lock, in a transaction of its own.
async fn create_lock(client: &Client) -> Result<(), MigrateError> {
    loop {
        match client.batch_execute(CREATE_LOCK).await {
            Ok(()) => return Ok(()),
            // Two nodes create the table at once: IF NOT EXISTS looks before the other one has committed, and
            // the catalogue's own unique indexes refuse the second. By then the table is there.
            Err(error)
                if matches!(
                    error.code(),
                    Some(
                        &SqlState::UNIQUE_VIOLATION
                            | &SqlState::DUPLICATE_TABLE
                            | &SqlState::DUPLICATE_OBJECT
                    )
                ) => {}
            Err(error) => return Err(MigrateError::Record(error)),
        }
    }
}

/// refinery's own table, so that its tools understand our databases.
const CREATE_HISTORY: &str = "CREATE TABLE IF NOT EXISTS refinery_schema_history (
    version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), checksum varchar(255)
)";

const INSERT_HISTORY: &str =
    "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) VALUES ($1, $2, $3, $4)";

async fn apply(
    transaction: &tokio_postgres::Transaction<'_>,
    migration: &Migration,
    now: DateTime<Utc>,
) -> Result<(), MigrateError> {
    let sql = migration.sql().expect("an embedded migration holds its text");
    transaction
        .batch_execute(sql)
        .await
        .map_err(|source| MigrateError::Failed {
            name: name(migration),
            source,
        })?;
    transaction
        .execute_typed(
            INSERT_HISTORY,
            &[
                (&migration.version(), Type::INT4),
                (&migration.name(), Type::VARCHAR),
                (&now.to_rfc3339_opts(SecondsFormat::Micros, true), Type::VARCHAR),
                (&migration.checksum().to_string(), Type::VARCHAR),
            ],
        )
        .await
        .map_err(MigrateError::Record)?;
    Ok(())
}

/// Asks the catalogue's tables and not `to_regclass`: that answers from a cache of the session, which does not
/// hear of what others committed while the session waited for the lock inside its transaction.
const HISTORY_EXISTS: &str =
    "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relname = 'refinery_schema_history' AND n.nspname = ANY (current_schemas(false))";

const LIST_HISTORY: &str = "SELECT version, name, checksum FROM refinery_schema_history ORDER BY version";

/// How the schema stands to this binary, and the migrations to apply, in order.
async fn compare(client: &impl GenericClient) -> Result<(Schema, Vec<Migration>), MigrateError> {
    let exists = client
        .query_typed(HISTORY_EXISTS, &[])
        .await
        .map_err(MigrateError::Record)?;
    let applied = if exists.is_empty() {
        Vec::new()
    } else {
        client
            .query_typed(LIST_HISTORY, &[])
            .await
            .map_err(MigrateError::Record)?
    };
    let mut pending = embedded::migrations::runner().get_migrations().clone();
    pending.sort();
    let mut newer = Vec::new();
    let mut last = (i32::MIN, String::new());
    for row in &applied {
        let (version, title, checksum): (i32, &str, &str) = (row.get(0), row.get(1), row.get(2));
        last = (version, format!("V{version:04}__{title}"));
        match pending
            .iter()
            .position(|migration| migration.version() == version)
        {
            Some(at) => {
                let known = pending.remove(at);
                if known.name() != title || known.checksum().to_string() != checksum {
                    return Err(MigrateError::Divergent(name(&known)));
                }
            }
            None => newer.push(last.1.clone()),
        }
    }
    if let Some(first) = pending.first()
        && (last.0 > first.version() || !newer.is_empty())
    {
        return Err(MigrateError::OutOfOrder {
            pending: name(first),
            newer: last.1,
        });
    }
    let schema = Schema {
        pending: pending.iter().map(name).collect(),
        newer,
    };
    Ok((schema, pending))
}

/// A migration's name, as its file is called.
fn name(migration: &Migration) -> String {
    format!("V{:04}__{}", migration.version(), migration.name())
}
