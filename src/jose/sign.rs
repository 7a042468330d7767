//! Making tokens. A token costs little above its signature: the encoded header is made once a key and type,
//! and the claims are written as JSON straight from their struct.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::JoseError;
use serde::Serialize;

use super::pkcs11::Pkcs11Error;
use super::signer::{Answer, LockedSigner, Signer};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// What a token is, said in its header so that none is taken for another (RFC 8725 §3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenType {
    /// A JWT access token (RFC 9068 §2.1).
    AccessToken,
    /// An ID token (OpenID Connect Core §2).
    IdToken,
    /// A status list (draft-ietf-oauth-status-list §5.1).
    StatusList,
    /// A logout token (OpenID Connect Back-Channel Logout 1.0 §2.4).
    LogoutToken,
    /// What Better Auth's clients show to their own back ends. It has no type, so nothing here takes it for
    /// any other token.
    UserToken,
}

impl TokenType {
    const ALL: [Self; 5] = [
        Self::AccessToken,
        Self::IdToken,
        Self::StatusList,
        Self::LogoutToken,
        Self::UserToken,
    ];

    /// The `typ` of the header; empty: it has none.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "at+jwt",
            Self::IdToken => "JWT",
            Self::StatusList => "statuslist+jwt",
            Self::LogoutToken => "logout+jwt",
            Self::UserToken => "",
        }
    }
}

/// A private key and the headers of its tokens. Made once a key, then shared.
pub struct SigningKey {
    kid: String,
    /// The encoded header of each type, its dot included, in the order of [`TokenType::ALL`].
    headers: [String; TokenType::ALL.len()],
    signer: Box<dyn Signer>,
    locked: bool,
}

impl SigningKey {
    /// A key that tokens call `kid`.
    pub(super) fn new(kid: &str, algorithm: SigningAlgorithm, signer: Box<dyn Signer>) -> Self {
        Self {
            kid: kid.to_owned(),
            headers: TokenType::ALL.map(|typ| encoded_header(algorithm, typ, kid)),
            signer,
            locked: false,
        }
    }

    /// A key that only `needed`, a master key that is not here, could open.
    pub(super) fn locked(kid: &str, algorithm: SigningAlgorithm, needed: String) -> Self {
        Self {
            locked: true,
            ..Self::new(kid, algorithm, Box::new(LockedSigner(needed)))
        }
    }

    /// Whether it lacks its master key.
    pub(super) const fn is_locked(&self) -> bool {
        self.locked
    }

    /// The name that tokens call the key by.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether it could sign, without signing: at once for a key of this process.
    ///
    /// # Errors
    /// With the reason why not.
    pub fn check(&self) -> Answer<'_, ()> {
        self.signer.check()
    }

    /// Signs `claims` as a compact JWS (RFC 7515 §3.1).
    ///
    /// # Errors
    /// When the claims are no JSON or the signature fails.
    pub async fn sign(&self, typ: TokenType, claims: &(impl Serialize + Sync)) -> Result<String, SignError> {
        let mut payload = Vec::with_capacity(512);
        serde_json::to_writer(&mut payload, claims).map_err(SignError::Claims)?;
        let header = &self.headers[typ as usize];
        let encoded = |bytes: usize| bytes.div_ceil(3) * 4;
        let capacity = header.len() + encoded(payload.len()) + 1 + encoded(self.signer.signature_len());
        let mut token = String::with_capacity(capacity);
        token.push_str(header);
        URL_SAFE_NO_PAD.encode_string(&payload, &mut token);
        let signature = self.sign_bytes(token.as_bytes()).await?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(&signature, &mut token);
        Ok(token)
    }

    pub(super) fn sign_bytes<'a>(&'a self, message: &'a [u8]) -> Answer<'a, Vec<u8>> {
        self.signer.sign(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

fn encoded_header(algorithm: SigningAlgorithm, typ: TokenType, kid: &str) -> String {
    #[derive(Serialize)]
    struct Header<'a> {
        alg: &'a str,
        #[serde(skip_serializing_if = "str::is_empty")]
        typ: &'a str,
        kid: &'a str,
    }
    let header = Header {
        alg: algorithm.as_str(),
        typ: typ.as_str(),
        kid,
    };
    let json = serde_json::to_vec(&header).expect("texts alone always serialise");
    format!("{}.", URL_SAFE_NO_PAD.encode(json))
}

/// Why a token was not made.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The claims cannot be written as JSON.
    #[error("the claims could not be written")]
    Claims(#[source] serde_json::Error),
    /// The cryptographic library failed.
    #[error("the signature could not be made")]
    Signature(#[source] JoseError),
    /// The key rests in the database under a master key that is not here.
    #[error("it is encrypted with the master key {0}, which is not in keys.master_key_file")]
    Locked(String),
    /// The key is in a token, which is away or will not sign.
    #[error(transparent)]
    Token(#[from] Pkcs11Error),
}

impl SignError {
    /// Whether it may pass: a token comes back, a master key is added, a library that fails stays broken.
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::Token(_) | Self::Locked(_))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::jose::signer::{LocalSigner, signer};
    use crate::jose::{Seed, generate};
    use crate::random::SeededRandom;

    #[tokio::test]
    async fn a_token_is_what_josekit_makes_of_the_same_claims() {
        for algorithm in SigningAlgorithm::ALL {
            let new = generate(algorithm, &Seed::draw(&SeededRandom::new(1))).expect("a key");
            let kid = &new.public_jwk.kid;
            let signer = signer(new.algorithm, &new.private_jwk).expect("a private key");
            let key = SigningKey::new(kid, new.algorithm, Box::new(LocalSigner(signer)));
            let claims = json!({"sub": "someone", "exp": 1});
            let token = key.sign(TokenType::AccessToken, &claims).await.expect("a token");

            let verifier =
                super::super::verifier::verifier(new.algorithm, &new.public_jwk.key).expect("a key");
            let (payload, header) =
                josekit::jws::deserialize_compact(&token, &*verifier).expect("josekit reads it");
            assert_eq!(payload, claims.to_string().into_bytes());
            assert_eq!(header.token_type(), Some("at+jwt"));
            assert_eq!(header.key_id(), Some(&**kid));
            assert_eq!(header.algorithm(), Some(new.algorithm.as_str()));
        }
    }
}
