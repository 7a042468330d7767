//! What is stored about one user, table by table, for the user to have. Columns are named one by one: a hash of a
//! secret is left out, and a new column must be thought of.

use serde_json::Value;
use tokio_postgres::types::{Json, Type};

use super::{Execute, StorageError};
use crate::domain::ids::UserId;

/// Every statement of this file.
pub const STATEMENTS: &[&str] = &[FIND];

/// Rows as JSON, by what they are.
#[derive(Debug, Default)]
pub struct Exported {
    /// What the account has beside what tokens tell.
    pub account: Value,
    /// Logins, the ended ones too.
    pub sessions: Value,
    /// What applications hold tokens for.
    pub grants: Value,
    /// What applications may have.
    pub consents: Value,
    /// Browsers that are remembered.
    pub devices: Value,
    /// Who the user is elsewhere.
    pub identities: Value,
    /// Passkeys.
    pub passkeys: Value,
    /// Links that were mailed.
    pub links: Value,
    /// Mails that are still to be sent.
    pub mails: Value,
    /// What happened.
    pub events: Value,
}

macro_rules! rows {
    ($name:literal, $select:literal) => {
        concat!(
            "(SELECT coalesce(jsonb_agg(r), '[]') FROM (",
            $select,
            ") r) AS ",
            $name
        )
    };
}

const FIND: &str = concat!(
    "SELECT ",
    "(SELECT to_jsonb(r) FROM (SELECT password_hash IS NOT NULL AS has_password, disabled_at, signup_user_agent
        FROM users WHERE id = $1) r) AS account, ",
    rows!(
        "sessions",
        "SELECT id, auth_time, acr, amr, ip_address, user_agent, created_at, last_used_at, idle_expires_at,
            expires_at, ended_at, ended_reason FROM sessions WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "grants",
        "SELECT id, client_id, session_id, scopes, resources, created_at, expires_at, ended_at
            FROM token_families WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "consents",
        "SELECT client_id, scopes, resources, claims, granted_at, updated_at FROM consents WHERE user_id = $1 ORDER BY client_id"
    ),
    ", ",
    rows!(
        "devices",
        "SELECT failures, created_at, expires_at FROM devices WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "identities",
        "SELECT provider, issuer, subject, profile, tokens_sealed IS NOT NULL AS keeps_tokens, last_used_at, created_at,
            updated_at FROM identities
            WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "passkeys",
        "SELECT encode(credential_id, 'base64') AS credential_id, encode(public_key, 'base64') AS public_key, counter,
            transports, name, backed_up, device_type, aaguid, created_at FROM passkeys
            WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "links",
        "SELECT purpose, email, details, created_at, expires_at, used_at FROM mailed_links
            WHERE user_id = $1 ORDER BY created_at"
    ),
    ", ",
    rows!(
        "mails",
        "SELECT kind, email, params - 'browser' AS params, created_at, failed_at FROM outgoing_mails
            WHERE user_id = $1 OR email_key = (SELECT email_key FROM users WHERE id = $1) ORDER BY created_at"
    ),
    ", ",
    rows!(
        "events",
        "SELECT at, kind FROM events WHERE subject_id = $1
            OR subject_id IN (SELECT id FROM token_families WHERE user_id = $1) ORDER BY at"
    )
);

/// Everything about a user.
///
/// # Errors
/// When the database does not answer.
pub async fn find(db: &impl Execute, user: UserId) -> Result<Exported, StorageError> {
    let Some(row) = db.query_opt(FIND, &[(user.as_uuid(), Type::UUID)]).await? else {
        return Ok(Exported::default());
    };
    let json = |name: &str| -> Result<Value, StorageError> {
        let value: Option<Json<Value>> = row.try_get(name)?;
        Ok(value.map_or(Value::Null, |Json(value)| value))
    };
    Ok(Exported {
        account: json("account")?,
        sessions: json("sessions")?,
        grants: json("grants")?,
        consents: json("consents")?,
        devices: json("devices")?,
        identities: json("identities")?,
        passkeys: json("passkeys")?,
        links: json("links")?,
        mails: json("mails")?,
        events: json("events")?,
    })
}
