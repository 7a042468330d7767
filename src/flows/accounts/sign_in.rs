//! Logging in by mail: a link, or six digits. Whoever reads the address is its user; without an account one is made,
//! if strangers may sign up.
//!
//! 1. [`super::ask`]: the answer is always the same.
//! 2. [`open`] says whether a link is good, and whether this is the browser that asked for it.
//! 3. [`by_link`] or [`by_code`] spends it, and begins the session.

use chrono::{DateTime, Utc};

use super::{CodeOutcome, open_link, proof, try_code};
use crate::domain::browser_session::AMR_ONE_TIME;
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::UserId;
use crate::domain::mailed_link::{MailedLink, Purpose};
use crate::domain::user::{Profile, User};
use crate::flows::browser::{Browser, LoggedIn, begin_session, end_replaced};
use crate::flows::login::LoginError;
use crate::flows::provider::Provider;
use crate::storage::mailed_links::{self, Found};
use crate::storage::users::{Insertion, NewUser};
use crate::storage::{self, StorageError, Tx};

/// What a link is, before anybody acts on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// It can log in.
    Good {
        /// The address that it went to.
        email: String,
        /// Whether this browser asked for it.
        here: bool,
    },
    /// Its time is over.
    Expired,
    /// It is used, or none of ours.
    Dead,
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
        match open_link(provider, Purpose::SignIn, token, browser, now).await? {
            Found::Good(link) => Opened::Good {
                here: link.browser.is_some() && link.browser == browser.token,
                email: link.email,
            },
            Found::Expired(_) => Opened::Expired,
            Found::Used(_) | Found::Dead => Opened::Dead,
        },
    )
}

/// What came of it.
#[derive(Debug)]
pub enum SignInOutcome {
    /// The user is in.
    LoggedIn {
        /// The session.
        logged_in: Box<LoggedIn>,
        /// The user.
        user: Box<User>,
        /// Whether the account was made just now.
        is_new: bool,
    },
    /// There is no account, and strangers may not sign up.
    Closed,
    /// The link is used, too old, or none of ours; or the user may do nothing.
    Dead,
    /// The code was not right.
    Not(CodeOutcome),
}

/// Logs in by a link.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.sign_in.by_link", skip_all)]
pub async fn by_link(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<SignInOutcome, LoginError> {
    let Found::Good(link) = open_link(provider, Purpose::SignIn, token, browser, now).await? else {
        return Ok(SignInOutcome::Dead);
    };
    let name = link.details.name.clone();
    Ok(log_in(provider, link, name, None, browser, now).await?)
}

/// Logs in by a code. `name` and `picture` are those of an account that is made.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.sign_in.by_code", skip_all)]
pub async fn by_code(
    provider: &Provider,
    email: &EmailKey,
    code: &str,
    name: Option<String>,
    profile: Option<&Profile>,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<SignInOutcome, LoginError> {
    match try_code(provider, Purpose::SignInCode, email, None, code, browser, now).await? {
        CodeOutcome::Right(link) => Ok(log_in(provider, link, name, profile, browser, now).await?),
        other => Ok(SignInOutcome::Not(other)),
    }
}

async fn log_in(
    provider: &Provider,
    link: MailedLink,
    name: Option<String>,
    profile: Option<&Profile>,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<SignInOutcome, StorageError> {
    let Ok(email) = EmailAddress::parse(&link.email) else {
        return Ok(SignInOutcome::Dead);
    };
    let tx = provider.db.begin().await?;
    if mailed_links::spend(&tx, link.purpose, link.id, now)
        .await?
        .is_none()
    {
        tx.commit().await?;
        return Ok(SignInOutcome::Dead);
    }
    // By the address and not by the row: the account may have been made since, or have another address.
    let known = storage::users::find_by_email(&tx, email.key()).await?;
    let is_new = known.is_none();
    let user = match known {
        Some(user) => proof::proven(&tx, user, now).await?,
        None if provider.settings.accounts.signup => made(provider, &tx, &email, name, profile, now).await?,
        None => {
            tx.commit().await?;
            return Ok(SignInOutcome::Closed);
        }
    };
    let Some(user) = user else {
        tx.commit().await?;
        return Ok(SignInOutcome::Dead);
    };
    let logged_in = begin_session(provider, &tx, &user, browser, by_mail(), now).await?;
    tx.commit().await?;
    let Some(logged_in) = logged_in else {
        return Ok(SignInOutcome::Dead);
    };
    end_replaced(provider, user.id, browser, now).await?;
    tracing::info!(user.id = %user.id, "a user logged in by mail");
    metrics::counter!("signet_logins_total").increment(1);
    Ok(SignInOutcome::LoggedIn {
        logged_in: Box::new(logged_in),
        user: Box::new(user),
        is_new,
    })
}

/// An account whose address is proven from its first moment. `None` if another one was made in this very moment.
async fn made(
    provider: &Provider,
    tx: &Tx,
    email: &EmailAddress,
    name: Option<String>,
    profile: Option<&Profile>,
    now: DateTime<Utc>,
) -> Result<Option<User>, StorageError> {
    let nothing = Profile::default();
    let new = NewUser {
        id: UserId::generate(&*provider.random),
        email,
        email_verified: true,
        name: name.as_deref().unwrap_or_default(),
        profile: profile.unwrap_or(&nothing),
        password_hash: None,
        last_login_at: Some(now),
        signup: None,
    };
    match storage::users::insert(tx, &new, now).await? {
        Insertion::Inserted => {
            tracing::info!(user.id = %new.id, "a user signed up by mail");
            metrics::counter!("signet_signups_total").increment(1);
            storage::users::find(tx, new.id).await
        }
        Insertion::EmailTaken => Ok(None),
    }
}

/// Begins a session for who has proven the address in a way that does so only if the operator wants it. `None` if the
/// user may do nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn after_proof(
    provider: &Provider,
    user: &User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Option<LoggedIn>, StorageError> {
    let tx = provider.db.begin().await?;
    let begun = begin_session(provider, &tx, user, browser, by_mail(), now).await?;
    tx.commit().await?;
    if begun.is_some() {
        end_replaced(provider, user.id, browser, now).await?;
    }
    Ok(begun)
}

/// How somebody came who opened a mailed link, or typed a code (RFC 8176).
pub(super) fn by_mail() -> Vec<String> {
    vec![AMR_ONE_TIME.to_owned()]
}
