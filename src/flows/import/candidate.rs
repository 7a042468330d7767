//! A user as a source has them, before anything is judged; and what the parsers of the sources share.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::reason::Reason;
use crate::domain::password::PasswordHash;
use crate::password::foreign::UnusableHash;

/// A record of a source.
pub struct Record {
    /// Which one it is, counted from one.
    pub position: u64,
    /// What it says, if it can be read.
    pub candidate: Result<Candidate, Reason>,
}

/// A user who wants to come in.
#[derive(Default)]
pub struct Candidate {
    /// Their name there.
    pub subject: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Whether the source says that it was proven.
    pub email_verified: bool,
    /// What people call them.
    pub name: Option<String>,
    /// Further standard claims.
    pub profile: Map<String, Value>,
    /// The password's hash.
    pub password: Option<Result<PasswordHash, UnusableHash>>,
    /// When the account was made.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: Option<DateTime<Utc>>,
    /// When they last logged in.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Whether they may do nothing.
    pub disabled: bool,
    /// Who they are at other providers.
    pub identities: Vec<CandidateIdentity>,
    /// Their passkeys.
    pub passkeys: Vec<CandidatePasskey>,
    /// Their sessions.
    pub sessions: Vec<CandidateSession>,
}

/// Who a user is at another provider.
pub struct CandidateIdentity {
    /// The provider, as the source calls it.
    pub provider: String,
    /// Its issuer.
    pub issuer: Option<String>,
    /// The user there.
    pub subject: String,
    /// Since when.
    pub created_at: Option<DateTime<Utc>>,
}

/// A passkey.
pub struct CandidatePasskey {
    /// In base64url.
    pub credential_id: String,
    /// A COSE key in base64.
    pub public_key: String,
    /// How often it was used.
    pub counter: i64,
    /// A list with commas.
    pub transports: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// Whether it is kept in several places.
    pub backed_up: bool,
    /// `singleDevice` or `multiDevice`.
    pub device_type: String,
    /// The model of the authenticator.
    pub aaguid: Option<String>,
    /// Since when.
    pub created_at: Option<DateTime<Utc>>,
}

/// A session.
pub struct CandidateSession {
    /// Its token.
    pub token: zeroize::Zeroizing<String>,
    /// Where the login came from.
    pub ip_address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub updated_at: DateTime<Utc>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

impl Candidate {
    /// Sets a claim, if there is a value that says anything.
    pub fn claim(&mut self, name: &str, value: Option<String>) {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            self.profile.insert(name.to_owned(), Value::String(value));
        }
    }
}

/// What the same provider is called here.
pub fn provider_name(name: &str) -> String {
    match name {
        "google.com" | "google-oauth2" => "google",
        "github.com" => "github",
        "facebook.com" => "facebook",
        "apple.com" => "apple",
        "twitter.com" => "twitter",
        "microsoft.com" | "windowslive" | "azure" => "microsoft",
        other => other,
    }
    .to_owned()
}

/// A name of two parts.
pub fn full_name(given: Option<&str>, family: Option<&str>) -> Option<String> {
    let parts: Vec<&str> = [given, family]
        .into_iter()
        .flatten()
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// A time in RFC 3339, or as PostgreSQL writes it (`2026-01-31 12:00:00.5+00`).
pub fn time(text: &str) -> Option<DateTime<Utc>> {
    let parsed = DateTime::parse_from_rfc3339(text)
        .or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z"))
        .ok()?;
    Some(parsed.to_utc())
}

/// A number of milliseconds since 1970, as a number or as text.
pub fn milliseconds(value: &Value) -> Option<DateTime<Utc>> {
    let number = match value {
        Value::Number(number) => number.as_i64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    DateTime::from_timestamp_millis(number)
}

const LENIENT: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

/// Base64 in either alphabet, padded or not.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}
