//! All SQL. One statement a function, a constant right above it, listed in the file's `STATEMENTS`; guards
//! live in the statement, never in a read before a write. Knows no HTTP and no protocol.

pub mod clients;
pub mod database_url;
pub mod embedded;
mod error;
mod execute;
pub mod keys;
mod lease;
pub mod migrate;
pub mod pool;
pub mod resources;
pub mod revisions;
mod tls;

pub use error::StorageError;
pub use execute::{Db, Execute, Param, Statements, Tx};
