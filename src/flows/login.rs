//! Logging in with a password.
//!
//! 1. The address that the request comes from has attempts left, and room for another account.
//! 2. An attempt is reserved, from the bucket of the browser or the account, and the account is found.
//! 3. The password is hashed, whether or not there is an account.
//! 4. The session begins, or the same user's is renewed; the attempt is given back.
//!
//! Everything that a stranger sees is the same for an unknown address and a wrong password, the time too.

use chrono::{DateTime, TimeDelta, Utc};

use super::limits::{Limit, Source, TooMany};
use super::provider::Provider;
use super::sessions::Present;
use crate::domain::browser_session::{ACR_SINGLE_FACTOR, AMR_PASSWORD, BrowserSession};
use crate::domain::email::EmailKey;
use crate::domain::ids::SessionId;
use crate::domain::mac::MAC_LENGTH;
use crate::domain::password::Password;
use crate::domain::secret::{PlainToken, TokenHash, TokenKind};
use crate::domain::user::User;
use crate::password::{Busy, SALT_LENGTH, Verification};
use crate::storage::logins::{self, Attempt, Bucket, Login};
use crate::storage::{self, StorageError};

/// The window in which attempts at one account are counted.
const ACCOUNT_WINDOW: TimeDelta = TimeDelta::minutes(15);

/// How many attempts an account has in a window, from browsers that never logged in to it.
const ACCOUNT_ATTEMPTS: i32 = 20;

/// How many failures a browser has in a window, at an account that it logged in to before.
const DEVICE_FAILURES: i32 = 5;

/// How long a browser is remembered.
pub const DEVICE_LIFETIME: TimeDelta = TimeDelta::days(180);

/// The longest `User-Agent` that is kept, in bytes.
const MAX_USER_AGENT: usize = 512;

/// The browser in front of a form.
#[derive(Debug)]
pub struct Browser<'a> {
    /// Where it is.
    pub address: std::net::IpAddr,
    /// What it calls itself.
    pub user_agent: Option<&'a str>,
    /// The token that tells that it logged in before.
    pub device: Option<&'a PlainToken>,
    /// The session that it has.
    pub present: Option<&'a Present>,
}

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

/// A session that has just begun or been renewed.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: BrowserSession,
    /// The token that the browser is remembered by, if it had none for this user.
    pub new_device: Option<PlainToken>,
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

/// Logs in.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.login", skip_all)]
pub async fn log_in(
    provider: &Provider,
    email: &str,
    password: &str,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<LoginOutcome, LoginError> {
    let source = Source::from(browser.address);
    let key = EmailKey::of_typed(email);
    let account = account_mac(provider, key.as_ref(), email);
    let taken = FromAddress::reserve(provider, source, &account, now)?;
    let attempt = Attempt {
        email: key.as_ref(),
        account: &account,
        device: browser.device.map(PlainToken::hash),
        window_floor: now - ACCOUNT_WINDOW,
        device_failures: DEVICE_FAILURES,
    };
    let reserved = match logins::begin(&provider.db, &attempt, now).await {
        Ok(reserved) => reserved,
        Err(error) => {
            taken.give_back();
            return Err(error.into());
        }
    };
    account_has_attempts_left(provider, &reserved.bucket, now)?;
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
            logins::give_back(&provider.db, &account, reserved.bucket).await?;
            return Err(busy.into());
        }
    };
    let (user, outdated) = match (user, verification) {
        (Some(user), Verification::Right { outdated }) => (user, outdated),
        _ => {
            tracing::info!("a login failed");
            return Ok(LoginOutcome::Wrong);
        }
    };
    taken.give_back_with_account();
    if user.disabled_at.is_some() {
        return Ok(LoginOutcome::Disabled);
    }
    if provider.settings.require_verified_email && !user.email_verified {
        return Ok(LoginOutcome::Unverified);
    }
    let new_hash = if outdated {
        // A hash that could not be renewed now will be at the next login.
        provider.passwords.hash(&password, salt(provider)).await.ok()
    } else {
        None
    };
    let new_device = match reserved.bucket {
        Bucket::Device(_) => None,
        Bucket::Account { .. } => Some(PlainToken::generate(TokenKind::Device, &*provider.random)),
    };
    // The same user again keeps the session: its `sid` stands in tokens (OpenID Connect Core §3.1.2.1).
    let same_user = browser.present.filter(|present| present.user.id == user.id);
    let replaces = browser.present.filter(|present| present.user.id != user.id);
    let mut session = new_session(provider, &user, browser, now);
    if let Some(present) = same_user {
        session.id = present.session.id;
    }
    let mut login = Login {
        session: &session,
        replaces: replaces.map(|present| present.session.id),
        account: &account,
        bucket: reserved.bucket,
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
    Ok(LoginOutcome::LoggedIn(Box::new(LoggedIn { session, new_device })))
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
    account: &'a [u8],
    account_is_new: bool,
    now: DateTime<Utc>,
}

impl<'a> FromAddress<'a> {
    fn reserve(
        provider: &'a Provider,
        source: Source,
        account: &'a [u8],
        now: DateTime<Utc>,
    ) -> Result<Self, TooMany> {
        let mut taken = Self {
            provider,
            source,
            account,
            account_is_new: false,
            now,
        };
        let limits = &provider.limits;
        if provider.settings.rate_limits {
            limits.reserve(Limit::WrongPasswords, source, now)?;
            taken.account_is_new = limits
                .reserve_distinct(Limit::DistinctAccounts, source, account, now)
                .inspect_err(|_| limits.give_back(Limit::WrongPasswords, source, now))?;
        }
        Ok(taken)
    }

    /// Nobody looked at the password: all is as it was before.
    fn give_back(&self) {
        let limits = &self.provider.limits;
        limits.give_back(Limit::WrongPasswords, self.source, self.now);
        if self.account_is_new {
            limits.give_back_distinct(Limit::DistinctAccounts, self.source, self.account, self.now);
        }
    }

    /// The password was right: the account is none that is guessed at, though it may have been mistyped before.
    /// Many people share an address, and none of them locks out the others by logging in.
    fn give_back_with_account(&self) {
        let limits = &self.provider.limits;
        limits.give_back(Limit::WrongPasswords, self.source, self.now);
        limits.give_back_distinct(Limit::DistinctAccounts, self.source, self.account, self.now);
    }
}

fn account_has_attempts_left(
    provider: &Provider,
    bucket: &Bucket,
    now: DateTime<Utc>,
) -> Result<(), TooMany> {
    match bucket {
        Bucket::Account { attempts, since }
            if provider.settings.rate_limits && *attempts > ACCOUNT_ATTEMPTS =>
        {
            tracing::warn!("an account has been guessed at too often");
            Err(TooMany::until_end(*since, ACCOUNT_WINDOW, now))
        }
        Bucket::Account { .. } | Bucket::Device(_) => Ok(()),
    }
}

/// Salt for one hash.
pub(super) fn salt(provider: &Provider) -> [u8; SALT_LENGTH] {
    let mut salt = [0; SALT_LENGTH];
    provider.random.fill(&mut salt);
    salt
}

/// A session that begins now, with a password.
pub(super) fn new_session(
    provider: &Provider,
    user: &User,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> BrowserSession {
    let policy = provider.settings.sessions;
    let user_agent = browser.user_agent.map(|text| {
        let text = &text[..text.floor_char_boundary(MAX_USER_AGENT)];
        text.replace(char::is_control, " ")
    });
    BrowserSession {
        id: SessionId::generate(&*provider.random),
        user_id: user.id,
        epoch: user.epoch,
        auth_time: now,
        acr: ACR_SINGLE_FACTOR.to_owned(),
        amr: vec![AMR_PASSWORD.to_owned()],
        ip_address: Some(browser.address.to_canonical().to_string()),
        user_agent,
        created_at: now,
        last_used_at: now,
        idle_expires_at: now + policy.idle_ttl.min(policy.ttl),
        expires_at: now + policy.ttl,
    }
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
