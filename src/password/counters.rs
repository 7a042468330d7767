//! What was done, counted across the threads.

use std::sync::atomic::AtomicU64;

/// What was done, for metrics and for tests.
#[derive(Default)]
pub(super) struct Counters {
    pub(super) hashes: AtomicU64,
    pub(super) filled_kib: AtomicU64,
    pub(super) shed: AtomicU64,
    pub(super) skipped: AtomicU64,
}
