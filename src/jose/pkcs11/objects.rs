//! What is done with the keys in a token: made, found, read, signed with, destroyed. A private key is made so
//! that it never leaves the token, and for nothing but signatures.

use std::ffi::c_ulong;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use sha2::{Digest, Sha256};

use super::connection::Opened;
use super::{Pkcs11Error, Pkcs11Uri};
use crate::jose::PublicKey;
use crate::jose::jwks::{EcCurve, OkpCurve};
use crate::jose::verifier::verifier;
use crate::oauth::signing_algorithm::SigningAlgorithm;

const RSA_BITS: c_ulong = 2048;

/// As long as the hash (RFC 7518 §3.5).
const PSS_SALT: c_ulong = 32;

/// 65537, as PKCS#11 writes numbers.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// The curve edwards25519 as tokens know it: by name (`PrintableString`), as SoftHSM and the first drafts of
/// PKCS#11 3.0 have it, or by the object identifier of RFC 8410.
const ED25519_PARAMS: [&[u8]; 2] = [b"\x13\x0cedwards25519", &[6, 3, 0x2b, 0x65, 0x70]];

/// The object identifier of the curve P-256, prime256v1.
const P256_PARAMS: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// The label of the keys that we make; their ids tell them apart.
const LABEL: &str = "signet";

/// Bytes of a coordinate on either curve.
const COORDINATE: usize = 32;

impl Opened {
    /// Makes a key pair under `id`.
    pub(super) fn generate(
        &self,
        algorithm: SigningAlgorithm,
        id: &[u8],
    ) -> Result<(Pkcs11Uri, PublicKey), Pkcs11Error> {
        let (public, private) = match algorithm {
            SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => self.generate_ed25519(id)?,
            SigningAlgorithm::Es256 => {
                let curve = Attribute::EcParams(P256_PARAMS.to_vec());
                self.generate_pair(
                    &Mechanism::EccKeyPairGen,
                    id,
                    vec![curve],
                    &[Attribute::Derive(false)],
                )?
            }
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => {
                let size = vec![
                    Attribute::ModulusBits(RSA_BITS.into()),
                    Attribute::PublicExponent(RSA_EXPONENT.to_vec()),
                ];
                let only_signs = [Attribute::Decrypt(false), Attribute::Unwrap(false)];
                self.generate_pair(&Mechanism::RsaPkcsKeyPairGen, id, size, &only_signs)?
            }
        };
        let made = self.stays_inside(private).and_then(|()| {
            let key = self.read_public(public)?;
            self.signs(private, algorithm, &key)?;
            Ok(key)
        });
        if made.is_err() {
            for object in [private, public] {
                // The first error is the one to tell.
                let _ = self.session.destroy_object(object);
            }
        }
        let uri = Pkcs11Uri {
            token: Some(self.token.label().to_owned()),
            id: Some(id.to_vec()),
            ..Pkcs11Uri::default()
        };
        Ok((uri, made?))
    }

    fn generate_ed25519(&self, id: &[u8]) -> Result<(ObjectHandle, ObjectHandle), Pkcs11Error> {
        let mut outcome = Err(Pkcs11Error::KeyType);
        for params in ED25519_PARAMS {
            let curve = Attribute::EcParams(params.to_vec());
            outcome = self.generate_pair(
                &Mechanism::EccEdwardsKeyPairGen,
                id,
                vec![curve],
                &[Attribute::Derive(false)],
            );
            // Not this spelling of the curve; whatever else is wrong stays wrong.
            if !matches!(&outcome, Err(Pkcs11Error::Call { lost, .. }) if !lost) {
                break;
            }
        }
        outcome
    }

    fn generate_pair(
        &self,
        mechanism: &Mechanism<'_>,
        id: &[u8],
        kind: Vec<Attribute>,
        uses: &[Attribute],
    ) -> Result<(ObjectHandle, ObjectHandle), Pkcs11Error> {
        let common = [
            Attribute::Token(true),
            Attribute::Id(id.to_vec()),
            Attribute::Label(LABEL.as_bytes().to_vec()),
        ];
        let public = [
            &common[..],
            &[Attribute::Private(false), Attribute::Verify(true)],
            &kind,
        ]
        .concat();
        let private = [
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ];
        let private = [&common[..], &private, uses].concat();
        Ok(self.session.generate_key_pair(mechanism, &public, &private)?)
    }

    /// A token may take no notice of what the template says.
    fn stays_inside(&self, private: ObjectHandle) -> Result<(), Pkcs11Error> {
        let asked = [AttributeType::Sensitive, AttributeType::Extractable];
        let told = self.session.get_attributes(private, &asked)?;
        if told.contains(&Attribute::Sensitive(true)) && told.contains(&Attribute::Extractable(false)) {
            Ok(())
        } else {
            Err(Pkcs11Error::Extractable)
        }
    }

    /// A token may make keys with which it cannot sign as we need it. Better told now than when one is in charge.
    fn signs(
        &self,
        private: ObjectHandle,
        algorithm: SigningAlgorithm,
        public: &PublicKey,
    ) -> Result<(), Pkcs11Error> {
        let probe = b"signet: can the token sign with its new key?";
        let signature = self.sign_with(private, algorithm, probe)?;
        let verified = verifier(algorithm, public).is_ok_and(|key| key.verify(probe, &signature).is_ok());
        if verified {
            Ok(())
        } else {
            Err(Pkcs11Error::WrongKey)
        }
    }

    /// The public key of the pair that `uri` names.
    pub(super) fn public_key(&self, uri: &Pkcs11Uri) -> Result<PublicKey, Pkcs11Error> {
        self.read_public(self.find(uri, ObjectClass::PUBLIC_KEY)?)
    }

    fn read_public(&self, public: ObjectHandle) -> Result<PublicKey, Pkcs11Error> {
        let told = self.session.get_attributes(public, &[AttributeType::KeyType])?;
        match told[..] {
            [Attribute::KeyType(KeyType::EC_EDWARDS)] => {
                let (params, point) = self.read_point(public)?;
                let x = point_bytes(&point, COORDINATE).ok_or(Pkcs11Error::KeyType)?;
                if !ED25519_PARAMS.contains(&&params[..]) {
                    return Err(Pkcs11Error::KeyType);
                }
                Ok(PublicKey::Okp {
                    crv: OkpCurve::Ed25519,
                    x: URL_SAFE_NO_PAD.encode(x),
                })
            }
            [Attribute::KeyType(KeyType::EC)] => {
                let (params, point) = self.read_point(public)?;
                let point = point_bytes(&point, 1 + 2 * COORDINATE).ok_or(Pkcs11Error::KeyType)?;
                // 4: both coordinates follow (SEC 1 §2.3.3).
                let (Some((4, coordinates)), P256_PARAMS) = (point.split_first(), &params[..]) else {
                    return Err(Pkcs11Error::KeyType);
                };
                let (x, y) = coordinates.split_at(COORDINATE);
                Ok(PublicKey::Ec {
                    crv: EcCurve::P256,
                    x: URL_SAFE_NO_PAD.encode(x),
                    y: URL_SAFE_NO_PAD.encode(y),
                })
            }
            [Attribute::KeyType(KeyType::RSA)] => {
                let asked = [AttributeType::Modulus, AttributeType::PublicExponent];
                let told = self.session.get_attributes(public, &asked)?;
                match &told[..] {
                    [Attribute::Modulus(n), Attribute::PublicExponent(e)] => Ok(PublicKey::Rsa {
                        n: URL_SAFE_NO_PAD.encode(without_zeros(n)),
                        e: URL_SAFE_NO_PAD.encode(without_zeros(e)),
                    }),
                    _ => Err(Pkcs11Error::KeyType),
                }
            }
            _ => Err(Pkcs11Error::KeyType),
        }
    }

    fn read_point(&self, public: ObjectHandle) -> Result<(Vec<u8>, Vec<u8>), Pkcs11Error> {
        let asked = [AttributeType::EcParams, AttributeType::EcPoint];
        let told = self.session.get_attributes(public, &asked)?;
        match <[Attribute; 2]>::try_from(told) {
            Ok([Attribute::EcParams(params), Attribute::EcPoint(point)]) => Ok((params, point)),
            _ => Err(Pkcs11Error::KeyType),
        }
    }

    /// Signs with the private key that `uri` names. The form is the JWS one (RFC 7518 §3): ECDSA as r and s
    /// side by side, which is also what PKCS#11 gives.
    pub(super) fn sign(
        &self,
        uri: &Pkcs11Uri,
        algorithm: SigningAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, Pkcs11Error> {
        self.sign_with(self.private_key(uri)?, algorithm, message)
    }

    fn sign_with(
        &self,
        key: ObjectHandle,
        algorithm: SigningAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, Pkcs11Error> {
        let signed = match algorithm {
            SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 => {
                let pure = EddsaParams::new(EddsaSignatureScheme::Ed25519);
                self.session.sign(&Mechanism::Eddsa(pure), key, message)
            }
            // Not every token hashes for ECDSA.
            SigningAlgorithm::Es256 => self
                .session
                .sign(&Mechanism::Ecdsa, key, &Sha256::digest(message)),
            SigningAlgorithm::Rs256 => self.session.sign(&Mechanism::Sha256RsaPkcs, key, message),
            SigningAlgorithm::Ps256 => {
                let salted = PkcsPssParams {
                    hash_alg: MechanismType::SHA256,
                    mgf: PkcsMgfType::MGF1_SHA256,
                    s_len: PSS_SALT.into(),
                };
                self.session
                    .sign(&Mechanism::Sha256RsaPkcsPss(salted), key, message)
            }
        };
        Ok(signed?)
    }

    /// Finds the private key anew, whatever is remembered of it.
    pub(super) fn check(&self, uri: &Pkcs11Uri) -> Result<(), Pkcs11Error> {
        let key = self.find(uri, ObjectClass::PRIVATE_KEY)?;
        self.found.borrow_mut().insert(uri.clone(), key);
        Ok(())
    }

    /// Destroys both keys of the pair; what is gone already is no error.
    pub(super) fn destroy(&self, uri: &Pkcs11Uri) -> Result<(), Pkcs11Error> {
        self.found.borrow_mut().remove(uri);
        for class in [ObjectClass::PRIVATE_KEY, ObjectClass::PUBLIC_KEY] {
            match self.find(uri, class) {
                Ok(object) => self.session.destroy_object(object)?,
                Err(Pkcs11Error::NoKey(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn private_key(&self, uri: &Pkcs11Uri) -> Result<ObjectHandle, Pkcs11Error> {
        let known = self.found.borrow().get(uri).copied();
        if let Some(key) = known {
            return Ok(key);
        }
        self.check(uri)?;
        Ok(self.found.borrow()[uri])
    }

    fn find(&self, uri: &Pkcs11Uri, class: ObjectClass) -> Result<ObjectHandle, Pkcs11Error> {
        let token = &self.token;
        let fits = [
            (&uri.token, token.label()),
            (&uri.manufacturer, token.manufacturer_id()),
            (&uri.model, token.model()),
            (&uri.serial, token.serial_number()),
        ];
        if !fits
            .into_iter()
            .all(|(named, ours)| named.as_deref().is_none_or(|named| named == ours))
        {
            return Err(Pkcs11Error::OtherToken {
                uri: uri.to_string(),
                token: token.label().to_owned(),
            });
        }
        let mut template = vec![Attribute::Token(true), Attribute::Class(class)];
        template.extend(uri.id.clone().map(Attribute::Id));
        template.extend(
            uri.object
                .clone()
                .map(|label| Attribute::Label(label.into_bytes())),
        );
        match self.session.find_objects(&template)?[..] {
            [key] => Ok(key),
            [] => Err(Pkcs11Error::NoKey(uri.to_string())),
            _ => Err(Pkcs11Error::SeveralKeys(uri.to_string())),
        }
    }
}

/// The point of `CKA_EC_POINT`, which is `length` bytes in a DER octet string; some tokens leave the wrapping
/// out.
fn point_bytes(value: &[u8], length: usize) -> Option<&[u8]> {
    match value {
        [4, der_length, point @ ..] if usize::from(*der_length) == length && point.len() == length => {
            Some(point)
        }
        point if point.len() == length => Some(point),
        _ => None,
    }
}

/// A number as JWK writes it (RFC 7518 §2, Base64urlUInt): without zeros in front.
fn without_zeros(number: &[u8]) -> &[u8] {
    let first = number.iter().position(|byte| *byte != 0).unwrap_or(number.len());
    &number[first..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_read_with_and_without_its_wrapping() {
        let point = [7; 32];
        let wrapped = [&[4, 32], &point[..]].concat();
        assert_eq!(point_bytes(&wrapped, 32), Some(&point[..]));
        assert_eq!(point_bytes(&point, 32), Some(&point[..]));
        assert_eq!(point_bytes(&wrapped[..33], 32), None);
        // A raw P-256 point begins with 4 too, but is longer than its second byte could say.
        let raw = [&[4, 65], &[9; 63][..]].concat();
        assert_eq!(point_bytes(&raw, 65), Some(&raw[..]));
        assert_eq!(without_zeros(&[0, 0, 1, 0]), [1, 0]);
    }
}
