//! Our own form, for everything else: a JSON object a line. docs/moving-in.md describes it; what it does not know is
//! refused, so that a misspelt member loses nobody's password.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::candidate::{Candidate, CandidateIdentity};
use super::reason::Reason;
use crate::password::foreign;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserLine {
    #[serde(default)]
    subject: Option<String>,
    email: String,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    profile: Map<String, Value>,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    created_at: Option<DateTime<Utc>>,
    #[serde(default)]
    updated_at: Option<DateTime<Utc>>,
    #[serde(default)]
    last_login_at: Option<DateTime<Utc>>,
    #[serde(default)]
    disabled: bool,
    #[serde(default)]
    identities: Vec<IdentityMember>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentityMember {
    provider: String,
    subject: String,
    #[serde(default)]
    issuer: Option<String>,
}

/// Reads a user.
///
/// # Errors
/// When it has not the form.
pub fn read(line: Value) -> Result<Candidate, Reason> {
    let user: UserLine = serde_json::from_value(line).map_err(|_| Reason::Malformed)?;
    Ok(Candidate {
        subject: user.subject,
        email: Some(user.email),
        email_verified: user.email_verified,
        name: user.name,
        profile: user.profile,
        password: user.password_hash.as_deref().map(foreign::of_text),
        created_at: user.created_at,
        updated_at: user.updated_at,
        last_login_at: user.last_login_at,
        disabled: user.disabled,
        identities: user
            .identities
            .into_iter()
            .map(|identity| CandidateIdentity {
                provider: identity.provider,
                issuer: identity.issuer,
                subject: identity.subject,
                created_at: None,
            })
            .collect(),
        ..Candidate::default()
    })
}
