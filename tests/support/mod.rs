//! What the tests share. Each integration binary includes it as `mod support`.

pub mod app;
pub mod browser;
pub mod cluster;
pub mod database;
pub mod grants;
pub mod identity;
pub mod jar;
pub mod node;
pub mod programs;
pub mod responses;
pub mod smtp;
pub mod softhsm;
pub mod tokens;
pub mod upstream;

pub use database::database;
