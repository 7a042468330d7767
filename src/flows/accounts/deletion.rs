//! Leaving: the account and all that is personal are deleted, at once. The `sub` is never given again, since ids are
//! random.

use chrono::{DateTime, Utc};

use super::{is_fresh, open_link};
use crate::domain::email::EmailKey;
use crate::domain::ids::UserId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::Purpose;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::flows::browser::Browser;
use crate::flows::login::{LoginError, PasswordCheck, password_is};
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::flows::sessions::Present;
use crate::storage;
use crate::storage::mailed_links::{self, Found};

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeletionOutcome {
    /// The account is gone.
    Deleted,
    /// A mail asks whether it is to go.
    Asked,
    /// The password is another.
    Wrong,
    /// No password opens the account.
    NoPassword,
    /// Without a password the login must be recent.
    NotFresh,
    /// The link is used, too old, another user's, or none of ours.
    Dead,
    /// The operator lets nobody delete an account.
    Closed,
}

/// Deletes the account of who is logged in, or asks by mail first, as the operator decided. The password proves who it
/// is; without one the login must be recent.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.deletion", skip_all)]
pub async fn delete(
    provider: &Provider,
    present: &Present,
    password: Option<&Secret>,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<DeletionOutcome, LoginError> {
    let (settings, user) = (&provider.settings.accounts, &present.user);
    if !settings.deletion {
        return Ok(DeletionOutcome::Closed);
    }
    if let Some(password) = password {
        match password_is(provider, user, password.expose(), browser, now).await? {
            PasswordCheck::Right => {}
            PasswordCheck::Wrong => return Ok(DeletionOutcome::Wrong),
            PasswordCheck::None => return Ok(DeletionOutcome::NoPassword),
        }
    }
    if settings.confirm_deletion && provider.settings.mail {
        if let Some(key) = EmailKey::of_typed(&user.email) {
            mails::may_ask(provider, browser, &key, now).await?;
        }
        let params = mails::asked_by(browser, params, now);
        mails::ask_of(
            provider,
            &provider.db,
            MailKind::DeleteAccount,
            user,
            &params,
            now,
        )
        .await?;
        return Ok(DeletionOutcome::Asked);
    }
    if password.is_none() && !is_fresh(provider, present, now) {
        return Ok(DeletionOutcome::NotFresh);
    }
    gone(provider, user, browser, now).await
}

/// Whose account a link would delete; `None` if the link is not good.
///
/// # Errors
/// When it could not be tried.
pub async fn open(
    provider: &Provider,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Option<UserId>, LoginError> {
    let found = open_link(provider, Purpose::DeleteAccount, token, browser, now).await?;
    Ok(match found {
        Found::Good(link) => link.user_id,
        Found::Used(_) | Found::Expired(_) | Found::Dead => None,
    })
}

/// Deletes the account by a link, in a session of the same user: whoever finds the mail alone deletes nothing.
///
/// # Errors
/// When it could not be tried.
pub async fn by_link(
    provider: &Provider,
    present: &Present,
    token: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<DeletionOutcome, LoginError> {
    if !provider.settings.accounts.deletion {
        return Ok(DeletionOutcome::Closed);
    }
    let purpose = Purpose::DeleteAccount;
    if open(provider, token, browser, now).await? != Some(present.user.id) {
        return Ok(DeletionOutcome::Dead);
    }
    let Some(id) = mails::read(provider, purpose, token) else {
        return Ok(DeletionOutcome::Dead);
    };
    if mailed_links::spend(&provider.db, purpose, id, now)
        .await?
        .is_none()
    {
        return Ok(DeletionOutcome::Dead);
    }
    gone(provider, &present.user, browser, now).await
}

async fn gone(
    provider: &Provider,
    user: &User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<DeletionOutcome, LoginError> {
    let tx = provider.db.begin().await?;
    // Before its own farewell is asked for.
    storage::outgoing_mails::delete_of_user(&tx, user.id).await?;
    if !storage::users::delete(&tx, user.id, now).await? {
        tx.commit().await?;
        return Ok(DeletionOutcome::Dead);
    }
    let params = mails::asked_by(browser, &MailParams::default(), now);
    mails::ask_of(provider, &tx, MailKind::AccountDeleted, user, &params, now).await?;
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "a user left");
    Ok(DeletionOutcome::Deleted)
}
