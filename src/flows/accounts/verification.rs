//! Proving the address of an account by a mailed link.
//!
//! 1. A link is asked for: at the signup, at a login that needs it, or on demand.
//! 2. [`open`]: what the page says. In the browser that signed up there is nothing to say; elsewhere it names the
//!    signup, since the reader of the mail may not be who made the account.
//! 3. [`confirm`]: in that browser, or by whoever says that it was them, the account keeps what it has. Who says that it
//!    was not them removes it.

use chrono::{DateTime, Utc};

use super::sign_in::by_mail;
use super::{CodeOutcome, ask, open_link, try_code};
use crate::domain::email::EmailAddress;
use crate::domain::email::EmailKey;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::{MailedLink, Purpose};
use crate::domain::user::User;
use crate::flows::browser::{Browser, LoggedIn, begin_session};
use crate::flows::login::LoginError;
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::storage::mailed_links::{self, Found};
use crate::storage::{self, StorageError, accounts};

/// Asks for another link in place of one that came too late, at the address that it went to. Whoever has the old one
/// read that address, so nobody need type it; for what was never mailed nothing is asked.
///
/// # Errors
/// When it could not be tried.
pub async fn ask_again(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<(), LoginError> {
    let found = open_link(provider, Purpose::VerifyEmail, token, browser, now).await?;
    let (Found::Good(link) | Found::Expired(link)) = found else {
        return Ok(());
    };
    let Ok(email) = EmailAddress::parse(&link.email) else {
        return Ok(());
    };
    ask(provider, MailKind::VerifyEmail, &email, browser, params, now).await
}

/// What a link is, before anybody acts on it.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// It can be confirmed.
    Good(Signup),
    /// The address is proven already.
    Verified(Box<User>),
    /// Its time is over.
    Expired,
    /// It is none of ours, or of no use any more.
    Dead,
}

/// The account that a link would confirm.
#[derive(Debug, Clone, PartialEq)]
pub struct Signup {
    /// Whose.
    pub user: Box<User>,
    /// Whether this is the browser that made it: it has a session of it, or the token that it had then.
    pub here: bool,
    /// What the browser that made it called itself.
    pub user_agent: Option<String>,
}

/// Looks at a link.
///
/// # Errors
/// When it could not be tried.
pub async fn open(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Opened, LoginError> {
    Ok(
        match open_link(provider, Purpose::VerifyEmail, token, browser, now).await? {
            Found::Good(link) => opened(provider, &link, browser).await?,
            Found::Used(link) => match account_of(provider, &link).await? {
                Some(user) if user.email_verified => Opened::Verified(Box::new(user)),
                _ => Opened::Dead,
            },
            Found::Expired(_) => Opened::Expired,
            Found::Dead => Opened::Dead,
        },
    )
}

async fn opened(
    provider: &Provider,
    link: &MailedLink,
    browser: &Browser<'_>,
) -> Result<Opened, StorageError> {
    let Some(user) = account_of(provider, link).await? else {
        return Ok(Opened::Dead);
    };
    if user.email_verified {
        return Ok(Opened::Verified(Box::new(user)));
    }
    let signup = accounts::find_signup(&provider.db, user.id).await?;
    let signed_up_here = signup
        .as_ref()
        .and_then(|signup| signup.browser)
        .is_some_and(|made_by| browser.token == Some(made_by));
    let has_session = browser.present.is_some_and(|present| present.user.id == user.id);
    Ok(Opened::Good(Signup {
        here: signed_up_here || has_session,
        user_agent: signup.and_then(|signup| signup.user_agent),
        user: Box::new(user),
    }))
}

/// The account of a link, if it still has the address that the link went to.
async fn account_of(provider: &Provider, link: &MailedLink) -> Result<Option<User>, StorageError> {
    let Some(id) = link.user_id else {
        return Ok(None);
    };
    let user = storage::users::find(&provider.db, id).await?;
    Ok(user.filter(|user| user.email == link.email && user.disabled_at.is_none()))
}

/// Who confirms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// The browser that signed up, which proves that by itself.
    Here,
    /// Somebody elsewhere, who was shown the signup, and says that it was theirs.
    ItWasMe,
    /// Somebody elsewhere, who says that it was not.
    ItWasNotMe,
}

/// What came of a confirmation.
#[derive(Debug, Clone, PartialEq)]
pub enum Confirmed {
    /// The address is the user's.
    Verified(Box<User>),
    /// The account is gone.
    Removed,
    /// This is not the browser that signed up: whoever sits there must be shown the signup first.
    Elsewhere,
    /// The link's time is over.
    Expired,
    /// It is none of ours, or of no use any more.
    Dead,
}

/// Acts on a link, once.
///
/// # Errors
/// When it could not be tried.
pub async fn confirm(
    provider: &Provider,
    token: &str,
    confirmation: Confirmation,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Confirmed, LoginError> {
    let acted = act(provider, token, confirmation, Entry::Closed, browser, now).await?;
    Ok(acted.0)
}

/// [`confirm`], which begins a session too where the operator lets a link do that: in the browser that signed up, and
/// nowhere else. A link that was used before begins none.
///
/// # Errors
/// When it could not be tried.
pub async fn confirm_and_enter(
    provider: &Provider,
    token: &str,
    confirmation: Confirmation,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<(Confirmed, Option<LoggedIn>), LoginError> {
    let entry = match (
        provider.settings.accounts.login_after_verification,
        browser.present,
    ) {
        (true, None) => Entry::Open,
        _ => Entry::Closed,
    };
    act(provider, token, confirmation, entry, browser, now).await
}

/// Whether a link lets its reader in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    Open,
    Closed,
}

async fn act(
    provider: &Provider,
    token: &str,
    confirmation: Confirmation,
    entry: Entry,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<(Confirmed, Option<LoggedIn>), LoginError> {
    let signup = match open(provider, token, browser, now).await? {
        Opened::Good(signup) => signup,
        Opened::Verified(user) => return Ok((Confirmed::Verified(user), None)),
        Opened::Expired => return Ok((Confirmed::Expired, None)),
        Opened::Dead => return Ok((Confirmed::Dead, None)),
    };
    if confirmation == Confirmation::Here && !signup.here {
        return Ok((Confirmed::Elsewhere, None));
    }
    let Some(id) = mails::read(provider, Purpose::VerifyEmail, token) else {
        return Ok((Confirmed::Dead, None));
    };
    let tx = provider.db.begin().await?;
    let Some(link) = mailed_links::spend(&tx, Purpose::VerifyEmail, id, now).await? else {
        tx.commit().await?;
        return Ok((Confirmed::Dead, None));
    };
    if confirmation == Confirmation::ItWasNotMe {
        let removed = storage::users::delete(&tx, signup.user.id, now).await?;
        tx.commit().await?;
        tracing::info!(user.id = %signup.user.id, "an account was removed by whoever reads its address");
        let confirmed = if removed {
            Confirmed::Removed
        } else {
            Confirmed::Dead
        };
        return Ok((confirmed, None));
    }
    let verified = match EmailKey::of_typed(&link.email) {
        Some(key) => accounts::verify_email(&tx, signup.user.id, &key, now).await?,
        None => None,
    };
    let logged_in = match &verified {
        Some(user) if entry == Entry::Open && signup.here => {
            begin_session(provider, &tx, user, browser, by_mail(), now).await?
        }
        _ => None,
    };
    tx.commit().await?;
    let confirmed = verified.map_or(Confirmed::Dead, |user| {
        tracing::info!(user.id = %user.id, "an address was verified");
        Confirmed::Verified(Box::new(user))
    });
    Ok((confirmed, logged_in))
}

/// What came of a code.
#[derive(Debug, Clone, PartialEq)]
pub enum ByCode {
    /// The address is the user's.
    Verified(Box<User>),
    /// It was not.
    Not(CodeOutcome),
}

/// Proves an address by a code. It was typed where it was asked for, which may not be where the account was made: so
/// whoever holds an account that is not theirs loses it, unless this browser made it.
///
/// # Errors
/// When it could not be tried.
pub async fn by_code(
    provider: &Provider,
    email: &EmailKey,
    code: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ByCode, LoginError> {
    let purpose = Purpose::VerifyEmailCode;
    let link = match try_code(provider, purpose, email, None, code, browser, now).await? {
        CodeOutcome::Right(link) => link,
        other => return Ok(ByCode::Not(other)),
    };
    let signup = match opened(provider, &link, browser).await? {
        Opened::Good(signup) => signup,
        Opened::Verified(user) => return Ok(ByCode::Verified(user)),
        Opened::Expired | Opened::Dead => return Ok(ByCode::Not(CodeOutcome::Wrong)),
    };
    let tx = provider.db.begin().await?;
    if mailed_links::spend(&tx, purpose, link.id, now).await?.is_none() {
        tx.commit().await?;
        return Ok(ByCode::Not(CodeOutcome::Wrong));
    }
    let verified = if signup.here {
        accounts::verify_email(&tx, signup.user.id, email, now).await?
    } else {
        super::proof::proven(&tx, *signup.user, now).await?
    };
    tx.commit().await?;
    Ok(verified.map_or(ByCode::Not(CodeOutcome::Wrong), |user| {
        ByCode::Verified(Box::new(user))
    }))
}
