//! Storage on a real PostgreSQL.

mod embedded;
mod execute;
mod migrate;
mod pooler;
pub mod process;
mod statements;
mod tls;
