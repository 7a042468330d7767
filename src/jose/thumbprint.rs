//! The name of a key that follows from the key (RFC 7638).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::PublicKey;

impl PublicKey {
    /// The SHA-256 thumbprint, base64url: the digest of the required members alone, in the order of their
    /// names and without white space (RFC 7638 §§3.2, 3.3; RFC 8037 §2).
    pub fn thumbprint(&self) -> String {
        // Written in the order that the digest demands: whether serde_json sorts members is a feature that
        // any crate of the tree may switch.
        let canonical = match self {
            Self::Okp { crv, x } => json!({"crv": crv, "kty": "OKP", "x": x}),
            Self::Ec { crv, x, y } => json!({"crv": crv, "kty": "EC", "x": x, "y": y}),
            Self::Rsa { n, e } => json!({"e": e, "kty": "RSA", "n": n}),
        };
        URL_SAFE_NO_PAD.encode(Sha256::digest(canonical.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thumbprint(jwk: serde_json::Value) -> String {
        serde_json::from_value::<PublicKey>(jwk)
            .expect("a public key")
            .thumbprint()
    }

    #[test]
    fn rfc_7638_section_3_1() {
        let jwk = json!({
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        });
        assert_eq!(thumbprint(jwk), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn rfc_8037_appendix_a_3() {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        assert_eq!(thumbprint(jwk), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
    /// RFC 7638 has no example on P-256: the digest is that of its §3.2 members for the key of RFC 7517 A.1,
    /// as `sha256sum` prints it.
    #[test]
    fn the_members_of_a_p_256_key_are_hashed_in_their_order() {
        let jwk = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            "use": "enc",
            "kid": "1",
        });
        assert_eq!(thumbprint(jwk), "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s");
    }
}
