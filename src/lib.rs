//! Signet, a standalone OpenID provider: signup, login, OAuth 2.1 and OpenID Connect, short-lived EdDSA
//! access tokens and rotating refresh tokens. `docs/architecture.md` draws the floors.

pub mod cli;
pub mod clock;
pub mod config;
pub mod domain;
pub mod flows;
pub mod http;
pub mod jobs;
pub mod jose;
pub mod mail;
pub mod oauth;
pub mod outbound;
pub mod password;
pub mod random;
pub mod server;
pub mod storage;
pub mod telemetry;
pub mod upstream;
