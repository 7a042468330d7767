//! The session in front of a browser, and what its user may do with their sessions.

use chrono::{DateTime, TimeDelta, Utc};

use super::provider::Provider;
use crate::domain::browser_session::BrowserSession;
use crate::domain::ids::SessionId;
use crate::domain::secret::TokenHash;
use crate::domain::user::User;
use crate::storage::sessions::EndReason;
use crate::storage::{self, StorageError};

/// How many sessions the account page lists.
const LISTED: i64 = 100;

/// A live session and its user.
#[derive(Debug, Clone)]
pub struct Present {
    /// The session.
    pub session: BrowserSession,
    /// The user.
    pub user: User,
    /// Whether this use moved the idle expiry, so that the cookie is worth sending again.
    pub renewed: bool,
}

/// The session of this id, if it lives. Its use is written down, once a minute at most.
///
/// # Errors
/// When the database does not answer.
pub async fn present(
    provider: &Provider,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<Present>, StorageError> {
    match storage::sessions::find_live(&provider.db, id, now).await? {
        Some(found) => used(provider, found, now).await.map(Some),
        None => Ok(None),
    }
}

/// The session that moved in from a Better Auth server under the token of this hash, if it lives. The browser is to get
/// cookies of ours for it ([`renewed`](Present::renewed) says so): from then on it is a session as any other.
///
/// # Errors
/// When the database does not answer.
pub async fn present_imported(
    provider: &Provider,
    token: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Present>, StorageError> {
    let found = storage::sessions::find_live_imported(&provider.db, token, now).await?;
    let Some(found) = found else {
        return Ok(None);
    };
    let present = used(provider, found, now).await?;
    Ok(Some(Present {
        renewed: true,
        ..present
    }))
}

async fn used(
    provider: &Provider,
    (session, user): (BrowserSession, User),
    now: DateTime<Utc>,
) -> Result<Present, StorageError> {
    let due = session.is_due_for_touch(now);
    if due {
        let idle_expires_at = if session.remembered {
            now + provider.settings.sessions.idle_ttl
        } else {
            session.idle_expires_at
        };
        storage::sessions::touch(&provider.db, session.id, now, idle_expires_at).await?;
    }
    let renewed = due && session.remembered;
    Ok(Present {
        session,
        user,
        renewed,
    })
}

/// The session of this id, if it lives, as [`present`] finds it; but its life grows only once in `update_age`,
/// which clients count with.
///
/// # Errors
/// When the database does not answer.
pub async fn present_by_age(
    provider: &Provider,
    id: SessionId,
    update_age: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Option<Present>, StorageError> {
    let Some(mut present) = unchanged(provider, id, now).await? else {
        return Ok(None);
    };
    let session = &mut present.session;
    let policy = provider.settings.sessions;
    present.renewed = session.is_due_for_extension(policy, update_age, now);
    if present.renewed || session.is_due_for_touch(now) {
        if present.renewed {
            session.idle_expires_at = (now + policy.idle_ttl).min(session.expires_at);
        }
        storage::sessions::touch(&provider.db, id, now, session.idle_expires_at).await?;
        session.last_used_at = now;
    }
    Ok(Some(present))
}

/// The session of this id, if it lives. That it was looked at is not written down.
///
/// # Errors
/// When the database does not answer.
pub async fn unchanged(
    provider: &Provider,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<Present>, StorageError> {
    let found = storage::sessions::find_live(&provider.db, id, now).await?;
    Ok(found.map(|(session, user)| Present {
        session,
        user,
        renewed: false,
    }))
}

/// The live sessions of the user, last used first.
///
/// # Errors
/// When the database does not answer.
pub async fn list(
    provider: &Provider,
    present: &Present,
    now: DateTime<Utc>,
) -> Result<Vec<BrowserSession>, StorageError> {
    storage::sessions::list_live_of_user(&provider.db, present.user.id, now, LISTED).await
}

/// Ends one session of the user. Says whether it was theirs and still going on.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
    provider: &Provider,
    present: &Present,
    id: SessionId,
    now: DateTime<Utc>,
) -> Result<bool, StorageError> {
    let owner = Some(present.user.id);
    storage::sessions::end(&provider.db, id, owner, EndReason::Revoked, now).await
}

/// Ends all sessions of the user but this one, and says how many.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_others(
    provider: &Provider,
    present: &Present,
    now: DateTime<Utc>,
) -> Result<u64, StorageError> {
    storage::sessions::end_others(&provider.db, present.user.id, present.session.id, now).await
}

/// Ends every session of the user, this one too, and says how many.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke_all(
    provider: &Provider,
    present: &Present,
    now: DateTime<Utc>,
) -> Result<u64, StorageError> {
    let none = SessionId::from(uuid::Uuid::nil());
    storage::sessions::end_others(&provider.db, present.user.id, none, now).await
}

/// Logs out: ends the session, and the families that it gave without `offline_access`.
///
/// # Errors
/// When the database does not answer.
pub async fn log_out(provider: &Provider, id: SessionId, now: DateTime<Utc>) -> Result<(), StorageError> {
    storage::sessions::end(&provider.db, id, None, EndReason::Logout, now).await?;
    Ok(())
}
