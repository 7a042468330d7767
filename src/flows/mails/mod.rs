//! Asking for mail, and finding out which letter it is.
//!
//! 1. A flow [`ask`]s for a mail, inside the transaction that gives the reason. The row says no more than who asked
//!    about which address, so that a stranger learns nothing from how long it takes.
//! 2. A job claims the row, and [`letter()`] looks up whom it goes to, which letter it is, and makes its link or code.
//!    Most often there is somebody; for an address that nobody has, the row goes away without a word.

mod letter;
mod links;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::browser::Browser;
use super::limits::{self, Key, Limit, LimitError};
use super::provider::Provider;
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::{MailId, UserId};
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::user::User;
use crate::storage::outgoing_mails::{self, NewMail};
use crate::storage::{Execute, StorageError};

pub use letter::{Addressed, letter};
pub use links::{Link, read};

/// Whom a mail is about.
#[derive(Debug, Clone, Copy)]
pub struct To<'a> {
    /// The address.
    pub email: &'a EmailAddress,
    /// The account, where it is known.
    pub user: Option<UserId>,
}

/// Asks for a mail. It is made and sent soon after the commit, which wakes who sends it.
///
/// # Errors
/// When the database does not answer.
pub async fn ask(
    provider: &Provider,
    db: &impl Execute,
    kind: MailKind,
    to: To<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let mail = NewMail {
        id: MailId::generate(&*provider.random),
        kind,
        email: to.email.as_str(),
        email_key: to.email.key().as_str(),
        user_id: to.user,
        params,
    };
    outgoing_mails::insert(db, &mail, now).await?;
    db.wake_when_visible(&provider.mail_wanted);
    Ok(())
}

/// [`ask`]s for a mail to an account, at the address that it has.
///
/// # Errors
/// When the database does not answer.
pub async fn ask_of(
    provider: &Provider,
    db: &impl Execute,
    kind: MailKind,
    user: &User,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    // A stored address was parsed when it was given; only rules that have changed since can refuse it now.
    let Ok(email) = EmailAddress::parse(&user.email) else {
        tracing::error!(user.id = %user.id, "no mail can go to the address of a user");
        return Ok(());
    };
    let to = To {
        email: &email,
        user: Some(user.id),
    };
    ask(provider, db, kind, to, params, now).await
}

/// Takes one of the mails that may go to an address, whoever asks, and that a source may ask for. Addresses that nobody
/// has are counted as those that somebody has.
///
/// # Errors
/// When there were too many, or the database does not answer.
pub async fn may_ask(
    provider: &Provider,
    browser: &Browser<'_>,
    email: &EmailKey,
    now: DateTime<Utc>,
) -> Result<(), LimitError> {
    let wanted = [
        (Limit::MailsToAddress, Key::email(email)),
        (Limit::MailsFromSource, Key::from(browser.address)),
    ];
    limits::reserve(provider, &wanted, now).await.map(drop)
}

/// Takes one of the mails that may go to an address, where a mail only follows from something that has limits of its
/// own, and whose answer must not tell: past the limit there is none.
///
/// # Errors
/// When the database does not answer.
pub async fn may_follow(
    provider: &Provider,
    email: &EmailKey,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    match limits::reserve(provider, &[(Limit::MailsToAddress, Key::email(email))], now).await {
        Ok(_) => Ok(true),
        Err(LimitError::TooMany(_)) => Ok(false),
        Err(LimitError::Storage(error)) => Err(error),
    }
}

/// `params` with what is to be remembered of the browser that asks.
pub fn asked_by(browser: &Browser<'_>, params: &MailParams, now: DateTime<Utc>) -> MailParams {
    MailParams {
        languages: browser.languages.clone(),
        browser: browser.token.map(|hash| URL_SAFE_NO_PAD.encode(hash.as_bytes())),
        user_agent: browser.kept_user_agent(),
        at: Some(now),
        ..params.clone()
    }
}
