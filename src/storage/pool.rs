//! Opens the pool of connections.
//!
//! Connections are recycled without a round trip: the driver notices dead ones by itself, so that after a
//! restart of the server every connection of the pool is good again at its first use. No session state is
//! ever set, neither at the start nor later: behind a pooler in transaction mode it would be refused, or hit
//! other clients. What a `statement_timeout` would do is done from this side, see `storage::lease`.

use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime, Timeouts};

use super::database_url::DatabaseUrl;
use super::{DatabaseUrlError, Db, Statements};
use crate::domain::secret::Secret;

/// How long a request waits for a connection before it is told that the database is not there.
const PATIENCE: Duration = Duration::from_secs(2);

/// The settings of the pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// `database.url`, in libpq's form.
    pub url: Secret,
    /// `database.pool_size`: the most connections that are open at once.
    pub size: usize,
    /// `database.statements`.
    pub statements: Statements,
}

/// Makes the pool. Connects when the first statement asks for it, so a server that is not there yet is no
/// error here; [`Db::ping`] tells.
///
/// # Errors
/// When the URL, or a file that it names, is of no use.
pub fn open(settings: &PoolSettings) -> Result<Db, DatabaseUrlError> {
    let url = DatabaseUrl::parse(&settings.url)?;
    if url.may_be_overheard() {
        tracing::warn!("the database connection may be unencrypted: say sslmode=verify-full in database.url");
    }
    let manager = Manager::from_config(
        url.config().clone(),
        url.tls().clone(),
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let connecting = url.config().get_connect_timeout().copied().unwrap_or_default();
    let pool = Pool::builder(manager)
        .max_size(settings.size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts {
            wait: Some(PATIENCE),
            create: Some(PATIENCE.max(connecting)),
            recycle: Some(PATIENCE),
        })
        .build()
        .expect("a pool with a runtime and a manager can be built");
    Ok(Db::new(pool, url.tls().clone(), settings.statements))
}
