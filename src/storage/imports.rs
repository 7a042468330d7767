//! Users who move in, a batch at a time: one statement a kind of thing. What is there already stays as it is.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use tokio_postgres::types::{Json, Type};
use uuid::Uuid;

use super::{Execute, StorageError};
use crate::domain::browser_session::ACR_SINGLE_FACTOR;
use crate::domain::ids::UserId;
use crate::domain::imported_user::{ImportedIdentity, ImportedPasskey, ImportedSession, ImportedUser};
use crate::domain::password::PasswordHash;
use crate::domain::secret::TokenHash;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[
    FIND_PRESENT,
    FIND_RETIRED,
    INSERT_USERS,
    ADD_PASSWORDS,
    INSERT_IDENTITIES,
    INSERT_PASSKEYS,
    INSERT_SESSIONS,
];

/// A user who is in the way of an incoming one, or is that one.
#[derive(Debug)]
pub struct PresentUser {
    /// The id.
    pub id: UserId,
    /// The subject, where it is not the id.
    pub subject: Option<String>,
    /// The address's key.
    pub email_key: String,
    /// Where the user was imported from.
    pub origin: Option<String>,
}

const FIND_PRESENT: &str = "SELECT id, subject, email_key, origin FROM users
WHERE id = ANY ($1) OR subject = ANY ($2) OR email_key = ANY ($3)";

/// The users that have one of these ids, subjects or addresses.
///
/// # Errors
/// When the database does not answer.
pub async fn find_present(
    db: &impl Execute,
    users: &[ImportedUser],
) -> Result<Vec<PresentUser>, StorageError> {
    let ids: Vec<&Uuid> = users.iter().map(|user| user.id.as_uuid()).collect();
    let subjects: Vec<&str> = users.iter().filter_map(ImportedUser::subject_text).collect();
    let keys: Vec<&str> = users.iter().map(|user| user.email.key().as_str()).collect();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&subjects as _, Type::TEXT_ARRAY),
        (&keys as _, Type::TEXT_ARRAY),
    ];
    let rows = db.query(FIND_PRESENT, &params).await?;
    Ok(rows
        .iter()
        .map(|row| PresentUser {
            id: UserId::from(row.get::<_, Uuid>("id")),
            subject: row.get("subject"),
            email_key: row.get("email_key"),
            origin: row.get("origin"),
        })
        .collect())
}

const FIND_RETIRED: &str = "SELECT s.subject FROM unnest($1::text[]) AS s (subject)
JOIN retired_subjects r ON r.subject_hash = sha256(convert_to(s.subject, 'UTF8'))";

/// Which of these subjects were a deleted user's.
///
/// # Errors
/// When the database does not answer.
pub async fn find_retired(db: &impl Execute, subjects: &[String]) -> Result<HashSet<String>, StorageError> {
    let rows = db.query(FIND_RETIRED, &[(&subjects, Type::TEXT_ARRAY)]).await?;
    Ok(rows.iter().map(|row| row.get("subject")).collect())
}

// The subject is looked for among the retired ones once more: a user may have been deleted a moment ago.
const INSERT_USERS: &str = "INSERT INTO users (id, subject, email, email_key, email_verified, name, profile,
    password_hash, created_at, updated_at, last_login_at, disabled_at, origin)
SELECT i.id, i.subject, i.email, i.email_key, i.email_verified, i.name, i.profile, i.password_hash, i.created_at,
    i.updated_at, i.last_login_at, i.disabled_at, $13
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::text[], $7::jsonb[], $8::text[],
        $9::timestamptz[], $10::timestamptz[], $11::timestamptz[], $12::timestamptz[])
    AS i (id, subject, email, email_key, email_verified, name, profile, password_hash, created_at, updated_at,
        last_login_at, disabled_at)
WHERE NOT EXISTS (SELECT FROM retired_subjects r
    WHERE r.subject_hash = sha256(convert_to(COALESCE(i.subject, i.id::text), 'UTF8')))
ON CONFLICT DO NOTHING RETURNING id";

/// Stores users, but for those whose id, subject or address is taken, and says which it stored.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_users(
    db: &impl Execute,
    users: &[&ImportedUser],
    origin: &str,
) -> Result<HashSet<UserId>, StorageError> {
    let ids: Vec<&Uuid> = users.iter().map(|user| user.id.as_uuid()).collect();
    let subjects: Vec<Option<&str>> = users.iter().map(|user| user.subject_text()).collect();
    let emails: Vec<&str> = users.iter().map(|user| user.email.as_str()).collect();
    let keys: Vec<&str> = users.iter().map(|user| user.email.key().as_str()).collect();
    let verified: Vec<bool> = users.iter().map(|user| user.email_verified).collect();
    let names: Vec<&str> = users.iter().map(|user| &*user.name).collect();
    let profiles: Vec<Json<&Map<String, Value>>> =
        users.iter().map(|user| Json(user.profile.as_map())).collect();
    let hashes: Vec<Option<&str>> = users
        .iter()
        .map(|user| user.password_hash.as_ref().map(PasswordHash::as_str))
        .collect();
    let created: Vec<DateTime<Utc>> = users.iter().map(|user| user.created_at).collect();
    let updated: Vec<DateTime<Utc>> = users.iter().map(|user| user.updated_at).collect();
    let logged_in: Vec<Option<DateTime<Utc>>> = users.iter().map(|user| user.last_login_at).collect();
    let disabled: Vec<Option<DateTime<Utc>>> = users.iter().map(|user| user.disabled_at).collect();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&subjects as _, Type::TEXT_ARRAY),
        (&emails as _, Type::TEXT_ARRAY),
        (&keys as _, Type::TEXT_ARRAY),
        (&verified as _, Type::BOOL_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
        (&profiles as _, Type::JSONB_ARRAY),
        (&hashes as _, Type::TEXT_ARRAY),
        (&created as _, Type::TIMESTAMPTZ_ARRAY),
        (&updated as _, Type::TIMESTAMPTZ_ARRAY),
        (&logged_in as _, Type::TIMESTAMPTZ_ARRAY),
        (&disabled as _, Type::TIMESTAMPTZ_ARRAY),
        (&origin as _, Type::TEXT),
    ];
    let rows = db.query(INSERT_USERS, &params).await?;
    Ok(rows
        .iter()
        .map(|row| UserId::from(row.get::<_, Uuid>("id")))
        .collect())
}

const ADD_PASSWORDS: &str = "UPDATE users u SET password_hash = i.password_hash
FROM unnest($1::uuid[], $2::text[]) AS i (id, password_hash)
WHERE u.id = i.id AND u.password_hash IS NULL AND u.epoch = 0 AND u.origin = $3";

/// Gives users of `origin` their passwords who were imported without, and have chosen none since. Says how many.
///
/// # Errors
/// When the database does not answer.
pub async fn add_passwords(
    db: &impl Execute,
    passwords: &[(UserId, &PasswordHash)],
    origin: &str,
) -> Result<u64, StorageError> {
    let (ids, hashes): (Vec<&Uuid>, Vec<&str>) = passwords
        .iter()
        .map(|(user, hash)| (user.as_uuid(), hash.as_str()))
        .unzip();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&hashes as _, Type::TEXT_ARRAY),
        (&origin as _, Type::TEXT),
    ];
    db.execute(ADD_PASSWORDS, &params).await
}

const INSERT_IDENTITIES: &str =
    "INSERT INTO identities (id, user_id, provider, issuer, subject, created_at, updated_at)
SELECT i.id, i.user_id, i.provider, i.issuer, i.subject, i.created_at, $7
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])
    AS i (id, user_id, provider, issuer, subject, created_at)
ON CONFLICT DO NOTHING RETURNING id";

/// Stores who users are elsewhere, but for what is somebody's already, and says which it stored.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_identities(
    db: &impl Execute,
    identities: &[(UserId, &ImportedIdentity)],
    now: DateTime<Utc>,
) -> Result<HashSet<Uuid>, StorageError> {
    let ids: Vec<Uuid> = identities.iter().map(|(_, it)| it.id).collect();
    let users: Vec<&Uuid> = identities.iter().map(|(user, _)| user.as_uuid()).collect();
    let providers: Vec<&str> = identities.iter().map(|(_, it)| &*it.provider).collect();
    let issuers: Vec<Option<&str>> = identities.iter().map(|(_, it)| it.issuer.as_deref()).collect();
    let subjects: Vec<&str> = identities.iter().map(|(_, it)| &*it.subject).collect();
    let created: Vec<DateTime<Utc>> = identities.iter().map(|(_, it)| it.created_at).collect();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&users as _, Type::UUID_ARRAY),
        (&providers as _, Type::TEXT_ARRAY),
        (&issuers as _, Type::TEXT_ARRAY),
        (&subjects as _, Type::TEXT_ARRAY),
        (&created as _, Type::TIMESTAMPTZ_ARRAY),
        (&now as _, Type::TIMESTAMPTZ),
    ];
    let rows = db.query(INSERT_IDENTITIES, &params).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

// An array cannot hold arrays of different lengths, so the transports come as the list that they were.
const INSERT_PASSKEYS: &str = "INSERT INTO passkeys (id, user_id, credential_id, public_key, counter, transports, name,
    backed_up, device_type, aaguid, created_at)
SELECT i.id, i.user_id, i.credential_id, i.public_key, i.counter, string_to_array(i.transports, ','), i.name,
    i.backed_up, i.device_type, i.aaguid, i.created_at
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::bytea[], $5::bigint[], $6::text[], $7::text[], $8::boolean[],
        $9::text[], $10::uuid[], $11::timestamptz[])
    AS i (id, user_id, credential_id, public_key, counter, transports, name, backed_up, device_type, aaguid,
        created_at)
ON CONFLICT DO NOTHING RETURNING id";

/// Stores passkeys, but for those that are there, and says which it stored.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_passkeys(
    db: &impl Execute,
    passkeys: &[(UserId, &ImportedPasskey)],
) -> Result<HashSet<Uuid>, StorageError> {
    let ids: Vec<Uuid> = passkeys.iter().map(|(_, it)| it.id).collect();
    let users: Vec<&Uuid> = passkeys.iter().map(|(user, _)| user.as_uuid()).collect();
    let credentials: Vec<&[u8]> = passkeys.iter().map(|(_, it)| &*it.credential_id).collect();
    let keys: Vec<&[u8]> = passkeys.iter().map(|(_, it)| &*it.public_key).collect();
    let counters: Vec<i64> = passkeys.iter().map(|(_, it)| it.counter).collect();
    let transports: Vec<&str> = passkeys.iter().map(|(_, it)| &*it.transports).collect();
    let names: Vec<Option<&str>> = passkeys.iter().map(|(_, it)| it.name.as_deref()).collect();
    let backed_up: Vec<bool> = passkeys.iter().map(|(_, it)| it.backed_up).collect();
    let types: Vec<&str> = passkeys.iter().map(|(_, it)| &*it.device_type).collect();
    let aaguids: Vec<Option<Uuid>> = passkeys.iter().map(|(_, it)| it.aaguid).collect();
    let created: Vec<DateTime<Utc>> = passkeys.iter().map(|(_, it)| it.created_at).collect();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&users as _, Type::UUID_ARRAY),
        (&credentials as _, Type::BYTEA_ARRAY),
        (&keys as _, Type::BYTEA_ARRAY),
        (&counters as _, Type::INT8_ARRAY),
        (&transports as _, Type::TEXT_ARRAY),
        (&names as _, Type::TEXT_ARRAY),
        (&backed_up as _, Type::BOOL_ARRAY),
        (&types as _, Type::TEXT_ARRAY),
        (&aaguids as _, Type::UUID_ARRAY),
        (&created as _, Type::TIMESTAMPTZ_ARRAY),
    ];
    let rows = db.query(INSERT_PASSKEYS, &params).await?;
    Ok(rows.iter().map(|row| row.get("id")).collect())
}

// A user whose epoch moved since they came has ended all that was before, here and there. What ended one session here
// leaves its row, so that it does not come again.
const INSERT_SESSIONS: &str = "WITH incoming AS (
    SELECT i.id, i.user_id, i.token_hash, i.ip_address, i.user_agent, i.created_at, i.last_used_at,
        i.idle_expires_at, i.expires_at, i.remembered
    FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[],
            $8::timestamptz[], $9::timestamptz[], $11::boolean[])
        AS i (id, user_id, token_hash, ip_address, user_agent, created_at, last_used_at, idle_expires_at, expires_at,
            remembered)
    JOIN users u ON u.id = i.user_id
    WHERE u.epoch = 0 AND u.disabled_at IS NULL
        AND NOT EXISTS (SELECT FROM imported_sessions k WHERE k.token_hash = i.token_hash)),
begun AS (INSERT INTO sessions (id, user_id, epoch, auth_time, acr, amr, ip_address, user_agent, created_at,
        last_used_at, idle_expires_at, expires_at, remembered)
    SELECT id, user_id, 0, created_at, $10, '{}', ip_address, user_agent, created_at, last_used_at, idle_expires_at,
        expires_at, remembered
    FROM incoming RETURNING id)
INSERT INTO imported_sessions (token_hash, session_id)
SELECT i.token_hash, i.id FROM incoming i JOIN begun b ON b.id = i.id ON CONFLICT DO NOTHING";

/// Stores live sessions under the hashes of the tokens that they had, but for those that are there, and says how
/// many. By what their users had logged in nobody knows.
///
/// # Errors
/// When the database does not answer.
pub async fn insert_sessions(
    db: &impl Execute,
    sessions: &[(UserId, &ImportedSession)],
) -> Result<u64, StorageError> {
    let ids: Vec<&Uuid> = sessions.iter().map(|(_, it)| it.id.as_uuid()).collect();
    let users: Vec<&Uuid> = sessions.iter().map(|(user, _)| user.as_uuid()).collect();
    let hashes: Vec<&[u8]> = sessions
        .iter()
        .map(|(_, it)| &TokenHash::as_bytes(&it.token_hash)[..])
        .collect();
    let addresses: Vec<Option<&str>> = sessions.iter().map(|(_, it)| it.ip_address.as_deref()).collect();
    let agents: Vec<Option<&str>> = sessions.iter().map(|(_, it)| it.user_agent.as_deref()).collect();
    let created: Vec<DateTime<Utc>> = sessions.iter().map(|(_, it)| it.created_at).collect();
    let used: Vec<DateTime<Utc>> = sessions.iter().map(|(_, it)| it.last_used_at).collect();
    let idle: Vec<DateTime<Utc>> = sessions.iter().map(|(_, it)| it.idle_expires_at).collect();
    let remembered: Vec<bool> = sessions.iter().map(|(_, it)| it.remembered).collect();
    let expires: Vec<DateTime<Utc>> = sessions.iter().map(|(_, it)| it.expires_at).collect();
    let params = [
        (&ids as _, Type::UUID_ARRAY),
        (&users as _, Type::UUID_ARRAY),
        (&hashes as _, Type::BYTEA_ARRAY),
        (&addresses as _, Type::TEXT_ARRAY),
        (&agents as _, Type::TEXT_ARRAY),
        (&created as _, Type::TIMESTAMPTZ_ARRAY),
        (&used as _, Type::TIMESTAMPTZ_ARRAY),
        (&idle as _, Type::TIMESTAMPTZ_ARRAY),
        (&expires as _, Type::TIMESTAMPTZ_ARRAY),
        (&ACR_SINGLE_FACTOR as _, Type::TEXT),
        (&remembered as _, Type::BOOL_ARRAY),
    ];
    db.execute(INSERT_SESSIONS, &params).await
}
