//! Secrets as types: they print as their type's name, are never serialised, and are compared in constant
//! time only. What a peer must present again is a [`PlainToken`]; what we keep of it is a [`TokenHash`].

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::random::Random;

/// A text that must not be seen: a password, a configured secret, a verifier.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Takes a secret out of the clear.
    pub fn new(text: impl Into<String>) -> Self {
        Self(SecretString::from(text.into()))
    }

    /// The text itself. Every call is a place to review.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> serde::Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

/// What an opaque token is for; its prefix lets secret scanners recognise a leaked one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// An authorization code (RFC 6749 §4.1).
    AuthorizationCode,
    /// A client secret (RFC 6749 §2.3.1).
    ClientSecret,
    /// The value of the cookie that binds a pending request, and its forms, to one browser.
    Browser,
    /// The value of the cookie of a browser that completed a login.
    Device,
    /// The `state` of a browser that is on its way to another provider (RFC 6749 §4.1.1).
    Federation,
}

impl TokenKind {
    /// What a token of this kind starts with.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "signet_ac_",
            Self::ClientSecret => "signet_cs_",
            Self::Browser => "signet_bt_",
            Self::Device => "signet_dt_",
            Self::Federation => "signet_fs_",
        }
    }
}

const ENTROPY: usize = 32;
const CHECKSUM: usize = 4;

/// A bearer secret in the clear: its kind's prefix, then base64url of 256 random bits and a checksum of
/// 32 bits over prefix and bits, so that a typo costs no query.
#[derive(Clone)]
pub struct PlainToken(SecretString);

impl PlainToken {
    /// Makes a new token.
    pub fn generate(kind: TokenKind, random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; ENTROPY + CHECKSUM]);
        random.fill(&mut bytes[..ENTROPY]);
        let checksum = checksum(kind, &bytes[..ENTROPY]);
        bytes[ENTROPY..].copy_from_slice(&checksum);
        Self(SecretString::from(format!(
            "{}{}",
            kind.prefix(),
            URL_SAFE_NO_PAD.encode(&bytes[..])
        )))
    }

    /// Takes what a peer presented. `None` for anything that [`generate`](Self::generate) cannot have
    /// made: another kind, length or alphabet, slack bits, a wrong checksum.
    pub fn parse(kind: TokenKind, text: &str) -> Option<Self> {
        let encoded = text.strip_prefix(kind.prefix())?;
        let mut bytes = Zeroizing::new([0; ENTROPY + CHECKSUM]);
        if encoded.len() != 48 || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]).ok()? != bytes.len() {
            return None;
        }
        let expected = checksum(kind, &bytes[..ENTROPY]);
        (bytes[ENTROPY..] == expected).then(|| Self(SecretString::from(text)))
    }

    /// What may be stored.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.expose().as_bytes()).into())
    }

    /// The token itself, to hand it to its owner.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken")
    }
}

fn checksum(kind: TokenKind, random: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::new()
        .chain_update(kind.prefix())
        .chain_update(random)
        .finalize();
    [digest[0], digest[1], digest[2], digest[3]]
}

/// The SHA-256 of a [`PlainToken`]: what the database holds of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash as the database takes it.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of a token that another server made, in whatever form it has.
    pub fn of_foreign(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// The hash as the database has it; `None` for another length.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().map(Self).ok()
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn a_token_parses_back_and_one_changed_character_does_not() {
        let random = SeededRandom::new(1);
        let token = PlainToken::generate(TokenKind::AuthorizationCode, &random);
        let text = token.expose().to_owned();
        let parsed = PlainToken::parse(TokenKind::AuthorizationCode, &text).expect("our own token parses");
        assert_eq!(parsed.hash(), token.hash());
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'A' { b'B' } else { b'A' };
            let wrong = String::from_utf8(wrong).expect("ASCII");
            assert!(
                PlainToken::parse(TokenKind::AuthorizationCode, &wrong).is_none(),
                "{at}"
            );
        }
        assert!(PlainToken::parse(TokenKind::ClientSecret, &text).is_none());
        assert!(PlainToken::parse(TokenKind::AuthorizationCode, &format!("{text}=")).is_none());
    }

    #[test]
    fn nothing_secret_is_printed() {
        let token = PlainToken::generate(TokenKind::ClientSecret, &SeededRandom::new(2));
        let printed = format!("{:?} {:?} {:?}", Secret::new("hunter2"), token, token.hash());
        assert_eq!(printed, "Secret PlainToken TokenHash");
    }
}
