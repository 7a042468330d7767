//! How a statement reaches the database: the one place that knows whether statements are prepared, or sent
//! with their parameter types, as a transaction-mode pooler needs it. Each has a time limit, kept from this
//! side, since session settings do not survive a pooler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool};
use postgres_openssl::MakeTlsConnector;
use tokio::sync::Notify;
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::StorageError;
use super::lease::Lease;

/// The longest that a statement may take, unless [`Db::with_limit`] says otherwise.
const LIMIT: Duration = Duration::from_secs(5);

/// A parameter and its type. The type is always given, so that one call site works in both modes.
pub type Param<'a> = (&'a (dyn ToSql + Sync), Type);

/// `database.statements`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statements {
    /// Prepared once a connection: fastest.
    Prepared,
    /// Sent with their types every time: for a pooler in transaction mode.
    Typed,
}

/// Something that runs statements: [`Db`], or [`Tx`] inside a transaction.
pub trait Execute: Sync {
    /// Runs one statement and returns its rows.
    fn query(
        &self,
        statement: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, StorageError>> + Send;

    /// Runs one statement that returns one row at most.
    fn query_opt(
        &self,
        statement: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<Option<Row>, StorageError>> + Send {
        async move { Ok(self.query(statement, params).await?.pop()) }
    }

    /// Runs one statement and returns how many rows it changed.
    fn execute(
        &self,
        statement: &'static str,
        params: &[Param<'_>],
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Wakes whoever waits for `wake` once others can see what was done here: at once, or with the commit. Without a
    /// commit nobody is woken.
    fn wake_when_visible(&self, wake: &Arc<Notify>);
}

/// The database: a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: Pool,
    tls: MakeTlsConnector,
    statements: Statements,
    limit: Duration,
}

impl Db {
    /// A database behind `pool`; `tls` is what its connections were opened with.
    pub(super) const fn new(pool: Pool, tls: MakeTlsConnector, statements: Statements) -> Self {
        Self {
            pool,
            tls,
            statements,
            limit: LIMIT,
        }
    }

    /// The same pool with another time limit a statement (5 s by default), for work that nobody waits for.
    #[must_use]
    pub fn with_limit(&self, limit: Duration) -> Self {
        Self {
            limit,
            ..self.clone()
        }
    }

    /// Opens a transaction. Dropped without [`Tx::commit`], it is rolled back.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&self) -> Result<Tx, StorageError> {
        let mut lease = self.lease().await?;
        // Said before it is so: a request that is cut off here leaves a connection that must be undone.
        lease.enter_transaction();
        match lease.run(lease.connection().batch_execute("BEGIN")).await {
            Ok(()) => Ok(Tx {
                lease,
                statements: self.statements,
                failed: AtomicBool::new(false),
                wakes: Mutex::default(),
            }),
            Err(error) => lease.finish(Err(error)),
        }
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// When it gives none.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.query("SELECT 1", &[]).await.map(drop)
    }

    /// Sets the gauges of the pool: connections by state, and the requests that wait for one.
    pub fn record_metrics(&self) {
        #[expect(clippy::cast_precision_loss, reason = "a pool has less than 2^52 connections")]
        let set = |gauge: metrics::Gauge, count: usize| gauge.set(count as f64);
        let status = self.pool.status();
        let idle = status.available.min(status.size);
        set(
            metrics::gauge!("signet_database_connections", "state" => "idle"),
            idle,
        );
        set(
            metrics::gauge!("signet_database_connections", "state" => "busy"),
            status.size - idle,
        );
        set(metrics::gauge!("signet_database_waiting"), status.waiting);
    }

    /// Closes all connections; whoever asks for one is refused from now on.
    pub fn close(&self) {
        self.pool.close();
    }

    async fn lease(&self) -> Result<Lease, StorageError> {
        let cancel = match self.statements {
            Statements::Prepared => Some(self.tls.clone()),
            Statements::Typed => None,
        };
        Ok(Lease::new(self.pool.get().await?, cancel, self.limit))
    }
}

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Db")
            .field("statements", &self.statements)
            .finish_non_exhaustive()
    }
}

impl Execute for Db {
    async fn query(&self, statement: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, StorageError> {
        let lease = self.lease().await?;
        let result = lease
            .run(query(lease.connection(), self.statements, statement, params))
            .await;
        lease.finish(result)
    }

    async fn execute(&self, statement: &'static str, params: &[Param<'_>]) -> Result<u64, StorageError> {
        let lease = self.lease().await?;
        let result = lease
            .run(execute(lease.connection(), self.statements, statement, params))
            .await;
        lease.finish(result)
    }

    fn wake_when_visible(&self, wake: &Arc<Notify>) {
        wake.notify_one();
    }
}

/// An open transaction.
pub struct Tx {
    lease: Lease,
    statements: Statements,
    failed: AtomicBool,
    /// Who is woken by the commit.
    wakes: Mutex<Vec<Arc<Notify>>>,
}

impl Tx {
    /// Makes everything that was done in the transaction durable, and wakes whoever waits for it.
    ///
    /// # Errors
    /// When a statement of the transaction failed: PostgreSQL would answer `COMMIT` with a rollback and no
    /// error. When the database refused; or its answer was lost: then nobody knows, and the caller must say 503.
    pub async fn commit(self) -> Result<(), StorageError> {
        if self.failed.load(Ordering::Relaxed) {
            return Err(StorageError::Aborted);
        }
        let result = self
            .lease
            .run(self.lease.connection().batch_execute("COMMIT"))
            .await;
        self.lease.finish(result)?;
        for wake in self.wakes.into_inner().unwrap_or_else(PoisonError::into_inner) {
            wake.notify_one();
        }
        Ok(())
    }

    /// Runs a statement's `work`. Whatever keeps it from ending well, being dropped too, spoils the commit.
    async fn run<T>(
        &self,
        work: impl Future<Output = Result<T, tokio_postgres::Error>>,
    ) -> Result<T, StorageError> {
        let spoiled = Spoiled(&self.failed);
        let value = self.lease.run(work).await?;
        std::mem::forget(spoiled);
        Ok(value)
    }
}

struct Spoiled<'a>(&'a AtomicBool);

impl Drop for Spoiled<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Execute for Tx {
    async fn query(&self, statement: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, StorageError> {
        self.run(query(self.lease.connection(), self.statements, statement, params))
            .await
    }

    async fn execute(&self, statement: &'static str, params: &[Param<'_>]) -> Result<u64, StorageError> {
        self.run(execute(
            self.lease.connection(),
            self.statements,
            statement,
            params,
        ))
        .await
    }

    fn wake_when_visible(&self, wake: &Arc<Notify>) {
        let mut wakes = self.wakes.lock().unwrap_or_else(PoisonError::into_inner);
        wakes.push(Arc::clone(wake));
    }
}

async fn query(
    connection: &Object,
    mode: Statements,
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    match mode {
        Statements::Prepared => {
            let (values, types) = split(params);
            let prepared = connection.prepare_typed_cached(statement, &types).await?;
            connection.query(&prepared, &values).await
        }
        Statements::Typed => connection.query_typed(statement, params).await,
    }
}

async fn execute(
    connection: &Object,
    mode: Statements,
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<u64, tokio_postgres::Error> {
    match mode {
        Statements::Prepared => {
            let (values, types) = split(params);
            let prepared = connection.prepare_typed_cached(statement, &types).await?;
            connection.execute(&prepared, &values).await
        }
        Statements::Typed => connection.execute_typed(statement, params).await,
    }
}

fn split<'a>(params: &[Param<'a>]) -> (Vec<&'a (dyn ToSql + Sync)>, Vec<Type>) {
    params.iter().map(|(value, kind)| (*value, kind.clone())).unzip()
}
