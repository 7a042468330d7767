//! The master keys: several may be known at once, so that keys can be encrypted anew while the servers serve. The
//! first wraps new keys.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::jose::MasterKeyFileError;
use crate::jose::wrap::MasterKey;

/// Reads them from where the operator keeps them.
pub type ReadMasters = Arc<dyn Fn() -> Result<Vec<MasterKey>, MasterKeyFileError> + Send + Sync>;

/// The master keys as last read.
pub struct Masters {
    known: ArcSwap<Vec<MasterKey>>,
    read: Option<ReadMasters>,
}

impl Masters {
    /// The master keys, and what reads them again if they can change.
    pub fn new(known: Vec<MasterKey>, read: Option<ReadMasters>) -> Self {
        Self {
            known: ArcSwap::from_pointee(known),
            read,
        }
    }

    /// Those that are known.
    pub fn known(&self) -> Arc<Vec<MasterKey>> {
        self.known.load_full()
    }

    /// Reads them again; what cannot be read leaves the known ones.
    pub async fn read_again(&self) {
        let Some(read) = self.read.clone() else { return };
        let outcome = tokio::task::spawn_blocking(move || read()).await;
        match outcome.expect("reading a file neither panics nor is aborted") {
            Ok(masters) => self.known.store(Arc::new(masters)),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(
                    error,
                    "the master keys could not be read again: the known ones stay"
                );
            }
        }
    }
}

impl fmt::Debug for Masters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masters")
    }
}
