//! Opens the configured database or the private PostgreSQL, for servers and commands alike, and closes it again.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::ServerError;
use crate::config::{self, Config, Statements};
use crate::domain::secret::Secret;
use crate::storage::database_url::DatabaseUrl;
use crate::storage::embedded::{Embedded, EmbeddedError, EmbeddedSettings};
use crate::storage::migrate::{self, Schema};
use crate::storage::pool::{self, PoolSettings};
use crate::storage::{self, Db, StorageError};

/// How long a server that starts waits for its database.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server: it may wait, and with the private PostgreSQL there is one.
    Serve,
    /// A command: it works beside a server, or alone.
    Command,
}

/// The open database.
#[derive(Debug)]
pub struct Database {
    /// The pool.
    pub db: Db,
    direct: DatabaseUrl,
    overheard: bool,
    embedded: Option<Embedded>,
}

impl Database {
    /// Opens the configured database, or the private PostgreSQL if none is.
    ///
    /// # Errors
    /// When it cannot be reached: a command is told at once, a server after half a minute.
    pub async fn open(config: &Config, role: Role) -> Result<Self, ServerError> {
        let settings = &config.database;
        let embedded = match (&settings.url, role) {
            (Some(_), _) => None,
            (None, role) => Some(open_embedded(settings, role).await?),
        };
        let url = match &embedded {
            Some(embedded) => embedded.url(),
            None => settings.url.as_ref().expect("without a URL it is embedded"),
        };
        let opened = Self::connect(settings, url, role).await;
        match (opened, embedded) {
            (Ok((db, direct, overheard)), embedded) => Ok(Self {
                db,
                direct,
                overheard,
                embedded,
            }),
            (Err(error), Some(embedded)) => {
                stop_embedded(embedded).await;
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn connect(
        settings: &config::Database,
        url: &Secret,
        role: Role,
    ) -> Result<(Db, DatabaseUrl, bool), ServerError> {
        let wrong = |key| move |source| ServerError::DatabaseUrl { key, source };
        let db = pool::open(&PoolSettings {
            url: url.clone(),
            size: settings.pool_size,
            statements: match settings.statements {
                Statements::Prepared => storage::Statements::Prepared,
                Statements::Typed => storage::Statements::Typed,
            },
        })
        .map_err(wrong("database.url"))?;
        let overheard = DatabaseUrl::parse(url).is_ok_and(|url| url.may_be_overheard());
        let direct = match &settings.direct_url {
            Some(direct) => DatabaseUrl::parse(direct).map_err(wrong("database.direct_url"))?,
            None => DatabaseUrl::parse(url).map_err(wrong("database.url"))?,
        };
        match role {
            Role::Serve => until_reachable(&db).await?,
            Role::Command => db.ping().await?,
        }
        Ok((db, direct, overheard))
    }

    /// Brings the schema up to date, or with `auto_migrate = false` looks whether it is.
    ///
    /// # Errors
    /// When it cannot be, or migrations are pending that are not to be applied.
    pub async fn prepare(&self, auto_migrate: bool, now: DateTime<Utc>) -> Result<(), ServerError> {
        if auto_migrate {
            self.migrate(now).await?;
            return Ok(());
        }
        let pending = self.schema().await?.pending;
        if pending.is_empty() {
            Ok(())
        } else {
            Err(ServerError::SchemaPending(pending))
        }
    }

    /// How the schema stands to this version.
    ///
    /// # Errors
    /// When the database cannot be asked, or contradicts this version.
    pub async fn schema(&self) -> Result<Schema, ServerError> {
        Ok(migrate::check(&self.direct).await?)
    }

    /// Applies what is pending and returns its names, in order.
    ///
    /// # Errors
    /// When the database refuses; then nothing has changed.
    pub async fn migrate(&self, now: DateTime<Utc>) -> Result<Vec<String>, ServerError> {
        Ok(migrate::run(&self.direct, now).await?)
    }

    /// Whether somebody on the way can read what is said.
    pub const fn may_be_overheard(&self) -> bool {
        self.overheard
    }

    /// The private PostgreSQL, if it is one.
    pub const fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// Closes the pool, and stops the private PostgreSQL unless someone else uses it.
    pub async fn close(self) {
        self.db.close();
        if let Some(embedded) = self.embedded {
            stop_embedded(embedded).await;
        }
    }
}

async fn open_embedded(settings: &config::Database, role: Role) -> Result<Embedded, EmbeddedError> {
    let settings = EmbeddedSettings {
        data_dir: settings.data_dir.clone(),
        bin_dir: settings.bin_dir.clone(),
    };
    match role {
        Role::Command => Embedded::attach(&settings).await,
        Role::Serve => {
            let embedded = Embedded::serve(&settings).await?;
            tracing::info!(
                "embedded PostgreSQL {} in {}: for one node; set DATABASE_URL for several",
                embedded.version(),
                embedded.data_dir().display()
            );
            Ok(embedded)
        }
    }
}

async fn stop_embedded(embedded: Embedded) {
    if let Err(error) = embedded.stop().await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "the private PostgreSQL was not stopped");
    }
}

/// Waits for a database that is about to start. One that answers with a refusal will go on refusing.
async fn until_reachable(db: &Db) -> Result<(), StorageError> {
    const PAUSE: Duration = Duration::from_millis(250);
    const REMINDER: Duration = Duration::from_secs(5);
    let started = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let error = match db.ping().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_unavailable() && started.elapsed() < PATIENCE => error,
            Err(error) => return Err(error),
        };
        if told.is_none_or(|told| told.elapsed() >= REMINDER) {
            told = Some(Instant::now());
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "waiting for the database, for 30 s at most");
        }
        tokio::time::sleep(PAUSE).await;
    }
}
