//! How other providers write their hashes, and what is stored of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::pbkdf2::Pbkdf2;
use super::scrypt::Scrypt;
use super::{Digest, Foreign, UnusableHash};
use crate::domain::password::PasswordHash;
use crate::password::argon2id;

/// The longest text that is looked at.
const MAX_TEXT: usize = 1024;

/// What is to be stored of a hash that tells its scheme by its form: argon2 and bcrypt in their usual strings,
/// `$scrypt$ln=…,r=…,p=…$salt$hash` and `$pbkdf2-sha256$i=…$salt$hash` (sha1, sha512), those of Django, and Better
/// Auth's `salt:key`.
///
/// # Errors
/// When nothing here verifies it, or only at too high a price.
pub fn of_text(text: &str) -> Result<PasswordHash, UnusableHash> {
    if text.len() > MAX_TEXT {
        return Err(UnusableHash::Unknown);
    }
    if text.starts_with("$argon2") {
        let hash = PasswordHash::from_stored(text);
        return argon2id::is_acceptable(&hash).map(|()| hash);
    }
    if text.starts_with('$') {
        return stored(text.to_owned());
    }
    if let Some((scheme, _)) = text.split_once('$') {
        return of_django(scheme, text);
    }
    of_better_auth(text)
}

/// Django: `pbkdf2_sha256$rounds$salt$hash`, `bcrypt$` or `argon2` and what others write.
///
/// # Errors
/// When nothing here verifies it, or only at too high a price.
fn of_django(scheme: &str, text: &str) -> Result<PasswordHash, UnusableHash> {
    let digest = match scheme {
        "pbkdf2_sha1" => Digest::Sha1,
        "pbkdf2_sha256" => Digest::Sha256,
        "bcrypt" => {
            return text
                .strip_prefix("bcrypt$")
                .map_or(Err(UnusableHash::Unknown), of_text);
        }
        "argon2" => {
            return text
                .strip_prefix("argon2")
                .map_or(Err(UnusableHash::Unknown), of_text);
        }
        _ => return Err(UnusableHash::Unknown),
    };
    let malformed = UnusableHash::Malformed("PBKDF2");
    let parts: Vec<&str> = text.split('$').collect();
    let [_, rounds, salt, hash] = parts[..] else {
        return Err(malformed);
    };
    let rounds = rounds.parse().map_err(|_| malformed)?;
    let hash = STANDARD.decode(hash).map_err(|_| malformed)?;
    pbkdf2(digest, rounds, salt.as_bytes(), &hash)
}

/// Better Auth: the salt is the hexadecimal text itself, and not what it stands for.
fn of_better_auth(text: &str) -> Result<PasswordHash, UnusableHash> {
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (salt, key) = text.split_once(':').ok_or(UnusableHash::Unknown)?;
    if salt.len() != 32 || key.len() != 128 || !hexadecimal(salt) || !hexadecimal(key) {
        return Err(UnusableHash::Unknown);
    }
    let key: Vec<u8> = (0..key.len())
        .step_by(2)
        .filter_map(|at| u8::from_str_radix(&key[at..at + 2], 16).ok())
        .collect();
    stored(Scrypt::write(14, 16, 1, salt.as_bytes(), &key))
}

/// PBKDF2 in parts, as Keycloak has it.
///
/// # Errors
/// When it is too dear to verify, or its parts have lengths that none has.
pub fn pbkdf2(digest: Digest, rounds: u32, salt: &[u8], hash: &[u8]) -> Result<PasswordHash, UnusableHash> {
    stored(Pbkdf2::write(digest, rounds, salt, hash))
}

/// What a Firebase project hashes with, as its console shows.
#[derive(Clone)]
pub struct FirebaseParams {
    /// `base64_signer_key`, decoded.
    pub signer_key: zeroize::Zeroizing<Vec<u8>>,
    /// `base64_salt_separator`, decoded.
    pub salt_separator: Vec<u8>,
    /// `rounds`: scrypt's r.
    pub rounds: u32,
    /// `mem_cost`: the logarithm of scrypt's N.
    pub mem_cost: u32,
}

impl std::fmt::Debug for FirebaseParams {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FirebaseParams")
    }
}

/// Firebase: what rests is the hash less the project's secret.
///
/// # Errors
/// When the parameters are too dear, or the hash is not of such a project.
pub fn of_firebase(params: &FirebaseParams, salt: &[u8], hash: &[u8]) -> Result<PasswordHash, UnusableHash> {
    if hash.len() != params.signer_key.len() {
        return Err(UnusableHash::Malformed("Firebase scrypt"));
    }
    let stream: Vec<u8> = hash
        .iter()
        .zip(&*params.signer_key)
        .map(|(byte, secret)| byte ^ secret)
        .collect();
    let salt = [salt, &params.salt_separator].concat();
    stored(Scrypt::write_firebase(
        params.mem_cost,
        params.rounds,
        &salt,
        &stream,
    ))
}

/// What was written, if it can be read again and is affordable.
fn stored(text: String) -> Result<PasswordHash, UnusableHash> {
    Foreign::parse(&text).map(|_| PasswordHash::from_stored(text))
}
