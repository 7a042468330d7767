//! Token families: one row a grant, however often it refreshes. A refresh is one statement (a theft takes two), and does what
//! [`FamilyState::present`](crate::domain::refresh_token::FamilyState::present) says. Knows no token, only serials.
//!
//! Whoever ends families and sessions in one transaction ends the families first, as a theft does: in the other
//! order the two would wait for each other.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::grants::{grant_columns, inconsistent, session_stands_sql};
use super::{Execute, Param, StorageError};
use crate::domain::eligibility::may_issue_sql;
use crate::domain::grant::Grant;
use crate::domain::ids::{ClientId, FamilyId, SessionId, UserId};
use crate::domain::refresh_token::{RefreshPolicy, Rotation};

/// A refresh token whose MAC is genuine, from a client that is authenticated.
#[derive(Debug, Clone, Copy)]
pub struct Presentation<'a> {
    /// The family that it names.
    pub family: FamilyId,
    /// Its serial.
    pub serial: i64,
    /// Who presents it.
    pub client: &'a ClientId,
}

/// What a refresh asks for, if it asks for less than was granted. Whoever asks for anything else is refused before
/// the token is spent: a client that keeps asking for the wrong thing would look like a thief in the end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The scope tokens.
    pub scopes: Option<&'a [String]>,
    /// The API.
    pub resource: Option<&'a str>,
}

/// What became of a presented refresh token, with what issuing needs.
#[derive(Debug, Clone, PartialEq)]
pub enum RefreshOutcome {
    /// Answer with the token of serial `head` under key version `head_kv`.
    Issued {
        /// [`Same`](Rotation::Same), [`Advanced`](Rotation::Advanced), [`Retried`](Rotation::Retried) or
        /// [`Branched`](Rotation::Branched).
        rotation: Rotation,
        /// The serial of the answer.
        head: i64,
        /// The version of the MAC key that made it first; a retry gives the same bytes.
        head_kv: i32,
        /// What the tokens are made of.
        grant: Box<Grant>,
    },
    /// No live family of this client, or one that what is wanted was not granted in. Nothing has changed.
    Refused,
    /// Newer than the head: a failover lost a commit. Nothing has changed, and someone must look.
    Ahead,
    /// The family has ended, its session and that session's other families with it.
    Theft,
}

impl RefreshOutcome {
    /// The outcome without what it gives.
    pub const fn rotation(&self) -> Rotation {
        match self {
            Self::Issued { rotation, .. } => *rotation,
            Self::Refused => Rotation::Refused,
            Self::Ahead => Rotation::Ahead,
            Self::Theft => Rotation::Theft,
        }
    }
}

/// Why a family was ended on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// Its client revoked a token (RFC 7009).
    Revoked,
    /// Its user took the session or the consent back.
    Withdrawn,
    /// An operator ended it.
    Operator,
}

impl EndReason {
    /// What `ended_reason` says.
    const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Withdrawn => "withdrawn",
            Self::Operator => "operator",
        }
    }
}

/// The tables that stand behind a family.
macro_rules! behind_family_sql {
    () => {
        "users u, sessions s, clients c"
    };
}

/// Row 0 of the table: the family $1 of client $2 lives at $4.
macro_rules! family_lives_sql {
    () => {
        concat!(
            "(g.id = $1 AND g.client_id = $2 AND g.jkt IS NULL AND g.ended_at IS NULL \
             AND g.expires_at > $4 AND g.idle_expires_at > $4 \
             AND u.id = g.user_id AND s.id = g.session_id AND c.id = g.client_id AND ",
            may_issue_sql!(),
            " AND ",
            session_stands_sql!(),
            ")"
        )
    };
}

/// What becomes of the columns of the family `g`, from `last_outcome` on, by the table of
/// `domain::refresh_token`: $3 serial, $4 now, $5 MAC key version, $6 now - W, $7 now - R, $8 now + idle TTL.
macro_rules! rotated_sql {
    () => {
        "v,
            CASE WHEN v IN ('advanced', 'branched') THEN g.head + 1 ELSE g.head END,
            CASE WHEN v IN ('advanced', 'branched') THEN $5 ELSE g.head_kv END,
            CASE v WHEN 'advanced' THEN g.head ELSE g.prev END,
            CASE WHEN v IN ('advanced', 'branched') THEN GREATEST($4, g.prev_at) ELSE g.prev_at END,
            CASE v WHEN 'advanced' THEN $4 ELSE g.advanced_at END,
            CASE v WHEN 'advanced' THEN g.prev ELSE g.prev2 END,
            CASE v WHEN 'advanced' THEN g.prev_at ELSE g.prev2_at END,
            CASE WHEN v IN ('advanced', 'same') THEN GREATEST($8, g.idle_expires_at) ELSE g.idle_expires_at END"
    };
}

// OFFSET 0 keeps the planner from writing the verdict into each column that asks for it: the executor would
// prepare it nine times a refresh.
macro_rules! verdict_sql {
    () => {
        "(SELECT CASE
            WHEN $3 = g.head AND NOT g.rotates THEN 'same'
            WHEN $3 = g.head THEN 'advanced'
            WHEN $3 > g.head THEN 'ahead'
            WHEN $3 = g.prev AND g.prev_at > $6 OR $3 = g.prev2 AND g.prev2_at > $6 THEN 'retried'
            WHEN $3 = g.prev AND g.advanced_at > $7 THEN 'branched'
            ELSE 'theft' END OFFSET 0) d(v)"
    };
}

// The UPDATE matches in every live case, those that change nothing too: it waits for whoever has the row, and
// then decides on what they left. A guarded UPDATE beside a SELECT would show losers the old row. last_outcome
// carries the verdict to RETURNING, which sees new values alone.
const ROTATE: &str = concat!(
    "UPDATE token_families g SET (last_outcome, head, head_kv, prev, prev_at, advanced_at, prev2, prev2_at, \
        idle_expires_at) = (SELECT ",
    rotated_sql!(),
    " FROM ",
    verdict_sql!(),
    ") FROM ",
    behind_family_sql!(),
    " WHERE ",
    family_lives_sql!(),
    " AND ($9::text[] IS NULL OR g.scopes @> $9) AND ($10::text IS NULL OR $10 = ANY (g.resources))",
    " RETURNING g.id AS family_id, g.last_outcome, g.head, g.head_kv, g.offline, g.status_index, NULL::text AS nonce, ",
    grant_columns!()
);

// The same, and the end of everything if it is still a theft. In ROTATE its two further tables would be part of
// the plan that every refresh starts.
const END_THEFT: &str = concat!(
    "WITH f AS (
    UPDATE token_families g SET (last_outcome, head, head_kv, prev, prev_at, advanced_at, prev2, prev2_at, \
        idle_expires_at, ended_at, ended_reason) = (SELECT ",
    rotated_sql!(),
    ", CASE v WHEN 'theft' THEN $4 END, CASE v WHEN 'theft' THEN 'theft' END
        FROM ",
    verdict_sql!(),
    ")
    FROM ",
    behind_family_sql!(),
    " WHERE ",
    family_lives_sql!(),
    "
    RETURNING g.id AS family_id, g.last_outcome, g.head, g.head_kv, g.offline, g.status_index, NULL::text AS nonce, ",
    grant_columns!(),
    "),
k AS (
    UPDATE sessions s SET ended_at = COALESCE(s.ended_at, $4), ended_reason = 'theft' FROM f
    WHERE f.last_outcome = 'theft' AND s.id = f.session_id AND s.ended_reason IS DISTINCT FROM 'theft'),
e AS (
    INSERT INTO events (at, kind, subject_id)
    SELECT $4, 'refresh_theft', family_id FROM f WHERE last_outcome = 'theft')
SELECT * FROM f"
);

/// Presents a refresh token: the whole life cycle in one statement, but for a theft, which a second one decides
/// again and stores with all that ends by it. Whoever dies between the two has given nobody a token. A theft is
/// stored by the time the outcome is known, so inside a [`Tx`](super::Tx) the caller commits whatever it is.
///
/// # Errors
/// When the database does not answer. If it went away after the statement was sent, nobody knows whether the
/// family advanced; the client's retry gets the same successor.
pub async fn rotate(
    db: &impl Execute,
    presented: &Presentation<'_>,
    wanted: Wanted<'_>,
    key_version: i32,
    now: DateTime<Utc>,
    policy: &RefreshPolicy,
) -> Result<RefreshOutcome, StorageError> {
    let (retried_since, lost_since) = (now - policy.retry_window, now - policy.recovery_window);
    let idle_expires_at = now + policy.idle_ttl;
    let params: [Param<'_>; 10] = [
        (presented.family.as_uuid(), Type::UUID),
        (&presented.client.as_str(), Type::TEXT),
        (&presented.serial, Type::INT8),
        (&now, Type::TIMESTAMPTZ),
        (&key_version, Type::INT4),
        (&retried_since, Type::TIMESTAMPTZ),
        (&lost_since, Type::TIMESTAMPTZ),
        (&idle_expires_at, Type::TIMESTAMPTZ),
        (&wanted.scopes, Type::TEXT_ARRAY),
        (&wanted.resource, Type::TEXT),
    ];
    match outcome(db.query_opt(ROTATE, &params).await?, presented)? {
        RefreshOutcome::Theft => outcome(db.query_opt(END_THEFT, &params[..8]).await?, presented),
        live => Ok(live),
    }
}

fn outcome(row: Option<Row>, presented: &Presentation<'_>) -> Result<RefreshOutcome, StorageError> {
    let Some(row) = row else {
        return Ok(RefreshOutcome::Refused);
    };
    let rotation = match row.try_get("last_outcome")? {
        "same" => Rotation::Same,
        "advanced" => Rotation::Advanced,
        "retried" => Rotation::Retried,
        "branched" => Rotation::Branched,
        "ahead" => return Ok(RefreshOutcome::Ahead),
        "theft" => return Ok(RefreshOutcome::Theft),
        _ => return Err(inconsistent("last_outcome", presented.family)),
    };
    Ok(RefreshOutcome::Issued {
        rotation,
        head: row.try_get("head")?,
        head_kv: row.try_get("head_kv")?,
        grant: Box::new(Grant::try_from(&row)?),
    })
}

const FIND_LIVE: &str = concat!(
    "SELECT LEAST(g.expires_at, g.idle_expires_at) AS live_until, \
        g.id AS family_id, g.offline, g.status_index, NULL::text AS nonce, ",
    grant_columns!(),
    "
FROM token_families g, ",
    behind_family_sql!(),
    " WHERE ",
    family_lives_sql!(),
    " AND ($3 = g.head OR $3 = g.prev AND g.prev_at > $5 OR $3 = g.prev2 AND g.prev2_at > $5)"
);

/// A refresh token that is good at this moment.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveToken {
    /// What it stands for.
    pub grant: Box<Grant>,
    /// When it ends unless it is used before.
    pub expires_at: DateTime<Utc>,
}

/// What a refresh token stands for, if it is its family's head or within the retry window, and without using
/// it: for introspection (RFC 7662 §2.2) by the client that it was issued to.
///
/// # Errors
/// When the database does not answer.
pub async fn find_live(
    db: &impl Execute,
    presented: &Presentation<'_>,
    now: DateTime<Utc>,
    retry_window: TimeDelta,
) -> Result<Option<LiveToken>, StorageError> {
    let row = db
        .query_opt(
            FIND_LIVE,
            &[
                (presented.family.as_uuid(), Type::UUID),
                (&presented.client.as_str(), Type::TEXT),
                (&presented.serial, Type::INT8),
                (&now, Type::TIMESTAMPTZ),
                (&(now - retry_window), Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    row.map(|row| {
        Ok(LiveToken {
            grant: Box::new(Grant::try_from(&row)?),
            expires_at: row.try_get("live_until")?,
        })
    })
    .transpose()
}

const REVOKE: &str = "UPDATE token_families SET ended_at = $3, ended_reason = $4
WHERE id = $1 AND client_id = $2 AND ended_at IS NULL";

/// Ends a family of `client` (RFC 7009 §2.1). Says whether it did; another client's is left alone.
///
/// # Errors
/// When the database does not answer.
pub async fn revoke(
    db: &impl Execute,
    family: FamilyId,
    client: &ClientId,
    now: DateTime<Utc>,
    reason: EndReason,
) -> Result<bool, StorageError> {
    let params = [
        (family.as_uuid() as _, Type::UUID),
        (&client.as_str() as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&reason.as_str() as _, Type::TEXT),
    ];
    Ok(db.execute(REVOKE, &params).await? == 1)
}

const END_MINTED: &str = "UPDATE token_families SET ended_at = $1, ended_reason = $2 WHERE id IN (
    SELECT id FROM token_families
    WHERE id > $3 AND ended_at IS NULL AND ($4::timestamptz IS NULL OR created_at >= $4)
        AND ($5::timestamptz IS NULL OR created_at < $5) AND ($6::int IS NULL OR head_kv = $6)
    ORDER BY id LIMIT $7)
RETURNING id";

/// What a compromised key minted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Minted {
    /// Families that began then or later.
    pub from: Option<DateTime<Utc>>,
    /// Families that began before.
    pub until: Option<DateTime<Utc>>,
    /// Families whose newest token is under this version of the MAC key.
    pub key_version: Option<i32>,
}

/// Ends up to `batch` families after `after`, in the order of their ids, and says how many and which was the last:
/// `None` when there are no more.
///
/// # Errors
/// When the database does not answer.
pub async fn end_minted(
    db: &impl Execute,
    minted: &Minted,
    after: FamilyId,
    batch: i64,
    now: DateTime<Utc>,
) -> Result<(u64, Option<FamilyId>), StorageError> {
    let params = [
        (&now as _, Type::TIMESTAMPTZ),
        (&EndReason::Operator.as_str() as _, Type::TEXT),
        (after.as_uuid() as _, Type::UUID),
        (&minted.from as _, Type::TIMESTAMPTZ),
        (&minted.until as _, Type::TIMESTAMPTZ),
        (&minted.key_version as _, Type::INT4),
        (&batch as _, Type::INT8),
    ];
    let rows = db.query(END_MINTED, &params).await?;
    let ids = rows
        .iter()
        .map(|row| row.try_get::<_, Uuid>("id").map(FamilyId::from));
    let last = ids.collect::<Result<Vec<_>, _>>()?.into_iter().max();
    Ok((rows.len() as u64, last))
}

const END_OF_SESSION: &str = "UPDATE token_families SET ended_at = $2, ended_reason = $3
WHERE session_id = $1 AND ended_at IS NULL";

/// Ends all families of a session, the offline ones too, and says how many that were. A mere logout does not
/// want this: the others end with their session by themselves.
///
/// # Errors
/// When the database does not answer.
pub async fn end_of_session(
    db: &impl Execute,
    session: SessionId,
    now: DateTime<Utc>,
    reason: EndReason,
) -> Result<u64, StorageError> {
    let params = [
        (session.as_uuid() as _, Type::UUID),
        (&now as _, Type::TIMESTAMPTZ),
        (&reason.as_str() as _, Type::TEXT),
    ];
    db.execute(END_OF_SESSION, &params).await
}

const END_OF_USER: &str = "UPDATE token_families SET ended_at = $3, ended_reason = $4
WHERE user_id = $1 AND ($2::text IS NULL OR client_id = $2) AND ended_at IS NULL";

/// Ends all families of a user, or those that `client` has, and says how many that were. Moving the user's
/// epoch ends them too; this is for a consent withdrawn and for what should be seen in the rows.
///
/// # Errors
/// When the database does not answer.
pub async fn end_of_user(
    db: &impl Execute,
    user: UserId,
    client: Option<&ClientId>,
    now: DateTime<Utc>,
    reason: EndReason,
) -> Result<u64, StorageError> {
    let params = [
        (user.as_uuid() as _, Type::UUID),
        (&client.map(ClientId::as_str) as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&reason.as_str() as _, Type::TEXT),
    ];
    db.execute(END_OF_USER, &params).await
}

// An array, and not a join: the planner, who knows no LIMIT yet, would read the whole table for every batch.
const END_ISSUED_BEFORE: &str = "WITH batch AS (
    SELECT id, created_at FROM token_families WHERE id > $1 ORDER BY id LIMIT $2),
ended AS (
    UPDATE token_families SET ended_at = $3, ended_reason = $5 WHERE ended_at IS NULL AND id = ANY (ARRAY(
        SELECT id FROM batch WHERE $4::timestamptz IS NULL OR created_at < $4)) RETURNING id)
SELECT (SELECT id FROM batch ORDER BY id DESC LIMIT 1) AS last, (SELECT count(*) FROM ended) AS ended";

/// Looks at the next `limit` families after the id `after` and ends those made before `before`, or all, the
/// offline ones too. Answers with the last id looked at, `None` at the end, and how many it ended.
///
/// # Errors
/// When the database does not answer.
pub async fn end_issued_before(
    db: &impl Execute,
    after: FamilyId,
    limit: i64,
    now: DateTime<Utc>,
    before: Option<DateTime<Utc>>,
) -> Result<(Option<FamilyId>, i64), StorageError> {
    let params = [
        (after.as_uuid() as _, Type::UUID),
        (&limit as _, Type::INT8),
        (&now as _, Type::TIMESTAMPTZ),
        (&before as _, Type::TIMESTAMPTZ),
        (&EndReason::Operator.as_str() as _, Type::TEXT),
    ];
    let row = db.query_opt(END_ISSUED_BEFORE, &params).await?;
    row.map_or(Ok((None, 0)), |row| {
        let last: Option<uuid::Uuid> = row.try_get("last")?;
        Ok((last.map(FamilyId::from), row.try_get("ended")?))
    })
}

// The codes go with their families: see authorization_codes::delete_expired. No tombstone: no token of them is left.
const DELETE_EXPIRED: &str = "WITH gone AS (
    DELETE FROM token_families WHERE id = ANY (ARRAY(
        SELECT id FROM token_families WHERE expires_at < $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))
    RETURNING id),
codes AS (DELETE FROM authorization_codes WHERE family_id = ANY (ARRAY(SELECT id FROM gone)))
SELECT count(*) AS deleted FROM gone";

/// Sweeps at most `limit` families that expired before `before`, with the codes that made them, and says how
/// many families that were. An access token without its family is dead, so `before` lies at least the life of
/// an access token back.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<i64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    let row = db.query_opt(DELETE_EXPIRED, &params).await?;
    row.map_or(Ok(0), |row| Ok(row.try_get("deleted")?))
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    ROTATE,
    END_THEFT,
    FIND_LIVE,
    REVOKE,
    END_MINTED,
    END_OF_SESSION,
    END_OF_USER,
    END_ISSUED_BEFORE,
    DELETE_EXPIRED,
];
