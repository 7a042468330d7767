//! `scope` (RFC 6749 §3.3): a set of tokens, kept in the order in which they came.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The longest `scope` in bytes; beyond it a request is refused before it is looked at.
pub const MAX_SCOPE_LENGTH: usize = 1024;

/// The scopes that mean something about the user (OpenID Connect Core 1.0 §5.4, §11).
pub const IDENTITY_SCOPES: [&str; 6] = ["openid", "profile", "email", "address", "phone", "offline_access"];

/// A set of scope tokens without repetition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScopeSet(Vec<String>);

/// A text that is no `scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a scope is tokens of printable ASCII without quote and backslash, one space apart, 1024 bytes at most"
)]
pub struct InvalidScope;

impl ScopeSet {
    /// Reads a `scope` parameter. The empty text is the empty set.
    ///
    /// # Errors
    /// For characters outside RFC 6749 appendix A.4, and beyond [`MAX_SCOPE_LENGTH`].
    pub fn parse(text: &str) -> Result<Self, InvalidScope> {
        if text.len() > MAX_SCOPE_LENGTH {
            return Err(InvalidScope);
        }
        Self::from_tokens(text.split(' ').filter(|token| !token.is_empty()))
    }

    /// A set of single tokens.
    ///
    /// # Errors
    /// When one of them is empty or has a character outside RFC 6749 appendix A.4.
    pub fn from_tokens<T: Into<String>>(tokens: impl IntoIterator<Item = T>) -> Result<Self, InvalidScope> {
        let nqchar = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        let mut set = Vec::new();
        for token in tokens {
            let token = token.into();
            if token.is_empty() || !token.bytes().all(nqchar) {
                return Err(InvalidScope);
            }
            if !set.contains(&token) {
                set.push(token);
            }
        }
        Ok(Self(set))
    }

    /// Whether `token` is in the set.
    pub fn contains(&self, token: &str) -> bool {
        self.0.iter().any(|own| own == token)
    }

    /// Whether every token of this set is in `other`.
    pub fn is_subset_of(&self, other: &Self) -> bool {
        self.0.iter().all(|token| other.contains(token))
    }

    /// The tokens for which `keep` holds.
    #[must_use]
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Self {
        Self(self.0.iter().filter(|token| keep(token)).cloned().collect())
    }

    /// Whether there is no token.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tokens in their order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The tokens as the database takes them.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join(" "))
    }
}

impl TryFrom<String> for ScopeSet {
    type Error = InvalidScope;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ScopeSet> for String {
    fn from(scope: ScopeSet) -> Self {
        scope.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_parses_prints_and_parses_back(text in "[ -~]{0,80}") {
            if let Ok(scope) = ScopeSet::parse(&text) {
                prop_assert_eq!(ScopeSet::parse(&scope.to_string()), Ok(scope));
            } else {
                prop_assert!(text.contains('"') || text.contains('\\'));
            }
        }
    }

    #[test]
    fn repetition_and_spaces_vanish_and_order_stays() {
        assert_eq!(
            ScopeSet::parse(" openid  email openid ").map(|scope| scope.to_string()),
            Ok("openid email".into())
        );
        assert_eq!(ScopeSet::parse("é"), Err(InvalidScope));
        assert_eq!(ScopeSet::parse(&"a".repeat(1025)), Err(InvalidScope));
    }
}
