//! What the protocols say. Knows no HTTP, no SQL and no cryptographic library; owns transactions.

pub mod authorize;
pub mod client_auth;
pub mod clients;
pub mod consent;
pub mod demo;
pub mod discovery;
pub mod end_session;
pub mod health;
pub mod introspect;
pub mod issue;
pub mod keys;
pub mod limits;
pub mod login;
pub mod operator_sessions;
pub mod provider;
pub mod refusal;
pub mod registry;
pub mod resources;
pub mod revoke;
pub mod sessions;
pub mod signing_choice;
pub mod signup;
pub mod targets;
pub mod token;
pub mod userinfo;
pub mod users;
