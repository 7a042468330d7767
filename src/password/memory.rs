//! The memory that passwords are hashed in.

use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use argon2::{Argon2, Block};

use super::counters::Counters;

/// The working memory of one thread, made when it is first used and used again for every hash: taking it from
/// the system anew costs up to a third of the time of a hash. It is not wiped in between; the next hash
/// overwrites it.
pub(super) struct Memory {
    blocks: Vec<Block>,
    kept: usize,
    counters: Arc<Counters>,
}

impl Memory {
    pub(super) const fn new(kept_blocks: usize, counters: Arc<Counters>) -> Self {
        Self {
            blocks: Vec::new(),
            kept: kept_blocks,
            counters,
        }
    }

    /// Fills `output` from a password.
    pub(super) fn derive(
        &mut self,
        argon2: &Argon2<'_>,
        password: &str,
        salt: &[u8],
        output: &mut [u8],
    ) -> Result<(), OutOfMemory> {
        let wanted = argon2.params().block_count().max(self.kept);
        if let Some(missing) = wanted.checked_sub(self.blocks.len()) {
            self.blocks.try_reserve_exact(missing)?;
            prefer_huge_pages(self.blocks.spare_capacity_mut());
            self.blocks.resize(wanted, Block::new());
        }
        let started = Instant::now();
        argon2
            .hash_password_into_with_memory(password.as_bytes(), salt, output, &mut self.blocks)
            .expect("salt and output have lengths that the format allows, and the memory suffices");
        metrics::histogram!("signet_password_hash_seconds").record(started.elapsed());
        let filled = u64::from(argon2.params().m_cost()) * u64::from(argon2.params().t_cost());
        self.counters.hashes.fetch_add(1, Ordering::Relaxed);
        self.counters.filled_kib.fetch_add(filled, Ordering::Relaxed);
        if self.blocks.len() > self.kept {
            // A hash of costlier days. It is replaced at this login, so its memory is not wanted again soon.
            self.blocks.truncate(self.kept);
            self.blocks.shrink_to_fit();
        }
        Ok(())
    }

    /// Counts a hash of another scheme, which takes its memory from the system.
    pub(super) fn count_foreign(&self, took: Duration) {
        metrics::histogram!("signet_password_hash_seconds").record(took);
        self.counters.hashes.fetch_add(1, Ordering::Relaxed);
    }

    /// What is held, in blocks of 1 KiB.
    #[cfg(test)]
    pub(super) const fn held_blocks(&self) -> usize {
        self.blocks.capacity()
    }
}

/// Asks for huge pages below memory that nothing has touched yet: argon2 reads it in no order, and with small pages a
/// hash takes a thirtieth longer. Where the system has none to give, all is as before.
fn prefer_huge_pages(untouched: &mut [MaybeUninit<Block>]) {
    // SAFETY: sysconf has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let bytes = size_of_val(untouched);
    let start = untouched.as_mut_ptr().cast::<u8>();
    // The pages that lie in it as a whole: those at its ends are shared with other memory.
    let before = start.align_offset(page);
    let whole = bytes.saturating_sub(before) / page * page;
    if whole > 0 {
        // SAFETY: the range lies in memory that we hold alone, and the advice changes nothing that is in it.
        unsafe { libc::madvise(start.wrapping_add(before).cast(), whole, libc::MADV_HUGEPAGE) };
    }
}

/// The system gave no memory to hash in.
#[derive(Debug, thiserror::Error)]
#[error("there is no memory to hash in")]
pub(super) struct OutOfMemory(#[source] Option<TryReserveError>);

impl From<TryReserveError> for OutOfMemory {
    fn from(error: TryReserveError) -> Self {
        Self(Some(error))
    }
}

impl OutOfMemory {
    /// Of whoever does not say why.
    pub(super) const fn new() -> Self {
        Self(None)
    }
}
