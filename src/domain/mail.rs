//! What mail we send, and how often a mail server that refuses it is asked again. Pure; what a mail looks like is the
//! templates' business.

use std::fmt;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::ids::UserId;
use super::mailed_link::Purpose;
use super::retry::Pauses;

/// Why a mail is sent. A request names the kind; whether there is anybody to write to, and which letter they get, is
/// found out when the mail is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MailKind {
    /// Somebody signed up with the address, which may have been taken.
    SignedUp,
    /// Somebody asked for another link.
    VerifyEmail,
    /// Somebody forgot the password.
    ResetPassword,
    /// The present address is asked whether it agrees to another.
    ConfirmEmailChange,
    /// The new address is asked whether it is the user's.
    VerifyNewEmail,
    /// The address of before is told, and may undo it.
    EmailChanged,
    /// The password was changed.
    PasswordChanged,
    /// The account is to be deleted.
    DeleteAccount,
    /// The account was deleted.
    AccountDeleted,
    /// A link that logs in.
    SignIn,
    /// A code that logs in.
    SignInCode,
    /// A code that proves the address.
    VerifyEmailCode,
    /// A code for a new password.
    ResetPasswordCode,
    /// A code that proves a new address.
    VerifyNewEmailCode,
}

impl MailKind {
    /// Every kind.
    pub const ALL: [Self; 14] = [
        Self::SignedUp,
        Self::VerifyEmail,
        Self::ResetPassword,
        Self::ConfirmEmailChange,
        Self::VerifyNewEmail,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::DeleteAccount,
        Self::AccountDeleted,
        Self::SignIn,
        Self::SignInCode,
        Self::VerifyEmailCode,
        Self::ResetPasswordCode,
        Self::VerifyNewEmailCode,
    ];

    /// The kind as the database and the metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedUp => "signed_up",
            Self::VerifyEmail => "verify_email",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::VerifyNewEmail => "verify_new_email",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::DeleteAccount => "delete_account",
            Self::AccountDeleted => "account_deleted",
            Self::SignIn => "sign_in",
            Self::SignInCode => "sign_in_code",
            Self::VerifyEmailCode => "verify_email_code",
            Self::ResetPasswordCode => "reset_password_code",
            Self::VerifyNewEmailCode => "verify_new_email_code",
        }
    }

    /// The kind that the database named.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What the link or code in it is good for; `None` for a mail that only tells.
    pub const fn purpose(self) -> Option<Purpose> {
        Some(match self {
            Self::SignedUp | Self::VerifyEmail => Purpose::VerifyEmail,
            Self::ResetPassword => Purpose::ResetPassword,
            Self::ConfirmEmailChange => Purpose::ConfirmEmailChange,
            Self::VerifyNewEmail => Purpose::VerifyNewEmail,
            Self::EmailChanged => Purpose::UndoEmailChange,
            Self::DeleteAccount => Purpose::DeleteAccount,
            Self::SignIn => Purpose::SignIn,
            Self::SignInCode => Purpose::SignInCode,
            Self::VerifyEmailCode => Purpose::VerifyEmailCode,
            Self::ResetPasswordCode => Purpose::ResetPasswordCode,
            Self::VerifyNewEmailCode => Purpose::VerifyNewEmailCode,
            Self::PasswordChanged | Self::AccountDeleted => return None,
        })
    }

    /// How long a mail server that does not take it is asked again: a code that comes hours late helps nobody.
    pub const fn patience(self) -> TimeDelta {
        match self {
            Self::SignIn
            | Self::SignInCode
            | Self::VerifyEmailCode
            | Self::ResetPasswordCode
            | Self::VerifyNewEmailCode => TimeDelta::hours(1),
            _ => TimeDelta::hours(24),
        }
    }
}

/// The letters, by the name of their template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Letter {
    /// A link that proves the address of a new account.
    VerifyEmail,
    /// Somebody tried to sign up with the address of an account.
    AlreadyRegistered,
    /// A link for a new password.
    ResetPassword,
    /// A link by which the present address agrees to another.
    ConfirmEmailChange,
    /// A link that proves a new address.
    VerifyNewEmail,
    /// The address has changed; a link undoes it.
    EmailChanged,
    /// The password has changed.
    PasswordChanged,
    /// A link that deletes the account.
    DeleteAccount,
    /// The account is gone.
    AccountDeleted,
    /// A link that logs in.
    SignIn,
    /// A code of six digits.
    Code,
}

impl Letter {
    /// Every letter.
    pub const ALL: [Self; 11] = [
        Self::VerifyEmail,
        Self::AlreadyRegistered,
        Self::ResetPassword,
        Self::ConfirmEmailChange,
        Self::VerifyNewEmail,
        Self::EmailChanged,
        Self::PasswordChanged,
        Self::DeleteAccount,
        Self::AccountDeleted,
        Self::SignIn,
        Self::Code,
    ];

    /// What its template is called.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::VerifyEmail => "verify_email",
            Self::AlreadyRegistered => "already_registered",
            Self::ResetPassword => "reset_password",
            Self::ConfirmEmailChange => "confirm_email_change",
            Self::VerifyNewEmail => "verify_new_email",
            Self::EmailChanged => "email_changed",
            Self::PasswordChanged => "password_changed",
            Self::DeleteAccount => "delete_account",
            Self::AccountDeleted => "account_deleted",
            Self::SignIn => "sign_in",
            Self::Code => "code",
        }
    }
}

/// What a request for mail says beside its kind and address. Kept until the mail is sent; nothing in it is secret.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MailParams {
    /// The languages that the reader prefers, best first, as `Accept-Language` names them; the user's own `locale`
    /// stands above them.
    pub languages: Vec<String>,
    /// Whether the link leads to `/api/auth`, or to a page.
    pub better_auth: bool,
    /// Where the link leads afterwards, already found to be trusted.
    pub callback_url: Option<String>,
    /// The same, for who had no account before.
    pub new_user_callback_url: Option<String>,
    /// The same, when the link is not good.
    pub error_callback_url: Option<String>,
    /// The pending authorization request that the reader is to come back to.
    pub authorization_request: Option<uuid::Uuid>,
    /// The browser that asked, by the hash of its token in base64url.
    pub browser: Option<String>,
    /// The name of an account that the link makes.
    pub name: Option<String>,
    /// The address that the account is to have, or has now.
    pub new_email: Option<String>,
    /// When what is told of happened.
    pub at: Option<DateTime<Utc>>,
    /// The `User-Agent` of the browser that it happened in.
    pub user_agent: Option<String>,
}

impl fmt::Debug for MailParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MailParams")
    }
}

/// Whom a mail goes to.
#[derive(Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub email: String,
    /// Their account, if they have one.
    pub user: Option<UserId>,
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient")
    }
}

/// The pauses between attempts.
const PAUSES: Pauses = Pauses {
    first: TimeDelta::seconds(2),
    longest: TimeDelta::minutes(10),
};

/// When a mail is tried again after the `attempts`-th attempt, counted from one, has failed; `None`: no more, it is a
/// dead letter. `jitter` as for [`Pauses::after`].
pub fn next_attempt(
    kind: MailKind,
    created_at: DateTime<Utc>,
    attempts: u32,
    jitter: f64,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let next = now + PAUSES.after(attempts, jitter);
    (next <= created_at + kind.patience()).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_was_written() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::parse(kind.as_str()), Some(kind));
        }
    }

    #[test]
    fn a_mail_server_that_is_down_for_a_minute_costs_no_mail_and_one_for_a_day_some() {
        let start = DateTime::from_timestamp(1_800_000_000, 0).expect("a date");
        let attempts_within = |kind, time: TimeDelta| {
            let (mut now, mut attempts) = (start, 0);
            while let Some(next) = next_attempt(kind, start, attempts + 1, 0.0, now) {
                attempts += 1;
                if next > start + time {
                    break;
                }
                now = next;
            }
            attempts
        };
        assert!(attempts_within(MailKind::SignInCode, TimeDelta::minutes(1)) >= 5);
        let late = start + TimeDelta::hours(2);
        assert_eq!(next_attempt(MailKind::SignInCode, start, 12, 0.0, late), None);
        assert!(next_attempt(MailKind::PasswordChanged, start, 12, 0.0, late).is_some());
    }
}
