//! The life of keys (`domain::key_schedule`) against a model of the world in virtual time: three nodes whose clocks
//! differ, which crash and lose the database; every cache that could hold a JWKS; operators who do as they please.
//!
//! - [`history`]: what happens in one world, drawn at random.
//! - [`world`]: how it happens: the real functions on rows that all nodes share, and what must hold throughout.
//! - [`copies`]: the JWKS copies that caches may hold. Not some caches at random times: all that there could be.
//! - [`ledger`]: what was signed and what may be forged, and until when it must or may be accepted.
//! - [`peers`]: how others do it. The same histories must find them out, or they prove nothing.

mod copies;
mod history;
mod ledger;
mod peers;
mod properties;
mod world;
