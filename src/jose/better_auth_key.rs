//! Signing keys as a Better Auth server keeps them: XChaCha20-Poly1305 under the SHA-256 of its secret, written as
//! hexadecimal text of nonce, ciphertext and tag, in quotes, perhaps with the version of the secret in front.

use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

const NONCE: usize = 24;
const TAG: usize = 16;
/// The longest text: an RSA key of 4096 bits has about 7,000 characters of it.
const MAX_TEXT: usize = 32 * 1024;

/// Why a key cannot be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedKeyError {
    /// It is something else.
    #[error("the private key is neither JSON nor encrypted as Better Auth does")]
    Form,
    /// It was encrypted with another secret.
    #[error("none of the secrets opens the private key")]
    Secret,
}

/// The private JWK, as JSON text.
///
/// # Errors
/// When none of the secrets opens it.
pub fn open(stored: &str, secrets: &[Secret]) -> Result<Zeroizing<Vec<u8>>, SealedKeyError> {
    if stored.len() > MAX_TEXT {
        return Err(SealedKeyError::Form);
    }
    // Without encryption it is the JWK itself.
    if stored.trim_start().starts_with('{') {
        return Ok(Zeroizing::new(stored.as_bytes().to_vec()));
    }
    let text = stored.trim().trim_matches('"');
    let sealed = match text.strip_prefix("$ba$") {
        Some(versioned) => versioned.split_once('$').ok_or(SealedKeyError::Form)?.1,
        None => text,
    };
    let sealed = from_hexadecimal(sealed).ok_or(SealedKeyError::Form)?;
    let (nonce, ciphertext) = sealed
        .split_first_chunk::<NONCE>()
        .filter(|(_, rest)| rest.len() >= TAG)
        .ok_or(SealedKeyError::Form)?;
    secrets
        .iter()
        .find_map(|secret| {
            let key = Zeroizing::new(<[u8; 32]>::from(Sha256::digest(secret.expose())));
            let cipher = XChaCha20Poly1305::new((&*key).into());
            cipher.decrypt(&XNonce::from(*nonce), ciphertext).ok()
        })
        .map(Zeroizing::new)
        .ok_or(SealedKeyError::Secret)
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).ok();
    (0..text.len()).step_by(2).map(byte).collect()
}
