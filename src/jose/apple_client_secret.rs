//! The client secret that Apple wants: a JWT that we sign with a key of its developer portal ("Creating a client
//! secret" of Sign in with Apple's REST API).

use std::fmt;

use chrono::{DateTime, Utc};
use josekit::jws::alg::ecdsa::EcdsaJwsSigner;
use josekit::jws::{ES256, JwsHeader};
use josekit::jwt::{self, JwtPayload};
use serde_json::json;

use crate::domain::secret::Secret;

/// A key of a developer team, and for whom it speaks to whom.
pub struct AppleKey {
    team_id: String,
    client_id: String,
    audience: String,
    signer: EcdsaJwsSigner,
}

impl AppleKey {
    /// Reads the PEM file that the portal gave out (PKCS#8, P-256). `audience` is Apple's issuer.
    ///
    /// # Errors
    /// When the text is no such key.
    pub fn new(
        team_id: &str,
        key_id: &str,
        client_id: &str,
        audience: &str,
        pem: &Secret,
    ) -> Result<Self, InvalidAppleKey> {
        let mut signer = ES256.signer_from_pem(pem.expose()).map_err(|_| InvalidAppleKey)?;
        signer.set_key_id(key_id);
        Ok(Self {
            team_id: team_id.to_owned(),
            client_id: client_id.to_owned(),
            audience: audience.to_owned(),
            signer,
        })
    }
}

impl fmt::Debug for AppleKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppleKey")
    }
}

/// The PEM is no private key for ES256. Nothing of it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret must be the .p8 file of the key: a private key for ES256 in PEM (PKCS#8)")]
pub struct InvalidAppleKey;

/// A client secret that is taken from `now` until `expires_at`.
///
/// # Errors
/// When OpenSSL cannot sign.
pub fn client_secret(
    key: &AppleKey,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<Secret, CannotSign> {
    let claims = json!({
        "iss": key.team_id,
        "sub": key.client_id,
        "aud": key.audience,
        "iat": now.timestamp(),
        "exp": expires_at.timestamp(),
    });
    let serde_json::Value::Object(claims) = claims else {
        unreachable!("an object")
    };
    let payload = JwtPayload::from_map(claims).map_err(|_| CannotSign)?;
    jwt::encode_with_signer(&payload, &JwsHeader::new(), &key.signer)
        .map(Secret::new)
        .map_err(|_| CannotSign)
}

/// The client secret could not be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the client secret for Apple could not be signed")]
pub struct CannotSign;

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use josekit::jwk::KeyPair;
    use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
    use josekit::jwk::alg::rsa::RsaKeyPair;

    use super::*;

    fn pem(pair: &dyn KeyPair) -> Secret {
        Secret::new(String::from_utf8(pair.to_pem_private_key()).expect("PEM is ASCII"))
    }

    fn key(pem: &Secret) -> Result<AppleKey, InvalidAppleKey> {
        AppleKey::new("TEAM", "KEY", "org.example.web", "https://appleid.apple.com", pem)
    }

    #[test]
    fn a_client_secret_is_a_jwt_of_the_team_to_apple() {
        let pair = EcKeyPair::generate(EcCurve::P256).expect("a key");
        let key = key(&pem(&pair)).expect("its PEM");
        let now = DateTime::from_timestamp(1_790_000_000, 0).expect("a time");
        let secret = client_secret(&key, now, now + TimeDelta::minutes(5)).expect("a secret");
        let verifier = ES256
            .verifier_from_jwk(&pair.to_jwk_public_key())
            .expect("a verifier");
        let (payload, header) = jwt::decode_with_verifier(secret.expose(), &verifier).expect("our signature");
        assert_eq!(
            (header.algorithm(), header.key_id()),
            (Some("ES256"), Some("KEY"))
        );
        let claims = serde_json::Value::Object(payload.claims_set().clone());
        assert_eq!(
            claims,
            json!({"iss": "TEAM", "sub": "org.example.web", "aud": "https://appleid.apple.com",
                "iat": 1_790_000_000, "exp": 1_790_000_300})
        );
        assert_eq!(format!("{key:?}"), "AppleKey");
    }

    #[test]
    fn another_key_is_an_error_from_the_start() {
        let rsa = pem(&RsaKeyPair::generate(2048).expect("a key"));
        let other_curve = pem(&EcKeyPair::generate(EcCurve::P384).expect("a key"));
        for wrong in [rsa, other_curve, Secret::new("no PEM")] {
            assert_eq!(key(&wrong).map(|_| ()), Err(InvalidAppleKey));
        }
    }
}
