//! `token_endpoint_auth_method` (RFC 7591 §2, OpenID Connect Core 1.0 §9).

use serde::{Deserialize, Serialize};

/// How a client proves who it is. Each client has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthMethod {
    /// A public client: it has no secret, PKCE carries it.
    None,
    /// RFC 6749 §2.3.1, the `Authorization` header.
    ClientSecretBasic,
    /// RFC 6749 §2.3.1, in the form.
    ClientSecretPost,
    /// RFC 7523 §2.2, a signed assertion.
    PrivateKeyJwt,
}

impl AuthMethod {
    /// Every method, in the order of the metadata.
    pub const ALL: [Self; 4] = [
        Self::ClientSecretBasic,
        Self::ClientSecretPost,
        Self::PrivateKeyJwt,
        Self::None,
    ];

    /// The value as it stands on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::ClientSecretBasic => "client_secret_basic",
            Self::ClientSecretPost => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    /// Reads a wire value; `None` for a method that is not supported.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }

    /// Whether the method rests on a shared secret.
    pub const fn needs_secret(self) -> bool {
        matches!(self, Self::ClientSecretBasic | Self::ClientSecretPost)
    }
}
