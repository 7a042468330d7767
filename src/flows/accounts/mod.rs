//! What people do with their accounts: prove the address, forget and change the password, change address, name and
//! picture, log in by mail, look at all that is stored, and leave.
//!
//! Two faces show these flows, the pages and `/api/auth`; the rules stand here once. What a stranger can ask for is
//! answered the same whether or not there is such an account, in content and in time: the question alone is written
//! down, and who it concerns is looked up later (see [`mails`]).
//!
//! Whoever proves an address that the holder of an account never did gets the account empty (see
//! [`proof`]): nobody who signed up with another's address is in it when the owner arrives.

pub mod deletion;
pub mod email_change;
pub mod export;
pub mod password_change;
pub mod password_reset;
pub mod profile;
pub mod proof;
pub mod sign_in;
pub mod verification;

use chrono::{DateTime, Utc};

use super::browser::Browser;
use super::limits::{self, Limit};
use super::login::LoginError;
use super::mails;
use super::provider::Provider;
use super::sessions::Present;
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::ids::UserId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::{MailedLink, Purpose, code_matches};
use crate::domain::user::User;
use crate::storage::mailed_links::{self, CodeTry, Found};
use crate::storage::{self, StorageError};

/// Whether the login of a session is recent enough for what only the user should do.
pub fn is_fresh(provider: &Provider, present: &Present, now: DateTime<Utc>) -> bool {
    let fresh_age = provider.settings.accounts.fresh_age;
    fresh_age.is_zero() || now < present.session.auth_time + fresh_age
}

/// Whether a password opens the account: one that was made by mail, or whose change of address was undone, has none.
///
/// # Errors
/// When the database does not answer.
pub async fn has_password(provider: &Provider, user: &User) -> Result<bool, StorageError> {
    storage::users::has_password(&provider.db, user.id).await
}

/// Asks for a link, or for a code, at an address that may be anybody's. The answer is always the same.
///
/// # Errors
/// When it could not be tried.
pub async fn ask(
    provider: &Provider,
    kind: MailKind,
    email: &EmailAddress,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<(), LoginError> {
    mails::may_ask(provider, browser, email.key(), now).await?;
    let to = mails::To { email, user: None };
    let params = mails::asked_by(browser, params, now);
    Ok(mails::ask(provider, &provider.db, kind, to, &params, now).await?)
}

/// Looks at a link from a mail. Those that are none are counted: whoever tries many is told to wait.
///
/// # Errors
/// When it could not be tried.
pub async fn open_link(
    provider: &Provider,
    purpose: Purpose,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Found, LoginError> {
    let taken = limits::reserve(provider, &[(Limit::BadLinks, browser.address.into())], now).await?;
    let found = match mails::read(provider, purpose, token) {
        Some(id) => mailed_links::find(&provider.db, purpose, id, now).await?,
        None => Found::Dead,
    };
    if found != Found::Dead {
        taken.give_back(provider, now).await?;
    }
    Ok(found)
}

/// What became of a code that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeOutcome {
    /// It is the one that was mailed, and still to be spent.
    Right(MailedLink),
    /// It is not, or there is none.
    Wrong,
    /// Its time is over.
    Expired,
    /// It was guessed at too often.
    TooMany,
}

/// Looks at a code that was mailed to an address for `purpose`; a wrong try is counted. `owner` makes it that user's alone.
///
/// # Errors
/// When it could not be tried.
pub async fn try_code(
    provider: &Provider,
    purpose: Purpose,
    email: &EmailKey,
    owner: Option<UserId>,
    code: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<CodeOutcome, LoginError> {
    let taken = limits::reserve(provider, &[(Limit::BadLinks, browser.address.into())], now).await?;
    let tried = mailed_links::try_code(&provider.db, purpose, email.as_str(), owner, now).await?;
    let outcome = match tried {
        CodeTry::Counted(link) => {
            let keys = provider.keys();
            let issuer = &provider.settings.issuer;
            if code_matches(purpose, link.id, code, issuer, &keys.mac.cookie) {
                taken.give_back(provider, now).await?;
                mailed_links::give_back_try(&provider.db, link.id).await?;
                CodeOutcome::Right(link)
            } else {
                CodeOutcome::Wrong
            }
        }
        CodeTry::TooMany => CodeOutcome::TooMany,
        CodeTry::Expired => CodeOutcome::Expired,
        CodeTry::Unknown => CodeOutcome::Wrong,
    };
    Ok(outcome)
}
