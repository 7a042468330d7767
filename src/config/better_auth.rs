//! `[better_auth]`

use super::reader::Reader;
use super::setting::words;
use crate::domain::secret::Secret;

/// The Better Auth protocol under `/api/auth`.
#[derive(Debug, Clone)]
pub struct BetterAuth {
    /// Whether it is served.
    pub enabled: bool,
    /// Origins that may call with credentials, and patterns with `*` and `?` that serve redirect targets only.
    pub trusted_origins: Vec<String>,
    /// The secret of a Better Auth database that moves in; `None` is a random one of our own.
    pub secret: Option<Secret>,
    /// What a mailed link does when it is opened.
    pub links: Links,
}

words! {
    /// What a mailed link does when it is opened.
    Links: "\"confirm\" or \"direct\"" {
        /// Shows a page whose button acts, so that scanners of mail do not.
        Confirm = "confirm",
        /// Acts at once, in any browser.
        Direct = "direct",
    }
}

impl BetterAuth {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let better_auth = Self {
            enabled: reader.value("better_auth.enabled", "true"),
            trusted_origins: reader.list("better_auth.trusted_origins"),
            secret: reader.secret("better_auth.secret"),
            links: reader.value("better_auth.links", "confirm"),
        };
        let origin = |text: &String| text != "null" && !text.contains(char::is_whitespace);
        reader.check(
            "better_auth.trusted_origins",
            better_auth.trusted_origins.iter().all(origin),
            "must be origins or patterns of origins, as https://app.example.org or https://*.example.org",
        );
        better_auth
    }
}
