//! What any resource server does: verify an access token (RFC 9068 §4) with nothing but the JWKS document.
//! The demo API stands on this, so that it proves what a stranger's API would.

use chrono::{DateTime, Utc};
use josekit::jwk::JwkSet;
use josekit::jws::EdDSA;
use josekit::jwt::{self, JwtPayload};
use serde_json::Value;

use super::compact::MAX_TOKEN;

/// A token that the API does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccepted {
    /// No token, or none of this issuer's keys signed it.
    #[error("the access token is not signed by a published key")]
    Signature,
    /// An ID token, or some other kind.
    #[error("the token is no access token")]
    Type,
    /// It is for another API, or another issuer's.
    #[error("the access token is not for this API")]
    Audience,
    /// Its time is over.
    #[error("the access token has expired")]
    Expired,
}

/// The claims of `token`, if `audience` should accept it at `now`.
///
/// # Errors
/// With the first check that fails.
pub fn verify_with_jwks(
    jwks: &[u8],
    token: &str,
    issuer: &str,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<serde_json::Map<String, Value>, NotAccepted> {
    if token.len() > MAX_TOKEN {
        return Err(NotAccepted::Signature);
    }
    let header = jwt::decode_header(token).map_err(|_| NotAccepted::Signature)?;
    let kid = header.claim("kid").and_then(Value::as_str).unwrap_or_default();
    let set = JwkSet::from_bytes(jwks).map_err(|_| NotAccepted::Signature)?;
    let keys = set.get(kid);
    // One algorithm, chosen here and never by the token (RFC 8725 §3.1).
    let jwk = keys.first().filter(|jwk| jwk.algorithm() == Some("EdDSA"));
    let verifier = jwk.and_then(|jwk| EdDSA.verifier_from_jwk(jwk).ok());
    let verifier = verifier.ok_or(NotAccepted::Signature)?;
    let (payload, header) =
        jwt::decode_with_verifier(token, &verifier).map_err(|_| NotAccepted::Signature)?;
    if header.token_type() != Some("at+jwt") {
        return Err(NotAccepted::Type);
    }
    check_claims(&payload, issuer, audience, now)?;
    Ok(payload.into())
}

/// josekit lets absent claims pass, so each is asked for.
fn check_claims(
    payload: &JwtPayload,
    issuer: &str,
    audience: &str,
    now: DateTime<Utc>,
) -> Result<(), NotAccepted> {
    let for_us = match payload.claim("aud") {
        Some(Value::String(one)) => one == audience,
        Some(Value::Array(several)) => several.iter().any(|one| one == audience),
        _ => false,
    };
    if !for_us || payload.issuer() != Some(issuer) {
        return Err(NotAccepted::Audience);
    }
    match payload.claim("exp").and_then(Value::as_i64) {
        Some(expires_at) if expires_at > now.timestamp() => Ok(()),
        _ => Err(NotAccepted::Expired),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;
    use crate::domain::signing_key::StoredSigningKey;
    use crate::jose::keyring::tests::{ed25519, master, now, policy};
    use crate::jose::{KeyRing, TokenType};
    use crate::oauth::signing_algorithm::SigningAlgorithm;

    const ISSUER: &str = "https://id.example";
    const API: &str = "https://api.example";

    fn ring(seed: u64) -> KeyRing {
        let key = StoredSigningKey {
            signing_at: Some(now()),
            ..ed25519(seed)
        };
        KeyRing::open(vec![key], &[master()], None, &policy(), now()).expect("opens")
    }

    #[test]
    fn only_a_live_access_token_for_this_api_is_accepted() {
        let sign = |seed, typ, issuer: &str, audience: &str, expires_in: i64| {
            let claims = json!({"iss": issuer, "sub": "u", "aud": [audience, ISSUER],
                "exp": now().timestamp() + expires_in, "scope": "demo:read"});
            ring(seed)
                .signing_key(SigningAlgorithm::EdDsa, now())
                .expect("signs")
                .sign(typ, &claims)
                .now_or_never()
                .expect("a key of this process signs at once")
                .expect("a token")
        };
        let ring = ring(1);
        let jwks = &ring.jwks(now()).body;
        let accepted =
            |token: &str| verify_with_jwks(jwks, token, ISSUER, API, now()).map(|claims| claims.len());
        let access = TokenType::AccessToken;
        let good = sign(1, access, ISSUER, API, 600);
        assert_eq!(accepted(&good), Ok(5));
        let (_, rest) = good.split_once('.').expect("three parts");
        // {"alg":"none","typ":"at+jwt"}
        let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{rest}");
        for (token, reason) in [
            (sign(1, TokenType::IdToken, ISSUER, API, 600), NotAccepted::Type),
            (
                sign(1, access, "https://other.example", API, 600),
                NotAccepted::Audience,
            ),
            (
                sign(1, access, ISSUER, "https://other.example", 600),
                NotAccepted::Audience,
            ),
            (sign(1, access, ISSUER, API, 0), NotAccepted::Expired),
            (sign(2, access, ISSUER, API, 600), NotAccepted::Signature),
            (unsigned, NotAccepted::Signature),
            (good[..good.len() - 8].to_owned(), NotAccepted::Signature),
            ("a".repeat(MAX_TOKEN + 1), NotAccepted::Signature),
            (String::new(), NotAccepted::Signature),
        ] {
            assert_eq!(accepted(&token), Err(reason), "{token}");
        }
    }
}
