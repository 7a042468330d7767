//! Which letter a mail is, and whom it goes to: found out when it is sent. Mail to an account goes to the address that
//! the account has, never to what somebody typed.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

use super::links::link;
use crate::domain::device_name::device_name;
use crate::domain::ids::UserId;
use crate::domain::mail::{Letter, MailKind};
use crate::domain::mailed_link::{Details, MailedLink, Purpose, write_code};
use crate::domain::secret::TokenHash;
use crate::domain::user::User;
use crate::flows::provider::Provider;
use crate::mail::templates::LetterContext;
use crate::storage::outgoing_mails::OutgoingMail;
use crate::storage::{self, StorageError, mailed_links};

/// A letter that is ready to be written.
#[derive(Debug, Clone)]
pub struct Addressed {
    /// Whom it goes to.
    pub to: String,
    /// Which it is.
    pub letter: Letter,
    /// The languages that its reader prefers, best first.
    pub languages: Vec<String>,
    /// What it says.
    pub context: LetterContext,
}

/// Whom a letter is for.
struct Reader {
    email: String,
    email_key: String,
    user: Option<User>,
}

/// Finds out whom `mail` goes to and what it says, and makes its link or code. `None`: there is nobody, or nothing to
/// say any more. When it is tried again, link and code are the same, and their time begins anew.
///
/// # Errors
/// When the database does not answer.
pub async fn letter(
    provider: &Provider,
    mail: &OutgoingMail,
    now: DateTime<Utc>,
) -> Result<Option<Addressed>, StorageError> {
    let Some(reader) = reader(provider, mail).await? else {
        return Ok(None);
    };
    let verified = reader.user.as_ref().is_some_and(|user| user.email_verified);
    let letter = match mail.kind {
        MailKind::SignedUp if verified => Letter::AlreadyRegistered,
        MailKind::SignedUp | MailKind::VerifyEmail => Letter::VerifyEmail,
        MailKind::ResetPassword => Letter::ResetPassword,
        MailKind::ConfirmEmailChange => Letter::ConfirmEmailChange,
        MailKind::VerifyNewEmail => Letter::VerifyNewEmail,
        MailKind::EmailChanged => Letter::EmailChanged,
        MailKind::PasswordChanged => Letter::PasswordChanged,
        MailKind::DeleteAccount => Letter::DeleteAccount,
        MailKind::AccountDeleted => Letter::AccountDeleted,
        MailKind::SignIn => Letter::SignIn,
        MailKind::SignInCode
        | MailKind::VerifyEmailCode
        | MailKind::ResetPasswordCode
        | MailKind::VerifyNewEmailCode => Letter::Code,
    };
    let params = &mail.params;
    let settings = &provider.settings;
    let mut context = LetterContext {
        name: reader
            .user
            .as_ref()
            .map(|user| user.name.clone())
            .filter(|name| !name.is_empty()),
        new_email: params.new_email.clone(),
        at: params.at,
        device: params.user_agent.as_deref().map(device_name),
        reset_link: Some(settings.url("/forgot-password")),
        ..LetterContext::default()
    };
    if letter == Letter::AlreadyRegistered {
        context.link = Some(settings.url("/login"));
    } else if let Some(purpose) = mail.kind.purpose() {
        let made = mailed_link(mail, purpose, &reader, now);
        let epoch = reader.user.as_ref().map(|user| user.epoch);
        let epoch = epoch.filter(|_| purpose.dies_with_epoch());
        if !mailed_links::insert(&provider.db, &made, &reader.email_key, epoch).await? {
            return Ok(None);
        }
        context.minutes = Some(purpose.lifetime().num_minutes());
        context.purpose = Some(purpose.as_str().to_owned());
        if letter == Letter::Code {
            let keys = provider.keys();
            let code = write_code(purpose, mail.id, &settings.issuer, &keys.mac.cookie);
            context.code = Some(code.expose().to_owned());
        } else {
            context.link = Some(link(provider, purpose, mail.id, params).expose().to_owned());
        }
    }
    let locale = reader.user.as_ref().and_then(|user| {
        let locale = user.profile.as_map().get("locale")?;
        Some(locale.as_str()?.replace('_', "-"))
    });
    Ok(Some(Addressed {
        to: reader.email,
        letter,
        languages: locale
            .into_iter()
            .chain(params.languages.iter().cloned())
            .collect(),
        context,
    }))
}

/// Who reads the mail, as the kind of it wants it.
async fn reader(provider: &Provider, mail: &OutgoingMail) -> Result<Option<Reader>, StorageError> {
    let user = user_of(provider, mail.user_id, &mail.email_key).await?;
    if user.as_ref().is_some_and(|user| user.disabled_at.is_some()) {
        return Ok(None);
    }
    let as_asked = |user| Reader {
        email: mail.email.clone(),
        email_key: mail.email_key.clone(),
        user,
    };
    Ok(match mail.kind {
        MailKind::SignedUp
        | MailKind::ResetPassword
        | MailKind::ResetPasswordCode
        | MailKind::ConfirmEmailChange
        | MailKind::DeleteAccount => user.map(own),
        MailKind::VerifyEmail | MailKind::VerifyEmailCode => {
            user.filter(|user| !user.email_verified).map(own)
        }
        // To an address that the account has not yet, or has no longer.
        MailKind::VerifyNewEmail | MailKind::VerifyNewEmailCode => match user {
            Some(user) if !taken(provider, &user, &mail.email_key).await? => Some(as_asked(Some(user))),
            _ => None,
        },
        MailKind::EmailChanged | MailKind::PasswordChanged => user.map(|user| as_asked(Some(user))),
        MailKind::AccountDeleted => Some(as_asked(None)),
        MailKind::SignIn | MailKind::SignInCode => match user {
            Some(user) => Some(own(user)),
            None => provider.settings.accounts.signup.then(|| as_asked(None)),
        },
    })
}

fn own(user: User) -> Reader {
    Reader {
        email_key: crate::domain::email::EmailKey::of_typed(&user.email)
            .map_or_else(String::new, |key| key.as_str().to_owned()),
        email: user.email.clone(),
        user: Some(user),
    }
}

async fn user_of(
    provider: &Provider,
    id: Option<UserId>,
    email_key: &str,
) -> Result<Option<User>, StorageError> {
    match (id, crate::domain::email::EmailKey::of_typed(email_key)) {
        (Some(id), _) => storage::users::find(&provider.db, id).await,
        (None, Some(key)) => storage::users::find_by_email(&provider.db, &key).await,
        (None, None) => Ok(None),
    }
}

/// Whether another account has proven the address.
async fn taken(provider: &Provider, user: &User, email_key: &str) -> Result<bool, StorageError> {
    let holder = user_of(provider, None, email_key).await?;
    Ok(holder.is_some_and(|holder| holder.id != user.id && holder.email_verified))
}

fn mailed_link(mail: &OutgoingMail, purpose: Purpose, reader: &Reader, now: DateTime<Utc>) -> MailedLink {
    let params = &mail.params;
    let browser = params.browser.as_deref();
    let browser = browser.and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
    MailedLink {
        id: mail.id,
        purpose,
        user_id: reader.user.as_ref().map(|user| user.id),
        email: reader.email.clone(),
        details: Details {
            new_email: params.new_email.clone(),
            name: params.name.clone(),
            callback_url: params.callback_url.clone(),
            better_auth: params.better_auth,
        },
        browser: browser.and_then(|bytes| TokenHash::from_stored(&bytes)),
        created_at: now,
        expires_at: now + purpose.lifetime(),
    }
}
