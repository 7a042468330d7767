//! Storage on a real PostgreSQL.

mod execute;
mod migrate;
mod statements;
