//! Signing in through other providers: a second Signet, and what strangers wrote.

mod accounts;
mod better_auth;
mod pages;
pub(crate) mod pair;
mod states;
