//! Signing in through another provider: what a browser is on its way for, and who came back.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::ids::{IdentityId, UserId};
use super::mac::MacKey;
use super::secret::PlainToken;

/// What a browser is sent to a provider for, and where it goes in the end. Stored, so names in it stay.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// What for.
    pub intent: Intent,
    /// By which of our faces.
    pub face: Face,
    /// Whether the user is to prove once more who they are.
    #[serde(default)]
    pub again: bool,
}

impl fmt::Debug for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Way")
            .field("intent", &self.intent)
            .finish_non_exhaustive()
    }
}

/// What a browser is sent to a provider for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intent {
    /// To sign in, or up.
    SignIn,
    /// To add an identity to the account of the session that it has.
    Link {
        /// The session, which must still be there in the end.
        session: Uuid,
        /// Its user.
        user: Uuid,
    },
}

/// By which of our faces, with what that face wants to know again.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Face {
    /// The pages.
    Pages {
        /// The authorization request that goes on afterwards.
        #[serde(skip_serializing_if = "Option::is_none")]
        authorization_request: Option<Uuid>,
        /// Another arrival, which waits for its user to prove this account: the state of its attempt.
        #[serde(skip_serializing_if = "Option::is_none")]
        join: Option<String>,
        /// The page of the account that asked for a fresh login, by its word.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        then: Option<String>,
    },
    /// The Better Auth protocol. The addresses were found to be trusted before.
    BetterAuth {
        /// Where the browser goes.
        callback_url: String,
        /// Where it goes if the account is a new one.
        #[serde(skip_serializing_if = "Option::is_none")]
        new_user_callback_url: Option<String>,
        /// Where it goes if nothing comes of it.
        #[serde(skip_serializing_if = "Option::is_none")]
        error_callback_url: Option<String>,
    },
}

/// What the state of an attempt stands for, none of which rests anywhere (RFC 7636 §4.1, OpenID Connect Core §3.1.2.1).
pub struct Proofs {
    /// `code_verifier`
    pub code_verifier: String,
    /// `nonce`
    pub nonce: String,
}

impl fmt::Debug for Proofs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Proofs")
    }
}

impl Proofs {
    /// Those of a state: MACs of it, so whoever sees it on its way knows neither.
    pub fn of(state: &PlainToken, key: &MacKey) -> Self {
        let mac = |purpose| URL_SAFE_NO_PAD.encode(key.mac(purpose, &[state.expose().as_bytes()]));
        Self {
            code_verifier: mac("signet/federation/code_verifier/v1"),
            nonce: mac("signet/federation/nonce/v1"),
        }
    }
}

/// What a provider said of a user, as it is kept.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityProfile {
    /// What people call the user there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The address of a picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<String>,
}

impl fmt::Debug for IdentityProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentityProfile")
    }
}

/// Who a user is at another provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The row.
    pub id: IdentityId,
    /// Whose it is.
    pub user_id: UserId,
    /// The entry of the configuration that it came by last.
    pub provider: String,
    /// `iss` there.
    pub issuer: String,
    /// `sub` there.
    pub subject: String,
    /// What the provider said at the last sign-in.
    pub profile: IdentityProfile,
    /// The provider's tokens, encrypted.
    pub tokens: Option<SealedTokens>,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
    /// When the user last came by it.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Encrypted tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedTokens(pub String);

impl fmt::Debug for SealedTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealedTokens")
    }
}
