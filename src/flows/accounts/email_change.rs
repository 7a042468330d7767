//! Another address.
//!
//! 1. [`ask`], from a fresh login. Where the present address is proven it is asked first, whether it agrees.
//! 2. [`confirm`] spends the link that went there, and mails the new address.
//! 3. [`verify`] (or [`by_code`]) spends the link that went to the new address: only then does it change. The address of
//!    before is told, with a link that undoes it.
//! 4. [`undo`], for seven days: the address is as it was, and whoever is in the account is out.
//!
//! Whether anybody has the new address is never said to who asks: a mail goes there or does not.

use chrono::{DateTime, Utc};

use super::{CodeOutcome, is_fresh, open_link, proof, try_code};
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::MailId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::{MailedLink, Purpose};
use crate::domain::user::User;
use crate::flows::browser::Browser;
use crate::flows::login::LoginError;
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::flows::sessions::Present;
use crate::storage::mailed_links::{self, Found};
use crate::storage::{self, StorageError, accounts};

/// What came of a wish for another address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskOutcome {
    /// Somebody was asked by mail, if anybody can be.
    Asked,
    /// It is the present one.
    Same,
    /// The login was too long ago.
    NotFresh,
    /// The operator lets nobody change it.
    Closed,
}

/// Asks for another address. With `code` the new address gets six digits, and the present one is not asked.
///
/// # Errors
/// When it could not be tried.
pub async fn ask(
    provider: &Provider,
    present: &Present,
    new: &EmailAddress,
    kind: NewAddressProof,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<AskOutcome, LoginError> {
    let (settings, user) = (&provider.settings.accounts, &present.user);
    if !settings.change_email {
        return Ok(AskOutcome::Closed);
    }
    let present_key = EmailKey::of_typed(&user.email);
    if present_key.as_ref() == Some(new.key()) {
        return Ok(AskOutcome::Same);
    }
    if !is_fresh(provider, present, now) {
        return Ok(AskOutcome::NotFresh);
    }
    let asks_present = kind == NewAddressProof::Link && user.email_verified && settings.confirm_email_change;
    // Counted for the address that the mail goes to.
    let to = present_key.as_ref().filter(|_| asks_present).unwrap_or(new.key());
    mails::may_ask(provider, browser, to, now).await?;
    let params = MailParams {
        new_email: Some(new.as_str().to_owned()),
        ..mails::asked_by(browser, params, now)
    };
    let db = &provider.db;
    if asks_present {
        mails::ask_of(provider, db, MailKind::ConfirmEmailChange, user, &params, now).await?;
    } else {
        let to = mails::To {
            email: new,
            user: Some(user.id),
        };
        mails::ask(provider, db, kind.mail(), to, &params, now).await?;
    }
    Ok(AskOutcome::Asked)
}

/// How the new address is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewAddressProof {
    /// By a link.
    Link,
    /// By six digits.
    Code,
}

impl NewAddressProof {
    const fn mail(self) -> MailKind {
        match self {
            Self::Link => MailKind::VerifyNewEmail,
            Self::Code => MailKind::VerifyNewEmailCode,
        }
    }
}

/// What a link is, before anybody acts on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It can be acted on.
    Good {
        /// Whose account it is about.
        user: Box<User>,
        /// The address that the account is to have, or to have again.
        to: String,
    },
    /// It is used, too old, or none of ours.
    Dead,
    /// Its time is over.
    Expired,
}

/// Looks at a link for `purpose`, one of [`Purpose::ConfirmEmailChange`], [`Purpose::VerifyNewEmail`] and
/// [`Purpose::UndoEmailChange`].
///
/// # Errors
/// When it could not be tried.
pub async fn open(
    provider: &Provider,
    purpose: Purpose,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Opened, LoginError> {
    let link = match open_link(provider, purpose, token, browser, now).await? {
        Found::Good(link) => link,
        Found::Expired(_) => return Ok(Opened::Expired),
        Found::Used(_) | Found::Dead => return Ok(Opened::Dead),
    };
    let to = match purpose {
        Purpose::ConfirmEmailChange => link.details.new_email.clone(),
        _ => Some(link.email.clone()),
    };
    let user = match link.user_id {
        Some(id) => storage::users::find(&provider.db, id).await?,
        None => None,
    };
    Ok(match (user, to) {
        (Some(user), Some(to)) if user.disabled_at.is_none() => Opened::Good {
            user: Box::new(user),
            to,
        },
        _ => Opened::Dead,
    })
}

/// What came of acting on a link or code.
#[derive(Debug, Clone, PartialEq)]
pub enum Acted {
    /// The new address was mailed.
    Asked,
    /// The user has the address now.
    Changed(Box<User>),
    /// The link or code is used, too old, or none of ours; or another account has the address.
    Dead,
}

/// Somebody at the present address agrees: the new one is mailed.
///
/// # Errors
/// When it could not be tried.
pub async fn confirm(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Acted, LoginError> {
    let purpose = Purpose::ConfirmEmailChange;
    let Opened::Good { user, to } = open(provider, purpose, token, browser, now).await? else {
        return Ok(Acted::Dead);
    };
    let (Some(id), Ok(new)) = (mails::read(provider, purpose, token), EmailAddress::parse(&to)) else {
        return Ok(Acted::Dead);
    };
    let tx = provider.db.begin().await?;
    let Some(link) = mailed_links::spend(&tx, purpose, id, now).await? else {
        tx.commit().await?;
        return Ok(Acted::Dead);
    };
    let params = MailParams {
        better_auth: link.details.better_auth,
        callback_url: link.details.callback_url,
        new_email: Some(to),
        ..mails::asked_by(browser, &MailParams::default(), now)
    };
    let to = mails::To {
        email: &new,
        user: Some(user.id),
    };
    mails::ask(provider, &tx, MailKind::VerifyNewEmail, to, &params, now).await?;
    tx.commit().await?;
    Ok(Acted::Asked)
}

/// Somebody at the new address agrees: the account has it from now on, and the old one is told.
///
/// # Errors
/// When it could not be tried.
pub async fn verify(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Acted, LoginError> {
    let purpose = Purpose::VerifyNewEmail;
    let Found::Good(link) = open_link(provider, purpose, token, browser, now).await? else {
        return Ok(Acted::Dead);
    };
    Ok(change(provider, purpose, link, browser, now).await?)
}

/// What came of a code.
#[derive(Debug, Clone, PartialEq)]
pub enum ByCode {
    /// As for a link.
    Acted(Acted),
    /// The code was not right.
    Not(CodeOutcome),
}

/// [`verify`] by six digits, in the session that asked for them.
///
/// # Errors
/// When it could not be tried.
pub async fn by_code(
    provider: &Provider,
    present: &Present,
    new: &EmailKey,
    code: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ByCode, LoginError> {
    let purpose = Purpose::VerifyNewEmailCode;
    let owner = Some(present.user.id);
    match try_code(provider, purpose, new, owner, code, browser, now).await? {
        CodeOutcome::Right(link) => Ok(ByCode::Acted(
            change(provider, purpose, link, browser, now).await?,
        )),
        other => Ok(ByCode::Not(other)),
    }
}

async fn change(
    provider: &Provider,
    purpose: Purpose,
    link: MailedLink,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Acted, StorageError> {
    let (Some(id), Ok(new)) = (link.user_id, EmailAddress::parse(&link.email)) else {
        return Ok(Acted::Dead);
    };
    let Some(user) = storage::users::find(&provider.db, id).await? else {
        return Ok(Acted::Dead);
    };
    let (Some(from), Ok(old)) = (EmailKey::of_typed(&user.email), EmailAddress::parse(&user.email)) else {
        return Ok(Acted::Dead);
    };
    let tx = provider.db.begin().await?;
    if mailed_links::spend(&tx, purpose, link.id, now).await?.is_none() {
        tx.commit().await?;
        return Ok(Acted::Dead);
    }
    let Some(changed) = proof::move_to(&tx, &user, &from, &new, now).await? else {
        // The link stays good: an address that is released later can still be had.
        return Ok(Acted::Dead);
    };
    mailed_links::delete_of_user(&tx, user.id).await?;
    let params = MailParams {
        new_email: Some(changed.email.clone()),
        ..mails::asked_by(browser, &MailParams::default(), now)
    };
    let to = mails::To {
        email: &old,
        user: Some(user.id),
    };
    mails::ask(provider, &tx, MailKind::EmailChanged, to, &params, now).await?;
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "an address was changed");
    Ok(Acted::Changed(Box::new(changed)))
}

/// Gives the account the address back that the link went to. Sessions, tokens and the password are gone: they may be
/// those of whoever changed it. The user sets a new password by mail.
///
/// # Errors
/// When it could not be tried.
pub async fn undo(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Acted, LoginError> {
    let purpose = Purpose::UndoEmailChange;
    let MailedLinkTo { id, user, address } = match undone(provider, token, browser, now).await? {
        Some(found) => found,
        None => return Ok(Acted::Dead),
    };
    let tx = provider.db.begin().await?;
    if mailed_links::spend(&tx, purpose, id, now).await?.is_none() {
        tx.commit().await?;
        return Ok(Acted::Dead);
    }
    accounts::release_email(&tx, address.key(), user, now).await?;
    let Some(user) = accounts::undo_email_change(&tx, user, &address, now).await? else {
        return Ok(Acted::Dead);
    };
    tx.commit().await?;
    tracing::warn!(user.id = %user.id, "a change of address was undone");
    Ok(Acted::Changed(Box::new(user)))
}

struct MailedLinkTo {
    id: MailId,
    user: crate::domain::ids::UserId,
    address: EmailAddress,
}

async fn undone(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Option<MailedLinkTo>, LoginError> {
    let Found::Good(link) = open_link(provider, Purpose::UndoEmailChange, token, browser, now).await? else {
        return Ok(None);
    };
    Ok(match (link.user_id, EmailAddress::parse(&link.email)) {
        (Some(user), Ok(address)) => Some(MailedLinkTo {
            id: link.id,
            user,
            address,
        }),
        _ => None,
    })
}
