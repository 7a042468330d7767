//! Tokens as forgers write them, to try whether others believe them (`signet rs-check`): any header, any payload,
//! and whatever stands in the place of the signature. No token of ours is made or read here.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use josekit::JoseError;
use josekit::jwk::alg::ec::EcKeyPair;
use josekit::jwk::alg::ed::EdKeyPair;
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jwk::{Jwk, KeyPair};
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Public};
use openssl::rsa::Rsa;
use openssl::x509::{X509Builder, X509NameBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::compact::{self, Compact, Malformed};
use super::signer::{InvalidPrivateKey, LocalSigner, signer};
use super::{GenerateError, NewKey, PublicKey, Seed, SignError, SigningKey, generate};
use crate::domain::mac::MacKey;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;

/// Who signs.
#[derive(Debug, Clone, Copy)]
pub enum Hand<'a> {
    /// A key, with its own algorithm whatever the header says.
    Key(&'a SigningKey),
    /// HMAC-SHA-256 under these bytes.
    Hmac(&'a [u8]),
    /// Nobody: these bytes stand there.
    Bytes(&'a [u8]),
}

/// Writes a compact JWS (RFC 7515 §3.1) of exactly these bytes.
///
/// # Errors
/// When the signature fails.
pub async fn write(header: &[u8], payload: &[u8], hand: Hand<'_>) -> Result<String, SignError> {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let signature = match hand {
        Hand::Key(key) => key.sign_bytes(signed.as_bytes()).await?,
        Hand::Hmac(secret) => MacKey::new(secret).plain(signed.as_bytes()).to_vec(),
        Hand::Bytes(bytes) => bytes.to_vec(),
    };
    Ok(format!("{signed}.{}", encode(&signature)))
}

/// A token taken apart. Nothing of it is verified: it is there to be changed.
#[derive(Debug)]
pub struct Parts {
    /// The protected header.
    pub header: Value,
    /// The claims.
    pub payload: Value,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Takes a token apart.
///
/// # Errors
/// When it is no JWS with two JSON objects.
pub fn read(token: &str) -> Result<Parts, Malformed> {
    let parts = Compact::parse(token)?;
    Ok(Parts {
        header: compact::object(&parts.header)?,
        payload: compact::object(&parts.payload)?,
        signature: parts.signature,
    })
}

/// A key that nobody vouches for, of `algorithm`. RSA takes a good part of a second of CPU time.
///
/// # Errors
/// When OpenSSL fails.
pub fn stranger(
    algorithm: SigningAlgorithm,
    random: &dyn Random,
) -> Result<(NewKey, SigningKey), GenerateError> {
    let new = generate(algorithm, &Seed::draw(random))?;
    let kid = &new.public_jwk.kid;
    let key = local_key(kid, algorithm, &new.private_jwk).expect("a new key is one of its algorithm");
    Ok((new, key))
}

/// A certificate that a key makes out to itself, good for a day before and after `now`, as a value of `x5c`
/// (RFC 7515 §4.1.6).
///
/// # Errors
/// When OpenSSL fails.
pub fn certificate(of: &NewKey, now: DateTime<Utc>) -> Result<String, CertificateError> {
    let jwk = Jwk::from_bytes(&of.private_jwk)?;
    // Ed25519 has its hash inside.
    let (private, hash) = match of.public_jwk.key {
        PublicKey::Okp { .. } => (
            EdKeyPair::from_jwk(&jwk)?.to_der_private_key(),
            MessageDigest::null(),
        ),
        PublicKey::Ec { .. } => (
            EcKeyPair::from_jwk(&jwk)?.to_der_private_key(),
            MessageDigest::sha256(),
        ),
        PublicKey::Rsa { .. } => (
            RsaKeyPair::from_jwk(&jwk)?.to_der_private_key(),
            MessageDigest::sha256(),
        ),
    };
    let key = PKey::private_key_from_der(&private)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", "stranger")?;
    let name = name.build();
    let time = |at: DateTime<Utc>| Asn1Time::from_unix(at.timestamp());
    let (from, until) = (time(now - TimeDelta::days(1))?, time(now + TimeDelta::days(1))?);
    let mut certificate = X509Builder::new()?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&until)?;
    certificate.set_pubkey(&key)?;
    certificate.sign(&key, hash)?;
    Ok(STANDARD.encode(certificate.build().to_der()?))
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// The key cannot be read.
    #[error("the key of the certificate cannot be read")]
    Key(#[from] JoseError),
    /// OpenSSL failed.
    #[error("the certificate could not be made")]
    OpenSsl(#[from] ErrorStack),
}

/// A key of `algorithm` from its private JWK; without a `kid` it is named by its thumbprint (RFC 7638).
///
/// # Errors
/// When the JSON is no such key. The error says nothing of what was read.
pub fn read_key(private_jwk: &[u8], algorithm: SigningAlgorithm) -> Result<SigningKey, InvalidPrivateKey> {
    #[derive(Deserialize)]
    struct Named {
        kid: Option<String>,
    }
    let named: Named = compact::object(private_jwk).map_err(|_| InvalidPrivateKey)?;
    let public: PublicKey = serde_json::from_slice(private_jwk).map_err(|_| InvalidPrivateKey)?;
    let kid = named.kid.unwrap_or_else(|| public.thumbprint());
    local_key(&kid, algorithm, private_jwk)
}

fn local_key(
    kid: &str,
    algorithm: SigningAlgorithm,
    private_jwk: &[u8],
) -> Result<SigningKey, InvalidPrivateKey> {
    let signer = Box::new(LocalSigner(signer(algorithm, private_jwk)?));
    Ok(SigningKey::new(kid, algorithm, signer))
}

/// The ways in which programs hold a public key, each a secret that everybody knows when it is taken for the key of
/// an HMAC (RFC 8725 §2.1).
///
/// # Errors
/// When OpenSSL cannot read the key.
pub fn encodings(jwk: &Value) -> Result<Vec<(&'static str, Vec<u8>)>, ErrorStack> {
    let mut known = vec![("its JWK", jwk.to_string().into_bytes())];
    let Ok(key) = serde_json::from_value::<PublicKey>(jwk.clone()) else {
        return Ok(known);
    };
    let decode = |text: &str| compact::decode(text).unwrap_or_default();
    let number = |text: &str| BigNum::from_slice(&decode(text));
    let public: PKey<Public> = match &key {
        PublicKey::Okp { x, .. } => {
            known.push(("its raw bytes", decode(x)));
            known.push(("its `x`", x.clone().into_bytes()));
            PKey::public_key_from_raw_bytes(&decode(x), Id::ED25519)?
        }
        PublicKey::Ec { x, y, .. } => {
            known.push(("its `x`", x.clone().into_bytes()));
            let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            let (x, y) = (number(x)?, number(y)?);
            PKey::from_ec_key(EcKey::from_public_key_affine_coordinates(&curve, &x, &y)?)?
        }
        PublicKey::Rsa { n, e } => {
            known.push(("its `n`", n.clone().into_bytes()));
            PKey::from_rsa(Rsa::from_public_components(number(n)?, number(e)?)?)?
        }
    };
    let pem = public.public_key_to_pem()?;
    known.push((
        "its PEM without the last line ending",
        pem.trim_ascii_end().to_vec(),
    ));
    known.push(("its PEM", pem));
    known.push(("its DER", public.public_key_to_der()?));
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::verifier::verifier;
    use crate::random::SeededRandom;

    #[tokio::test]
    async fn rfc_7515_appendix_a_1() {
        let secret = URL_SAFE_NO_PAD
            .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
            .expect("base64url");
        let token = write(
            b"{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}",
            b"{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}",
            Hand::Hmac(&secret),
        )
        .await;
        assert_eq!(
            token.expect("a token"),
            "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
             eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
             dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        );
    }

    #[tokio::test]
    async fn a_strangers_signature_is_right_under_the_strangers_key() {
        for algorithm in SigningAlgorithm::ALL {
            let (new, key) = stranger(algorithm, &SeededRandom::new(1)).expect("a key");
            let token = write(b"{\"alg\":\"none\"}", b"{}", Hand::Key(&key))
                .await
                .expect("a token");
            let parts = Compact::parse(&token).expect("a JWS");
            verifier(algorithm, &new.public_jwk.key)
                .expect("a key")
                .verify(parts.signed.as_bytes(), &parts.signature)
                .expect("its signature");
            let read = read(&token).expect("two objects");
            assert_eq!(
                (read.header["alg"].as_str(), read.payload),
                (Some("none"), serde_json::json!({}))
            );
            assert_eq!(read.signature, parts.signature);
        }
    }

    #[tokio::test]
    async fn a_private_jwk_is_read_and_named() {
        let (new, key) = stranger(SigningAlgorithm::EdDsa, &SeededRandom::new(1)).expect("a key");
        let read = read_key(&new.private_jwk, SigningAlgorithm::EdDsa).expect("a key");
        assert_eq!(read.kid(), new.public_jwk.kid);
        let written = async |key| write(b"{}", b"{}", Hand::Key(key)).await.expect("a token");
        assert_eq!(written(&read).await, written(&key).await);

        let mut named: Value = serde_json::from_slice(&new.private_jwk).expect("JSON");
        named["kid"] = "old".into();
        let named = named.to_string();
        let read = read_key(named.as_bytes(), SigningAlgorithm::EdDsa).expect("a key");
        assert_eq!(read.kid(), "old");
        assert!(read_key(named.as_bytes(), SigningAlgorithm::Rs256).is_err());
        assert!(read_key(b"[]", SigningAlgorithm::EdDsa).is_err());
    }

    #[test]
    fn a_certificate_holds_the_key_that_signed_it() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time");
        for algorithm in SigningAlgorithm::ALL {
            let (new, _) = stranger(algorithm, &SeededRandom::new(1)).expect("a key");
            let der = STANDARD.decode(certificate(&new, now).expect("a certificate"));
            let certificate = openssl::x509::X509::from_der(&der.expect("base64")).expect("DER");
            let key = certificate.public_key().expect("a key");
            assert!(certificate.verify(&key).expect("a signature"), "{algorithm:?}");
            let jwk = serde_json::to_value(&new.public_jwk).expect("JSON");
            let der = key.public_key_to_der().expect("DER");
            assert!(
                encodings(&jwk).expect("a key").contains(&("its DER", der)),
                "{algorithm:?}"
            );
        }
    }

    #[test]
    fn every_encoding_is_of_the_same_key() {
        for algorithm in SigningAlgorithm::ALL {
            let (new, _) = stranger(algorithm, &SeededRandom::new(1)).expect("a key");
            let jwk = serde_json::to_value(&new.public_jwk).expect("JSON");
            let encodings = encodings(&jwk).expect("a public key");
            let of = |name: &str| {
                let found = encodings.iter().find(|(known, _)| *known == name);
                &found.unwrap_or_else(|| panic!("{name}")).1
            };
            let pem = PKey::public_key_from_pem(of("its PEM")).expect("PEM");
            let der = PKey::public_key_from_der(of("its DER")).expect("DER");
            assert!(pem.public_eq(&der));
            if let PublicKey::Okp { x, .. } = &new.public_jwk.key {
                let raw = der.raw_public_key().expect("bytes");
                assert_eq!(
                    (&raw, URL_SAFE_NO_PAD.encode(&raw)),
                    (of("its raw bytes"), x.clone())
                );
            }
        }
    }
}
