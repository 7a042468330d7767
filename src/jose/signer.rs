//! Private keys ready to sign. A [`Signer`] is all that others see of them: one that is in this process signs at
//! once, one in a token ([`super::pkcs11`]) after a while.
//!
//! Local keys are josekit's, except for Ed25519, where ed25519-dalek takes 28 µs and OpenSSL 70.

use std::fmt;
use std::future::{Ready, ready};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SECRET_KEY_LENGTH, SIGNATURE_LENGTH, Signer as _};
use futures_util::future::{BoxFuture, Either};
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{ES256, JwsAlgorithm, JwsSigner, PS256, RS256};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{SignError, compact, jwks::OkpCurve};
use crate::domain::secret::Secret;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// What a signer answers: at once, or through a future of its own. Nothing is allocated for the former.
pub type Answer<'a, T> = Either<Ready<Result<T, SignError>>, BoxFuture<'a, Result<T, SignError>>>;

/// Makes the signatures of one private key, wherever that key is.
pub trait Signer: fmt::Debug + Send + Sync {
    /// How long a signature is in bytes, to make room for it.
    fn signature_len(&self) -> usize;

    /// The signature of `message` in the form of JWS (RFC 7515 §5.1).
    ///
    /// # Errors
    /// When the library fails, or the token that has the key is away.
    fn sign<'a>(&'a self, message: &'a [u8]) -> Answer<'a, Vec<u8>>;

    /// Whether the key could sign, as far as that can be told without signing. What is found may be a second
    /// old.
    ///
    /// # Errors
    /// With the reason why not.
    fn check(&self) -> Answer<'_, ()>;
}

/// A key in this process.
#[derive(Debug)]
pub struct LocalSigner(pub Box<dyn JwsSigner>);

impl Signer for LocalSigner {
    fn signature_len(&self) -> usize {
        self.0.signature_len()
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Either::Left(ready(self.0.sign(message).map_err(SignError::Signature)))
    }

    fn check(&self) -> Answer<'_, ()> {
        Either::Left(ready(Ok(())))
    }
}

/// A key that rests here and that no master key of this node opens; it names the one that does.
#[derive(Debug)]
pub struct LockedSigner(pub String);

impl LockedSigner {
    fn refuse<T>(&self) -> Answer<'_, T> {
        Either::Left(ready(Err(SignError::Locked(self.0.clone()))))
    }
}

impl Signer for LockedSigner {
    fn signature_len(&self) -> usize {
        0
    }

    fn sign<'a>(&'a self, _message: &'a [u8]) -> Answer<'a, Vec<u8>> {
        self.refuse()
    }

    fn check(&self) -> Answer<'_, ()> {
        self.refuse()
    }
}

/// The stored private key is none of its algorithm.
#[derive(Debug, thiserror::Error)]
#[error("the private key does not fit its algorithm")]
pub struct InvalidPrivateKey;

/// Reads a private JWK. Costs up to a millisecond, so it is done once a key.
///
/// # Errors
/// When the JSON is no private key of `algorithm`. The error says nothing of what was read.
pub fn signer(
    algorithm: SigningAlgorithm,
    private_jwk: &[u8],
) -> Result<Box<dyn JwsSigner>, InvalidPrivateKey> {
    let jwk = || Jwk::from_bytes(private_jwk).map_err(|_| InvalidPrivateKey);
    let signer: Box<dyn JwsSigner> = match algorithm {
        SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
            return Ok(Box::new(Ed25519Signer::from_jwk(algorithm, private_jwk)?));
        }
        SigningAlgorithm::Es256 => Box::new(ES256.signer_from_jwk(&jwk()?).map_err(|_| InvalidPrivateKey)?),
        SigningAlgorithm::Rs256 => Box::new(RS256.signer_from_jwk(&jwk()?).map_err(|_| InvalidPrivateKey)?),
        SigningAlgorithm::Ps256 => Box::new(PS256.signer_from_jwk(&jwk()?).map_err(|_| InvalidPrivateKey)?),
    };
    Ok(signer)
}

/// Signs with Ed25519 under either of its names.
#[derive(Clone)]
struct Ed25519Signer {
    algorithm: SigningAlgorithm,
    key: ed25519_dalek::SigningKey,
}

impl Ed25519Signer {
    fn from_jwk(algorithm: SigningAlgorithm, json: &[u8]) -> Result<Self, InvalidPrivateKey> {
        #[derive(Deserialize)]
        struct PrivateJwk {
            #[serde(rename = "crv")]
            _crv: OkpCurve,
            d: Secret,
        }
        let jwk: PrivateJwk = compact::object(json).map_err(|_| InvalidPrivateKey)?;
        let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
        match URL_SAFE_NO_PAD.decode_slice(jwk.d.expose(), &mut seed[..]) {
            Ok(SECRET_KEY_LENGTH) => Ok(Self {
                algorithm,
                key: ed25519_dalek::SigningKey::from_bytes(&seed),
            }),
            _ => Err(InvalidPrivateKey),
        }
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ed25519Signer")
    }
}

impl JwsSigner for Ed25519Signer {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        &self.algorithm
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_LENGTH
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }

    fn box_clone(&self) -> Box<dyn JwsSigner> {
        Box::new(self.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_8037_appendix_a_4() {
        let jwk = br#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
            "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
        for algorithm in [SigningAlgorithm::EdDsa, SigningAlgorithm::Ed25519] {
            let signer = signer(algorithm, jwk).expect("a private key");
            let signature = signer
                .sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
                .expect("a signature");
            assert_eq!(
                URL_SAFE_NO_PAD.encode(signature),
                "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
            );
            assert_eq!(format!("{signer:?}"), "Ed25519Signer");
        }
    }

    #[test]
    fn a_key_of_another_kind_or_length_is_refused() {
        for wrong in [
            "{}",
            "[]",
            r#"{"kty":"OKP","crv":"Ed448","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9"}"#,
            r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2B"}"#,
        ] {
            for algorithm in SigningAlgorithm::ALL {
                assert!(
                    signer(algorithm, wrong.as_bytes()).is_err(),
                    "{algorithm:?} {wrong}"
                );
            }
        }
    }
    /// The key of RFC 7515 A.3. ECDSA signs differently each time, so the signature is only verified.
    #[test]
    fn rfc_7515_appendix_a_3() {
        let jwk = br#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
        let signer = signer(SigningAlgorithm::Es256, jwk).expect("a private key");
        let key = serde_json::from_slice(jwk).expect("its public members");
        let verifier = super::super::verifier::verifier(SigningAlgorithm::Es256, &key).expect("a key");
        // A number with zeros in front comes shorter out of OpenSSL about once in 128 signatures.
        for _ in 0..500 {
            let signature = signer.sign(b"a message").expect("a signature");
            assert_eq!(signature.len(), signer.signature_len());
            assert_eq!(signature.len(), 64, "two numbers of 32 bytes (RFC 7518 §3.4)");
            verifier
                .verify(b"a message", &signature)
                .expect("its own signature");
        }
    }

    #[test]
    fn a_key_of_one_algorithm_does_not_sign_as_another_kind() {
        let p384 = r#"{"kty":"EC","crv":"P-384","d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#;
        assert!(signer(SigningAlgorithm::Es256, p384.as_bytes()).is_err());
        for made in SigningAlgorithm::ALL {
            let seed = crate::jose::Seed::draw(&crate::random::SeededRandom::new(1));
            let key = crate::jose::generate(made, &seed).expect("a key");
            for asked in SigningAlgorithm::ALL {
                let kind = |algorithm| match algorithm {
                    SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => "OKP",
                    SigningAlgorithm::Es256 => "EC",
                    SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => "RSA",
                };
                let fits = signer(asked, &key.private_jwk).is_ok();
                assert_eq!(fits, kind(made) == kind(asked), "{made:?} as {asked:?}");
            }
        }
    }
}
