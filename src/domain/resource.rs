//! An API that accepts our tokens (RFC 8707).

use crate::oauth::scope::ScopeSet;

/// A registered API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The URI that clients ask for, and the `aud` of the tokens.
    pub identifier: String,
    /// What people call it; the consent page shows it.
    pub name: String,
    /// The scopes that mean something there.
    pub scopes: ScopeSet,
}

/// The longest `resource` in bytes.
const MAX_RESOURCE_LENGTH: usize = 1024;

/// Whether `text` can name a resource: an absolute URI without fragment (RFC 8707 §2), in printable ASCII.
pub fn is_resource_identifier(text: &str) -> bool {
    let plain =
        (1..=MAX_RESOURCE_LENGTH).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    plain && !text.contains('#') && url::Url::parse(text).is_ok()
}
