//! New signing keys.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::JoseError;
use josekit::jwk::KeyPair;
use josekit::jwk::alg::rsa::RsaKeyPair;
use serde::Serialize;
use zeroize::Zeroizing;

use super::{PublicJwk, PublicKey, jwks::OkpCurve};
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

/// A new Ed25519 key.
pub fn generate_ed25519(random: &dyn Random) -> NewKey {
    #[derive(Serialize)]
    struct PrivateJwk<'a> {
        kty: &'a str,
        crv: OkpCurve,
        x: &'a str,
        d: &'a str,
    }
    let mut seed = Zeroizing::new([0; ed25519_dalek::SECRET_KEY_LENGTH]);
    random.fill(&mut seed[..]);
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
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
        algorithm: SigningAlgorithm::EdDsa,
        public_jwk: PublicJwk::new(key, SigningAlgorithm::EdDsa),
        private_jwk,
    }
}

/// A new RSA key of 2048 bits. OpenSSL draws its own randomness. Takes a good part of a second of CPU time:
/// call it where blocking is allowed.
///
/// # Errors
/// When OpenSSL fails.
pub fn generate_rsa() -> Result<NewKey, GenerateError> {
    let pair = RsaKeyPair::generate(RSA_BITS)?;
    let private = pair.to_jwk_private_key();
    let member = |name: &str| {
        private
            .parameter(name)
            .and_then(|value| value.as_str())
            .map(str::to_owned)
            .expect("josekit writes the public members of an RSA key")
    };
    let key = PublicKey::Rsa {
        n: member("n"),
        e: member("e"),
    };
    let private_jwk = Zeroizing::new(serde_json::to_vec(&private).expect("texts alone always serialise"));
    Ok(NewKey {
        algorithm: SigningAlgorithm::Rs256,
        public_jwk: PublicJwk::new(key, SigningAlgorithm::Rs256),
        private_jwk,
    })
}

/// OpenSSL could not make a key.
#[derive(Debug, thiserror::Error)]
#[error("no new RSA key could be made")]
pub struct GenerateError(#[from] JoseError);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn the_public_part_of_a_new_key_has_no_private_member() {
        for key in [
            generate_ed25519(&SeededRandom::new(1)),
            generate_rsa().expect("an RSA key"),
        ] {
            let public = serde_json::to_value(&key.public_jwk).expect("JSON");
            let mut names: Vec<_> = public.as_object().expect("an object").keys().cloned().collect();
            names.sort();
            let expected: &[&str] = match key.algorithm {
                SigningAlgorithm::EdDsa => &["alg", "crv", "kid", "kty", "use", "x"],
                SigningAlgorithm::Rs256 => &["alg", "e", "kid", "kty", "n", "use"],
            };
            assert_eq!(names, expected);
            assert_eq!(key.public_jwk.kid, key.public_jwk.key.thumbprint());
            let private: serde_json::Value = serde_json::from_slice(&key.private_jwk).expect("JSON");
            let secret = private["d"].as_str().expect("a private member");
            assert!(!format!("{key:?} {public}").contains(secret));
        }
    }
}
