//! What HTTP says. Knows neither SQL nor keys.

mod admission;
pub mod better_auth;
pub mod body;
mod client_address;
mod cookie_names;
mod cookies;
mod cors;
mod csrf;
pub mod dev;
mod entrance;
mod error;
pub mod fields;
pub mod listen;
mod metadata_cache;
mod oauth;
pub mod ops;
mod page_policy;
pub mod pages;
mod public_addresses;
mod redirect;
mod request_id;
mod request_metrics;
mod root_span;
mod routes;
mod security_headers;
mod site;
mod visitor;

pub use better_auth::BetterAuthSettings;
pub use site::{Site, SiteSettings};
