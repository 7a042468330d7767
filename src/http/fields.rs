//! Parameters of a query or a form (`application/x-www-form-urlencoded`), read strictly: what is not UTF-8, or
//! holds a NUL, is refused as a whole; a parameter that comes twice or is too long is told apart, because who
//! is told about it depends on the endpoint.

use std::fmt;

use percent_encoding::percent_decode;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;

/// The longest value of a parameter in bytes.
const MAX_VALUE: usize = 4 * 1024;

/// The longest value of a parameter that is a token.
const MAX_TOKEN: usize = 8 * 1024;

/// Parameters whose value is a token.
const TOKENS: [&str; 5] = [
    "client_assertion",
    "id_token_hint",
    "token",
    "access_token",
    "request",
];

/// The most parameters that are looked at.
const MAX_FIELDS: usize = 100;

/// Parameters that may come several times (RFC 8707 §2).
const REPEATABLE: [&str; 1] = ["resource"];

/// The text is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the parameters are not UTF-8 in the form of a URL's query, or too many")]
pub struct Malformed;

/// Parameters by name. One without a value is absent (RFC 6749 §3.1).
#[derive(Default)]
pub struct Fields {
    values: Vec<(String, Zeroizing<String>)>,
    spoiled: Vec<String>,
}

impl Fields {
    /// Reads a query or a form.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Self::default();
        for pair in text.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.values.len() >= MAX_FIELDS {
                return Err(Malformed);
            }
            let (name, value) = match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (&pair[..at], &pair[at + 1..]),
                None => (pair, &[][..]),
            };
            let name = decode(name)?;
            fields.add(&name, decode(value)?);
        }
        Ok(fields)
    }

    fn add(&mut self, name: &str, value: Zeroizing<String>) {
        let most = if TOKENS.contains(&name) {
            MAX_TOKEN
        } else {
            MAX_VALUE
        };
        let seen = self.values.iter().any(|(known, _)| known == name);
        let repeated = seen && !REPEATABLE.contains(&name);
        if (repeated || value.len() > most) && !self.spoiled.iter().any(|known| known == name) {
            self.spoiled.push(name.to_owned());
        }
        if !repeated {
            self.values.push((name.to_owned(), value));
        }
    }

    /// The value of a parameter, the first if it came twice.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.values
            .iter()
            .find(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }

    /// [`text`](Self::text) as a text of its own.
    pub fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// [`text`](Self::text) of a parameter that nobody must see.
    pub fn secret(&self, name: &str) -> Option<Secret> {
        self.text(name).map(Secret::new)
    }

    /// Every value of a parameter that may come several times.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.values
            .iter()
            .filter(|(known, value)| known == name && !value.is_empty())
            .map(|(_, value)| value.to_string())
            .collect()
    }

    /// The names of parameters that came twice or are too long.
    pub fn spoiled(&self) -> &[String] {
        &self.spoiled
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.values.iter().map(|(name, _)| name))
            .finish()
    }
}

fn decode(text: &[u8]) -> Result<Zeroizing<String>, Malformed> {
    let spaced: Zeroizing<Vec<u8>> = Zeroizing::new(
        text.iter()
            .map(|byte| if *byte == b'+' { b' ' } else { *byte })
            .collect(),
    );
    let decoded = percent_decode(&spaced).decode_utf8().map_err(|_| Malformed)?;
    if decoded.contains('\0') {
        return Err(Malformed);
    }
    Ok(Zeroizing::new(decoded.into_owned()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_are_decoded_and_empty_ones_are_absent() {
        let fields = Fields::parse(b"a=1+2%2B3&b=&c&&d=%C3%A9&resource=x&resource=y").expect("a form");
        assert_eq!(fields.text("a"), Some("1 2+3"));
        assert_eq!(fields.text("b"), None);
        assert_eq!(fields.text("c"), None);
        assert_eq!(fields.text("d"), Some("é"));
        assert_eq!(fields.all("resource"), ["x", "y"]);
        assert!(fields.spoiled().is_empty());
    }

    #[test]
    fn what_comes_twice_or_is_too_long_is_told_apart() {
        let fields = Fields::parse(b"a=1&a=1&b=&b=2").expect("a form");
        assert_eq!(fields.spoiled(), ["a", "b"]);
        assert_eq!(fields.text("a"), Some("1"));
        let long = format!("a={}&token={}", "x".repeat(4097), "x".repeat(8192));
        assert_eq!(Fields::parse(long.as_bytes()).expect("a form").spoiled(), ["a"]);
    }

    #[test]
    fn what_is_no_text_is_refused() {
        for wrong in [&b"a=%ff"[..], b"a=%00", b"a=\xff", b"%00=a", b"a=\0"] {
            assert_eq!(Fields::parse(wrong).err(), Some(Malformed), "{wrong:?}");
        }
        let many = "a&".repeat(200);
        assert_eq!(Fields::parse(many.as_bytes()).err(), None);
        let many: String = (0..101).map(|number| format!("{number}=1&")).collect();
        assert_eq!(Fields::parse(many.as_bytes()).err(), Some(Malformed));
    }

    #[test]
    fn no_value_is_printed() {
        let fields = Fields::parse(b"password=hunter2").expect("a form");
        assert_eq!(format!("{fields:?}"), "[\"password\"]");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = Fields::parse(&bytes);
        }

        #[test]
        fn any_value_comes_back(value in "[^\0]{1,60}") {
            let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("v", &value).finish();
            let fields = Fields::parse(form.as_bytes()).expect("a form");
            prop_assert_eq!(fields.text("v"), Some(&*value));
        }
    }
}
