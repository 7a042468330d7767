//! Storage on a real PostgreSQL.

mod embedded;
mod execute;
mod migrate;
mod statements;
