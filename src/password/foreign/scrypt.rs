//! scrypt (RFC 7914), and what Firebase makes of it: there the output is the key of AES-256-CTR, which encrypts a secret
//! of the project. Less that secret, which is known when a hash is imported, what is left is the key stream itself. That
//! is what rests, so that the secret need not.

use openssl::error::ErrorStack;
use openssl::symm::{Cipher, encrypt};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::super::memory::OutOfMemory;
use super::{MAX_HASH, Parts, UnusableHash};

/// The most memory of one hash, in bytes.
const MAX_MEMORY: u64 = 64 * 1024 * 1024;
/// The most memory that one hash fills in all its lanes: half a second's work.
const MAX_FILLED: u64 = 256 * 1024 * 1024;
/// What OpenSSL may take beside the memory proper.
const SLACK: u64 = 1024 * 1024;
/// The bytes of a key of AES-256.
const KEY: usize = 32;

/// What the output is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is the hash.
    Hash,
    /// It is the key of a stream, which is the hash.
    Key,
}

/// A hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Scrypt {
    log_n: u32,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    hash: Vec<u8>,
    output: Use,
}

impl Scrypt {
    pub(super) fn parse(parts: &Parts<'_>) -> Result<Self, UnusableHash> {
        let malformed = UnusableHash::Malformed("scrypt");
        let [log_n, r, p] = parts.numbers(["ln", "r", "p"]).ok_or(malformed)?;
        let fair = (1..=63).contains(&log_n) && r >= 1 && p >= 1;
        if !fair || !parts.has_fair_lengths() {
            return Err(malformed);
        }
        let (n, r, p) = (1_u64 << log_n, u64::from(r), u64::from(p));
        let memory = n.saturating_mul(r).saturating_mul(128);
        // Each lane has memory of its own besides, of 128 r.
        if memory > MAX_MEMORY || r * p * 128 > MAX_MEMORY || memory.saturating_mul(p) > MAX_FILLED {
            return Err(UnusableHash::TooDear("scrypt"));
        }
        let [log_n, r, p] = parts.numbers(["ln", "r", "p"]).ok_or(malformed)?;
        Ok(Self {
            log_n,
            r,
            p,
            salt: parts.salt.clone(),
            hash: parts.hash.clone(),
            output: match parts.scheme {
                "firebase-scrypt" => Use::Key,
                _ => Use::Hash,
            },
        })
    }

    /// The string to store.
    pub fn write(log_n: u32, r: u32, p: u32, salt: &[u8], hash: &[u8]) -> String {
        Parts::write("scrypt", &format!("ln={log_n},r={r},p={p}"), salt, hash)
    }

    /// The string to store of a hash of Firebase, of which `stream` is the key stream.
    pub fn write_firebase(log_n: u32, r: u32, salt: &[u8], stream: &[u8]) -> String {
        Parts::write("firebase-scrypt", &format!("ln={log_n},r={r},p=1"), salt, stream)
    }

    /// Whether it is that of a password.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn is_of(&self, password: &str) -> Result<bool, OutOfMemory> {
        let made = self.make(password).map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, "OpenSSL made no scrypt");
            OutOfMemory::new()
        })?;
        Ok(made.ct_eq(&self.hash).into())
    }

    fn make(&self, password: &str) -> Result<Vec<u8>, ErrorStack> {
        let mut buffer = Zeroizing::new([0; MAX_HASH]);
        let length = match self.output {
            Use::Hash => self.hash.len(),
            Use::Key => KEY,
        };
        let output = &mut buffer[..length];
        let (r, p) = (u64::from(self.r), u64::from(self.p));
        let limit = 2 * MAX_MEMORY + SLACK;
        openssl::pkcs5::scrypt(
            password.as_bytes(),
            &self.salt,
            1 << self.log_n,
            r,
            p,
            limit,
            output,
        )?;
        match self.output {
            Use::Hash => Ok(output.to_vec()),
            Use::Key => key_stream(output, self.hash.len()),
        }
    }
}

fn key_stream(key: &[u8], length: usize) -> Result<Vec<u8>, ErrorStack> {
    encrypt(Cipher::aes_256_ctr(), key, Some(&[0; 16]), &vec![0; length])
}
