//! What is true whatever the transport: users, clients, sessions, tokens and keys as values and rules.
//! Knows neither the wire nor the database, and does nothing that waits.

pub mod authorization;
pub mod browser_session;
pub mod client;
pub mod consent;
pub mod device_name;
pub mod eligibility;
pub mod email;
pub mod federation;
pub mod grant;
pub mod ids;
pub mod imported_user;
pub mod key_schedule;
pub mod key_state;
pub mod logout_delivery;
pub mod mac;
pub mod mail;
pub mod mailed_link;
pub mod one_time_token;
pub mod password;
pub mod refresh_token;
pub mod resource;
pub mod retry;
pub mod secret;
pub mod session_token;
pub mod signing_choice;
pub mod signing_key;
pub mod status_blocks;
pub mod status_list;
pub mod subject;
pub mod user;
