//! Users of Keycloak, from a realm export or a file of users that `kc.sh export` writes: `{"users": [...]}`.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::candidate::{Candidate, CandidateIdentity, base64, full_name, milliseconds, provider_name};
use super::reason::Reason;
use crate::domain::password::PasswordHash;
use crate::password::foreign::{Digest, UnusableHash, of_text, pbkdf2};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserMember {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    username: Option<String>,
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    email_verified: Option<bool>,
    #[serde(default)]
    first_name: Option<String>,
    #[serde(default)]
    last_name: Option<String>,
    #[serde(default)]
    enabled: Option<bool>,
    #[serde(default)]
    created_timestamp: Option<Value>,
    #[serde(default)]
    attributes: Option<BTreeMap<String, Value>>,
    #[serde(default)]
    credentials: Option<Vec<CredentialMember>>,
    #[serde(default)]
    federated_identities: Option<Vec<IdentityMember>>,
    #[serde(default)]
    service_account_client_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialMember {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    secret_data: Option<String>,
    #[serde(default)]
    credential_data: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IdentityMember {
    identity_provider: String,
    user_id: String,
}

#[derive(Deserialize)]
struct SecretData {
    value: String,
    salt: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CredentialData {
    hash_iterations: u32,
    algorithm: String,
    #[serde(default)]
    additional_parameters: BTreeMap<String, Vec<String>>,
}

/// Reads a user.
///
/// # Errors
/// When it is none of Keycloak's, or an account of a service.
pub fn read(user: Value) -> Result<Candidate, Reason> {
    let user: UserMember = serde_json::from_value(user).map_err(|_| Reason::Malformed)?;
    if user.service_account_client_id.is_some() {
        return Err(Reason::NoEmail);
    }
    let credentials = user.credentials.unwrap_or_default();
    let password = credentials
        .iter()
        .find(|credential| credential.kind == "password")
        .map(hash_of);
    let mut candidate = Candidate {
        subject: Some(user.id.ok_or(Reason::Malformed)?),
        email: user.email,
        email_verified: user.email_verified.unwrap_or(false),
        name: full_name(user.first_name.as_deref(), user.last_name.as_deref())
            .or_else(|| user.username.clone()),
        password,
        created_at: user.created_timestamp.as_ref().and_then(milliseconds),
        disabled: user.enabled == Some(false),
        ..Candidate::default()
    };
    candidate.claim("given_name", user.first_name);
    candidate.claim("family_name", user.last_name);
    candidate.claim("preferred_username", user.username);
    for (name, value) in user.attributes.unwrap_or_default() {
        let first = match &value {
            Value::Array(values) => values.first(),
            value => Some(value),
        };
        let claim = match &*name {
            "locale" | "picture" | "website" | "zoneinfo" | "nickname" | "gender" | "birthdate" => &*name,
            "phoneNumber" | "phone_number" => "phone_number",
            _ => continue,
        };
        candidate.claim(claim, first.and_then(Value::as_str).map(str::to_owned));
    }
    for identity in user.federated_identities.unwrap_or_default() {
        candidate.identities.push(CandidateIdentity {
            provider: provider_name(&identity.identity_provider),
            issuer: None,
            subject: identity.user_id,
            created_at: None,
        });
    }
    Ok(candidate)
}

fn hash_of(credential: &CredentialMember) -> Result<PasswordHash, UnusableHash> {
    fn parse<T: serde::de::DeserializeOwned>(text: Option<&String>) -> Option<T> {
        serde_json::from_str(text?).ok()
    }
    let malformed = UnusableHash::Malformed("Keycloak");
    let secret: SecretData = parse(credential.secret_data.as_ref()).ok_or(malformed)?;
    let data: CredentialData = parse(credential.credential_data.as_ref()).ok_or(malformed)?;
    let salt = base64(&secret.salt).ok_or(malformed)?;
    let hash = base64(&secret.value).ok_or(malformed)?;
    let digest = match &*data.algorithm {
        "pbkdf2" => Digest::Sha1,
        "pbkdf2-sha256" => Digest::Sha256,
        "pbkdf2-sha512" => Digest::Sha512,
        "argon2" => return argon2(&data, &salt, &hash),
        _ => return Err(UnusableHash::Unknown),
    };
    pbkdf2(digest, data.hash_iterations, &salt, &hash)
}

fn argon2(data: &CredentialData, salt: &[u8], hash: &[u8]) -> Result<PasswordHash, UnusableHash> {
    let malformed = UnusableHash::Malformed("argon2");
    let parameter = |name: &str| {
        let values = data.additional_parameters.get(name)?;
        values.first().map(String::as_str)
    };
    let number = |name: &str| parameter(name).and_then(|text| text.parse::<u32>().ok());
    let kind = match parameter("type").unwrap_or("id") {
        kind @ ("i" | "d" | "id") => kind,
        _ => return Err(malformed),
    };
    let version = match parameter("version").unwrap_or("1.3") {
        "1.3" => 19,
        "1.0" => 16,
        _ => return Err(malformed),
    };
    let memory = number("memory").ok_or(malformed)?;
    let lanes = number("parallelism").unwrap_or(1);
    let passes = data.hash_iterations;
    let (salt, hash) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(hash));
    of_text(&format!(
        "$argon2{kind}$v={version}$m={memory},t={passes},p={lanes}${salt}${hash}"
    ))
}
