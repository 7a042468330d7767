//! The JWS algorithms that tokens are signed with (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).

use serde::{Deserialize, Serialize};

/// An `alg` that a key of ours has. A key has one, for life: even `EdDSA` and `Ed25519`, which sign the same
/// way, are two sets of keys, so that a key's tokens say in their header what its JWK says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SigningAlgorithm {
    /// Ed25519 by the name that verifiers know it by (RFC 8037 §3.1).
    #[serde(rename = "EdDSA")]
    EdDsa,
    /// Ed25519 by its own name (RFC 9864 §2.2), for verifiers that take the name for the curve.
    #[serde(rename = "Ed25519")]
    Ed25519,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    #[serde(rename = "ES256")]
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, which every OpenID client must know (OpenID Connect Core 1.0 §15.1).
    #[serde(rename = "RS256")]
    Rs256,
    /// RSASSA-PSS with SHA-256 (RFC 7518 §3.5).
    #[serde(rename = "PS256")]
    Ps256,
}

impl SigningAlgorithm {
    /// Every algorithm, in the order of the metadata.
    pub const ALL: [Self; 5] = [Self::EdDsa, Self::Ed25519, Self::Es256, Self::Rs256, Self::Ps256];

    /// Those whose keys every issuer has: what access tokens are signed with unless their audience asks
    /// otherwise, and what OpenID Connect Discovery 1.0 §3 demands.
    pub const ALWAYS: [Self; 2] = [Self::EdDsa, Self::Rs256];

    /// The `alg` value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    /// Reads an `alg` value; `None` for one that no key of ours has.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|alg| alg.as_str() == text)
    }
}

/// Some of the algorithms, in the order of [`SigningAlgorithm::ALL`]. There are 32 such sets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct AlgorithmSet(u8);

impl AlgorithmSet {
    /// How many sets there are.
    pub const COUNT: usize = 1 << SigningAlgorithm::ALL.len();

    /// Whether `algorithm` is in it.
    pub const fn contains(self, algorithm: SigningAlgorithm) -> bool {
        self.0 & (1 << algorithm as u8) != 0
    }

    /// Puts `algorithm` into it.
    pub const fn insert(&mut self, algorithm: SigningAlgorithm) {
        self.0 |= 1 << algorithm as u8;
    }

    /// What is in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Its algorithms, in their order.
    pub fn iter(self) -> impl Iterator<Item = SigningAlgorithm> {
        SigningAlgorithm::ALL
            .into_iter()
            .filter(move |algorithm| self.contains(*algorithm))
    }

    /// Whether there is none in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its number among all sets: less than [`COUNT`](Self::COUNT).
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

impl FromIterator<SigningAlgorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = SigningAlgorithm>>(algorithms: I) -> Self {
        let mut set = Self::default();
        for algorithm in algorithms {
            set.insert(algorithm);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_holds_what_was_put_in_once_and_in_order() {
        use SigningAlgorithm::{EdDsa, Es256, Ps256};
        let set: AlgorithmSet = [Ps256, EdDsa, Ps256].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [EdDsa, Ps256]);
        assert!(set.contains(EdDsa) && !set.contains(Es256));
        let all: AlgorithmSet = SigningAlgorithm::ALL.into_iter().collect();
        assert_eq!(all.index(), AlgorithmSet::COUNT - 1);
        assert!(AlgorithmSet::default().is_empty() && !set.is_empty());
        assert_eq!(AlgorithmSet::default().iter().count(), 0);
    }

    #[test]
    fn every_algorithm_is_written_read_and_stored_by_its_registered_name() {
        for algorithm in SigningAlgorithm::ALL {
            assert_eq!(SigningAlgorithm::parse(algorithm.as_str()), Some(algorithm));
            let stored = serde_json::to_value(algorithm).expect("JSON");
            assert_eq!(stored, algorithm.as_str());
            assert_eq!(serde_json::from_value(stored).ok(), Some(algorithm));
        }
        for other in ["", "none", "eddsa", "HS256", "Ed448", "ES384", "RS256 "] {
            assert_eq!(SigningAlgorithm::parse(other), None, "{other}");
        }
        let mut sorted = SigningAlgorithm::ALL;
        sorted.sort_unstable();
        assert_eq!(sorted, SigningAlgorithm::ALL, "the order of the enum");
    }
}
