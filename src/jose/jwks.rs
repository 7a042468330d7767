//! Public keys as JWK (RFC 7517) and the JWKS that we publish. The types have no private member, so none
//! can be published by mistake.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

use crate::oauth::signing_algorithm::SigningAlgorithm;

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
