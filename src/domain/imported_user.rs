//! A user who moves in from another provider, judged and fit to be stored, with all that comes along.

use std::fmt;

use chrono::{DateTime, Utc};

use super::email::EmailAddress;
use super::ids::{SessionId, UserId};
use super::password::PasswordHash;
use super::secret::TokenHash;
use super::subject::Subject;
use super::user::Profile;

/// A user to be stored.
pub struct ImportedUser {
    /// The id: the subject's own if it is one, else random.
    pub id: UserId,
    /// The name that applications know the user by; `None` for a source that has none.
    pub subject: Option<Subject>,
    /// The address.
    pub email: EmailAddress,
    /// Whether the source says that it was proven.
    pub email_verified: bool,
    /// What people call the user.
    pub name: String,
    /// Further standard claims.
    pub profile: Profile,
    /// The password's hash, if it can be verified here.
    pub password_hash: Option<PasswordHash>,
    /// When the account was made there.
    pub created_at: DateTime<Utc>,
    /// When it last changed there.
    pub updated_at: DateTime<Utc>,
    /// When the user last logged in there.
    pub last_login_at: Option<DateTime<Utc>>,
    /// Since when the user may do nothing.
    pub disabled_at: Option<DateTime<Utc>>,
    /// Who the user is at providers that they log in with.
    pub identities: Vec<ImportedIdentity>,
    /// The user's passkeys.
    pub passkeys: Vec<ImportedPasskey>,
    /// The user's live sessions.
    pub sessions: Vec<ImportedSession>,
}

impl ImportedUser {
    /// The subject as it rests: that of an id is the id itself.
    pub const fn subject_text(&self) -> Option<&str> {
        match &self.subject {
            Some(Subject::Text(text)) => Some(text.as_str()),
            Some(Subject::Id(_)) | None => None,
        }
    }
}

impl fmt::Debug for ImportedUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImportedUser")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// Who a user is at a provider that they log in with.
#[derive(Clone)]
pub struct ImportedIdentity {
    /// Random.
    pub id: uuid::Uuid,
    /// What the provider is called here.
    pub provider: String,
    /// Its issuer, where the source tells it.
    pub issuer: Option<String>,
    /// The user there.
    pub subject: String,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A passkey (WebAuthn).
#[derive(Clone)]
pub struct ImportedPasskey {
    /// Random.
    pub id: uuid::Uuid,
    /// What the authenticator calls it.
    pub credential_id: Vec<u8>,
    /// Its public key, in COSE form.
    pub public_key: Vec<u8>,
    /// How often it was used, as it says.
    pub counter: i64,
    /// How it is reached, with commas between.
    pub transports: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// Whether it is kept in several places.
    pub backed_up: bool,
    /// `singleDevice` or `multiDevice`.
    pub device_type: String,
    /// The model of the authenticator.
    pub aaguid: Option<uuid::Uuid>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// A live session.
#[derive(Clone)]
pub struct ImportedSession {
    /// Its id here, random.
    pub id: SessionId,
    /// The SHA-256 of its token there.
    pub token_hash: TokenHash,
    /// Where the login came from.
    pub ip_address: Option<String>,
    /// With which browser.
    pub user_agent: Option<String>,
    /// Whether the browser was to keep it beyond its own end.
    pub remembered: bool,
    /// When the user logged in.
    pub created_at: DateTime<Utc>,
    /// When it was last used.
    pub last_used_at: DateTime<Utc>,
    /// When it ends for want of use.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
}
