//! Believing our own tokens again. Nothing in a token decides how it is verified: the key is found by its
//! exact `kid`, and the key has one algorithm (RFC 8725 §3.1); the header must say what we write, no more.

use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};

use super::claims::{AccessTokenClaims, IdTokenClaims};
use super::compact::{self, Compact, MAX_TOKEN, Malformed};
use super::{KeyRing, TokenType};
use crate::domain::key_state::KeyState;

/// Why a token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// Longer than any that we make.
    #[error("the token is too long")]
    TooLong,
    /// Not a JWS of ours by its form alone.
    #[error("the token is not well-formed")]
    Malformed,
    /// Its `kid` names none of our keys.
    #[error("no key has the kid of the token")]
    UnknownKey,
    /// The key must not be believed for such a token any more.
    #[error("the key {kid} is {}", state.as_str())]
    Key {
        /// The key's name.
        kid: String,
        /// Where it stands.
        state: KeyState,
    },
    /// Its `alg` is not the key's.
    #[error("the algorithm of the token is not the key's")]
    Algorithm,
    /// It is another kind of token.
    #[error("the token is of another type")]
    Type,
    /// The signature does not match.
    #[error("the signature does not match")]
    Signature,
    /// A claim that its type must have is missing, or is no such claim.
    #[error("the claims are not those of such a token")]
    Claims,
    /// Another issuer's.
    #[error("the token is from another issuer")]
    Issuer,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
}

impl From<Malformed> for VerifyError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Believes an access token of ours (RFC 9068 §4): signature, type, issuer, expiry. The caller still asks
/// whether it is for the caller (`aud`), and whether it was revoked.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_access_token(
    ring: &KeyRing,
    token: &str,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<AccessTokenClaims, VerifyError> {
    let claims: AccessTokenClaims = verify(ring, token, TokenType::AccessToken, now, KeyState::is_published)?;
    if claims.iss != issuer {
        return Err(VerifyError::Issuer);
    }
    if claims.exp <= now.timestamp() {
        return Err(VerifyError::Expired);
    }
    Ok(claims)
}

/// Believes an ID token of ours as a hint of who the user was (OpenID Connect Core §3.1.2.1): it may have
/// expired, and its key may be retired, but not compromised.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_id_token_hint(
    ring: &KeyRing,
    token: &str,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<IdTokenClaims, VerifyError> {
    let not_compromised = |state| state != KeyState::Compromised;
    let claims: IdTokenClaims = verify(ring, token, TokenType::IdToken, now, not_compromised)?;
    if claims.iss == issuer {
        Ok(claims)
    } else {
        Err(VerifyError::Issuer)
    }
}

/// The members of the headers that we write. Any other (`crit`, `jwk`, `jku`, `x5u` …) is refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

fn verify<T: DeserializeOwned>(
    ring: &KeyRing,
    token: &str,
    typ: TokenType,
    now: DateTime<Utc>,
    believed: impl Fn(KeyState) -> bool,
) -> Result<T, VerifyError> {
    if token.len() > MAX_TOKEN {
        return Err(VerifyError::TooLong);
    }
    let parts = Compact::parse(token)?;
    let header: Header = compact::object(&parts.header)?;
    if !is_type(&header.typ, typ) {
        return Err(VerifyError::Type);
    }
    let key = ring.verifier(&header.kid).ok_or(VerifyError::UnknownKey)?;
    if header.alg != key.algorithm().as_str() {
        return Err(VerifyError::Algorithm);
    }
    let state = key.state(now);
    if !believed(state) {
        return Err(VerifyError::Key {
            kid: header.kid,
            state,
        });
    }
    if !key.verifies(parts.signed.as_bytes(), &parts.signature) {
        return Err(VerifyError::Signature);
    }
    compact::object(&parts.payload).map_err(|Malformed| VerifyError::Claims)
}

/// Whether a header's `typ` says `typ`: a media type, whose `application/` may be left out and whose case
/// does not matter (RFC 7515 §4.1.9).
fn is_type(text: &str, typ: TokenType) -> bool {
    let text = text.strip_prefix("application/").unwrap_or(text);
    text.eq_ignore_ascii_case(typ.as_str())
}

#[cfg(test)]
mod tests;
