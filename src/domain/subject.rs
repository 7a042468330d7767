//! The `sub` of a user who moved in from another provider (OpenID Connect Core 1.0 §2): the name that applications
//! know them by already. Everybody else's `sub` is their id.

use std::fmt;

use uuid::Uuid;

use super::ids::UserId;

/// The longest `sub` (OpenID Connect Core 1.0 §2).
pub const MAX_SUBJECT_LENGTH: usize = 255;

/// A user's name at the provider that they come from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Subject {
    /// It has the form of our ids, and is the user's id here too.
    Id(UserId),
    /// Any other text. Never one that an id could be.
    Text(String),
}

/// A text that no `sub` can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a subject has 1 to 255 characters from the space to the tilde")]
pub struct InvalidSubject;

impl Subject {
    /// Reads a subject.
    ///
    /// # Errors
    /// When it is empty, too long, or has characters that are not printable ASCII.
    pub fn parse(text: &str) -> Result<Self, InvalidSubject> {
        let printable = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        if !printable || !(1..=MAX_SUBJECT_LENGTH).contains(&text.len()) {
            return Err(InvalidSubject);
        }
        Ok(match text.parse::<UserId>() {
            // The nil id stands for nobody.
            Ok(id) if id.as_uuid() == &Uuid::nil() => return Err(InvalidSubject),
            Ok(id) => Self::Id(id),
            Err(_) => Self::Text(text.to_owned()),
        })
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_that_is_an_id_is_one_and_other_spellings_are_texts() {
        let id = "0b5c7f0e-8d4c-4a5e-9f4b-6c1d2e3f4a5b";
        assert_eq!(Subject::parse(id), Ok(Subject::Id(id.parse().expect("an id"))));
        for text in [
            "auth0|5f7c8ec7c33c6c004bbafe82",
            &id.to_uppercase(),
            &id.replace('-', ""),
        ] {
            assert_eq!(Subject::parse(text), Ok(Subject::Text(text.to_owned())));
        }
    }

    #[test]
    fn what_no_sub_can_be_is_refused() {
        for text in ["", "a\u{e4}", "a\nb", &"x".repeat(256), &Uuid::nil().to_string()] {
            assert_eq!(Subject::parse(text), Err(InvalidSubject), "{text}");
        }
        assert!(Subject::parse(&"x".repeat(255)).is_ok());
    }
}
