//! `[accounts]`

use std::time::Duration;

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
    /// Whether whoever signs up is mailed a link that proves the address.
    pub verify_on_signup: bool,
    /// Whether whoever logs in and must prove the address first is mailed another link.
    pub verify_on_login: bool,
    /// Whether a link that proves the address logs its reader in.
    pub login_after_verification: bool,
    /// Whether users may change their address.
    pub change_email: bool,
    /// Whether a client of the Better Auth protocol may link identities of other addresses than the account's.
    pub link_different_emails: bool,
    /// Whether an address that is proven must agree to its change.
    pub confirm_email_change: bool,
    /// Whether users may delete their account.
    pub deletion: bool,
    /// Whether a deletion is confirmed by mail.
    pub confirm_deletion: bool,
    /// How long after the login an account can be changed without another one; zero: always.
    pub fresh_age: Duration,
}

impl Accounts {
    pub(super) fn read(reader: &mut Reader) -> Self {
        let accounts = Self {
            signup: reader.value("accounts.signup", "true"),
            require_verified_email: reader.value("accounts.require_verified_email", "false"),
            reset_ends_sessions: reader.value("accounts.reset_ends_sessions", "true"),
            verify_on_signup: reader.value("accounts.verify_on_signup", "true"),
            verify_on_login: reader.value("accounts.verify_on_login", "true"),
            login_after_verification: reader.value("accounts.login_after_verification", "false"),
            change_email: reader.value("accounts.change_email", "true"),
            link_different_emails: reader.value("accounts.link_different_emails", "false"),
            confirm_email_change: reader.value("accounts.confirm_email_change", "true"),
            deletion: reader.value("accounts.deletion", "true"),
            confirm_deletion: reader.value("accounts.confirm_deletion", "false"),
            fresh_age: reader.value("accounts.fresh_age", "1d"),
        };
        reader.lasts("accounts.fresh_age", accounts.fresh_age, "0s", "400d");
        accounts
    }
}
