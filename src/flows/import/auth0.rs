//! Users of Auth0, one JSON object a line: the bulk export of users, and the export of password hashes that its support
//! makes. The second is read after the first, and gives users their passwords.

use serde::Deserialize;
use serde_json::Value;

use super::candidate::{Candidate, CandidateIdentity, full_name, provider_name, time};
use super::reason::Reason;
use crate::password::foreign;

#[derive(Deserialize)]
struct UserLine {
    #[serde(default, alias = "Id")]
    user_id: Option<String>,
    #[serde(default)]
    _id: Option<Value>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    given_name: Option<String>,
    #[serde(default)]
    family_name: Option<String>,
    #[serde(default)]
    nickname: Option<String>,
    #[serde(default)]
    picture: Option<String>,
    #[serde(default, alias = "passwordHash")]
    password_hash: Option<String>,
    #[serde(default)]
    created_at: Option<Value>,
    #[serde(default)]
    updated_at: Option<Value>,
    #[serde(default)]
    last_login: Option<Value>,
    #[serde(default)]
    blocked: Option<bool>,
    #[serde(default)]
    identities: Option<Vec<IdentityMember>>,
}

#[derive(Deserialize)]
struct IdentityMember {
    provider: String,
    user_id: Value,
}

/// What Auth0 calls its own accounts.
const OWN: &str = "auth0";

/// Reads a user.
///
/// # Errors
/// When it is none of Auth0's.
pub fn read(line: Value) -> Result<Candidate, Reason> {
    let user: UserLine = serde_json::from_value(line).map_err(|_| Reason::Malformed)?;
    let own_id = user._id.as_ref().and_then(|id| {
        let id = id.get("$oid").unwrap_or(id);
        id.as_str().map(|id| format!("{OWN}|{id}"))
    });
    let subject = user.user_id.or(own_id).ok_or(Reason::Malformed)?;
    let date = |value: Option<Value>| {
        let value = value?;
        let value = value.get("$date").unwrap_or(&value);
        value
            .as_str()
            .and_then(time)
            .or_else(|| super::candidate::milliseconds(value))
    };
    let mut candidate = Candidate {
        subject: Some(subject),
        // An account without a name of its own has its address there.
        name: user
            .name
            .filter(|name| Some(name) != user.email.as_ref())
            .or_else(|| full_name(user.given_name.as_deref(), user.family_name.as_deref())),
        email: user.email,
        email_verified: user.email_verified.unwrap_or(false),
        password: user.password_hash.as_deref().map(foreign::of_text),
        created_at: date(user.created_at),
        updated_at: date(user.updated_at),
        last_login_at: date(user.last_login),
        disabled: user.blocked.unwrap_or(false),
        ..Candidate::default()
    };
    candidate.claim("given_name", user.given_name);
    candidate.claim("family_name", user.family_name);
    candidate.claim("nickname", user.nickname);
    candidate.claim("picture", user.picture);
    for identity in user.identities.unwrap_or_default() {
        if identity.provider == OWN {
            continue;
        }
        let subject = match identity.user_id {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => String::new(),
        };
        candidate.identities.push(CandidateIdentity {
            provider: provider_name(&identity.provider),
            issuer: None,
            subject,
            created_at: None,
        });
    }
    Ok(candidate)
}
