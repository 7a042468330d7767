//! The standards' vocabulary, pure: every name here is spelled as an RFC spells it, and parsing is the only
//! way to get one.

pub mod auth_method;
pub mod error_code;
pub mod grant_type;
pub mod pkce;
pub mod prompt;
pub mod redirect_uri;
pub mod response;
pub mod scope;
pub mod signing_algorithm;
