//! Users of Firebase, as `firebase auth:export users.json` writes them: `{"users": [...]}`.

use serde::Deserialize;
use serde_json::Value;

use super::candidate::{Candidate, CandidateIdentity, base64, milliseconds, provider_name};
use super::reason::Reason;
use crate::password::foreign::{FirebaseParams, UnusableHash, of_firebase};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserMember {
    local_id: String,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default)]
    display_name: Option<String>,
    #[serde(default)]
    photo_url: Option<String>,
    #[serde(default)]
    phone_number: Option<String>,
    #[serde(default)]
    password_hash: Option<String>,
    #[serde(default)]
    salt: Option<String>,
    #[serde(default)]
    created_at: Option<Value>,
    #[serde(default)]
    last_signed_in_at: Option<Value>,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    provider_user_info: Option<Vec<ProviderMember>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProviderMember {
    provider_id: String,
    #[serde(default)]
    raw_id: Option<String>,
}

/// Reads a user. Without `params` no password can be taken over.
///
/// # Errors
/// When it is none of Firebase's.
pub fn read(user: Value, params: Option<&FirebaseParams>) -> Result<Candidate, Reason> {
    let user: UserMember = serde_json::from_value(user).map_err(|_| Reason::Malformed)?;
    let password = user
        .password_hash
        .filter(|hash| !hash.is_empty())
        .map(|hash| hash_of(&hash, user.salt.as_deref(), params));
    let mut candidate = Candidate {
        subject: Some(user.local_id),
        email: user.email,
        email_verified: user.email_verified.unwrap_or(false),
        name: user.display_name,
        password,
        created_at: user.created_at.as_ref().and_then(milliseconds),
        last_login_at: user.last_signed_in_at.as_ref().and_then(milliseconds),
        disabled: user.disabled.unwrap_or(false),
        ..Candidate::default()
    };
    candidate.claim("picture", user.photo_url);
    if user.phone_number.is_some() {
        // Firebase keeps none that did not get its code.
        candidate
            .profile
            .insert("phone_number_verified".to_owned(), Value::Bool(true));
        candidate.claim("phone_number", user.phone_number);
    }
    for provider in user.provider_user_info.unwrap_or_default() {
        if matches!(&*provider.provider_id, "password" | "phone" | "emailLink") {
            continue;
        }
        candidate.identities.push(CandidateIdentity {
            provider: provider_name(&provider.provider_id),
            issuer: None,
            subject: provider.raw_id.unwrap_or_default(),
            created_at: None,
        });
    }
    Ok(candidate)
}

fn hash_of(
    hash: &str,
    salt: Option<&str>,
    params: Option<&FirebaseParams>,
) -> Result<crate::domain::password::PasswordHash, UnusableHash> {
    let params = params.ok_or(UnusableHash::Unknown)?;
    let malformed = UnusableHash::Malformed("Firebase scrypt");
    let hash = base64(hash).ok_or(malformed)?;
    let salt = salt.and_then(base64).ok_or(malformed)?;
    of_firebase(params, &salt, &hash)
}
