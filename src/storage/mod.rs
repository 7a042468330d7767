//! All SQL. One statement a function, a constant right above it, listed in the file's `STATEMENTS`; guards
//! live in the statement, never in a read before a write. Knows no HTTP and no protocol.

pub mod access_tokens;
pub mod accounts;
pub mod authorization_codes;
pub mod authorization_requests;
pub mod better_auth_database;
pub mod client_assertion_jtis;
pub mod clients;
pub mod consents;
pub mod database_url;
pub mod embedded;
mod error;
pub mod events;
mod execute;
pub mod exports;
pub mod federation_attempts;
mod grants;
pub mod identities;
pub mod imports;
pub mod keys;
mod last_use;
mod lease;
pub mod limit_counters;
pub mod logins;
pub mod logout_deliveries;
pub mod mailed_links;
pub mod migrate;
pub mod nodes;
pub mod one_time_tokens;
pub mod outgoing_mails;
pub mod pool;
pub mod resources;
pub mod revisions;
pub mod server_time;
pub mod sessions;
pub mod status_blocks;
pub mod status_lists;
mod tls;
pub mod token_families;
pub mod users;

pub use error::{DatabaseUrlError, StorageError};
pub use execute::{Db, Execute, Param, Statements, Tx};
