//! The rows of all keys, and the sets that they form.

use crate::domain::key_schedule::KeySet;
use crate::domain::mac::MacPurpose;
use crate::domain::signing_key::{StoredMacKey, StoredSigningKey};
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};
use crate::storage::keys::{list_mac_keys, list_signing_keys};
use crate::storage::{Execute, StorageError};

use super::Lifetimes;

/// A set of keys that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SetName {
    /// The signing keys of one algorithm.
    Signing(SigningAlgorithm),
    /// The MAC keys of one purpose.
    Mac(MacPurpose),
}

impl SetName {
    /// The algorithm, or the purpose.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signing(algorithm) => algorithm.as_str(),
            Self::Mac(purpose) => purpose.as_str(),
        }
    }

    /// What its `id` of the schedule is called outside: a `kid`, or `purpose/version`.
    pub fn outer_id(self, id: &str) -> String {
        match self {
            Self::Signing(_) => id.to_owned(),
            Self::Mac(purpose) => format!("{}/{id}", purpose.as_str()),
        }
    }
}

/// All keys as they rest.
pub(super) struct Rows {
    pub(super) signing: Vec<StoredSigningKey>,
    pub(super) mac: Vec<StoredMacKey>,
}

impl Rows {
    pub(super) async fn read(db: &impl Execute) -> Result<Self, StorageError> {
        Ok(Self {
            signing: list_signing_keys(db).await?,
            mac: list_mac_keys(db).await?,
        })
    }

    /// The set of each purpose and each algorithm: those that have keys, which somebody may have chosen, and those
    /// that shall have.
    pub(super) fn sets(&self, algorithms: AlgorithmSet) -> Vec<(SetName, KeySet)> {
        let signing = SigningAlgorithm::ALL.into_iter().filter_map(|algorithm| {
            let keys = self.signing.iter().filter(|key| key.algorithm == algorithm);
            let times: Vec<_> = keys.map(StoredSigningKey::times).collect();
            (algorithms.contains(algorithm) || !times.is_empty())
                .then(|| (SetName::Signing(algorithm), KeySet::new(times)))
        });
        let mac = MacPurpose::ALL.into_iter().map(|purpose| {
            let keys = self.mac.iter().filter(|key| key.purpose == purpose);
            let times = keys.map(StoredMacKey::times).collect();
            (SetName::Mac(purpose), KeySet::new(times))
        });
        signing.chain(mac).collect()
    }

    /// Whether a key says that what it makes lives shorter than it may.
    pub(super) fn live_shorter_than(&self, lifetimes: &Lifetimes) -> bool {
        let signing = self.signing.iter().filter(|key| key.retired_at.is_none());
        let mac = self.mac.iter().filter(|key| key.retired_at.is_none());
        signing
            .map(|key| key.max_lifetime)
            .any(|known| known < lifetimes.signed)
            || mac
                .filter_map(|key| Some((key.max_lifetime, lifetimes.of(key.purpose)?)))
                .any(|(known, lifetime)| known.is_none_or(|known| known < lifetime))
    }
}
