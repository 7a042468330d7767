//! Signing keys as they come from other issuers and leave for them: PKCS#8 in PEM (RFC 5958, RFC 7468), or a JWK.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::JoseError;
use josekit::jwk::alg::ec::{EcCurve as Curve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey};
use openssl::rsa::Rsa;
use zeroize::Zeroizing;

use super::jwks::{EcCurve, OkpCurve};
use super::{PublicJwk, PublicKey};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// The shortest RSA key that RFC 7518 §3.3 allows, in bytes of the modulus.
const MIN_MODULUS: usize = 2048 / 8;

/// A key that another issuer has made.
pub struct ImportedKey {
    /// What may be published, under the name that it has there.
    pub public_jwk: PublicJwk,
    /// The private JWK as JSON, to be wrapped.
    pub private_jwk: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for ImportedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedKey")
            .field("kid", &self.public_jwk.kid)
            .finish_non_exhaustive()
    }
}

/// Why a file is no key for us. It says nothing of what was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeyFile {
    /// It is something else, or encrypted.
    #[error("it is no unencrypted private key in PEM (PKCS#8) or as a JWK")]
    Form,
    /// Nothing that we sign with has keys of this kind.
    #[error("only Ed25519, P-256 and RSA keys sign tokens here")]
    Kind,
    /// It is an RSA key that is too short.
    #[error("an RSA key has 2048 bits at least (RFC 7518 §3.3)")]
    TooShort,
    /// It does not sign with the algorithm that was named.
    #[error("the key does not fit the algorithm")]
    Algorithm,
}

/// Reads a private key. Without `algorithm` and `kid` they are those of the JWK; without those the algorithm is
/// the usual one for its kind (`EdDSA`, `ES256`, `RS256`), and the name the thumbprint.
///
/// # Errors
/// When it is none, or none that we could sign with.
pub fn read_private_key(
    text: &[u8],
    algorithm: Option<SigningAlgorithm>,
    kid: Option<String>,
) -> Result<ImportedKey, InvalidKeyFile> {
    let jwk = if text.trim_ascii_start().starts_with(b"{") {
        Jwk::from_bytes(text).map_err(|_| InvalidKeyFile::Form)?
    } else {
        from_pem(text)?
    };
    let algorithm = match (algorithm, jwk.algorithm()) {
        (Some(algorithm), _) => Some(algorithm),
        (None, Some(named)) => Some(SigningAlgorithm::parse(named).ok_or(InvalidKeyFile::Algorithm)?),
        (None, None) => None,
    };
    let kid = kid.or_else(|| jwk.key_id().map(str::to_owned));
    let pair = pair_of(&jwk)?;
    let key = public_key(&*pair)?;
    let fits: &[SigningAlgorithm] = match key {
        PublicKey::Okp { .. } => &[SigningAlgorithm::EdDsa, SigningAlgorithm::Ed25519],
        PublicKey::Ec { .. } => &[SigningAlgorithm::Es256],
        PublicKey::Rsa { .. } => &[SigningAlgorithm::Rs256, SigningAlgorithm::Ps256],
    };
    let algorithm = algorithm.unwrap_or(fits[0]);
    if !fits.contains(&algorithm) {
        return Err(InvalidKeyFile::Algorithm);
    }
    let mut private = pair.to_jwk_key_pair();
    for described in ["kid", "alg", "use", "key_ops"] {
        // What a row says of the key must not be said twice.
        private
            .set_parameter(described, None)
            .map_err(|_| InvalidKeyFile::Form)?;
    }
    let kid = kid.unwrap_or_else(|| key.thumbprint());
    Ok(ImportedKey {
        public_jwk: PublicJwk::named(kid, key, algorithm),
        private_jwk: Zeroizing::new(serde_json::to_vec(&private).map_err(|_| InvalidKeyFile::Form)?),
    })
}

/// A private JWK that rests here, as PKCS#8 in PEM.
///
/// # Errors
/// When it is none.
pub fn private_pem(private_jwk: &[u8]) -> Result<Zeroizing<Vec<u8>>, InvalidKeyFile> {
    let jwk = Jwk::from_bytes(private_jwk).map_err(|_| InvalidKeyFile::Form)?;
    Ok(Zeroizing::new(pair_of(&jwk)?.to_pem_private_key()))
}

/// A public key in PEM (SubjectPublicKeyInfo).
///
/// # Errors
/// When its members are no key.
pub fn public_pem(key: &PublicKey) -> Result<Vec<u8>, InvalidKeyFile> {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidKeyFile::Form);
    let pem = || -> Result<Result<Vec<u8>, ErrorStack>, InvalidKeyFile> {
        Ok(match key {
            PublicKey::Okp { x, .. } => {
                let x = bytes(x)?;
                PKey::public_key_from_raw_bytes(&x, Id::ED25519).and_then(|key| key.public_key_to_pem())
            }
            PublicKey::Ec { x, y, .. } => {
                let (x, y) = (bytes(x)?, bytes(y)?);
                EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)
                    .and_then(|group| {
                        let (x, y) = (BigNum::from_slice(&x)?, BigNum::from_slice(&y)?);
                        EcKey::from_public_key_affine_coordinates(&group, &x, &y)
                    })
                    .and_then(|key| key.public_key_to_pem())
            }
            PublicKey::Rsa { n, e } => {
                let (n, e) = (bytes(n)?, bytes(e)?);
                BigNum::from_slice(&n)
                    .and_then(|n| Rsa::from_public_components(n, BigNum::from_slice(&e)?))
                    .and_then(|key| key.public_key_to_pem())
            }
        })
    };
    pem()?.map_err(|_| InvalidKeyFile::Form)
}

fn from_pem(text: &[u8]) -> Result<Jwk, InvalidKeyFile> {
    // An empty answer to the question for a passphrase: nobody is asked on the terminal.
    let key = PKey::private_key_from_pem_callback(text, |_| Ok(0)).map_err(|_| InvalidKeyFile::Form)?;
    let der = Zeroizing::new(key.private_key_to_pkcs8().map_err(|_| InvalidKeyFile::Form)?);
    let pair: Result<Box<dyn KeyPair>, JoseError> = match key.id() {
        Id::ED25519 => EdKeyPair::from_der(&*der).map(|pair| Box::new(pair) as _),
        Id::EC => EcKeyPair::from_der(&*der, None).map(|pair| Box::new(pair) as _),
        Id::RSA => RsaKeyPair::from_der(&*der).map(|pair| Box::new(pair) as _),
        _ => return Err(InvalidKeyFile::Kind),
    };
    Ok(pair.map_err(|_| InvalidKeyFile::Kind)?.to_jwk_key_pair())
}

fn pair_of(jwk: &Jwk) -> Result<Box<dyn KeyPair>, InvalidKeyFile> {
    let form = |_| InvalidKeyFile::Form;
    match (jwk.key_type(), jwk.curve()) {
        ("OKP", Some("Ed25519")) => {
            let pair = EdKeyPair::from_jwk(jwk).map_err(form)?;
            if pair.curve() == EdCurve::Ed25519 {
                Ok(Box::new(pair))
            } else {
                Err(InvalidKeyFile::Kind)
            }
        }
        ("EC", Some("P-256")) => {
            let pair = EcKeyPair::from_jwk(jwk).map_err(form)?;
            if pair.curve() == Curve::P256 {
                Ok(Box::new(pair))
            } else {
                Err(InvalidKeyFile::Kind)
            }
        }
        ("RSA", _) => Ok(Box::new(RsaKeyPair::from_jwk(jwk).map_err(form)?)),
        _ => Err(InvalidKeyFile::Kind),
    }
}

/// What `pair` publishes, as OpenSSL derives it from the private part: a file may contradict itself.
fn public_key(pair: &dyn KeyPair) -> Result<PublicKey, InvalidKeyFile> {
    let jwk = pair.to_jwk_public_key();
    let member = |name: &str| {
        let member = jwk.parameter(name).and_then(|value| value.as_str());
        member.map(str::to_owned).ok_or(InvalidKeyFile::Form)
    };
    match jwk.key_type() {
        "OKP" => Ok(PublicKey::Okp {
            crv: OkpCurve::Ed25519,
            x: member("x")?,
        }),
        "EC" => Ok(PublicKey::Ec {
            crv: EcCurve::P256,
            x: member("x")?,
            y: member("y")?,
        }),
        _ => {
            let n = member("n")?;
            let modulus = URL_SAFE_NO_PAD.decode(&n).map_err(|_| InvalidKeyFile::Form)?;
            if modulus.len() < MIN_MODULUS {
                return Err(InvalidKeyFile::TooShort);
            }
            Ok(PublicKey::Rsa { n, e: member("e")? })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Seed, generate};
    use crate::random::SeededRandom;

    #[test]
    fn a_key_leaves_and_comes_back_as_it_was() {
        for algorithm in SigningAlgorithm::ALL {
            let new = generate(algorithm, &Seed::draw(&SeededRandom::new(7))).expect("a key");
            let pem = private_pem(&new.private_jwk).expect("PEM");
            for text in [&pem[..], &new.private_jwk[..]] {
                let read = read_private_key(text, Some(algorithm), None).expect("the same key");
                assert_eq!(read.public_jwk, new.public_jwk);
                let again = private_pem(&read.private_jwk).expect("PEM");
                assert_eq!(again, pem);
                let named = read_private_key(text, Some(algorithm), Some("theirs".into())).expect("a key");
                assert_eq!(named.public_jwk.kid, "theirs");
            }
            let public = public_pem(&new.public_jwk.key).expect("PEM");
            let theirs = PKey::public_key_from_pem(&public).expect("OpenSSL reads it");
            let ours = PKey::private_key_from_pem(&pem).expect("OpenSSL reads it");
            assert!(ours.public_eq(&theirs), "{algorithm:?}");
        }
    }

    #[test]
    fn a_jwk_says_its_name_and_algorithm() {
        let new = generate(SigningAlgorithm::Ps256, &Seed::draw(&SeededRandom::new(7))).expect("a key");
        let mut jwk: serde_json::Value = serde_json::from_slice(&new.private_jwk).expect("JSON");
        jwk["kid"] = "2019-04".into();
        jwk["alg"] = "PS256".into();
        let read = read_private_key(jwk.to_string().as_bytes(), None, None).expect("a key");
        assert_eq!(
            (&*read.public_jwk.kid, read.public_jwk.alg),
            ("2019-04", SigningAlgorithm::Ps256)
        );
        let private = String::from_utf8(read.private_jwk.to_vec()).expect("UTF-8");
        assert!(!private.contains("2019-04"), "the row alone says it");
        jwk["alg"] = "RS512".into();
        let refused = read_private_key(jwk.to_string().as_bytes(), None, None).expect_err("not ours");
        assert_eq!(refused, InvalidKeyFile::Algorithm);
    }

    #[test]
    fn what_we_could_not_sign_with_is_refused() {
        let pem = |key: PKey<openssl::pkey::Private>| key.private_key_to_pem_pkcs8().expect("PEM");
        let short = pem(PKey::from_rsa(Rsa::generate(1024).expect("RSA")).expect("a key"));
        let ed448 = pem(PKey::generate_ed448().expect("Ed448"));
        let p384 = EcGroup::from_curve_name(Nid::SECP384R1).expect("P-384");
        let p384 = pem(PKey::from_ec_key(EcKey::generate(&p384).expect("P-384")).expect("a key"));
        let ed25519 = pem(PKey::generate_ed25519().expect("Ed25519"));
        let locked = PKey::generate_ed25519()
            .expect("Ed25519")
            .private_key_to_pem_pkcs8_passphrase(openssl::symm::Cipher::aes_256_cbc(), b"secret")
            .expect("PEM");
        let read = |text: &[u8], algorithm| read_private_key(text, algorithm, None).map(drop);
        assert_eq!(read(&short, None), Err(InvalidKeyFile::TooShort));
        assert_eq!(read(&ed448, None), Err(InvalidKeyFile::Kind));
        assert_eq!(read(&p384, None), Err(InvalidKeyFile::Kind));
        assert_eq!(read(&locked, None), Err(InvalidKeyFile::Form));
        assert_eq!(
            read(&ed25519, Some(SigningAlgorithm::Rs256)),
            Err(InvalidKeyFile::Algorithm)
        );
        for nothing in ["", "{", "{}", "no key", "-----BEGIN PRIVATE KEY-----"] {
            assert!(read(nothing.as_bytes(), None).is_err(), "{nothing}");
        }
    }
}
