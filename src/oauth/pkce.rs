//! Proof Key for Code Exchange (RFC 7636). Only `S256`: with `plain` a leaked request is a leaked code.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A `code_challenge` of method S256: base64url of a SHA-256 (RFC 7636 §4.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CodeChallenge(String);

impl CodeChallenge {
    /// Takes what a client sent. `None` unless it is strict base64url of 32 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let exact = text.len() == 43 && URL_SAFE_NO_PAD.decode(text).is_ok_and(|hash| hash.len() == 32);
        exact.then(|| Self(text.to_owned()))
    }

    /// The challenge that belongs to a `code_verifier` (RFC 7636 §4.6). `None` unless the verifier is 43 to
    /// 128 unreserved characters (§4.1). A challenge is public, so comparing two needs no constant time.
    pub fn of_verifier(verifier: &str) -> Option<Self> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if !(43..=128).contains(&verifier.len()) || !verifier.bytes().all(unreserved) {
            return None;
        }
        Some(Self(URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))))
    }

    /// The challenge as it came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b() {
        let challenge = CodeChallenge::of_verifier("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(
            challenge,
            CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
        );
        assert!(challenge.is_some());
    }

    #[test]
    fn what_is_not_strict_is_refused() {
        assert_eq!(
            CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM="),
            None
        );
        assert_eq!(
            CodeChallenge::parse("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cN"),
            None,
            "slack bits"
        );
        assert_eq!(CodeChallenge::parse(""), None);
        assert_eq!(CodeChallenge::of_verifier("too-short"), None);
        assert_eq!(CodeChallenge::of_verifier(&"a".repeat(129)), None);
        assert_eq!(CodeChallenge::of_verifier(&" ".repeat(43)), None);
    }
}
