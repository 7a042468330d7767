//! New signing keys.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::JoseError;
use josekit::jwk::alg::ec::{EcCurve as Curve, EcKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use serde::Serialize;
use zeroize::Zeroizing;

use super::jwks::{EcCurve, OkpCurve};
use super::{PublicJwk, PublicKey};
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;

const RSA_BITS: u32 = 2048;

/// A key that nobody has seen yet.
pub struct NewKey {
    /// What it signs with.
    pub algorithm: SigningAlgorithm,
    /// What may be published; its `kid` is the thumbprint.
    pub public_jwk: PublicJwk,
    /// The private JWK as JSON, to be wrapped.
    pub private_jwk: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for NewKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewKey")
            .field("kid", &self.public_jwk.kid)
            .finish_non_exhaustive()
    }
}

/// What an Ed25519 key is made of. Drawn apart from the key, so that the slow making of the other kinds, for
/// which OpenSSL draws its own randomness, can move to a thread of its own.
pub struct Seed(Zeroizing<[u8; ed25519_dalek::SECRET_KEY_LENGTH]>);

impl Seed {
    /// A new seed.
    pub fn draw(random: &dyn Random) -> Self {
        let mut seed = Zeroizing::new([0; ed25519_dalek::SECRET_KEY_LENGTH]);
        random.fill(&mut seed[..]);
        Self(seed)
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed")
    }
}

/// A new key of `algorithm`. An RSA key takes a good part of a second of CPU time: call it where blocking is
/// allowed.
///
/// # Errors
/// When OpenSSL fails.
pub fn generate(algorithm: SigningAlgorithm, seed: &Seed) -> Result<NewKey, GenerateError> {
    match algorithm {
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => Ok(ed25519(algorithm, seed)),
        SigningAlgorithm::Es256 => p256(),
        SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => rsa(algorithm),
    }
}

/// A new Ed25519 key whose tokens say `EdDSA`.
pub fn generate_ed25519(random: &dyn Random) -> NewKey {
    ed25519(SigningAlgorithm::EdDsa, &Seed::draw(random))
}

/// A new RSA key for `RS256`. Blocks, see [`generate`].
///
/// # Errors
/// When OpenSSL fails.
pub fn generate_rsa() -> Result<NewKey, GenerateError> {
    rsa(SigningAlgorithm::Rs256)
}

fn ed25519(algorithm: SigningAlgorithm, Seed(seed): &Seed) -> NewKey {
    #[derive(Serialize)]
    struct PrivateJwk<'a> {
        kty: &'a str,
        crv: OkpCurve,
        x: &'a str,
        d: &'a str,
    }
    let public = ed25519_dalek::SigningKey::from_bytes(seed).verifying_key();
    let x = URL_SAFE_NO_PAD.encode(public.as_bytes());
    let private = PrivateJwk {
        kty: "OKP",
        crv: OkpCurve::Ed25519,
        x: &x,
        d: &Zeroizing::new(URL_SAFE_NO_PAD.encode(&seed[..])),
    };
    let private_jwk = Zeroizing::new(serde_json::to_vec(&private).expect("texts alone always serialise"));
    let key = PublicKey::Okp {
        crv: OkpCurve::Ed25519,
        x,
    };
    NewKey {
        algorithm,
        public_jwk: PublicJwk::new(key, algorithm),
        private_jwk,
    }
}

/// The private JWK has the public members too, as RFC 7518 §6.2.2 demands.
fn p256() -> Result<NewKey, GenerateError> {
    let private = EcKeyPair::generate(Curve::P256)?.to_jwk_key_pair();
    let key = PublicKey::Ec {
        crv: EcCurve::P256,
        x: member(&private, "x"),
        y: member(&private, "y"),
    };
    Ok(of_openssl(SigningAlgorithm::Es256, key, &private))
}

fn rsa(algorithm: SigningAlgorithm) -> Result<NewKey, GenerateError> {
    let private = RsaKeyPair::generate(RSA_BITS)?.to_jwk_private_key();
    let key = PublicKey::Rsa {
        n: member(&private, "n"),
        e: member(&private, "e"),
    };
    Ok(of_openssl(algorithm, key, &private))
}

fn member(jwk: &Jwk, name: &str) -> String {
    jwk.parameter(name)
        .and_then(|value| value.as_str())
        .map(str::to_owned)
        .expect("josekit writes the public members of a key")
}

fn of_openssl(algorithm: SigningAlgorithm, key: PublicKey, private: &Jwk) -> NewKey {
    NewKey {
        algorithm,
        public_jwk: PublicJwk::new(key, algorithm),
        private_jwk: Zeroizing::new(serde_json::to_vec(private).expect("texts alone always serialise")),
    }
}

/// OpenSSL could not make a key.
#[derive(Debug, thiserror::Error)]
#[error("no new key could be made")]
pub struct GenerateError(#[from] JoseError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn the_public_part_of_a_new_key_has_no_private_member() {
        for algorithm in SigningAlgorithm::ALL {
            let key = generate(algorithm, &Seed::draw(&SeededRandom::new(1))).expect("a key");
            assert_eq!((key.algorithm, key.public_jwk.alg), (algorithm, algorithm));
            let public = serde_json::to_value(&key.public_jwk).expect("JSON");
            let mut names: Vec<_> = public.as_object().expect("an object").keys().cloned().collect();
            names.sort();
            let expected: &[&str] = match algorithm {
                SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
                    &["alg", "crv", "kid", "kty", "use", "x"]
                }
                SigningAlgorithm::Es256 => &["alg", "crv", "kid", "kty", "use", "x", "y"],
                SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(names, expected);
            assert_eq!(key.public_jwk.kid, key.public_jwk.key.thumbprint());
            let private: serde_json::Value = serde_json::from_slice(&key.private_jwk).expect("JSON");
            let secret = private["d"].as_str().expect("a private member");
            assert!(!format!("{key:?} {public}").contains(secret));
        }
    }
    /// The coordinates have 32 bytes each, zeros in front included (RFC 7518 §6.2.1.2): of 300 keys two or so
    /// have one that begins with a zero.
    #[test]
    fn the_coordinates_of_a_p_256_key_are_not_shortened() {
        for _ in 0..300 {
            let PublicKey::Ec { x, y, .. } = p256().expect("a key").public_jwk.key else {
                panic!("a key on P-256");
            };
            for coordinate in [x, y] {
                assert_eq!(URL_SAFE_NO_PAD.decode(coordinate).expect("base64url").len(), 32);
            }
        }
    }
}
