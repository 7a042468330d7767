//! Why the database did not do what was asked.

use tokio_postgres::error::SqlState;

/// A failure of storage. Answers that a statement is made to give (spent, unknown, taken) are outcomes, not errors.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// No connection was to be had in time, or it broke: a 503 for whoever asked.
    #[error("the database is not reachable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The database refused the statement.
    #[error("the database refused a statement")]
    Database(#[source] tokio_postgres::Error),
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
    /// The name of the violated constraint, if that is what went wrong. Compare it with a named constraint
    /// of the migrations to make a domain answer of it.
    pub fn violated_constraint(&self) -> Option<&str> {
        match self {
            Self::Database(error) => {
                let error = error.as_db_error()?;
                let violated = matches!(
                    *error.code(),
                    SqlState::UNIQUE_VIOLATION | SqlState::FOREIGN_KEY_VIOLATION | SqlState::CHECK_VIOLATION
                );
                if violated { error.constraint() } else { None }
            }
            _ => None,
        }
    }

    /// Whether a later try may succeed by itself.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }
}

impl From<tokio_postgres::Error> for StorageError {
    fn from(error: tokio_postgres::Error) -> Self {
        // Class 57P is the server going away, 53 its running out of connections or memory, 08 a broken
        // connection; 25006 is a standby that was the primary a moment ago.
        let transient = error.is_closed()
            || error.code().is_none()
                && std::error::Error::source(&error).is_some_and(|cause| cause.is::<std::io::Error>())
            || error.code().is_some_and(|state| {
                let code = state.code();
                code.starts_with("57P")
                    || code.starts_with("53")
                    || code.starts_with("08")
                    || code == "25006"
                    || code == "57014"
            });
        if transient {
            Self::Unavailable(Box::new(error))
        } else {
            Self::Database(error)
        }
    }
}

impl From<deadpool_postgres::PoolError> for StorageError {
    fn from(error: deadpool_postgres::PoolError) -> Self {
        match error {
            deadpool_postgres::PoolError::Backend(error) => Self::from(error),
            other => Self::Unavailable(Box::new(other)),
        }
    }
}
