//! How an authorization response travels (OAuth 2.0 Multiple Response Types, Form Post Response Mode).

use serde::{Deserialize, Serialize};

/// `response_mode`. `fragment` is for responses that carry tokens, and none of ours does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseMode {
    /// In the query of the redirect: the default of `response_type=code`.
    #[default]
    Query,
    /// In a form that the browser posts.
    FormPost,
}

impl ResponseMode {
    /// Every mode, in the order of the metadata.
    pub const ALL: [Self; 2] = [Self::Query, Self::FormPost];

    /// The value as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::FormPost => "form_post",
        }
    }

    /// Reads a wire value; `None` for a mode that is not supported.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text)
    }
}
