//! Users of a Better Auth database: the rows of `user`, `account`, `passkey` and `session`.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::candidate::{Candidate, CandidateIdentity, CandidatePasskey, CandidateSession, provider_name};
use super::reason::Reason;
use crate::domain::secret::Secret;
use crate::jose::better_auth_key;
use crate::jose::key_file::{ImportedKey, read_private_key};
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::password::foreign;
use crate::storage::better_auth_database::BetterAuthRow;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserRow {
    id: Value,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default)]
    image: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    // Of plugins.
    #[serde(default)]
    banned: Option<bool>,
    #[serde(default)]
    phone_number: Option<String>,
    #[serde(default)]
    phone_number_verified: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountRow {
    account_id: Value,
    provider_id: String,
    #[serde(default)]
    password: Option<String>,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PasskeyRow {
    #[serde(rename = "credentialID")]
    credential_id: String,
    public_key: String,
    #[serde(default)]
    counter: i64,
    #[serde(default)]
    transports: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    backed_up: bool,
    #[serde(default)]
    device_type: Option<String>,
    #[serde(default)]
    aaguid: Option<String>,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionRow {
    token: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    #[serde(default)]
    ip_address: Option<String>,
    #[serde(default)]
    user_agent: Option<String>,
}

/// What of a database moves in beside its users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sessions {
    /// Sessions come along: the secret that signed their cookies is known.
    Come,
    /// Nobody could show their cookies here.
    Stay,
}

/// Reads a user.
///
/// # Errors
/// When the rows are not those of Better Auth.
pub fn read(row: BetterAuthRow, sessions: Sessions) -> Result<Candidate, Reason> {
    let user: UserRow = parse(row.user)?;
    let mut candidate = Candidate {
        subject: text(&user.id),
        email: user.email,
        email_verified: user.email_verified.unwrap_or(false),
        name: user.name,
        created_at: Some(user.created_at),
        updated_at: Some(user.updated_at),
        disabled: user.banned.unwrap_or(false),
        ..Candidate::default()
    };
    candidate.claim("picture", user.image);
    if user.phone_number.is_some() {
        candidate.claim("phone_number", user.phone_number);
        let verified = user.phone_number_verified.unwrap_or(false);
        candidate
            .profile
            .insert("phone_number_verified".to_owned(), Value::Bool(verified));
    }
    for account in rows::<AccountRow>(row.accounts)? {
        if account.provider_id == "credential" {
            candidate.password = account.password.as_deref().map(foreign::of_text);
        } else {
            candidate.identities.push(CandidateIdentity {
                provider: provider_name(&account.provider_id),
                issuer: None,
                subject: text(&account.account_id).unwrap_or_default(),
                created_at: account.created_at,
            });
        }
    }
    let passkeys = rows::<PasskeyRow>(row.passkeys)?.into_iter();
    candidate.passkeys = passkeys.map(passkey).collect();
    if sessions == Sessions::Come {
        let sessions = rows::<SessionRow>(row.sessions)?.into_iter();
        candidate.sessions = sessions.map(session).collect();
    }
    Ok(candidate)
}

fn passkey(row: PasskeyRow) -> CandidatePasskey {
    CandidatePasskey {
        credential_id: row.credential_id,
        public_key: row.public_key,
        counter: row.counter,
        transports: row.transports.unwrap_or_default(),
        name: row.name,
        backed_up: row.backed_up,
        device_type: row.device_type.unwrap_or_else(|| "singleDevice".to_owned()),
        aaguid: row.aaguid,
        created_at: row.created_at,
    }
}

fn session(row: SessionRow) -> CandidateSession {
    CandidateSession {
        token: Zeroizing::new(row.token),
        ip_address: row.ip_address,
        user_agent: row.user_agent,
        created_at: row.created_at,
        updated_at: row.updated_at,
        expires_at: row.expires_at,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyRow {
    id: Value,
    private_key: String,
    created_at: DateTime<Utc>,
    #[serde(default)]
    alg: Option<String>,
}

/// A signing key of the server before.
#[derive(Debug)]
pub struct ForeignKey {
    /// The key, under its own name.
    pub key: ImportedKey,
    /// Since when it was published.
    pub published_at: DateTime<Utc>,
}

/// Reads a row of `jwks`.
///
/// # Errors
/// With the key's name, as far as it has one, when no secret opens it or it is none that signs here.
pub fn read_key(row: Value, secrets: &[Secret]) -> Result<ForeignKey, (Option<String>, Reason)> {
    let row: KeyRow = parse(row).map_err(|reason| (None, reason))?;
    let kid = text(&row.id);
    let open = || -> Result<ImportedKey, Reason> {
        let private = better_auth_key::open(&row.private_key, secrets)?;
        // Older databases do not say: then it is the default.
        let algorithm = row.alg.as_deref().unwrap_or("EdDSA");
        let algorithm = SigningAlgorithm::parse(algorithm).ok_or(Reason::Malformed)?;
        Ok(read_private_key(&private, Some(algorithm), kid.clone())?)
    };
    let key = open().map_err(|reason| (kid.clone(), reason))?;
    Ok(ForeignKey {
        key,
        published_at: row.created_at,
    })
}

fn parse<T: serde::de::DeserializeOwned>(row: Value) -> Result<T, Reason> {
    serde_json::from_value(row).map_err(|_| Reason::Malformed)
}

fn rows<T: serde::de::DeserializeOwned>(rows: Option<Value>) -> Result<Vec<T>, Reason> {
    match rows {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(rows) => parse(rows),
    }
}

/// An id, which may be a number in the database and is a text on the wire.
fn text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
