//! The name of a key in a token: a PKCS#11 URI (RFC 7512). Only its path is read. Which module reaches the
//! token, and its PIN, are the configuration's to say and must not rest in the database, so a URI that carries
//! a query is refused.

use std::fmt::{self, Write};

use percent_encoding::percent_decode_str;

/// The scheme, colon included.
pub const SCHEME: &str = "pkcs11:";

/// Far more than a label and an id need.
const MAX_LENGTH: usize = 1024;

/// Names one private key: by its id, its label, or both, and the token that it must be in. What is not named
/// matches everything (RFC 7512 §2.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Pkcs11Uri {
    /// `token`: the label of the token.
    pub token: Option<String>,
    /// `manufacturer`: who made the token.
    pub manufacturer: Option<String>,
    /// `model`: the model of the token.
    pub model: Option<String>,
    /// `serial`: the serial number of the token.
    pub serial: Option<String>,
    /// `object`: the label of the key (`CKA_LABEL`).
    pub object: Option<String>,
    /// `id`: the id of the key (`CKA_ID`).
    pub id: Option<Vec<u8>>,
}

/// A text that names no private key. It says nothing of the text, which may hold a PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPkcs11Uri {
    /// Another scheme, a character or an escape that a URI cannot have, or too long.
    #[error("it is no PKCS#11 URI")]
    Form,
    /// `?…`: a PIN or a module.
    #[error("it has a query; module and PIN are configured under [keys]")]
    Query,
    /// An attribute twice (RFC 7512 §2.3).
    #[error("it names an attribute twice")]
    Twice,
    /// An attribute that nothing here can match, which must then match nothing (RFC 7512 §2.3).
    #[error("it has an attribute other than token, manufacturer, model, serial, object, id and type=private")]
    Attribute,
    /// Neither `id` nor `object`.
    #[error("it names neither the id nor the label of a key")]
    NoKey,
}

impl Pkcs11Uri {
    /// Reads a URI.
    ///
    /// # Errors
    /// When it is malformed, or says more or less than which private key is meant.
    pub fn parse(text: &str) -> Result<Self, InvalidPkcs11Uri> {
        let path = text.strip_prefix(SCHEME).ok_or(InvalidPkcs11Uri::Form)?;
        if path.contains('?') {
            return Err(InvalidPkcs11Uri::Query);
        }
        if text.len() > MAX_LENGTH || !path.bytes().all(is_of_a_path) {
            return Err(InvalidPkcs11Uri::Form);
        }
        let mut uri = Self::default();
        let mut object_type = None;
        for attribute in path.split(';').filter(|attribute| !attribute.is_empty()) {
            let (name, value) = attribute.split_once('=').ok_or(InvalidPkcs11Uri::Form)?;
            let place = match name {
                "token" => &mut uri.token,
                "manufacturer" => &mut uri.manufacturer,
                "model" => &mut uri.model,
                "serial" => &mut uri.serial,
                "object" => &mut uri.object,
                "type" => &mut object_type,
                "id" => {
                    set(&mut uri.id, decode(value)?)?;
                    continue;
                }
                _ => return Err(InvalidPkcs11Uri::Attribute),
            };
            let value = String::from_utf8(decode(value)?).map_err(|_| InvalidPkcs11Uri::Form)?;
            set(place, value)?;
        }
        if object_type.is_some_and(|object_type| object_type != "private") {
            return Err(InvalidPkcs11Uri::Attribute);
        }
        if uri.id.is_none() && uri.object.is_none() {
            return Err(InvalidPkcs11Uri::NoKey);
        }
        Ok(uri)
    }
}

impl fmt::Display for Pkcs11Uri {
    /// The URI, its attributes in the order that RFC 7512 uses in its examples.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SCHEME)?;
        let texts = [
            ("token", &self.token),
            ("manufacturer", &self.manufacturer),
            ("model", &self.model),
            ("serial", &self.serial),
            ("object", &self.object),
        ];
        for (name, value) in texts
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_ref()?)))
        {
            write!(f, "{name}=")?;
            for byte in value.bytes() {
                if is_unreserved(byte) {
                    f.write_char(char::from(byte))?;
                } else {
                    write!(f, "%{byte:02X}")?;
                }
            }
            f.write_char(';')?;
        }
        if let Some(id) = &self.id {
            f.write_str("id=")?;
            // All of it is escaped, as RFC 7512 §2.3 asks.
            for byte in id {
                write!(f, "%{byte:02X}")?;
            }
            f.write_char(';')?;
        }
        f.write_str("type=private")
    }
}

fn set<T>(place: &mut Option<T>, value: T) -> Result<(), InvalidPkcs11Uri> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(InvalidPkcs11Uri::Twice),
    }
}

/// `percent_decode_str` leaves a malformed escape as it is, so escapes are checked first.
fn decode(value: &str) -> Result<Vec<u8>, InvalidPkcs11Uri> {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(at + 1..at + 3).ok_or(InvalidPkcs11Uri::Form)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(InvalidPkcs11Uri::Form);
        }
        rest = &rest[at + 3..];
    }
    Ok(percent_decode_str(value).collect())
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// What may stand in the path (`pk11-pchar`, RFC 7512 §2.3), separators included.
const fn is_of_a_path(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'%' | b';' | b'=' | b':' | b'[' | b']' | b'@' | b'!' | b'$')
        || matches!(byte, b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'&')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_attributes_of_rfc_7512_section_3_are_read() {
        let uri = "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;\
            model=1.0;object=my-certificate;type=private;id=%69%95%3E%5C%F4%BD%EC%91;serial=";
        let uri = Pkcs11Uri::parse(uri).expect("a URI");
        assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
        assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
        assert_eq!(uri.model.as_deref(), Some("1.0"));
        assert_eq!(uri.serial.as_deref(), Some(""));
        assert_eq!(uri.object.as_deref(), Some("my-certificate"));
        assert_eq!(uri.id.as_deref(), Some(&b"\x69\x95\x3e\x5c\xf4\xbd\xec\x91"[..]));
    }

    #[test]
    fn what_may_name_another_key_or_a_pin_is_refused() {
        use InvalidPkcs11Uri::{Attribute, Form, NoKey, Query, Twice};
        for (text, reason) in [
            ("database", Form),
            ("PKCS11:object=a", Form),
            ("pkcs11:", NoKey),
            ("pkcs11:token=a", NoKey),
            ("pkcs11:object=a;type=private;type=private", Twice),
            ("pkcs11:id=%01;id=%02", Twice),
            ("pkcs11:object=a;type=public", Attribute),
            ("pkcs11:object=a;slot-id=0", Attribute),
            ("pkcs11:object=a;x-vendor=0", Attribute),
            ("pkcs11:object", Form),
            ("pkcs11:object=%4", Form),
            ("pkcs11:object=%zz", Form),
            ("pkcs11:object=%FF", Form),
            ("pkcs11:object=a b", Form),
            ("pkcs11:object=a/b", Form),
            ("pkcs11:object=a?pin-value=1234", Query),
        ] {
            assert_eq!(Pkcs11Uri::parse(text), Err(reason), "{text}");
        }
        let long = format!("pkcs11:object={}", "a".repeat(MAX_LENGTH));
        assert_eq!(Pkcs11Uri::parse(&long), Err(Form));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            token in proptest::option::of(".{0,16}"),
            object in ".{0,16}",
            id in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..16)),
        ) {
            let uri = Pkcs11Uri { token, object: Some(object), id, ..Pkcs11Uri::default() };
            prop_assert_eq!(Pkcs11Uri::parse(&uri.to_string()), Ok(uri));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC*", path in "[a-z=;%0-9A-Fx?]{0,40}") {
            let _ = Pkcs11Uri::parse(&text);
            if let Ok(uri) = Pkcs11Uri::parse(&format!("pkcs11:{path}")) {
                prop_assert_eq!(Pkcs11Uri::parse(&uri.to_string()), Ok(uri));
            }
        }
    }
}
