//! Private keys ready to sign: josekit's, except for Ed25519, where ed25519-dalek takes 28 µs and OpenSSL 70.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SECRET_KEY_LENGTH, SIGNATURE_LENGTH, Signer as _};
use josekit::JoseError;
use josekit::jwk::Jwk;
use josekit::jws::{EdDSA, JwsAlgorithm, JwsSigner, RS256};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::{compact, jwks::OkpCurve};
use crate::domain::secret::Secret;
use crate::oauth::signing_algorithm::SigningAlgorithm;

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
    match algorithm {
        SigningAlgorithm::EdDsa => Ok(Box::new(Ed25519Signer::from_jwk(private_jwk)?)),
        SigningAlgorithm::Rs256 => {
            let jwk = Jwk::from_bytes(private_jwk).map_err(|_| InvalidPrivateKey)?;
            Ok(Box::new(
                RS256.signer_from_jwk(&jwk).map_err(|_| InvalidPrivateKey)?,
            ))
        }
    }
}

#[derive(Clone)]
struct Ed25519Signer(ed25519_dalek::SigningKey);

impl Ed25519Signer {
    fn from_jwk(json: &[u8]) -> Result<Self, InvalidPrivateKey> {
        #[derive(Deserialize)]
        struct PrivateJwk {
            #[serde(rename = "crv")]
            _crv: OkpCurve,
            d: Secret,
        }
        let jwk: PrivateJwk = compact::object(json).map_err(|_| InvalidPrivateKey)?;
        let mut seed = Zeroizing::new([0; SECRET_KEY_LENGTH]);
        match URL_SAFE_NO_PAD.decode_slice(jwk.d.expose(), &mut seed[..]) {
            Ok(SECRET_KEY_LENGTH) => Ok(Self(ed25519_dalek::SigningKey::from_bytes(&seed))),
            _ => Err(InvalidPrivateKey),
        }
    }
}

impl std::fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ed25519Signer")
    }
}

impl JwsSigner for Ed25519Signer {
    fn algorithm(&self) -> &dyn JwsAlgorithm {
        &EdDSA
    }

    fn key_id(&self) -> Option<&str> {
        None
    }

    fn signature_len(&self) -> usize {
        SIGNATURE_LENGTH
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        Ok(self.0.sign(message).to_bytes().to_vec())
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
        let signer = signer(SigningAlgorithm::EdDsa, jwk).expect("a private key");
        let signature = signer
            .sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc")
            .expect("a signature");
        assert_eq!(
            URL_SAFE_NO_PAD.encode(signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
        assert_eq!(format!("{signer:?}"), "Ed25519Signer");
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
                assert!(signer(algorithm, wrong.as_bytes()).is_err(), "{wrong}");
            }
        }
    }
}
