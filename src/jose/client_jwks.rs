//! The public keys of a client (RFC 7517), checked when it registers and again before they are used: no key
//! that others may hold too, none that costs much to try, not too many.

use josekit::jwk::Jwk;
use josekit::jws::{ES256, JwsVerifier, PS256, RS256};
use serde_json::{Map, Value};

use super::compact;
use super::verifier::{Ed25519Verifier, rsa_jwk};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// The names that a client may sign assertions with, for the metadata. `Ed25519` (RFC 9864) and `EdDSA` are one.
pub const ASSERTION_ALGORITHMS: [&str; 5] = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"];

/// The most keys that a set may have: an assertion without a `kid` is tried with each.
const MAX_KEYS: usize = 20;

/// The longest RSA modulus and exponent in bytes: verification with larger ones takes too long.
const MAX_MODULUS: usize = 1024;
const MAX_EXPONENT: usize = 8;

/// What only the owner of a key may know (RFC 7518 §§6.2.2, 6.3.2; RFC 8037 §2).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// The keys that a client's assertions may be signed with.
#[derive(Debug)]
pub struct ClientKeys(Vec<ClientKey>);

/// One key and the algorithms that it may be used with.
#[derive(Debug)]
struct ClientKey {
    kid: Option<String>,
    verifiers: Vec<(&'static str, Box<dyn JwsVerifier>)>,
}

impl ClientKeys {
    /// Reads a JWK Set. Keys of kinds that we do not verify with, and those for encryption, are passed over
    /// (RFC 7517 §5).
    ///
    /// # Errors
    /// When it is no set, holds a private or symmetric key or a broken one, or none that we can use.
    pub fn parse(jwks: &Value) -> Result<Self, InvalidClientJwks> {
        let keys = jwks
            .get("keys")
            .and_then(Value::as_array)
            .ok_or(InvalidClientJwks::NoSet)?;
        if keys.len() > MAX_KEYS {
            return Err(InvalidClientJwks::TooMany);
        }
        let keys = keys.iter().enumerate().filter_map(|(position, key)| {
            let key = key.as_object().ok_or(InvalidClientJwks::Key { position });
            key.and_then(|key| client_key(key, position)).transpose()
        });
        let keys = keys.collect::<Result<Vec<_>, _>>()?;
        if keys.is_empty() {
            Err(InvalidClientJwks::NoneUsable)
        } else {
            Ok(Self(keys))
        }
    }

    /// Whether one of the keys made `signature` over `message` with `alg`. A `kid` selects the keys of that
    /// name; without one every key that fits is tried.
    pub(super) fn verify(&self, alg: &str, kid: Option<&str>, message: &[u8], signature: &[u8]) -> bool {
        self.0
            .iter()
            .filter(|key| kid.is_none() || kid == key.kid.as_deref())
            .flat_map(|key| &key.verifiers)
            .filter(|(name, _)| *name == alg)
            .any(|(_, verifier)| verifier.verify(message, signature).is_ok())
    }
}

/// One key of the set; `None` for one to pass over.
fn client_key(key: &Map<String, Value>, position: usize) -> Result<Option<ClientKey>, InvalidClientJwks> {
    let text = |name: &str| key.get(name).and_then(Value::as_str);
    let kty = text("kty");
    if kty == Some("oct") || PRIVATE_MEMBERS.iter().any(|name| key.contains_key(*name)) {
        return Err(InvalidClientJwks::Private { position });
    }
    let for_signatures = text("use").is_none_or(|usage| usage == "sig")
        && key
            .get("key_ops")
            .and_then(Value::as_array)
            .is_none_or(|ops| ops.iter().any(|op| op == "verify"));
    if !for_signatures {
        return Ok(None);
    }
    let verifiers = match (kty, text("crv")) {
        (Some("OKP"), Some("Ed25519")) => okp_verifiers(key),
        (Some("EC"), Some("P-256")) => ec_verifiers(key),
        (Some("RSA"), _) => rsa_verifiers(key),
        _ => return Ok(None),
    };
    let mut verifiers = verifiers.ok_or(InvalidClientJwks::Key { position })?;
    if let Some(alg) = text("alg") {
        let same = |name| {
            alg == name || (alg == "EdDSA" && name == "Ed25519") || (alg == "Ed25519" && name == "EdDSA")
        };
        verifiers.retain(|(name, _)| same(*name));
    }
    let kid = text("kid").map(str::to_owned);
    Ok((!verifiers.is_empty()).then_some(ClientKey { kid, verifiers }))
}

type Verifiers = Option<Vec<(&'static str, Box<dyn JwsVerifier>)>>;

fn okp_verifiers(key: &Map<String, Value>) -> Verifiers {
    let x = key.get("x")?.as_str()?;
    let verifier = |algorithm: SigningAlgorithm| -> Option<(&'static str, Box<dyn JwsVerifier>)> {
        let verifier = Ed25519Verifier::new(algorithm, x).ok()?;
        Some((algorithm.as_str(), Box::new(verifier)))
    };
    Some(vec![
        verifier(SigningAlgorithm::EdDsa)?,
        verifier(SigningAlgorithm::Ed25519)?,
    ])
}

fn ec_verifiers(key: &Map<String, Value>) -> Verifiers {
    let mut jwk = Jwk::new("EC");
    for name in ["crv", "x", "y"] {
        jwk.set_parameter(name, key.get(name).cloned()).ok()?;
    }
    Some(vec![("ES256", Box::new(ES256.verifier_from_jwk(&jwk).ok()?))])
}

fn rsa_verifiers(key: &Map<String, Value>) -> Verifiers {
    let (n, e) = (key.get("n")?.as_str()?, key.get("e")?.as_str()?);
    let (modulus, exponent) = (compact::decode(n).ok()?, compact::decode(e).ok()?);
    // An even exponent is no key, and with 1 the signature would be the message itself.
    let sound = exponent.last().is_some_and(|last| last % 2 == 1) && exponent != [1];
    if modulus.len() > MAX_MODULUS || exponent.len() > MAX_EXPONENT || !sound {
        return None;
    }
    let jwk = rsa_jwk(n, e);
    Some(vec![
        ("RS256", Box::new(RS256.verifier_from_jwk(&jwk).ok()?)),
        ("PS256", Box::new(PS256.verifier_from_jwk(&jwk).ok()?)),
    ])
}

/// Why a client's `jwks` is refused. Positions count from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientJwks {
    /// It is no JWK Set.
    #[error("jwks is no JWK Set: it needs an array named keys")]
    NoSet,
    /// Too many keys.
    #[error("jwks has more than {MAX_KEYS} keys")]
    TooMany,
    /// A key that only its owner, or only the two of us, may know.
    #[error("key {position} of jwks is private or symmetric; register public keys only")]
    Private {
        /// Which key.
        position: usize,
    },
    /// A key that is none.
    #[error("key {position} of jwks is not a valid key")]
    Key {
        /// Which key.
        position: usize,
    },
    /// No key that an assertion could be verified with.
    #[error("jwks has no key for EdDSA, ES256, RS256 or PS256")]
    NoneUsable,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn okp() -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn parse(keys: Vec<Value>) -> Result<usize, InvalidClientJwks> {
        ClientKeys::parse(&json!({"keys": keys})).map(|keys| keys.0.len())
    }

    #[test]
    fn public_signature_keys_are_taken_and_others_passed_over() {
        assert_eq!(parse(vec![okp()]), Ok(1));
        assert_eq!(parse(vec![okp(); MAX_KEYS]), Ok(MAX_KEYS));
        let passed_over = [
            json!({"kty": "OKP", "crv": "X25519", "x": "AA"}),
            json!({"kty": "EC", "crv": "P-521", "x": "AA", "y": "AA"}),
            json!({"kty": "new"}),
            with(okp(), "use", "enc".into()),
            with(okp(), "key_ops", json!(["deriveKey"])),
            with(okp(), "alg", "ES256".into()),
        ];
        for key in passed_over {
            assert_eq!(parse(vec![key.clone(), okp()]), Ok(1), "{key}");
            assert_eq!(
                parse(vec![key.clone()]),
                Err(InvalidClientJwks::NoneUsable),
                "{key}"
            );
        }
    }

    #[test]
    fn private_symmetric_and_broken_keys_are_refused() {
        let private = InvalidClientJwks::Private { position: 1 };
        for name in PRIVATE_MEMBERS {
            assert_eq!(
                parse(vec![okp(), with(okp(), name, "AA".into())]),
                Err(private),
                "{name}"
            );
        }
        assert_eq!(parse(vec![okp(), json!({"kty": "oct"})]), Err(private));

        let modulus = |bytes: usize| compact_text(&vec![0xc1; bytes]);
        let broken = [
            json!("text"),
            with(okp(), "x", "AA".into()),
            json!({"kty": "OKP", "crv": "Ed25519"}),
            json!({"kty": "EC", "crv": "P-256", "x": compact_text(&[1; 32]), "y": compact_text(&[1; 32])}),
            json!({"kty": "RSA", "n": modulus(128), "e": "AQAB"}),
            json!({"kty": "RSA", "n": modulus(1025), "e": "AQAB"}),
            json!({"kty": "RSA", "n": modulus(256), "e": "AQ"}),
            json!({"kty": "RSA", "n": modulus(256), "e": compact_text(&[0xff; 9])}),
        ];
        for key in broken {
            assert_eq!(
                parse(vec![okp(), key.clone()]),
                Err(InvalidClientJwks::Key { position: 1 }),
                "{key}"
            );
        }
        assert_eq!(
            parse(vec![json!({"kty": "RSA", "n": modulus(256), "e": "AQAB"})]),
            Ok(1)
        );
        assert_eq!(parse(vec![okp(); MAX_KEYS + 1]), Err(InvalidClientJwks::TooMany));
        for wrong in [json!([]), json!({}), json!({"keys": {}}), json!(null)] {
            assert_eq!(
                ClientKeys::parse(&wrong).err(),
                Some(InvalidClientJwks::NoSet),
                "{wrong}"
            );
        }
    }

    fn compact_text(bytes: &[u8]) -> String {
        use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
        URL_SAFE_NO_PAD.encode(bytes)
    }
}
