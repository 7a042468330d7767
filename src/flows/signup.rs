//! Signing up with a password.

use chrono::{DateTime, Utc};

use super::breaches::BreachCheck;
use super::browser::{Browser, DEVICE_LIFETIME, LoggedIn, end_replaced, new_session};
use super::limits::{self, Key, Limit, LimitError, TooMany};
use super::login::salt;
use super::mails;
use super::provider::Provider;
use crate::domain::browser_session::AMR_PASSWORD;
use crate::domain::email::{EmailAddress, InvalidEmail};
use crate::domain::ids::UserId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::password::{Password, PasswordRule};
use crate::domain::secret::{PlainToken, TokenKind};
use crate::domain::user::{Profile, User, parse_name};
use crate::password::{Busy, Hasher, Strength};
use crate::storage::users::{Insertion, NewUser, Signup};
use crate::storage::{self, StorageError};

/// What was typed.
#[derive(Debug)]
pub struct Form<'a> {
    /// The name.
    pub name: &'a str,
    /// The address.
    pub email: &'a str,
    /// The password.
    pub password: &'a crate::domain::secret::Secret,
    /// The address of a picture, already found to be one.
    pub picture: Option<&'a str>,
    /// Whether somebody may be without a name.
    pub names: Names,
}

/// Whether an account must have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    /// It must.
    Required,
    /// It may be empty, as it may be for Better Auth's clients.
    Optional,
}

/// What became of a signup.
#[derive(Debug)]
pub enum SignupOutcome {
    /// The account is there, and its user is in.
    SignedUp(Box<LoggedIn>),
    /// The account is there, but of no use before its address is proven. Where the address is taken this is a user whom
    /// nobody has, and nothing else tells the two apart.
    MustVerify(Box<User>),
    /// Something typed must be mended.
    Refused(Faults),
}

/// What must be mended, field by field.
#[derive(Debug, Default)]
pub struct Faults {
    /// The name is empty, too long, or no text.
    pub name: bool,
    /// What is wrong with the address.
    pub email: Option<EmailFault>,
    /// What is wrong with the password.
    pub password: Option<PasswordFault>,
}

/// What is wrong with an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailFault {
    /// It is none.
    Invalid,
    /// Another account has it.
    Taken,
}

/// What is wrong with a new password.
#[derive(Debug)]
pub enum PasswordFault {
    /// Its length.
    Rule(PasswordRule),
    /// It can be guessed.
    Weak(Strength),
    /// It is known from a leak.
    Leaked,
}

/// Why a signup was not tried.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// The operator lets no strangers in.
    #[error("signup is closed")]
    Closed,
    /// Too many accounts from here.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Too many passwords to hash.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<LimitError> for SignupError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::TooMany(too_many) => Self::TooMany(too_many),
            LimitError::Storage(error) => Self::Storage(error),
        }
    }
}

/// Makes an account and begins a session for it. `params` say where a mail leads that proves the address.
///
/// Where addresses must be proven, a taken one is answered as a free one is, and costs the same: its owner is told by
/// mail.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.signup", skip_all)]
pub async fn sign_up(
    provider: &Provider,
    form: &Form<'_>,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<SignupOutcome, SignupError> {
    if !provider.settings.accounts.signup {
        return Err(SignupError::Closed);
    }
    // Before the password is judged: that takes a thread that hashes, and a flood of forms must not take all.
    let attempt = [(Limit::Signups, Key::from(browser.address))];
    let taken = limits::reserve(provider, &attempt, now).await?;
    let name = match form.names {
        Names::Optional if form.name.trim().is_empty() => Some(String::new()),
        Names::Optional | Names::Required => parse_name(form.name),
    };
    let picture = form.picture.map(|picture| ("picture".to_owned(), picture.into()));
    let profile = Profile::new(picture.into_iter().collect()).unwrap_or_default();
    let email = EmailAddress::parse(form.email);
    let known = [form.email, form.name, &provider.settings.brand];
    let password = new_password(Judges::of(provider), form.password.expose(), &known).await;
    let password = match password {
        Ok(password) => password,
        Err(busy) => {
            taken.give_back(provider, now).await?;
            return Err(busy.into());
        }
    };
    let (name, email, password) = match (name, email, password) {
        (Some(name), Ok(email), Ok(password)) => (name, email, password),
        (name, email, password) => {
            taken.give_back(provider, now).await?;
            return Ok(SignupOutcome::Refused(Faults {
                name: name.is_none(),
                email: email.err().map(|InvalidEmail| EmailFault::Invalid),
                password: password.err(),
            }));
        }
    };
    // Before the address is looked up, so that a taken one costs the same.
    let hash = match provider.passwords.hash(&password, salt(provider)).await {
        Ok(hash) => hash,
        Err(busy) => {
            taken.give_back(provider, now).await?;
            return Err(busy.into());
        }
    };
    let may_log_in = !provider.settings.accounts.require_verified_email;
    let user = User {
        id: UserId::generate(&*provider.random),
        imported_subject: None,
        email: email.as_str().to_owned(),
        email_verified: false,
        name,
        profile,
        epoch: 0,
        created_at: now,
        updated_at: now,
        last_login_at: may_log_in.then_some(now),
        disabled_at: None,
    };
    let new = NewUser {
        id: user.id,
        email: &email,
        email_verified: false,
        name: &user.name,
        profile: &user.profile,
        password_hash: Some(&hash),
        last_login_at: user.last_login_at,
        signup: Some(Signup {
            browser: browser.token,
            user_agent: browser.kept_user_agent(),
        }),
    };
    let session = new_session(provider, &user, browser, vec![AMR_PASSWORD.to_owned()], now);
    let device = PlainToken::generate(TokenKind::Device, &*provider.random);
    let accounts = &provider.settings.accounts;
    let verifies = provider.settings.mail && (accounts.require_verified_email || accounts.verify_on_signup);
    let mails = verifies && mails::may_follow(provider, email.key(), now).await?;
    let tx = provider.db.begin().await?;
    let taken = storage::users::insert(&tx, &new, now).await? == Insertion::EmailTaken;
    if mails && (accounts.require_verified_email || !taken) {
        let to = mails::To {
            email: &email,
            user: None,
        };
        let params = mails::asked_by(browser, params, now);
        mails::ask(provider, &tx, MailKind::SignedUp, to, &params, now).await?;
    }
    if taken {
        tx.commit().await?;
        if accounts.require_verified_email {
            return Ok(SignupOutcome::MustVerify(Box::new(user)));
        }
        return Ok(SignupOutcome::Refused(Faults {
            email: Some(EmailFault::Taken),
            ..Faults::default()
        }));
    }
    if may_log_in {
        storage::sessions::insert(&tx, &session).await?;
        storage::logins::insert_device(&tx, device.hash(), &session, now + DEVICE_LIFETIME).await?;
    }
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "a user signed up");
    metrics::counter!("signet_signups_total").increment(1);
    if !may_log_in {
        return Ok(SignupOutcome::MustVerify(Box::new(user)));
    }
    end_replaced(provider, user.id, browser, now).await?;
    Ok(SignupOutcome::SignedUp(Box::new(LoggedIn {
        session,
        user,
        new_device: Some(device),
    })))
}

/// What judges new passwords.
#[derive(Debug, Clone, Copy)]
pub struct Judges<'a> {
    /// Whose threads it takes to judge one.
    pub passwords: &'a Hasher,
    /// The least zxcvbn score; 0 is off.
    pub min_strength: u8,
    /// Who knows what has leaked.
    pub breaches: Option<&'a BreachCheck>,
}

impl<'a> Judges<'a> {
    /// Those of a provider.
    pub const fn of(provider: &'a Provider) -> Self {
        Self {
            passwords: &provider.passwords,
            min_strength: provider.settings.min_strength,
            breaches: provider.settings.breaches.as_ref(),
        }
    }
}

/// A password that may be chosen: of a fair length, not guessable by whoever knows `known`, and in no leak that is known.
///
/// # Errors
/// The outer one when it could not be judged; the inner one says what is wrong with it.
pub async fn new_password(
    judges: Judges<'_>,
    text: &str,
    known: &[&str],
) -> Result<Result<Password, PasswordFault>, Busy> {
    let password = match Password::chosen(text) {
        Ok(password) => password,
        Err(rule) => return Ok(Err(PasswordFault::Rule(rule))),
    };
    if judges.min_strength > 0 {
        let strength = judges.passwords.judge(&password, known).await?;
        if strength.score < judges.min_strength {
            return Ok(Err(PasswordFault::Weak(strength)));
        }
    }
    if let Some(breaches) = judges.breaches
        && breaches.knows(&password).await
    {
        return Ok(Err(PasswordFault::Leaked));
    }
    Ok(Ok(password))
}
