//! Authorization codes (RFC 6749 §4.1): stored once, spent once, and what happens to one that is seen again.
//! Knows neither why a code was given nor what tokens it gives.

use chrono::{DateTime, Utc};
use tokio_postgres::types::{Json, Type};

use super::grants::grant_columns;
use super::{Execute, StorageError};
use crate::domain::authorization::RequestedClaims;
use crate::domain::eligibility::may_issue_sql;
use crate::domain::grant::Grant;
use crate::domain::ids::{ClientId, FamilyId, SessionId, UserId};
use crate::domain::secret::TokenHash;
use crate::domain::status_list::StatusIndex;
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::scope::ScopeSet;

/// A code to be stored, with all that its redemption will give.
#[derive(Debug, Clone, Copy)]
pub struct NewCode<'a> {
    /// What is kept of the code.
    pub code_hash: &'a TokenHash,
    /// The family that its redemption will make.
    pub family: FamilyId,
    /// The only client that may redeem it.
    pub client: &'a ClientId,
    /// Who consented.
    pub user: UserId,
    /// The session that they consented in.
    pub session: SessionId,
    /// The user's credential epoch, as the session has it.
    pub epoch: i64,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// The PKCE challenge of the request.
    pub code_challenge: Option<&'a CodeChallenge>,
    /// The `nonce` of the request.
    pub nonce: Option<&'a str>,
    /// What was granted.
    pub scopes: &'a ScopeSet,
    /// The APIs that it was granted for.
    pub resources: &'a [String],
    /// The `claims` parameter.
    pub claims: Option<&'a RequestedClaims>,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How well.
    pub acr: &'a str,
    /// By what means.
    pub amr: &'a [String],
    /// Now.
    pub created_at: DateTime<Utc>,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

/// What a client presents to redeem a code.
#[derive(Debug, Clone, Copy)]
pub struct Presented<'a> {
    /// The hash of the code.
    pub code_hash: &'a TokenHash,
    /// The authenticated client.
    pub client: &'a ClientId,
    /// The `redirect_uri` of the token request. `None` matches any: whether a client may leave it out is the
    /// flow's to say.
    pub redirect_uri: Option<&'a str>,
    /// The challenge that belongs to the `code_verifier`. `None` matches a code without one alone, and one
    /// never matches a code without (RFC 9700 §2.1.1).
    pub code_challenge: Option<&'a CodeChallenge>,
}

/// How the family that a redemption makes will live. Its first token has the serial [`FIRST_SERIAL`].
#[derive(Debug, Clone, Copy)]
pub struct NewFamily {
    /// Whether a refresh makes a new token.
    pub rotates: bool,
    /// Whether it survives the end of its session, if `offline_access` was granted.
    pub offline: bool,
    /// The version of the MAC key that makes its first token.
    pub head_kv: i32,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
    /// When it ends for want of use.
    pub idle_expires_at: DateTime<Utc>,
    /// The place of its access tokens in the status lists.
    pub status_index: StatusIndex,
}

/// The serial of the first refresh token of every family.
pub const FIRST_SERIAL: i64 = 1;

/// What became of a presented code.
#[derive(Debug, Clone, PartialEq)]
pub enum Redemption {
    /// It is spent, by this caller alone, and the family is made.
    Redeemed(Box<Grant>),
    /// Its owner presented it again: its family has ended, and all tokens of its first use with it
    /// (RFC 6749 §4.1.2). Also what the loser of two redemptions at once is told.
    Replayed {
        /// The family that the first use made.
        family: FamilyId,
    },
    /// Unknown, expired, another client's, or with the wrong verifier or `redirect_uri`; or its user, session
    /// or client is no longer there. Nothing has changed.
    Refused,
}

const INSERT: &str = concat!(
    "INSERT INTO authorization_codes (code_hash, family_id, client_id, user_id, session_id, epoch, redirect_uri, \
        code_challenge, nonce, scopes, resources, claims, auth_time, acr, amr, created_at, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17
FROM users u, sessions g, clients c
WHERE u.id = $4 AND g.id = $5 AND g.user_id = u.id AND g.epoch = $6 AND g.ended_at IS NULL AND c.id = $3
    AND ",
    may_issue_sql!()
);

/// Stores a code, if user, session and client may still have tokens. Says whether it did.
///
/// # Errors
/// When the database does not answer, or the hash is taken.
pub async fn insert(db: &impl Execute, code: &NewCode<'_>) -> Result<bool, StorageError> {
    let inserted = db
        .execute(
            INSERT,
            &[
                (&code.code_hash.as_bytes().as_slice(), Type::BYTEA),
                (code.family.as_uuid(), Type::UUID),
                (&code.client.as_str(), Type::TEXT),
                (code.user.as_uuid(), Type::UUID),
                (code.session.as_uuid(), Type::UUID),
                (&code.epoch, Type::INT8),
                (&code.redirect_uri, Type::TEXT),
                (&code.code_challenge.map(CodeChallenge::as_str), Type::TEXT),
                (&code.nonce, Type::TEXT),
                (&code.scopes.as_slice(), Type::TEXT_ARRAY),
                (&code.resources, Type::TEXT_ARRAY),
                (&code.claims.map(Json), Type::JSONB),
                (&code.auth_time, Type::TIMESTAMPTZ),
                (&code.acr, Type::TEXT),
                (&code.amr, Type::TEXT_ARRAY),
                (&code.created_at, Type::TIMESTAMPTZ),
                (&code.expires_at, Type::TIMESTAMPTZ),
            ],
        )
        .await?;
    Ok(inserted == 1)
}

/// Whether the code `g` is the presenter's own: $1 code, $2 client, $3 redirect URI, $4 challenge.
macro_rules! presented_by_owner_sql {
    () => {
        "(g.code_hash = $1 AND g.client_id = $2 AND ($3::text IS NULL OR g.redirect_uri = $3) \
         AND g.code_challenge IS NOT DISTINCT FROM $4)"
    };
}

// The family is made by the statement that spends the code: there is no moment in which a replay finds the one
// without the other. $5 is now, $6 to $12 are the family.
const REDEEM: &str = concat!(
    "WITH spent AS (
    UPDATE authorization_codes g SET redeemed_at = $5
    FROM users u, sessions s, clients c
    WHERE ",
    presented_by_owner_sql!(),
    " AND g.redeemed_at IS NULL AND g.expires_at > $5
        AND u.id = g.user_id AND s.id = g.session_id AND c.id = g.client_id AND s.ended_at IS NULL
        AND ",
    may_issue_sql!(),
    "
    RETURNING g.family_id, g.client_id, g.epoch, g.nonce, ",
    grant_columns!(),
    "),
family AS (
    INSERT INTO token_families (id, user_id, client_id, session_id, epoch, scopes, resources, claims, auth_time, \
        acr, amr, rotates, offline, head, head_kv, created_at, expires_at, idle_expires_at, status_index)
    SELECT family_id, user_id, client_id, session_id, epoch, scopes, resources, claims, auth_time, \
        acr, amr, $6, $7 AND 'offline_access' = ANY(scopes), $8, $9, $5, $10, $11, $12 FROM spent
    RETURNING offline, status_index)
SELECT * FROM spent, family"
);

// Runs after a redemption that found nothing to spend. Of two redemptions at once the second waits for the first
// in REDEEM, and then sees here what it did.
const END_REPLAYED: &str = concat!(
    "WITH seen AS (SELECT g.family_id FROM authorization_codes g WHERE ",
    presented_by_owner_sql!(),
    " AND g.redeemed_at IS NOT NULL),
ended AS (
    UPDATE token_families f SET ended_at = $5, ended_reason = 'code_replay' FROM seen
    WHERE f.id = seen.family_id AND f.ended_at IS NULL RETURNING f.id),
noted AS (INSERT INTO events (at, kind, subject_id) SELECT $5, 'code_replay', id FROM ended)
SELECT family_id FROM seen"
);

/// Spends a code and makes its family: of all callers at most one gets `Redeemed` (RFC 6749 §4.1.2). One round
/// trip; a refusal takes a second, which finds out whether the owner presents it again. A stranger's try
/// (another client, a wrong verifier) neither burns the code nor ends anything.
///
/// Inside a [`Tx`](super::Tx) the caller commits whatever the outcome, or a replay goes unpunished.
///
/// # Errors
/// When the database does not answer.
pub async fn redeem(
    db: &impl Execute,
    presented: &Presented<'_>,
    family: &NewFamily,
    now: DateTime<Utc>,
) -> Result<Redemption, StorageError> {
    let code_hash = presented.code_hash.as_bytes().as_slice();
    let client = presented.client.as_str();
    let challenge = presented.code_challenge.map(CodeChallenge::as_str);
    let params = [
        (&code_hash as _, Type::BYTEA),
        (&client as _, Type::TEXT),
        (&presented.redirect_uri as _, Type::TEXT),
        (&challenge as _, Type::TEXT),
        (&now as _, Type::TIMESTAMPTZ),
        (&family.rotates as _, Type::BOOL),
        (&family.offline as _, Type::BOOL),
        (&FIRST_SERIAL as _, Type::INT8),
        (&family.head_kv as _, Type::INT4),
        (&family.expires_at as _, Type::TIMESTAMPTZ),
        (&family.idle_expires_at as _, Type::TIMESTAMPTZ),
        (&family.status_index.as_i64() as _, Type::INT8),
    ];
    if let Some(row) = db.query_opt(REDEEM, &params).await? {
        return Ok(Redemption::Redeemed(Box::new(Grant::try_from(&row)?)));
    }
    let replayed = db.query_opt(END_REPLAYED, &params[..5]).await?;
    Ok(match replayed {
        Some(row) => Redemption::Replayed {
            family: FamilyId::from(row.try_get::<_, uuid::Uuid>("family_id")?),
        },
        None => Redemption::Refused,
    })
}

const DELETE_ISSUED_BEFORE: &str = "DELETE FROM authorization_codes WHERE code_hash = ANY (ARRAY(
    SELECT code_hash FROM authorization_codes
    WHERE redeemed_at IS NULL AND ($1::timestamptz IS NULL OR created_at < $1) LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Deletes at most `limit` codes that nobody redeemed, those made before `before` or all, and says how many that
/// were. Redeemed ones stay, as what notices a replay.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_issued_before(
    db: &impl Execute,
    before: Option<DateTime<Utc>>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_ISSUED_BEFORE, &params).await
}

// By the index on codes that were not redeemed: it has nothing but what this statement may delete.
const DELETE_EXPIRED: &str = "DELETE FROM authorization_codes WHERE code_hash = ANY (ARRAY(
    SELECT code_hash FROM authorization_codes WHERE redeemed_at IS NULL AND expires_at < $1
    ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED))";

/// Sweeps at most `limit` codes that expired before `before` without being redeemed.
///
/// A redeemed code stays as long as the row of its family, and
/// [`token_families::delete_expired`](super::token_families::delete_expired) takes it along: while there is
/// anything that a replay must end, the replay is noticed.
///
/// # Errors
/// When the database does not answer.
pub async fn delete_expired(
    db: &impl Execute,
    before: DateTime<Utc>,
    limit: i64,
) -> Result<u64, StorageError> {
    let params = [(&before as _, Type::TIMESTAMPTZ), (&limit as _, Type::INT8)];
    db.execute(DELETE_EXPIRED, &params).await
}

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[INSERT, REDEEM, END_REPLAYED, DELETE_ISSUED_BEFORE, DELETE_EXPIRED];
