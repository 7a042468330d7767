//! `[keys]`

use std::path::PathBuf;
use std::time::Duration;

use super::pkcs11::{self, KeyLocation, Pkcs11};
use super::reader::Reader;
use crate::domain::secret::Secret;
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

/// The signing keys and what wraps them.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Where the master key comes from.
    pub master_key: MasterKeySource,
    /// Where new signing keys are made.
    pub location: KeyLocation,
    /// The token that has keys, or is to have.
    pub pkcs11: Option<Pkcs11>,
    /// The algorithms that the issuer has keys for.
    pub algorithms: AlgorithmSet,
    /// How long a key signs.
    pub rotation_interval: Duration,
    /// How long verifiers may cache the JWKS.
    pub jwks_max_age: Duration,
    /// How far clocks of nodes and verifiers may differ.
    pub clock_skew: Duration,
    /// How often a node looks whether keys, clients or resources changed.
    pub poll_interval: Duration,
    /// The least time between publishing a key and signing with it, on top of what caches need.
    pub min_announce: Duration,
    /// A node that could not read the key set for so long stops serving it.
    pub max_partition: Duration,
}

/// Where `signet init` makes the master key.
const DEFAULT_MASTER_KEY_FILE: &str = "keys/master.key";

/// Where the master key comes from. The file is read, and in development made, by its owner.
#[derive(Debug, Clone)]
pub enum MasterKeySource {
    /// 32 bytes in standard base64.
    Value(Secret),
    /// The file that holds them.
    File(PathBuf),
}

impl Keys {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let value = reader.secret_text("keys.master_key");
        let file: Option<PathBuf> = reader.optional_over("keys.master_key_file", DEFAULT_MASTER_KEY_FILE);
        reader.not_both("keys.master_key", value.is_some() && file.is_some());
        let (location, pkcs11) = pkcs11::read(reader);
        let keys = Self {
            master_key: match value {
                Some(value) => MasterKeySource::Value(value),
                None => MasterKeySource::File(file.unwrap_or_else(|| DEFAULT_MASTER_KEY_FILE.into())),
            },
            location,
            pkcs11,
            algorithms: algorithms(reader),
            rotation_interval: reader.value("keys.rotation_interval", "30d"),
            jwks_max_age: reader.value("keys.jwks_max_age", "5m"),
            clock_skew: reader.value("keys.clock_skew", "60s"),
            poll_interval: reader.value("keys.poll_interval", "1s"),
            min_announce: reader.value("keys.min_announce", "24h"),
            max_partition: reader.value("keys.max_partition", "12h"),
        };
        reader.lasts("keys.rotation_interval", keys.rotation_interval, "1s", "10years");
        reader.lasts("keys.jwks_max_age", keys.jwks_max_age, "0s", "7d");
        reader.lasts("keys.clock_skew", keys.clock_skew, "0s", "10m");
        reader.lasts("keys.poll_interval", keys.poll_interval, "10ms", "60s");
        reader.lasts("keys.min_announce", keys.min_announce, "0s", "1year");
        reader.lasts("keys.max_partition", keys.max_partition, "1s", "1year");
        keys
    }

    /// What the operator should know of a short `min_announce`: a key that a node has not seen may sign that soon, so
    /// the node must not serve for longer without the database, caches included.
    pub(super) fn cut_partition(&self) -> Option<String> {
        let cached = self.jwks_max_age * 2 + self.clock_skew;
        let left = self.min_announce.saturating_sub(cached).max(self.poll_interval);
        (left < self.max_partition).then(|| {
            format!(
                "keys.max_partition is cut to {}, which is what keys.min_announce leaves: a node that cannot read the \
                 keys for longer stops serving them",
                humantime::format_duration(left)
            )
        })
    }
}

/// What is always there is named too, so that the list says all that there is.
fn algorithms(reader: &mut Reader) -> AlgorithmSet {
    const NAME: &str = "keys.algorithms";
    let named: Vec<SigningAlgorithm> = reader.list_over(NAME, "[\"EdDSA\", \"RS256\"]");
    if named.is_empty() {
        return SigningAlgorithm::ALWAYS.into_iter().collect();
    }
    reader.check(
        NAME,
        named.contains(&SigningAlgorithm::EdDsa),
        "must contain \"EdDSA\": access tokens are signed with it unless their audience asks otherwise",
    );
    reader.check(
        NAME,
        named.contains(&SigningAlgorithm::Rs256),
        "must contain \"RS256\": every OpenID client may rely on it (OpenID Connect Discovery §3)",
    );
    named.into_iter().collect()
}
