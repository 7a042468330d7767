//! An API that accepts our tokens (RFC 8707).

use crate::oauth::scope::ScopeSet;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// A registered API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The URI that clients ask for, and the `aud` of the tokens.
    pub identifier: String,
    /// What people call it; the consent page shows it.
    pub name: String,
    /// The scopes that mean something there.
    pub scopes: ScopeSet,
    /// What its access tokens are signed with; `None`: it does not care.
    pub access_token_signing_alg: Option<SigningAlgorithm>,
}

impl Resource {
    /// What its access tokens are signed with: `EdDSA` unless it asks otherwise.
    pub fn signing_algorithm(&self) -> SigningAlgorithm {
        self.access_token_signing_alg.unwrap_or(SigningAlgorithm::EdDsa)
    }
}

/// The longest `resource` in bytes.
const MAX_RESOURCE_LENGTH: usize = 1024;

/// Whether `text` can name a resource: an absolute URI without fragment (RFC 8707 §2), in printable ASCII.
pub fn is_resource_identifier(text: &str) -> bool {
    let plain =
        (1..=MAX_RESOURCE_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain && !text.contains('#') && url::Url::parse(text).is_ok()
}
