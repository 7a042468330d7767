//! `prompt` (OpenID Connect Core 1.0 §3.1.2.1, Initiating User Registration 1.0).

use serde::{Deserialize, Serialize};

/// What the client wants the user to be asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prompt {
    /// `none`: show nothing, answer with an error where something would have to be shown.
    pub none: bool,
    /// `login`: authenticate again.
    pub login: bool,
    /// `consent`: ask again.
    pub consent: bool,
    /// `select_account`: let the user choose who to be.
    pub select_account: bool,
    /// `create`: offer signup first.
    pub create: bool,
}

impl Prompt {
    /// Values in the order of the metadata (`prompt_values_supported`).
    pub const SUPPORTED: [&str; 5] = ["none", "login", "consent", "select_account", "create"];

    /// Reads a space-separated list. `None` for an unknown value or for `none` beside another.
    pub fn parse(text: &str) -> Option<Self> {
        let mut prompt = Self::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                "select_account" => prompt.select_account = true,
                "create" => prompt.create = true,
                _ => return None,
            }
        }
        let asks = prompt.login || prompt.consent || prompt.select_account || prompt.create;
        (!(prompt.none && asks)).then_some(prompt)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_stands_alone() {
        assert!(Prompt::parse("none").is_some_and(|prompt| prompt.none));
        assert!(Prompt::parse("login consent").is_some_and(|prompt| prompt.login && prompt.consent));
        assert_eq!(Prompt::parse("none login"), None);
        assert_eq!(Prompt::parse("login magic"), None);
    }
}
