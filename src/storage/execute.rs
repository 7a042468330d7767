//! How a statement reaches the database: the one place that knows whether statements are prepared, or sent
//! with their parameter types, as a transaction-mode pooler needs it.

use deadpool_postgres::{Object, Pool};
use tokio_postgres::Row;
use tokio_postgres::types::{ToSql, Type};

use super::StorageError;

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
}

/// The database: a pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct Db {
    pool: Pool,
    statements: Statements,
}

impl Db {
    /// A database behind `pool`.
    pub const fn new(pool: Pool, statements: Statements) -> Self {
        Self { pool, statements }
    }

    /// Opens a transaction. Dropped without [`Tx::commit`], it takes its connection with it, which makes
    /// the server roll back.
    ///
    /// # Errors
    /// When no connection is to be had.
    pub async fn begin(&self) -> Result<Tx, StorageError> {
        let connection = self.pool.get().await?;
        connection.batch_execute("BEGIN").await?;
        Ok(Tx {
            connection: Some(connection),
            statements: self.statements,
        })
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
        query(&self.pool.get().await?, self.statements, statement, params).await
    }

    async fn execute(&self, statement: &'static str, params: &[Param<'_>]) -> Result<u64, StorageError> {
        execute(&self.pool.get().await?, self.statements, statement, params).await
    }
}

/// An open transaction.
pub struct Tx {
    connection: Option<Object>,
    statements: Statements,
}

impl Tx {
    /// Makes everything that was done in the transaction durable.
    ///
    /// # Errors
    /// When the database refused, or its answer was lost: then nobody knows, and the caller must say 503.
    pub async fn commit(mut self) -> Result<(), StorageError> {
        self.connection().batch_execute("COMMIT").await?;
        drop(self.connection.take());
        Ok(())
    }

    fn connection(&self) -> &Object {
        self.connection
            .as_ref()
            .expect("only commit and drop take the connection")
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            drop(Object::take(connection));
        }
    }
}

impl Execute for Tx {
    async fn query(&self, statement: &'static str, params: &[Param<'_>]) -> Result<Vec<Row>, StorageError> {
        query(self.connection(), self.statements, statement, params).await
    }

    async fn execute(&self, statement: &'static str, params: &[Param<'_>]) -> Result<u64, StorageError> {
        execute(self.connection(), self.statements, statement, params).await
    }
}

async fn query(
    connection: &Object,
    mode: Statements,
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<Vec<Row>, StorageError> {
    Ok(match mode {
        Statements::Prepared => {
            let (values, types) = split(params);
            let prepared = connection.prepare_typed_cached(statement, &types).await?;
            connection.query(&prepared, &values).await?
        }
        Statements::Typed => connection.query_typed(statement, params).await?,
    })
}

async fn execute(
    connection: &Object,
    mode: Statements,
    statement: &'static str,
    params: &[Param<'_>],
) -> Result<u64, StorageError> {
    Ok(match mode {
        Statements::Prepared => {
            let (values, types) = split(params);
            let prepared = connection.prepare_typed_cached(statement, &types).await?;
            connection.execute(&prepared, &values).await?
        }
        Statements::Typed => connection.execute_typed(statement, params).await?,
    })
}

fn split<'a>(params: &[Param<'a>]) -> (Vec<&'a (dyn ToSql + Sync)>, Vec<Type>) {
    params.iter().map(|(value, kind)| (*value, kind.clone())).unzip()
}
