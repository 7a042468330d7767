//! PBKDF2 (RFC 8018 §5.2), as Django and Keycloak make it.

use openssl::hash::MessageDigest;
use openssl::pkcs5::pbkdf2_hmac;
use subtle::ConstantTimeEq;

use super::{MAX_HASH, Parts, UnusableHash};

/// The most rounds, counted again for each block of output: a few seconds' work.
const MAX_ROUNDS: u64 = 5_000_000;

/// What the rounds are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Digest {
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl Digest {
    const fn scheme(self) -> &'static str {
        match self {
            Self::Sha1 => "pbkdf2-sha1",
            Self::Sha256 => "pbkdf2-sha256",
            Self::Sha512 => "pbkdf2-sha512",
        }
    }

    fn of(scheme: &str) -> Option<Self> {
        [Self::Sha1, Self::Sha256, Self::Sha512]
            .into_iter()
            .find(|digest| digest.scheme() == scheme)
    }

    const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn openssl(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

/// A hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Pbkdf2 {
    digest: Digest,
    rounds: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl Pbkdf2 {
    pub(super) fn parse(parts: &Parts<'_>) -> Result<Self, UnusableHash> {
        let malformed = UnusableHash::Malformed("PBKDF2");
        let digest = Digest::of(parts.scheme).ok_or(malformed)?;
        let [rounds] = parts.numbers(["i"]).ok_or(malformed)?;
        if rounds == 0 || !parts.has_fair_lengths() {
            return Err(malformed);
        }
        let blocks = parts.hash.len().div_ceil(digest.length()) as u64;
        if u64::from(rounds) * blocks > MAX_ROUNDS {
            return Err(UnusableHash::TooDear("PBKDF2"));
        }
        Ok(Self {
            digest,
            rounds,
            salt: parts.salt.clone(),
            hash: parts.hash.clone(),
        })
    }

    /// The string to store.
    pub fn write(digest: Digest, rounds: u32, salt: &[u8], hash: &[u8]) -> String {
        Parts::write(digest.scheme(), &format!("i={rounds}"), salt, hash)
    }

    /// Whether it is that of a password.
    pub fn is_of(&self, password: &str) -> bool {
        let mut buffer = [0; MAX_HASH];
        let made = &mut buffer[..self.hash.len()];
        let (rounds, digest) = (self.rounds as usize, self.digest.openssl());
        let done = pbkdf2_hmac(password.as_bytes(), &self.salt, rounds, digest, made);
        if let Err(error) = &done {
            tracing::error!(error = error as &dyn std::error::Error, "OpenSSL made no PBKDF2");
        }
        done.is_ok() && bool::from(made.ct_eq(&self.hash))
    }
}
