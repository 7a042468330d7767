//! Logging in with a password.
//!
//! 1. The address that the request comes from has attempts left, and room for another account.
//! 2. An attempt is reserved, from the bucket of the browser or the account, and the account is found.
//! 3. The password is hashed, whether or not there is an account.
//! 4. The session begins, or the same user's is renewed; the attempt is given back.
//!
//! Everything that a stranger sees is the same for an unknown address and a wrong password, the time too.

use chrono::{DateTime, TimeDelta, Utc};

use super::browser::{Browser, DEVICE_LIFETIME, LoggedIn, new_session};
use super::limits::{self, Limit, LimitError, Source, TooMany};
use super::mails;
use super::provider::Provider;
use crate::domain::browser_session::{AMR_PASSWORD, BrowserSession};
use crate::domain::email::EmailKey;
use crate::domain::ids::SessionId;
use crate::domain::mac::MAC_LENGTH;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::password::Password;
use crate::domain::secret::{PlainToken, TokenHash, TokenKind};
use crate::domain::user::User;
use crate::password::{Busy, SALT_LENGTH, Verification};
use crate::storage::limit_counters;
use crate::storage::logins::{self, Attempt, Begun, Bucket, Login, Reserved};
use crate::storage::{self, StorageError};

/// The window in which attempts at one account are counted.
const ACCOUNT_WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How many failures an account has in a window, from browsers that never logged in to it, before those wait.
const ACCOUNT_FAILURES: i32 = 20;

/// How long they wait after that failure, after the next one, and so on; the last for all that follow.
const WAITS: [TimeDelta; 5] = [
    TimeDelta::minutes(1),
    TimeDelta::minutes(2),
    TimeDelta::minutes(4),
    TimeDelta::minutes(8),
    TimeDelta::minutes(15),
];

/// How long an account must not have been guessed at, after the last wait, for all failures to be forgotten.
const QUIET: TimeDelta = TimeDelta::hours(1);

/// How many failures a browser has in a window, at an account that it logged in to before.
const DEVICE_FAILURES: i32 = 5;

/// What became of a login.
#[derive(Debug)]
pub enum LoginOutcome {
    /// The user is in.
    LoggedIn(Box<LoggedIn>),
    /// There is no such account, or the password is another.
    Wrong,
    /// The password is right, but the user may do nothing.
    Disabled,
    /// The password is right, but the address was never proven.
    Unverified,
}

/// Why a login was not even tried.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Too many tries.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Too many passwords to hash.
    #[error(transparent)]
    Busy(#[from] Busy),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<LimitError> for LoginError {
    fn from(error: LimitError) -> Self {
        match error {
            LimitError::TooMany(too_many) => Self::TooMany(too_many),
            LimitError::Storage(error) => Self::Storage(error),
        }
    }
}

/// Logs in. `params` say where a mail leads that proves the address first.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.login", skip_all)]
pub async fn log_in(
    provider: &Provider,
    email: &str,
    password: &str,
    browser: &Browser<'_>,
    params: &MailParams,
    now: DateTime<Utc>,
) -> Result<LoginOutcome, LoginError> {
    let checked = check(provider, email, password, browser, now).await?;
    let (user, outdated) = match (checked.user, checked.verification) {
        (Some(user), Verification::Right { outdated }) => (user, outdated),
        _ => {
            tracing::info!("a login failed");
            return Ok(LoginOutcome::Wrong);
        }
    };
    checked.taken.give_back_with_account();
    if user.disabled_at.is_some() {
        return Ok(LoginOutcome::Disabled);
    }
    if provider.settings.accounts.require_verified_email && !user.email_verified {
        if provider.settings.accounts.verify_on_login && provider.settings.mail {
            let key = EmailKey::of_typed(&user.email);
            let may_follow = match &key {
                Some(key) => mails::may_follow(provider, key, now).await?,
                None => false,
            };
            if may_follow {
                let (db, params) = (&provider.db, mails::asked_by(browser, params, now));
                mails::ask_of(provider, db, MailKind::VerifyEmail, &user, &params, now).await?;
            }
        }
        return Ok(LoginOutcome::Unverified);
    }
    let new_hash = if outdated {
        // A hash that could not be renewed now will be at the next login.
        let hashed = provider.passwords.hash(&checked.password, salt(provider));
        hashed.await.ok()
    } else {
        None
    };
    let new_device = match checked.bucket {
        Bucket::Device(_) => None,
        Bucket::Account => Some(PlainToken::generate(TokenKind::Device, &*provider.random)),
    };
    // The same user again keeps the session: its `sid` stands in tokens (OpenID Connect Core §3.1.2.1).
    let same_user = browser.present.filter(|present| present.user.id == user.id);
    let mut session = new_session(provider, &user, browser, vec![AMR_PASSWORD.to_owned()], now);
    if let Some(present) = same_user {
        session.id = present.session.id;
    }
    let mut login = Login {
        session: &session,
        replaces: browser.replaced_by(user.id),
        account: &checked.account,
        bucket: checked.bucket,
        source: &checked.taken.buckets,
        new_device: new_device.as_ref().map(PlainToken::hash),
        device_expires_at: now + DEVICE_LIFETIME,
        new_hash: new_hash.as_ref(),
    };
    let mut begun = logins::complete(&provider.db, &login).await?;
    let anew = BrowserSession {
        id: SessionId::generate(&*provider.random),
        ..session.clone()
    };
    if !begun && same_user.is_some() {
        // The session to renew has ended meanwhile: a new one then.
        login.session = &anew;
        begun = logins::complete(&provider.db, &login).await?;
    }
    if !begun {
        return Ok(LoginOutcome::Wrong);
    }
    let session = login.session.clone();
    tracing::info!(user.id = %user.id, "a user logged in");
    metrics::counter!("signet_logins_total").increment(1);
    Ok(LoginOutcome::LoggedIn(Box::new(LoggedIn {
        session,
        user,
        new_device,
    })))
}

/// A password that was looked at.
struct Checked<'a> {
    user: Option<User>,
    verification: Verification,
    password: Password,
    account: [u8; MAC_LENGTH],
    bucket: Bucket,
    taken: FromAddress<'a>,
}

/// Steps 1 to 3: counts the attempt, finds the account, and looks at the password.
async fn check<'a>(
    provider: &'a Provider,
    email: &str,
    password: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Checked<'a>, LoginError> {
    let source = Source::from(browser.address);
    let key = EmailKey::of_typed(email);
    let account = account_mac(provider, key.as_ref(), email);
    let taken = FromAddress::reserve(provider, source, account, now)?;
    let device = browser.device.map(PlainToken::hash);
    let reserved = match reserve(provider, key.as_ref(), &account, device, &taken, now).await {
        Ok(reserved) => reserved,
        Err(error) => {
            if matches!(error, LoginError::Storage(_)) {
                taken.give_back();
            }
            return Err(error);
        }
    };
    let (user, hash) = reserved.user.unzip();
    let password = Password::presented(password);
    let verified = provider
        .passwords
        .verify(&password, hash.flatten().as_ref())
        .await;
    let verification = match verified {
        Ok(verification) => verification,
        Err(busy) => {
            // Nobody looked at the password, so the attempt counts for nothing.
            taken.give_back();
            logins::give_back(&provider.db, &account, reserved.bucket, &taken.buckets, now).await?;
            return Err(busy.into());
        }
    };
    Ok(Checked {
        user,
        verification,
        password,
        account,
        bucket: reserved.bucket,
        taken,
    })
}

/// What became of a password that somebody who is logged in has to give once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// It is theirs.
    Right,
    /// It is not.
    Wrong,
    /// No password opens the account.
    None,
}

/// Whether `password` is that of `user`. Counted as an attempt at a login: a session that was left open must not be the
/// way to guess.
///
/// # Errors
/// When it could not be tried.
pub async fn password_is(
    provider: &Provider,
    user: &User,
    password: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<PasswordCheck, LoginError> {
    let checked = check(provider, &user.email, password, browser, now).await?;
    let right = matches!(checked.verification, Verification::Right { .. })
        && checked.user.is_some_and(|found| found.id == user.id);
    if right {
        checked.taken.give_back_with_account();
    } else if storage::users::has_password(&provider.db, user.id).await? {
        return Ok(PasswordCheck::Wrong);
    } else {
        checked.taken.give_back();
    }
    let Checked {
        account,
        bucket,
        taken,
        ..
    } = checked;
    logins::give_back(&provider.db, &account, bucket, &taken.buckets, now).await?;
    Ok(if right {
        PasswordCheck::Right
    } else {
        PasswordCheck::None
    })
}

/// What an account is counted under: it tells neither the address nor whether there is such an account.
fn account_mac(provider: &Provider, key: Option<&EmailKey>, typed: &str) -> [u8; MAC_LENGTH] {
    let canonical = key.map_or(typed, EmailKey::as_str);
    let keys = provider.keys();
    let (_, mac_key) = keys.mac.cookie.current();
    mac_key.mac("signet/account/v1", &[canonical.as_bytes()])
}

/// What an attempt took from the buckets of its address.
struct FromAddress<'a> {
    provider: &'a Provider,
    source: Source,
    account: [u8; MAC_LENGTH],
    account_is_new: bool,
    /// Those of all nodes together, which the reservation takes from.
    buckets: Vec<limit_counters::Bucket>,
    now: DateTime<Utc>,
}

impl<'a> FromAddress<'a> {
    fn reserve(
        provider: &'a Provider,
        source: Source,
        account: [u8; MAC_LENGTH],
        now: DateTime<Utc>,
    ) -> Result<Self, TooMany> {
        let mut taken = Self {
            provider,
            source,
            account,
            account_is_new: false,
            buckets: Vec::new(),
            now,
        };
        let on_this_node = &provider.limits;
        if provider.settings.rate_limits {
            on_this_node.reserve(Limit::WrongPasswords, source, now)?;
            taken.account_is_new = on_this_node
                .reserve_distinct(Limit::DistinctAccounts, source, &account, now)
                .inspect_err(|_| on_this_node.give_back(Limit::WrongPasswords, source, now))?;
            taken.buckets = limits::stored_buckets(provider, &[(Limit::WrongPasswords, source.into())], now);
        }
        Ok(taken)
    }

    /// Nobody looked at the password: all is as it was before.
    fn give_back(&self) {
        let limits = &self.provider.limits;
        limits.give_back(Limit::WrongPasswords, self.source, self.now);
        if self.account_is_new {
            limits.give_back_distinct(Limit::DistinctAccounts, self.source, &self.account, self.now);
        }
    }

    /// The password was right: the account is none that is guessed at, though it may have been mistyped before.
    /// Many people share an address, and none of them locks out the others by logging in.
    fn give_back_with_account(&self) {
        let limits = &self.provider.limits;
        limits.give_back(Limit::WrongPasswords, self.source, self.now);
        limits.give_back_distinct(Limit::DistinctAccounts, self.source, &self.account, self.now);
    }
}

/// Reserves an attempt of all nodes together, and finds the account.
async fn reserve(
    provider: &Provider,
    email: Option<&EmailKey>,
    account: &[u8],
    device: Option<TokenHash>,
    taken: &FromAddress<'_>,
    now: DateTime<Utc>,
) -> Result<Reserved, LoginError> {
    let limited = provider.settings.rate_limits;
    let attempt = Attempt {
        email,
        account,
        device,
        source: &taken.buckets,
        window_floor: now - ACCOUNT_WINDOW,
        device_failures: DEVICE_FAILURES,
        free_failures: if limited { ACCOUNT_FAILURES } else { i32::MAX },
        waits: &WAITS.map(|wait| now + wait),
        open_at: if limited { now } else { now + QUIET },
        quiet_floor: now - QUIET,
    };
    match logins::begin(&provider.db, &attempt, now).await? {
        Begun::Reserved(reserved) => Ok(*reserved),
        Begun::SourceWaits(until) => Err(TooMany::until(until, now).into()),
        Begun::AccountWaits(until) => {
            tracing::warn!("an account has been guessed at too often");
            Err(TooMany::until(until, now).into())
        }
    }
}

/// Salt for one hash.
pub(super) fn salt(provider: &Provider) -> [u8; SALT_LENGTH] {
    let mut salt = [0; SALT_LENGTH];
    provider.random.fill(&mut salt);
    salt
}

/// Notes that a login was done for a pending request. Without one there is nothing to note.
///
/// # Errors
/// When the database does not answer.
pub async fn note(
    provider: &Provider,
    request: Option<crate::domain::ids::AuthorizationRequestId>,
    browser: TokenHash,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    if let Some(id) = request {
        storage::authorization_requests::authenticated(&provider.db, id, browser, session, now).await?;
    }
    Ok(())
}
