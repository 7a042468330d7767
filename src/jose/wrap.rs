//! Keys at rest: encrypted with the master key, which never enters the database (JWE, RFC 7516, with
//! `A256GCMKW` and `A256GCM`). Each key is bound to its place, so that rows cannot be exchanged.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use josekit::JoseError;
use josekit::jwe::{A256GCMKW, JweContext, JweHeader};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::compact;
use crate::random::Random;

const KEY_LENGTH: usize = 32;

/// Far more than an RSA key of 4096 bits needs, or another provider's tokens.
const MAX_WRAPPED: usize = 128 * 1024;

/// The key that encrypts all others.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; KEY_LENGTH]>);

/// A text that is no master key. It says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a master key is 32 bytes in standard base64")]
pub struct InvalidMasterKey;

impl MasterKey {
    /// Reads 32 bytes in standard base64; white space around them is ignored.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse(text: &str) -> Result<Self, InvalidMasterKey> {
        let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| InvalidMasterKey)?);
        let bytes = bytes.as_slice().try_into().map_err(|_| InvalidMasterKey)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    /// Reads one or more of them, with white space between.
    ///
    /// # Errors
    /// When the text is anything else.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, InvalidMasterKey> {
        let keys: Vec<_> = text
            .split_ascii_whitespace()
            .map(Self::parse)
            .collect::<Result<_, _>>()?;
        if keys.is_empty() {
            Err(InvalidMasterKey)
        } else {
            Ok(keys)
        }
    }

    /// A new master key.
    pub fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        random.fill(&mut bytes[..]);
        Self(bytes)
    }

    /// A key that was made of another, for what is no key itself.
    pub fn from_bytes(bytes: [u8; KEY_LENGTH]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The text that [`parse`](Self::parse) reads.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(STANDARD.encode(&self.0[..]))
    }

    /// What names the key without telling it: the first 16 hex digits of its SHA-256.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.0[..]);
        digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Encrypts a key for `place`, which names the row that it is for.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn wrap(&self, plain: &[u8], place: &str) -> Result<String, WrapError> {
        let mut encrypter = A256GCMKW
            .encrypter_from_bytes(&self.0[..])
            .map_err(WrapError::Encryption)?;
        encrypter.set_key_id(self.fingerprint());
        let mut header = JweHeader::new();
        header.set_content_encryption("A256GCM");
        header
            .set_claim("place", Some(place.into()))
            .map_err(WrapError::Encryption)?;
        josekit::jwe::serialize_compact(plain, &header, &encrypter).map_err(WrapError::Encryption)
    }

    fn unwrap(&self, wrapped: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, WrapError> {
        check_form(wrapped, place)?;
        let decrypter = A256GCMKW
            .decrypter_from_bytes(&self.0[..])
            .map_err(WrapError::Encryption)?;
        let mut context = JweContext::new();
        context.remove_compression("DEF");
        let (plain, _) = context
            .deserialize_compact(wrapped, &decrypter)
            .map_err(|_| WrapError::Tampered)?;
        Ok(Zeroizing::new(plain))
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey")
    }
}

/// Decrypts what [`MasterKey::wrap`] made for `place`, with the one of `masters` that has `fingerprint`.
///
/// # Errors
/// [`WrapError::MasterKey`] when it is not among them; otherwise when the text is not what was made.
pub fn unwrap(
    masters: &[MasterKey],
    fingerprint: &str,
    wrapped: &str,
    place: &str,
) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    masters
        .iter()
        .find(|master| master.fingerprint() == fingerprint)
        .ok_or_else(|| WrapError::MasterKey {
            needed: fingerprint.to_owned(),
            given: masters.iter().map(MasterKey::fingerprint).collect(),
        })?
        .unwrap(wrapped, place)
}

/// Decrypts what one of `keys` made for `place`.
///
/// # Errors
/// As for [`unwrap`].
pub fn open(keys: &[MasterKey], sealed: &str, place: &str) -> Result<Zeroizing<Vec<u8>>, WrapError> {
    let header = sealed.split('.').next().unwrap_or_default();
    let header: WrapHeader = compact::decode(header)
        .and_then(|bytes| compact::object(&bytes))
        .map_err(|_| WrapError::Form)?;
    unwrap(keys, &header.kid, sealed, place)
}

/// Why a key could not be encrypted or decrypted.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The key was encrypted with a master key that we were not given.
    #[error("it needs the master key {needed}, but {}", given_text(given))]
    MasterKey {
        /// The fingerprint of the master key that is needed.
        needed: String,
        /// The fingerprints of those that we have.
        given: Vec<String>,
    },
    /// The stored text is not of the one form that we write.
    #[error("it is not stored in a form that this program writes")]
    Form,
    /// The stored text belongs to another row.
    #[error("it was stored for another place")]
    Place,
    /// The stored text was changed.
    #[error("its stored form was changed")]
    Tampered,
    /// OpenSSL failed.
    #[error("the encryption failed")]
    Encryption(#[source] JoseError),
}

fn given_text(given: &[String]) -> String {
    if given.is_empty() {
        "none was given".to_owned()
    } else {
        format!("what was given is {}", given.join(", "))
    }
}

/// The one header that we write. `zip` and everything else is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrapHeader {
    alg: String,
    enc: String,
    kid: String,
    place: String,
    iv: String,
    tag: String,
}

/// The length in base64url of a GCM nonce (12 bytes) and of a GCM tag (16 bytes).
const ENCODED_NONCE: usize = 16;
const ENCODED_TAG: usize = 22;

/// Holds the text to our one form before any decryption. The lengths matter: OpenSSL would accept a GCM tag
/// that was cut down to a guessable few bits.
fn check_form(wrapped: &str, place: &str) -> Result<(), WrapError> {
    if wrapped.len() > MAX_WRAPPED {
        return Err(WrapError::Form);
    }
    let parts: Vec<&str> = wrapped.split('.').collect();
    let [header, _key, nonce, _ciphertext, tag] = parts[..] else {
        return Err(WrapError::Form);
    };
    let header: WrapHeader = compact::decode(header)
        .and_then(|bytes| compact::object(&bytes))
        .map_err(|_| WrapError::Form)?;
    let lengths_fit = [(&*header.iv, ENCODED_NONCE), (nonce, ENCODED_NONCE)]
        .into_iter()
        .chain([(&*header.tag, ENCODED_TAG), (tag, ENCODED_TAG)])
        .all(|(text, length)| text.len() == length);
    if header.alg != "A256GCMKW" || header.enc != "A256GCM" || !lengths_fit {
        return Err(WrapError::Form);
    }
    if header.place != place {
        return Err(WrapError::Place);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;
    use crate::random::SeededRandom;

    fn master(seed: u64) -> MasterKey {
        MasterKey::generate(&SeededRandom::new(seed))
    }

    fn open_with(master: &MasterKey, wrapped: &str, place: &str) -> Result<Vec<u8>, WrapError> {
        unwrap(
            std::slice::from_ref(master),
            &master.fingerprint(),
            wrapped,
            place,
        )
        .map(|plain| plain.to_vec())
    }

    #[test]
    fn a_master_key_is_read_with_space_around_and_named_by_its_digest() {
        let key =
            MasterKey::parse("\n  AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n").expect("32 zero bytes");
        // sha256 of 32 zero bytes, as any sha256sum prints it.
        assert_eq!(key.fingerprint(), "66687aadf862bd77");
        assert_eq!(format!("{key:?}"), "MasterKey");
        for wrong in [
            "",
            "AAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=",
            "_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        ] {
            assert_eq!(MasterKey::parse(wrong).err(), Some(InvalidMasterKey), "{wrong}");
        }
    }

    #[test]
    fn what_was_wrapped_opens_with_the_same_key_at_the_same_place_only() {
        let wrapped = master(1).wrap(b"secret", "mac_key/cookie/1").expect("wraps");
        assert!(!wrapped.contains("secret"));
        assert_eq!(
            open_with(&master(1), &wrapped, "mac_key/cookie/1").expect("opens"),
            b"secret"
        );
        assert!(matches!(
            open_with(&master(1), &wrapped, "mac_key/session_token/1"),
            Err(WrapError::Place)
        ));
        assert!(matches!(
            open_with(&master(2), &wrapped, "mac_key/cookie/1"),
            Err(WrapError::Tampered)
        ));
        let missing = unwrap(
            &[master(2)],
            &master(1).fingerprint(),
            &wrapped,
            "mac_key/cookie/1",
        )
        .expect_err("the master key is missing");
        let text = missing.to_string();
        assert!(
            text.contains(&master(1).fingerprint()) && text.contains(&master(2).fingerprint()),
            "{text}"
        );
    }

    #[test]
    fn every_changed_character_is_noticed() {
        let wrapped = master(1).wrap(b"secret", "p").expect("wraps");
        for at in 0..wrapped.len() {
            let mut wrong = wrapped.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(open_with(&master(1), &wrong, "p").is_err(), "{at}");
        }
    }

    #[test]
    fn only_our_own_form_is_opened() {
        let key = master(1);
        let wrapped = key.wrap(b"secret", "p").expect("wraps");
        let parts: Vec<&str> = wrapped.split('.').collect();
        let header = String::from_utf8(URL_SAFE_NO_PAD.decode(parts[0]).expect("base64url")).expect("UTF-8");
        let with_header = |header: &str| {
            [&[&*URL_SAFE_NO_PAD.encode(header)], &parts[1..]]
                .concat()
                .join(".")
        };
        let short_tag = [&parts[..4], &[&parts[4][..6]]].concat().join(".");
        for wrong in [
            short_tag,
            with_header(&header.replacen('{', "{\"zip\":\"DEF\",", 1)),
            with_header(&header.replacen('{', "{\"alg\":\"dir\",", 1)),
            with_header(&header.replace("A256GCMKW", "PBES2-HS256+A128KW")),
            with_header(&header.replace("\"A256GCM\"", "\"A128CBC-HS256\"")),
            format!("{wrapped}."),
            format!("{wrapped}{}", "A".repeat(MAX_WRAPPED)),
        ] {
            assert!(
                matches!(open_with(&key, &wrong, "p"), Err(WrapError::Form)),
                "{wrong}"
            );
        }
    }
}
