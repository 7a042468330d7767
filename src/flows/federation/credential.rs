//! How we prove to a provider who we are.

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::secret::Secret;
use crate::jose::apple_client_secret::{AppleKey, client_secret};

/// How long a signed `client_secret` is good for.
const SIGNED_LIFETIME: TimeDelta = TimeDelta::minutes(5);

/// Our `client_secret` there.
#[derive(Debug)]
pub enum Credential {
    /// None: we are a public client.
    Public,
    /// One that was agreed on.
    Secret(Secret),
    /// One that is signed anew each time, as Apple wants it.
    Signed(AppleKey),
}

impl Credential {
    /// The `client_secret` of a request that is sent now.
    pub fn client_secret(&self, now: DateTime<Utc>) -> Option<Secret> {
        match self {
            Self::Public => None,
            Self::Secret(secret) => Some(secret.clone()),
            Self::Signed(key) => match client_secret(key, now, now + SIGNED_LIFETIME) {
                Ok(secret) => Some(secret),
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        "a client_secret cannot be signed"
                    );
                    None
                }
            },
        }
    }
}
