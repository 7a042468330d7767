//! Password hashes that users bring along from other providers: scrypt, bcrypt, PBKDF2 and Firebase's scrypt. None is
//! ever made here. They rest as strings that name their scheme, are told apart by it, verified on the threads of the
//! [`Hasher`](super::Hasher), and replaced by argon2id at the login that proves them.
//!
//! A string names its own cost. What is too dear is refused when it is imported, and again before it is verified, so
//! that no login eats the machine.

mod bcrypt;
mod formats;
mod pbkdf2;
mod scrypt;
#[cfg(test)]
mod tests;

use std::time::Instant;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use self::bcrypt::Bcrypt;
pub use self::formats::{FirebaseParams, of_firebase, of_text, pbkdf2};
pub use self::pbkdf2::Digest;
use self::pbkdf2::Pbkdf2;
use self::scrypt::Scrypt;
use super::Verification;
use super::memory::{Memory, OutOfMemory};
use crate::domain::password::{Password, PasswordHash};

/// The most bytes of salt.
const MAX_SALT: usize = 128;
/// The fewest and the most bytes of a hash. Fewer can be met by chance.
const MIN_HASH: usize = 16;
const MAX_HASH: usize = 128;

/// Why a hash of others is of no use. Nothing of the hash is in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableHash {
    /// Nothing here verifies it.
    #[error("the password's hash is of no scheme that is known here")]
    Unknown,
    /// It has the name of a scheme, and not its form.
    #[error("the password's hash is no {0} hash that can be read")]
    Malformed(&'static str),
    /// One login with it would take too much time or memory.
    #[error("the password's {0} hash is too dear to verify")]
    TooDear(&'static str),
}

/// A hash that can be verified, and is affordable.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Foreign {
    Bcrypt(Bcrypt),
    Pbkdf2(Pbkdf2),
    Scrypt(Scrypt),
}

impl Foreign {
    /// Reads a stored hash. `None` for one of argon2, or one that is of no use.
    pub(super) fn read(hash: &PasswordHash) -> Option<Self> {
        Self::parse(hash.as_str()).ok()
    }

    fn parse(text: &str) -> Result<Self, UnusableHash> {
        if text.starts_with("$2") {
            return Bcrypt::parse(text).map(Self::Bcrypt);
        }
        let parts = Parts::read(text).ok_or(UnusableHash::Unknown)?;
        match parts.scheme {
            "scrypt" | "firebase-scrypt" => Scrypt::parse(&parts).map(Self::Scrypt),
            "pbkdf2-sha1" | "pbkdf2-sha256" | "pbkdf2-sha512" => Pbkdf2::parse(&parts).map(Self::Pbkdf2),
            _ => Err(UnusableHash::Unknown),
        }
    }

    /// Verifies a password: as it is hashed here, in NFKC, and as it was typed where that is another text.
    pub(super) fn verify(&self, memory: &Memory, password: &Password) -> Result<Verification, OutOfMemory> {
        for text in std::iter::once(password.expose()).chain(password.expose_typed()) {
            let started = Instant::now();
            let right = match self {
                Self::Bcrypt(bcrypt) => bcrypt.is_of(text),
                Self::Pbkdf2(pbkdf2) => pbkdf2.is_of(text),
                Self::Scrypt(scrypt) => scrypt.is_of(text)?,
            };
            memory.count_foreign(started.elapsed());
            if right {
                return Ok(Verification::Right { outdated: true });
            }
        }
        Ok(Verification::Wrong)
    }
}

/// A string `$scheme$parameters$salt$hash`, with salt and hash in base64 without padding.
struct Parts<'a> {
    scheme: &'a str,
    parameters: &'a str,
    salt: Vec<u8>,
    hash: Vec<u8>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let mut parts = text.strip_prefix('$')?.split('$');
        let (scheme, parameters, salt, hash) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() || salt.len() > 2 * MAX_SALT || hash.len() > 2 * MAX_HASH {
            return None;
        }
        Some(Self {
            scheme,
            parameters,
            salt: STANDARD_NO_PAD.decode(salt).ok()?,
            hash: STANDARD_NO_PAD.decode(hash).ok()?,
        })
    }

    fn write(scheme: &str, parameters: &str, salt: &[u8], hash: &[u8]) -> String {
        let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
        format!("${scheme}${parameters}${salt}${hash}")
    }

    /// The numbers of these names, which must be all that there is.
    fn numbers<const N: usize>(&self, names: [&str; N]) -> Option<[u32; N]> {
        let mut parameters = self.parameters.split(',');
        let mut numbers = [0; N];
        for (name, number) in names.into_iter().zip(&mut numbers) {
            let digits = parameters.next()?.strip_prefix(name)?.strip_prefix('=')?;
            // `parse` alone would take a sign.
            if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return None;
            }
            *number = digits.parse().ok()?;
        }
        parameters.next().is_none().then_some(numbers)
    }

    fn has_fair_lengths(&self) -> bool {
        self.salt.len() <= MAX_SALT && (MIN_HASH..=MAX_HASH).contains(&self.hash.len())
    }
}
