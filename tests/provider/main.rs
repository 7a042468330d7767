//! The provider from outside, on real parts.

#[path = "../support/mod.rs"]
mod support;

mod access_tokens;
mod authorization_codes;
mod authorize;
mod bad_input;
mod browser;
mod client_auth;
mod client_credentials;
mod clients;
mod code_flow;
mod commands;
mod connections;
mod consent;
mod cookies;
mod cors;
mod crash;
mod csrf;
mod discovery;
mod documents;
mod eligibility;
mod growth;
mod introspection;
mod jobs;
mod jwks;
mod keys;
mod lockout;
mod login;
mod logout;
mod logs;
mod packaging;
mod pages;
mod prompts;
mod reads;
mod redirect_uris;
mod refresh;
mod refresh_families;
mod resource_servers;
mod revocation;
mod secrets;
mod sessions;
mod signup;
mod storage;
mod token_endpoint;
mod userinfo;
