//! Mail: what a letter looks like, and how it leaves. Which letter goes to whom is decided above, in
//! `flows::mails`.

pub mod mailbox;
pub mod smtp;
pub mod templates;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::domain::ids::MailId;

/// A mail as it leaves.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// What its `Message-ID` is made of: the same whenever it is tried again, so that whoever gets it twice can tell.
    pub id: MailId,
    /// The address that it goes to.
    pub to: String,
    /// What it is about, in one line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The same body as HTML.
    pub html: String,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// What takes mail: a server that speaks SMTP, or the mailbox of `signet dev`.
pub trait Mailer: fmt::Debug + Send + Sync {
    /// Hands a mail over. It has left when this returns.
    fn send<'a>(&'a self, mail: &'a Mail)
    -> Pin<Box<dyn Future<Output = Result<(), SendError>> + Send + 'a>>;
}

/// Why a mail was not taken. Its text names no address: servers repeat those in their answers.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// It never will be (RFC 5321 §4.2.1: a reply of the 5yz kind), or it cannot be written down as a mail.
    #[error("the mail is refused: {0}")]
    Refused(String),
    /// It may be later.
    #[error("the mail cannot be handed over at present: {0}")]
    Unavailable(String),
    /// None will be until the operator changes something: it says nothing against this mail.
    #[error("no mail can be handed over: {0}")]
    Misconfigured(String),
    /// The server's policy is against it (RFC 3463 §3.8): against us more often than against whom it is for.
    #[error("the mail server's policy is against the mail: {0}")]
    Forbidden(String),
}
