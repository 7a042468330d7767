//! The browser in front of us, and the session that a login gives it.

use chrono::{DateTime, TimeDelta, Utc};

use super::provider::Provider;
use super::sessions::{self, Present};
use crate::domain::browser_session::{ACR_SINGLE_FACTOR, BrowserSession};
use crate::domain::ids::{SessionId, UserId};
use crate::domain::secret::{PlainToken, TokenHash, TokenKind};
use crate::domain::user::User;
use crate::storage::{self, StorageError, Tx, accounts};

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
    /// Its own token, which its forms, pending requests and mailed links are bound to.
    pub token: Option<TokenHash>,
    /// The languages that its user prefers, best first (RFC 9110 §12.5.4).
    pub languages: Vec<String>,
    /// What its user wants of a session that begins.
    pub stay: Stay,
    /// What becomes of the session that it has, if that is another user's.
    pub others: Others,
}

/// How long a browser is to keep a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// As long as it is used.
    Remembered,
    /// Until the browser is closed, and a day at most.
    UntilClosed,
}

/// What becomes of the session of another user in the same browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// It ends: nobody is two people at once.
    End,
    /// It waits beside the new one, in a cookie of its own.
    Wait,
}

impl Browser<'_> {
    /// The session that ends when `user` logs in: another user's, unless it waits.
    pub fn replaced_by(&self, user: UserId) -> Option<SessionId> {
        let others = self.present.filter(|present| present.user.id != user);
        let ends = others.filter(|_| self.others == Others::End);
        ends.map(|present| present.session.id)
    }

    /// What it calls itself, as it may be stored.
    pub fn kept_user_agent(&self) -> Option<String> {
        self.user_agent.map(|text| {
            let text = &text[..text.floor_char_boundary(MAX_USER_AGENT)];
            text.replace(char::is_control, " ")
        })
    }
}

/// A session that has just begun or been renewed.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: BrowserSession,
    /// Its user.
    pub user: User,
    /// The token that the browser is remembered by, if it had none for this user.
    pub new_device: Option<PlainToken>,
}

/// A session that begins now, after a login by `amr` (RFC 8176).
pub fn new_session(
    provider: &Provider,
    user: &User,
    browser: &Browser<'_>,
    amr: Vec<String>,
    now: DateTime<Utc>,
) -> BrowserSession {
    let remembered = browser.stay == Stay::Remembered;
    let (idle_ttl, ttl) = provider.settings.sessions.lives(remembered);
    BrowserSession {
        id: SessionId::generate(&*provider.random),
        user_id: user.id,
        epoch: user.epoch,
        auth_time: now,
        acr: ACR_SINGLE_FACTOR.to_owned(),
        amr,
        ip_address: Some(browser.address.to_canonical().to_string()),
        user_agent: browser.kept_user_agent(),
        created_at: now,
        last_used_at: now,
        idle_expires_at: now + idle_ttl,
        expires_at: now + ttl,
        remembered,
    }
}

/// Begins the session of a user who came without a password, in a browser that is then known to the account. The same
/// user keeps the session that the browser has: its `sid` stands in tokens. `None` if the user may do nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn begin_session(
    provider: &Provider,
    tx: &Tx,
    user: &User,
    browser: &Browser<'_>,
    amr: Vec<String>,
    now: DateTime<Utc>,
) -> Result<Option<LoggedIn>, StorageError> {
    if !accounts::log_in(tx, user.id, user.epoch, now).await? {
        return Ok(None);
    }
    let mut session = new_session(provider, user, browser, amr, now);
    let new = session.id;
    let renewed = match browser.present.filter(|present| present.user.id == user.id) {
        Some(present) => {
            session.id = present.session.id;
            session.created_at = present.session.created_at;
            storage::sessions::renew(tx, &session).await?
        }
        None => false,
    };
    if !renewed {
        session.id = new;
        session.created_at = now;
        storage::sessions::insert(tx, &session).await?;
    }
    let device = PlainToken::generate(TokenKind::Device, &*provider.random);
    storage::logins::insert_device(tx, device.hash(), &session, now + DEVICE_LIFETIME).await?;
    Ok(Some(LoggedIn {
        session,
        user: user.clone(),
        new_device: Some(device),
    }))
}

/// Ends the session of another user that the browser had until `user` logged in.
///
/// # Errors
/// When the database does not answer.
pub async fn end_replaced(
    provider: &Provider,
    user: UserId,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    match browser.replaced_by(user) {
        Some(replaced) => sessions::log_out(provider, replaced, now).await,
        None => Ok(()),
    }
}
