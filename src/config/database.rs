//! `[database]`

use std::path::PathBuf;

use super::reader::Reader;
use super::setting::words;
use crate::domain::secret::Secret;

/// Where data rests.
#[derive(Debug, Clone)]
pub struct Database {
    /// In libpq's form; `None` is a private PostgreSQL in `data_dir`.
    pub url: Option<Secret>,
    /// The same database past a pooler, for migrations; `None` is `url`.
    pub direct_url: Option<Secret>,
    /// The most connections that are open at once.
    pub pool_size: usize,
    /// How statements reach the server.
    pub statements: Statements,
    /// Whether `serve` brings the schema up to date by itself.
    pub auto_migrate: bool,
    /// Where the private PostgreSQL keeps its files.
    pub data_dir: PathBuf,
    /// The folder of the server's programs, for the private PostgreSQL; `None` is to look for them.
    pub bin_dir: Option<PathBuf>,
}

words! {
    /// How statements reach the server.
    Statements: "\"prepared\", or \"typed\" behind a pooler in transaction mode" {
        /// Prepared once a connection.
        Prepared = "prepared",
        /// Sent whole each time, with the types of the parameters: what works behind a transaction pooler.
        Typed = "typed",
    }
}

impl Database {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let database = Self {
            url: reader.secret("database.url"),
            direct_url: reader.secret("database.direct_url"),
            pool_size: reader.value("database.pool_size", "16"),
            statements: reader.value("database.statements", "prepared"),
            auto_migrate: reader.value("database.auto_migrate", "true"),
            data_dir: reader.value("database.data_dir", ".signet/postgres"),
            bin_dir: reader.optional("database.bin_dir"),
        };
        reader.within("database.pool_size", &database.pool_size, 1..=1000);
        reader.check(
            "database.direct_url",
            database.url.is_some() || database.direct_url.is_none(),
            "is given without database.url; set that one, or both",
        );
        database
    }
}
