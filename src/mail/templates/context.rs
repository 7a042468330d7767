//! What a letter may speak of.

use std::fmt;

use chrono::{DateTime, Utc};

/// What a letter may speak of beside the brand. Which of it a letter needs is said by its template; what user or
/// browser made up (name, new address, device) is cleaned before it is shown. Link and code are secrets, so nothing of
/// it is ever printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LetterContext {
    /// What the reader is called.
    pub name: Option<String>,
    /// What the reader is to open, with its token.
    pub link: Option<String>,
    /// What the reader is to type.
    pub code: Option<String>,
    /// The address that an account is to have, or has now.
    pub new_email: Option<String>,
    /// When what is told of happened.
    pub at: Option<DateTime<Utc>>,
    /// From what kind of device, in words such as "Firefox on Windows".
    pub device: Option<String>,
    /// How long link or code are good, in minutes.
    pub minutes: Option<i64>,
    /// Where a forgotten password is replaced: for a reader who did not do what is told of. It has no token.
    pub reset_link: Option<String>,
    /// What a code is good for, as the database names a purpose; the words are the template's.
    pub purpose: Option<String>,
}

impl fmt::Debug for LetterContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LetterContext")
    }
}
