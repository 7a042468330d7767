//! Why the database did not do what was asked, or cannot be found.

use std::error::Error;
use std::fmt;

use tokio_postgres::error::SqlState;

/// A failure of storage. Answers that a statement is made to give (spent, unknown, taken) are outcomes, not errors.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection was to be had in time, or it broke: a 503 for whoever asked.
    #[error("the database is not reachable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// The database refused the statement.
    #[error("the database refused a statement")]
    Database(#[source] Refused),
    /// A statement of the transaction failed before, so there is nothing that could be committed.
    #[error("the transaction cannot be committed: one of its statements failed")]
    Aborted,
    /// A pooler handed the session to someone else between preparing a statement and running it.
    #[error("prepared statements get lost on the way: behind a pooler set database.statements = \"typed\"")]
    PreparedStatementLost(#[source] tokio_postgres::Error),
    /// A stored row fits no state that the program knows.
    #[error("{table}.{column} of {id} holds what no version of this program writes")]
    Inconsistent {
        /// The table of the row.
        table: &'static str,
        /// The column that does not fit.
        column: &'static str,
        /// The row's key; never a secret.
        id: String,
    },
}

impl StorageError {
    /// Whether a later try may succeed by itself.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Class 57P is the server going away, 53 its running out of connections or memory, 08 a broken
        // connection; 25006 is a standby that was the primary a moment ago; 40 a transaction that lost against
        // another one.
        let transient = error.is_closed()
            || error.code().is_none() && error.source().is_some_and(|cause| cause.is::<std::io::Error>())
            || error.code().is_some_and(|state| {
                let code = state.code();
                code.starts_with("57P")
                    || code.starts_with("53")
                    || code.starts_with("08")
                    || code.starts_with("40")
                    || code == "25006"
                    || code == "57014"
            });
        if transient {
            return Self::Unavailable(Box::new(Refused(error)));
        }
        match error.code() {
            Some(&SqlState::INVALID_SQL_STATEMENT_NAME | &SqlState::DUPLICATE_PSTATEMENT) => {
                Self::PreparedStatementLost(error)
            }
            _ => Self::Database(Refused(error)),
        }
    }
}

/// What the server said, without its `DETAIL`: that quotes the row, with addresses and hashes, and every error is
/// logged with its sources.
pub struct Refused(tokio_postgres::Error);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(error) = self.0.as_db_error() else {
            return self.0.fmt(f);
        };
        write!(
            f,
            "{}: {} ({}",
            error.severity(),
            error.message(),
            error.code().code()
        )?;
        for (what, name) in [("table", error.table()), ("constraint", error.constraint())] {
            if let Some(name) = name {
                write!(f, ", {what} {name}")?;
            }
        }
        f.write_str(")")
    }
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The server's own error is the one with the detail.
        self.0.as_db_error().is_none().then(|| self.0.source())?
    }
}

impl From<deadpool_postgres::PoolError> for StorageError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        // Also a refused password or certificate: no connection was to be had, and the log has the source.
        Self::Unavailable(Box::new(error))
    }
}

/// What is wrong with a database URL. Never tells the URL itself, which holds a password.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseUrlError {
    /// Another scheme, or libpq's `key=value` form.
    #[error("the database URL must start with postgres:// or postgresql://")]
    Scheme,
    /// A parameter that is unknown, or has a value that it cannot have.
    #[error("the database URL is not understood")]
    Syntax(#[source] tokio_postgres::Error),
    /// A TLS parameter has a value that it cannot have.
    #[error("{parameter} in the database URL cannot be that; it is one of {expected}")]
    Value {
        /// The parameter's name.
        parameter: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// `verify-ca` without an authority, or with the system's, would trust every certificate on earth.
    #[error(
        "sslmode={0} in the database URL needs sslrootcert=FILE, the authority that signs the server's certificate"
    )]
    NoRootCertificate(&'static str),
    /// The system's authorities vouch for names only.
    #[error("sslrootcert=system in the database URL needs sslmode=verify-full")]
    SystemNeedsFull,
    /// A certificate or key file is missing or holds something else.
    #[error("the file that {parameter} in the database URL names cannot be used")]
    File {
        /// The parameter's name.
        parameter: &'static str,
        /// What went wrong.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// OpenSSL failed by itself.
    #[error("TLS cannot be set up")]
    Tls(#[from] openssl::error::ErrorStack),
}
