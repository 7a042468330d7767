//! The protocol endpoints: each reads a request, asks its flow, and writes the answer.

pub mod authorize;
mod client_credentials;
mod document;
pub mod introspect;
pub mod jwks;
pub mod logout;
pub mod metadata;
pub mod revoke;
pub mod status_list;
pub mod token;
pub mod userinfo;
