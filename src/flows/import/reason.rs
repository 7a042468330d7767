//! Why something was refused, in words that are stable for programs.

use serde::Serialize;

use crate::domain::subject::InvalidSubject;
use crate::jose::better_auth_key::SealedKeyError;
use crate::jose::key_file::InvalidKeyFile;
use crate::password::foreign::UnusableHash;

/// Why something does not come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The record has another form.
    #[error("the record has not the form that its source writes")]
    Malformed,
    /// The record is larger than any of a user.
    #[error("the record is larger than 1 MiB")]
    TooLarge,
    /// The source says that the user was deleted.
    #[error("the user was deleted there")]
    Deleted,
    /// Nobody can log in without an address.
    #[error("the user has no e-mail address")]
    NoEmail,
    /// The address is none.
    #[error("the user's e-mail address is none")]
    InvalidEmail,
    /// The subject is none.
    #[error(transparent)]
    Subject(#[from] InvalidSubject),
    /// Another account has the address, here or earlier in the source.
    #[error("another account has the user's e-mail address")]
    EmailTaken,
    /// Another account has the subject.
    #[error("another account has the user's subject")]
    SubjectTaken,
    /// The subject was a deleted user's.
    #[error("the subject was that of a user who was deleted here")]
    SubjectRetired,
    /// The password cannot be verified here.
    #[error(transparent)]
    Hash(#[from] UnusableHash),
    /// It is no standard claim, or has not its type.
    #[error("the claim is none that a profile holds, or too long")]
    Claim,
    /// It lacks the provider or the user there.
    #[error("the identity names no provider or no user of it")]
    InvalidIdentity,
    /// Another account has it.
    #[error("another account has the identity")]
    IdentityTaken,
    /// Its parts are no passkey.
    #[error("the passkey cannot be read")]
    InvalidPasskey,
    /// Another account has it.
    #[error("another account has the passkey")]
    PasskeyTaken,
    /// Its parts are no session.
    #[error("the session cannot be read")]
    InvalidSession,
    /// The key is none that could sign here.
    #[error(transparent)]
    Key(#[from] InvalidKeyFile),
    /// The key is encrypted with another secret.
    #[error(transparent)]
    SealedKey(#[from] SealedKeyError),
}

impl Reason {
    /// The word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::TooLarge => "too_large",
            Self::Deleted => "deleted",
            Self::NoEmail => "no_email",
            Self::InvalidEmail => "invalid_email",
            Self::Subject(_) => "invalid_subject",
            Self::EmailTaken => "email_taken",
            Self::SubjectTaken => "subject_taken",
            Self::SubjectRetired => "subject_retired",
            Self::Hash(UnusableHash::Unknown) => "hash_unknown",
            Self::Hash(UnusableHash::Malformed(_)) => "hash_malformed",
            Self::Hash(UnusableHash::TooDear(_)) => "hash_too_dear",
            Self::Claim => "invalid_claim",
            Self::InvalidIdentity => "invalid_identity",
            Self::IdentityTaken => "identity_taken",
            Self::InvalidPasskey => "invalid_passkey",
            Self::PasskeyTaken => "passkey_taken",
            Self::InvalidSession => "invalid_session",
            Self::Key(_) => "invalid_key",
            Self::SealedKey(_) => "key_not_opened",
        }
    }
}

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refused {
    /// The user, with all that belongs to them.
    User,
    /// The password: the user came without, and can reset it.
    Password,
    /// A claim of the profile.
    Claim,
    /// Who the user is at another provider.
    Identity,
    /// A passkey.
    Passkey,
    /// A session.
    Session,
    /// A signing key.
    Key,
}

/// A line of the report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which record of the source it was, counted from one; 0 for what is no record.
    pub position: u64,
    /// The user's subject, or the key's name, as far as it is known.
    pub subject: Option<String>,
    /// What was refused.
    pub refused: Refused,
    /// Why, in a word.
    pub reason: &'static str,
    /// Why, in a sentence.
    pub message: String,
}

impl Refusal {
    /// Of something, for a reason.
    pub fn new(position: u64, subject: Option<String>, refused: Refused, reason: Reason) -> Self {
        Self {
            position,
            subject,
            refused,
            reason: reason.code(),
            message: reason.to_string(),
        }
    }
}
