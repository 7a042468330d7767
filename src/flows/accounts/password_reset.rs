//! A new password for who forgot the old one: by a mailed link or code, and by nothing else.
//!
//! 1. A link is asked for, at an address that may be anybody's: [`super::ask`].
//! 2. [`open`] says whether a link is good; a look does not spend it.
//! 3. [`complete`]: the new password is judged and hashed, then the link is spent and the password set in one
//!    transaction. All links of the user die with it, and so do sessions and tokens.

use chrono::{DateTime, Utc};

use super::{CodeOutcome, open_link, proof, try_code};
use crate::domain::email::EmailKey;
use crate::domain::ids::MailId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::Purpose;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::flows::browser::Browser;
use crate::flows::login::{LoginError, salt};
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::flows::signup::{Judges, PasswordFault, new_password};
use crate::storage::accounts::KeptSessions;
use crate::storage::mailed_links::{self, Found};
use crate::storage::{self, accounts};

/// Whether a link could set a password at present.
///
/// # Errors
/// When it could not be tried.
pub async fn open(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<bool, LoginError> {
    let found = open_link(provider, Purpose::ResetPassword, token, browser, now).await?;
    Ok(matches!(found, Found::Good(_)))
}

/// What came of a new password.
#[derive(Debug)]
pub enum ResetOutcome {
    /// It is set.
    Done(Box<User>),
    /// It cannot be chosen; the link is still good.
    Refused(PasswordFault),
    /// The link is used, too old, or none of ours.
    Dead,
}

/// Sets a new password by a link.
///
/// # Errors
/// When it could not be tried; the link is still good then.
pub async fn complete(
    provider: &Provider,
    token: &str,
    password: &Secret,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ResetOutcome, LoginError> {
    let purpose = Purpose::ResetPassword;
    let link = match open_link(provider, purpose, token, browser, now).await? {
        Found::Good(link) => link,
        Found::Used(_) | Found::Expired(_) | Found::Dead => return Ok(ResetOutcome::Dead),
    };
    let Some(user) = link.user_id else {
        return Ok(ResetOutcome::Dead);
    };
    let Some(user) = storage::users::find(&provider.db, user).await? else {
        return Ok(ResetOutcome::Dead);
    };
    set(provider, user, purpose, link.id, password, browser, now).await
}

/// What came of a new password with a code.
#[derive(Debug)]
pub enum ByCode {
    /// As for a link.
    Tried(ResetOutcome),
    /// The code was not right.
    Not(CodeOutcome),
}

/// Sets a new password by a code. Its length is looked at before the code, which a slip must not cost.
///
/// # Errors
/// When it could not be tried.
pub async fn by_code(
    provider: &Provider,
    email: &EmailKey,
    code: &str,
    password: &Secret,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ByCode, LoginError> {
    if let Err(rule) = crate::domain::password::Password::chosen(password.expose()) {
        return Ok(ByCode::Tried(ResetOutcome::Refused(PasswordFault::Rule(rule))));
    }
    let purpose = Purpose::ResetPasswordCode;
    let link = match try_code(provider, purpose, email, None, code, browser, now).await? {
        CodeOutcome::Right(link) => link,
        other => return Ok(ByCode::Not(other)),
    };
    let user = match link.user_id {
        Some(id) => storage::users::find(&provider.db, id).await?,
        None => None,
    };
    let Some(user) = user else {
        return Ok(ByCode::Not(CodeOutcome::Wrong));
    };
    let outcome = set(provider, user, purpose, link.id, password, browser, now).await?;
    Ok(ByCode::Tried(outcome))
}

async fn set(
    provider: &Provider,
    user: User,
    purpose: Purpose,
    link: MailId,
    password: &Secret,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ResetOutcome, LoginError> {
    let known = [&*user.email, &user.name, &provider.settings.brand];
    let judged = new_password(Judges::of(provider), password.expose(), &known).await?;
    let password = match judged {
        Ok(password) => password,
        Err(fault) => return Ok(ResetOutcome::Refused(fault)),
    };
    let hash = provider.passwords.hash(&password, salt(provider)).await?;
    let tx = provider.db.begin().await?;
    if mailed_links::spend(&tx, purpose, link, now).await?.is_none() {
        tx.commit().await?;
        return Ok(ResetOutcome::Dead);
    }
    // What an unverified holder made is gone in any case.
    let kept = if provider.settings.accounts.reset_ends_sessions || !user.email_verified {
        KeptSessions::None
    } else {
        KeptSessions::All
    };
    let Some(user) = proof::proven(&tx, user, now).await? else {
        tx.commit().await?;
        return Ok(ResetOutcome::Dead);
    };
    let changed = accounts::change_password(&tx, user.id, user.epoch, &hash, kept, now).await?;
    let Some(user) = changed else {
        tx.commit().await?;
        return Ok(ResetOutcome::Dead);
    };
    let params = mails::asked_by(browser, &MailParams::default(), now);
    mails::ask_of(provider, &tx, MailKind::PasswordChanged, &user, &params, now).await?;
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "a password was reset");
    Ok(ResetOutcome::Done(Box::new(user)))
}
