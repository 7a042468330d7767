//! Another password, by who is logged in and knows the present one.

use chrono::{DateTime, Utc};

use crate::domain::browser_session::BrowserSession;
use crate::domain::ids::SessionId;
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::secret::{PlainToken, Secret, TokenKind};
use crate::domain::user::User;
use crate::flows::browser::{Browser, DEVICE_LIFETIME, LoggedIn};
use crate::flows::login::{LoginError, PasswordCheck, password_is, salt};
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::flows::sessions::Present;
use crate::flows::signup::{Judges, PasswordFault, new_password};
use crate::storage::accounts::{self, KeptSessions};
use crate::storage::{logins, sessions};

/// What becomes of the user's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSessions {
    /// All stay.
    Stay,
    /// All end but this one.
    End,
    /// All end, and this browser gets another one.
    EndAndRenew,
}

/// What came of it.
#[derive(Debug)]
pub enum ChangeOutcome {
    /// The password is the new one. The browser is remembered anew, since what it was remembered by is dead.
    Changed(Box<User>, Box<LoggedIn>),
    /// The present password is another.
    Wrong,
    /// No password opens the account; a reset gives it one.
    NoPassword,
    /// The new one cannot be chosen.
    Refused(PasswordFault),
    /// The session has ended meanwhile.
    Ended,
}

/// Changes the password of who is logged in. Refresh tokens, codes and links of the user die; the user is told by mail.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.password_change", skip_all)]
pub async fn change(
    provider: &Provider,
    present: &Present,
    current: &Secret,
    new: &Secret,
    others: OtherSessions,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<ChangeOutcome, LoginError> {
    let user = &present.user;
    let known = [&*user.email, &user.name, &provider.settings.brand];
    let password = match new_password(Judges::of(provider), new.expose(), &known).await? {
        Ok(password) => password,
        Err(fault) => return Ok(ChangeOutcome::Refused(fault)),
    };
    match password_is(provider, user, current.expose(), browser, now).await? {
        PasswordCheck::Right => {}
        PasswordCheck::Wrong => return Ok(ChangeOutcome::Wrong),
        PasswordCheck::None => return Ok(ChangeOutcome::NoPassword),
    }
    let hash = provider.passwords.hash(&password, salt(provider)).await?;
    let tx = provider.db.begin().await?;
    let kept = match others {
        OtherSessions::Stay => KeptSessions::All,
        OtherSessions::End => KeptSessions::One(present.session.id),
        OtherSessions::EndAndRenew => KeptSessions::None,
    };
    let changed = accounts::change_password(&tx, user.id, user.epoch, &hash, kept, now).await?;
    let Some(user) = changed else {
        tx.commit().await?;
        return Ok(ChangeOutcome::Ended);
    };
    let mut session = BrowserSession {
        epoch: user.epoch,
        ..present.session.clone()
    };
    if others == OtherSessions::EndAndRenew {
        let (idle_ttl, ttl) = provider.settings.sessions.lives(session.remembered);
        session = BrowserSession {
            id: SessionId::generate(&*provider.random),
            created_at: now,
            last_used_at: now,
            idle_expires_at: now + idle_ttl,
            expires_at: now + ttl,
            auth_time: now,
            ..session
        };
        sessions::insert(&tx, &session).await?;
    }
    let device = PlainToken::generate(TokenKind::Device, &*provider.random);
    logins::insert_device(&tx, device.hash(), &session, now + DEVICE_LIFETIME).await?;
    let params = mails::asked_by(browser, &MailParams::default(), now);
    mails::ask_of(provider, &tx, MailKind::PasswordChanged, &user, &params, now).await?;
    tx.commit().await?;
    tracing::info!(user.id = %user.id, "a password was changed");
    let logged_in = LoggedIn {
        session,
        user: user.clone(),
        new_device: Some(device),
    };
    Ok(ChangeOutcome::Changed(Box::new(user), Box::new(logged_in)))
}
