//! What the tests share. Each integration binary includes it as `mod support`.

pub mod cluster;
pub mod database;
pub mod grants;

pub use database::database;
