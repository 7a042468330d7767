//! `[accounts]`

use super::reader::Reader;

/// What people may do with accounts.
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Whether strangers may sign up.
    pub signup: bool,
    /// Whether an account must prove its e-mail address before it is of use.
    pub require_verified_email: bool,
    /// Whether a password reset ends every session.
    pub reset_ends_sessions: bool,
}

impl Accounts {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            signup: reader.value("accounts.signup", "true"),
            require_verified_email: reader.value("accounts.require_verified_email", "false"),
            reset_ends_sessions: reader.value("accounts.reset_ends_sessions", "true"),
        }
    }
}
