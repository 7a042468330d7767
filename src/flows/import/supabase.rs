//! Users of Supabase: rows of its table `auth.users`, as JSON or CSV.

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::candidate::{Candidate, CandidateIdentity, provider_name, time};
use super::reason::Reason;
use crate::password::foreign;

#[derive(Deserialize)]
struct UserRow {
    id: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    encrypted_password: Option<String>,
    #[serde(default)]
    email_confirmed_at: Option<String>,
    #[serde(default)]
    phone: Option<String>,
    #[serde(default)]
    phone_confirmed_at: Option<String>,
    #[serde(default)]
    raw_user_meta_data: Option<Value>,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    updated_at: Option<String>,
    #[serde(default)]
    last_sign_in_at: Option<String>,
    #[serde(default)]
    banned_until: Option<String>,
    #[serde(default)]
    deleted_at: Option<String>,
    /// Of its own table, where somebody joined it.
    #[serde(default)]
    identities: Option<Vec<IdentityRow>>,
}

#[derive(Deserialize)]
struct IdentityRow {
    provider: String,
    #[serde(default)]
    provider_id: Option<String>,
    /// The user there, in databases that are older than the member above; else the row's own.
    #[serde(default)]
    id: Option<String>,
}

/// Reads a row. In CSV an empty field is none.
///
/// # Errors
/// When it is none of Supabase's, or that of a deleted user.
pub fn read(row: Value, now: DateTime<Utc>) -> Result<Candidate, Reason> {
    let user: UserRow = serde_json::from_value(row).map_err(|_| Reason::Malformed)?;
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let date = |text: Option<String>| some(text).as_deref().and_then(time);
    if some(user.deleted_at).is_some() {
        return Err(Reason::Deleted);
    }
    let told = match user.raw_user_meta_data {
        Some(Value::Object(told)) => told,
        Some(Value::String(text)) => serde_json::from_str(&text).unwrap_or_default(),
        _ => Map::new(),
    };
    let word = |names: &[&str]| {
        let mut found = names.iter().filter_map(|name| told.get(*name)?.as_str());
        found.find(|text| !text.is_empty()).map(str::to_owned)
    };
    let mut candidate = Candidate {
        subject: Some(user.id),
        email: some(user.email),
        email_verified: some(user.email_confirmed_at).is_some(),
        name: word(&["full_name", "name", "display_name"]),
        password: some(user.encrypted_password).as_deref().map(foreign::of_text),
        created_at: date(user.created_at),
        updated_at: date(user.updated_at),
        last_login_at: date(user.last_sign_in_at),
        disabled: date(user.banned_until).is_some_and(|until| until > now),
        ..Candidate::default()
    };
    candidate.claim("picture", word(&["avatar_url", "picture"]));
    candidate.claim("preferred_username", word(&["preferred_username", "user_name"]));
    if let Some(phone) = some(user.phone) {
        candidate.claim("phone_number", Some(phone));
        let verified = some(user.phone_confirmed_at).is_some();
        candidate
            .profile
            .insert("phone_number_verified".to_owned(), Value::Bool(verified));
    }
    for identity in user.identities.unwrap_or_default() {
        if identity.provider == "email" || identity.provider == "phone" {
            continue;
        }
        candidate.identities.push(CandidateIdentity {
            provider: provider_name(&identity.provider),
            issuer: None,
            subject: identity.provider_id.or(identity.id).unwrap_or_default(),
            created_at: None,
        });
    }
    Ok(candidate)
}
