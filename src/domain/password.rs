//! Passwords as values: what a person typed, in the one form that is judged and hashed ([`Password`]), and
//! what is stored of it ([`PasswordHash`]). Hashing takes time and threads and has a floor of its own.
//!
//! One password has many spellings in Unicode, and which one arrives depends on keyboard and system. So every
//! password is brought to NFKC first (Unicode Standard Annex #15), as NIST SP 800-63B §3.1.1.2 advises.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use super::secret::Secret;

/// The fewest UTF-16 units of a new password, after normalisation.
pub const MIN_LENGTH: usize = 8;
/// The most UTF-16 units of a new password, after normalisation.
pub const MAX_LENGTH: usize = 128;

/// The bytes of input that are looked at. Normalisation makes at most one UTF-16 unit of nine bytes (a Hangul
/// syllable of three letters), so what is cut here is always longer than any password that was ever accepted,
/// and cannot be taken for one.
const LOOKED_AT: usize = 4096;

/// A password in NFKC.
#[derive(Clone)]
pub struct Password {
    normal: Secret,
    /// As it was typed, if that is another text.
    typed: Option<Secret>,
}

impl Password {
    /// The password that somebody presents to log in. Nothing is refused here, since its hash decides.
    pub fn presented(text: &str) -> Self {
        let text = &text[..text.floor_char_boundary(LOOKED_AT)];
        // Counted before it is written: a text that grows leaves pieces of the password in freed memory.
        let length = text.nfkc().map(char::len_utf8).sum();
        let mut normal = String::with_capacity(length);
        normal.extend(text.nfkc());
        Self {
            typed: (normal != text).then(|| Secret::new(text)),
            normal: Secret::new(normal),
        }
    }

    /// A password that somebody wants to have from now on: any Unicode, of a fair length.
    ///
    /// # Errors
    /// The rule that it breaks.
    pub fn chosen(text: &str) -> Result<Self, PasswordRule> {
        let password = Self::presented(text);
        match password.expose().encode_utf16().count() {
            ..MIN_LENGTH => Err(PasswordRule::TooShort),
            MIN_LENGTH..=MAX_LENGTH => Ok(password),
            _ => Err(PasswordRule::TooLong),
        }
    }

    /// The text itself. Every call is a place to review.
    pub fn expose(&self) -> &str {
        self.normal.expose()
    }

    /// The text as it was typed, where that is another one: what programs hashed that know no Unicode.
    pub fn expose_typed(&self) -> Option<&str> {
        self.typed.as_ref().map(Secret::expose)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password")
    }
}

/// Why a password cannot be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordRule {
    /// Fewer than [`MIN_LENGTH`] UTF-16 units.
    #[error("a password has at least {MIN_LENGTH} characters")]
    TooShort,
    /// More than [`MAX_LENGTH`] UTF-16 units.
    #[error("a password has at most {MAX_LENGTH} characters")]
    TooLong,
}

/// What is stored of a password: a string in the PHC format (`$argon2id$v=19$m=…,t=…,p=…$salt$hash`). Users who moved
/// in have one of another scheme until they log in.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash as the database, or whoever made it, has it. Whether it can be verified shows when it is.
    pub fn from_stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The string to store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_unicode_spelling_of_a_text_is_one_password(text in "\\PC{0,80}") {
            let spellings: [String; 4] = [
                text.nfc().collect(),
                text.nfd().collect(),
                text.nfkc().collect(),
                text.nfkd().collect(),
            ];
            for spelling in spellings {
                let (one, other) = (Password::presented(&spelling), Password::presented(&text));
                prop_assert_eq!(one.expose(), other.expose());
            }
        }

        #[test]
        fn a_new_password_is_accepted_by_its_normalised_length_alone(text in "\\PC{0,200}") {
            let units = text.nfkc().collect::<String>().encode_utf16().count();
            match Password::chosen(&text) {
                Ok(_) => prop_assert!((8..=128).contains(&units)),
                Err(PasswordRule::TooShort) => prop_assert!(units < 8),
                Err(PasswordRule::TooLong) => prop_assert!(units > 128),
            }
        }
    }

    #[test]
    fn the_ends_of_the_allowed_length_are_allowed() {
        let of = |length| Password::chosen(&"x".repeat(length)).err();
        assert_eq!(of(7), Some(PasswordRule::TooShort));
        assert_eq!(of(8), None);
        assert_eq!(of(128), None);
        assert_eq!(of(129), Some(PasswordRule::TooLong));
        // Beyond the basic plane a character counts twice, as it does for `maxlength` in a browser.
        assert!(Password::chosen("🔑🔒🔓🗝").is_ok());
        // One character that normalisation writes as eighteen.
        assert!(Password::chosen("\u{fdfa}").is_ok());
        assert_eq!(Password::chosen("ﬀﬀﬀ").err(), Some(PasswordRule::TooShort));
    }

    #[test]
    fn no_absurd_input_passes_for_a_password() {
        // The texts that shrink most when normalised: letters of Hangul, and a base with three marks.
        for piece in [
            "\u{1112}\u{1161}\u{11ab}",
            "\u{3b1}\u{313}\u{300}\u{345}",
            "a",
            "\u{fdfa}",
        ] {
            for bytes in [4090, 4096, 4097, 100_000] {
                let text = piece.repeat(bytes / piece.len() + 1);
                assert_eq!(Password::chosen(&text).err(), Some(PasswordRule::TooLong));
                assert!(Password::presented(&text).expose().encode_utf16().count() > MAX_LENGTH);
            }
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let hash = PasswordHash::from_stored("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g");
        let printed = format!("{:?} {hash:?}", Password::presented("correct horse"));
        assert_eq!(printed, "Password PasswordHash");
    }
}
