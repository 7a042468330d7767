//! What HTTP says. Knows neither SQL nor keys.

pub mod dev;
pub mod pages;
