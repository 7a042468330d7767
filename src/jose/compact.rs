//! The compact serialisation of a JWS (RFC 7515 §3.1), read strictly: one spelling for one token.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::de::DeserializeOwned;

/// The longest token that is looked at: parsing comes before the signature, so it is kept cheap.
pub const MAX_TOKEN: usize = 8 * 1024;

/// A text that is no compact JWS, or whose JSON is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the text is not a well-formed JWS")]
pub struct Malformed;

/// The parts of a compact JWS, decoded and not yet believed.
pub struct Compact<'a> {
    /// The JSON of the protected header.
    pub header: Vec<u8>,
    /// The payload.
    pub payload: Vec<u8>,
    /// What was signed: the first two parts as they came.
    pub signed: &'a str,
    /// The signature.
    pub signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    /// Takes a token apart.
    pub fn parse(token: &'a str) -> Result<Self, Malformed> {
        if token.len() > MAX_TOKEN {
            return Err(Malformed);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Malformed)?;
        Ok(Self {
            header: decode(header)?,
            payload: decode(payload)?,
            signed,
            signature: decode(signature)?,
        })
    }
}

/// Decodes base64url without padding. Other alphabets, padding and slack bits are refused, and
/// with them a dot too many.
pub fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Malformed)
}

/// Reads a JSON object. A member of `T` that comes twice is refused; so is an array, which serde would take
/// for the members in their order.
pub fn object<T: DeserializeOwned>(json: &[u8]) -> Result<T, Malformed> {
    if json.first() != Some(&b'{') {
        return Err(Malformed);
    }
    serde_json::from_slice(json).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_one_spelling_of_a_token_is_read() {
        let good = "eyJhIjoxfQ.e30.AQ";
        let parts = Compact::parse(good).expect("three parts");
        assert_eq!(
            (
                parts.signed,
                &parts.header[..],
                &parts.payload[..],
                &parts.signature[..]
            ),
            ("eyJhIjoxfQ.e30", &b"{\"a\":1}"[..], &b"{}"[..], &[1][..])
        );
        for wrong in [
            "",
            "..",
            "e30.e30",
            "e30.e30.AQ.AQ",
            "e30.e30.AQ==",
            "e30.e30.AR",
            "e30.e30.A+",
            "e30 .e30.AQ",
            "e30.e30.AQ\n",
        ] {
            let refused = match Compact::parse(wrong) {
                Err(Malformed) => true,
                Ok(parts) => object::<serde_json::Value>(&parts.header).is_err(),
            };
            assert!(refused, "{wrong:?}");
        }
        assert!(Compact::parse(&format!("e30.{}.AQ", "A".repeat(MAX_TOKEN))).is_err());
    }
}
