//! Identifiers, one type a kind, so that a session's id cannot be passed for a user's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::random::Random;

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new random id (version 4: it must not tell when it was made).
            pub fn generate(random: &dyn Random) -> Self {
                let mut bytes = [0; 16];
                random.fill(&mut bytes);
                Self(uuid::Builder::from_random_bytes(bytes).into_uuid())
            }

            /// The id as the database and the wire know it.
            pub const fn as_uuid(&self) -> &Uuid {
                &self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            /// Takes the canonical hyphenated form alone: two spellings of one id would be two keys.
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let id = Uuid::try_parse(text)?;
                if id.as_hyphenated().to_string() == text {
                    Ok(Self(id))
                } else {
                    Err(Uuid::try_parse("").expect_err("an empty text is no id"))
                }
            }
        }
    )+};
}

uuid_ids! {
    /// A user; in tokens the `sub` claim. Never changes, never reused.
    UserId,
    /// A browser session; in tokens the `sid` claim.
    SessionId,
    /// What one authorization code gave a client: the token family and the `gid` claim.
    FamilyId,
    /// A stored, pending `/oauth2/authorize`.
    AuthorizationRequestId,
    /// One access token: its `jti` claim.
    TokenId,
    /// One mail, and the link or code in it.
    MailId,
    /// Who a user is at another provider.
    IdentityId,
}

/// A client's `client_id`: 1 to 255 printable ASCII characters (RFC 6749 §2.2, appendix A.1).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientId(String);

/// A text that is no `client_id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a client_id has 1 to 255 characters from the space to the tilde")]
pub struct InvalidClientId;

impl ClientId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ClientId {
    type Error = InvalidClientId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let vschar = text.bytes().all(|byte| (0x20..=0x7e).contains(&byte));
        if vschar && (1..=255).contains(&text.len()) {
            Ok(Self(text))
        } else {
            Err(InvalidClientId)
        }
    }
}

impl FromStr for ClientId {
    type Err = InvalidClientId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl From<ClientId> for String {
    fn from(id: ClientId) -> Self {
        id.0
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
