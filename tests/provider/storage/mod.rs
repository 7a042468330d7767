//! Storage on a real PostgreSQL.

mod embedded;
mod execute;
mod migrate;
mod pooler;
mod process;
mod statements;
mod tls;
