//! The provider from outside, on real parts.

#[path = "../support/mod.rs"]
mod support;

mod access_tokens;
mod authorization_codes;
mod authorize;
mod browser;
mod client_auth;
mod client_credentials;
mod clients;
mod client_auth;
mod client_credentials;
mod code_flow;
mod commands;
mod jobs;
mod cors;
mod introspection;
mod keys;
mod lockout;
mod login;
mod packaging;
mod prompts;
mod redirect_uris;
mod refresh_families;
mod resource_servers;
mod signup;
mod refresh;
mod refresh_families;
mod revocation;
mod storage;
mod token_endpoint;
mod userinfo;
