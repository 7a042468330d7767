//! The provider from outside, on real parts.

#[path = "../support/mod.rs"]
mod support;

mod keys;
mod storage;
