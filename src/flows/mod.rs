//! What the protocols say. Knows no HTTP, no SQL and no cryptographic library; owns transactions.

pub mod clients;
pub mod demo;
pub mod keys;
pub mod limits;
pub mod provider;
pub mod registry;
pub mod resources;
