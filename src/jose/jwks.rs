//! Public keys as JWK (RFC 7517) and the JWKS that we publish. The types have no private member, so none
//! can be published by mistake.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

/// The public members of a key that we sign with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kty")]
pub enum PublicKey {
    /// An Ed25519 key (RFC 8037 §2).
    #[serde(rename = "OKP")]
    Okp {
        /// The curve.
        crv: OkpCurve,
        /// The public key, base64url.
        x: String,
    },
    /// A key on P-256 (RFC 7518 §6.2.1).
    #[serde(rename = "EC")]
    Ec {
        /// The curve.
        crv: EcCurve,
        /// The x coordinate, 32 bytes in base64url.
        x: String,
        /// The y coordinate, 32 bytes in base64url.
        y: String,
    },
    /// An RSA key (RFC 7518 §6.3.1).
    #[serde(rename = "RSA")]
    Rsa {
        /// The modulus, base64url.
        n: String,
        /// The exponent, base64url.
        e: String,
    },
}

/// The curves that Edwards keys of ours are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum OkpCurve {
    /// Edwards curve 25519.
    Ed25519,
}

/// The curves that elliptic curve keys of ours are on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EcCurve {
    /// NIST P-256.
    #[serde(rename = "P-256")]
    P256,
}

/// A public key with its name and use, as it stands in the JWKS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    /// The key itself.
    #[serde(flatten)]
    pub key: PublicKey,
    /// The name that tokens call it by.
    pub kid: String,
    /// Its one algorithm.
    pub alg: SigningAlgorithm,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: &'static str,
}

impl PublicJwk {
    /// A key named by its thumbprint (RFC 7638).
    pub fn new(key: PublicKey, algorithm: SigningAlgorithm) -> Self {
        Self::named(key.thumbprint(), key, algorithm)
    }

    /// A key that already has a name.
    pub fn named(kid: String, key: PublicKey, algorithm: SigningAlgorithm) -> Self {
        Self {
            key,
            kid,
            alg: algorithm,
            usage: "sig",
        }
    }
}

/// The JWKS as it is sent: made once, then only copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedJwks {
    /// The JSON document.
    pub body: Bytes,
    /// Its strong entity tag, quotes included (RFC 9110 §8.8.3).
    pub etag: String,
}

impl PublishedJwks {
    /// The document of these keys, in this order.
    pub fn new(keys: &[&PublicJwk]) -> Self {
        #[derive(Serialize)]
        struct Jwks<'a> {
            keys: &'a [&'a PublicJwk],
        }
        let body = serde_json::to_vec(&Jwks { keys }).expect("texts alone always serialise");
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        Self {
            body: body.into(),
            etag,
        }
    }
}

/// One set of published keys, whole and in parts. A part is made when it is first asked for; there are so few
/// that no stranger can fill the memory with them.
#[derive(Debug)]
pub struct JwksViews {
    keys: Vec<PublicJwk>,
    whole: PublishedJwks,
    parts: Box<[OnceLock<PublishedJwks>; AlgorithmSet::COUNT]>,
}

impl JwksViews {
    /// The views of these keys, which stand in this order in each.
    pub fn new(keys: Vec<PublicJwk>) -> Self {
        Self {
            whole: PublishedJwks::new(&keys.iter().collect::<Vec<_>>()),
            keys,
            parts: Box::new([const { OnceLock::new() }; AlgorithmSet::COUNT]),
        }
    }

    /// All keys.
    pub const fn whole(&self) -> &PublishedJwks {
        &self.whole
    }

    /// The keys of `algorithms` alone; none where none of them has any.
    pub fn of(&self, algorithms: AlgorithmSet) -> &PublishedJwks {
        self.parts[algorithms.index()].get_or_init(|| {
            let keys = self.keys.iter().filter(|key| algorithms.contains(key.alg));
            PublishedJwks::new(&keys.collect::<Vec<_>>())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Seed, generate};
    use crate::random::SeededRandom;

    #[test]
    fn a_view_has_the_keys_of_its_algorithms_in_their_order_and_is_made_once() {
        use SigningAlgorithm::{Ed25519, EdDsa, Es256};
        let keys: Vec<_> = [Es256, EdDsa, Es256, Ed25519]
            .iter()
            .zip(1..)
            .map(|(algorithm, seed)| {
                let seed = Seed::draw(&SeededRandom::new(seed));
                generate(*algorithm, &seed).expect("a key").public_jwk
            })
            .collect();
        let views = JwksViews::new(keys.clone());
        let of = |algorithms: &[SigningAlgorithm]| views.of(algorithms.iter().copied().collect());
        let document = |positions: &[usize]| {
            let keys: Vec<_> = positions.iter().map(|position| &keys[*position]).collect();
            PublishedJwks::new(&keys)
        };
        assert_eq!(views.whole(), &document(&[0, 1, 2, 3]));
        assert_eq!(of(&[Es256]), &document(&[0, 2]));
        assert_eq!(
            of(&[EdDsa]),
            &document(&[1]),
            "the other name of Ed25519 is another algorithm"
        );
        assert_eq!(of(&[Ed25519, EdDsa]), &document(&[1, 3]));
        assert_eq!(of(&SigningAlgorithm::ALL), views.whole());
        assert_eq!(of(&[SigningAlgorithm::Rs256]).body, &b"{\"keys\":[]}"[..]);
        assert_ne!(of(&[Es256]).etag, of(&[EdDsa]).etag);
        assert!(
            std::ptr::eq(of(&[Es256]), of(&[Es256, Es256])),
            "the same bytes again"
        );
    }
}
