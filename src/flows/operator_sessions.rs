//! What an operator does to browser sessions: look at them, and end them with everything that they gave. Other
//! than a logout this ends refresh tokens with `offline_access` too.
//!
//! Families end before their sessions, as in a theft: in the other order the two would wait for each other.

use chrono::{DateTime, Utc};

use crate::domain::ids::{FamilyId, SessionId, UserId};
use crate::storage::sessions::{self, EndReason as SessionEnd, ListedSession};
use crate::storage::token_families::EndReason as FamilyEnd;
use crate::storage::{Db, Execute, StorageError, authorization_codes, token_families, users};

/// How many rows one statement looks at when everything is ended; each stays far below the statement timeout.
const BATCH: i64 = 2_000;

/// What was ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// Browser sessions.
    pub sessions: u64,
    /// Refresh token families.
    pub token_families: u64,
    /// Authorization codes that nobody had redeemed.
    pub authorization_codes: u64,
}

/// The next `limit` live sessions after the id `after`, of one user or of all.
///
/// # Errors
/// When the database fails.
pub async fn list(
    db: &impl Execute,
    after: SessionId,
    user: Option<UserId>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<ListedSession>, StorageError> {
    sessions::list_live(db, after, user, now, limit).await
}

/// Ends one session and every family that it gave. `None` if no such session was going on. Its codes die with it.
///
/// # Errors
/// When the database fails; then nothing has ended.
pub async fn end(db: &Db, session: SessionId, now: DateTime<Utc>) -> Result<Option<Ended>, StorageError> {
    let tx = db.begin().await?;
    let token_families = token_families::end_of_session(&tx, session, now, FamilyEnd::Operator).await?;
    let ended = sessions::end(&tx, session, None, SessionEnd::Revoked, now).await?;
    tx.commit().await?;
    Ok((ended || token_families > 0).then_some(Ended {
        sessions: u64::from(ended),
        token_families,
        authorization_codes: 0,
    }))
}

/// Ends every session and family of a user and moves the epoch, which ends the codes.
///
/// # Errors
/// When the database fails; then nothing has ended.
pub async fn end_of_user(db: &Db, user: UserId, now: DateTime<Utc>) -> Result<Ended, StorageError> {
    let none = SessionId::from(uuid::Uuid::nil());
    let tx = db.begin().await?;
    let token_families = token_families::end_of_user(&tx, user, None, now, FamilyEnd::Operator).await?;
    let sessions = sessions::end_others(&tx, user, none, now).await?;
    users::move_epoch(&tx, user, now).await?;
    tx.commit().await?;
    Ok(Ended {
        sessions,
        token_families,
        authorization_codes: 0,
    })
}

/// Ends whatever was issued before `before`, or everything: codes, families, sessions. This makes a restored
/// backup safe, in which revocations since the backup are missing. Goes through the tables in small batches and
/// tells `progress` after each; cut off halfway it can be run again.
///
/// # Errors
/// When the database fails; what had ended by then stays so.
pub async fn end_issued_before(
    db: &Db,
    before: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    mut progress: impl FnMut(&Ended),
) -> Result<Ended, StorageError> {
    let mut ended = Ended::default();
    loop {
        let deleted = authorization_codes::delete_issued_before(db, before, BATCH).await?;
        ended.authorization_codes += deleted;
        progress(&ended);
        if deleted == 0 {
            break;
        }
    }
    end_families(db, before, now, &mut ended, &mut progress).await?;
    let mut after = SessionId::from(uuid::Uuid::nil());
    while let (Some(last), count) = sessions::end_issued_before(db, after, BATCH, now, before).await? {
        ended.sessions += count.unsigned_abs();
        progress(&ended);
        after = last;
    }
    if before.is_none() {
        // A session that was still going on may have given families meanwhile.
        end_families(db, before, now, &mut ended, &mut progress).await?;
    }
    Ok(ended)
}

async fn end_families(
    db: &Db,
    before: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
    ended: &mut Ended,
    progress: &mut impl FnMut(&Ended),
) -> Result<(), StorageError> {
    let mut after = FamilyId::from(uuid::Uuid::nil());
    while let (Some(last), count) = token_families::end_issued_before(db, after, BATCH, now, before).await? {
        ended.token_families += count.unsigned_abs();
        progress(ended);
        after = last;
    }
    Ok(())
}
