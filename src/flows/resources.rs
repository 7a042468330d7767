//! Registering resources: the APIs that tokens are for (RFC 8707).

use chrono::{DateTime, Utc};

use crate::domain::resource::{Resource, is_resource_identifier};
use crate::oauth::scope::IDENTITY_SCOPES;
use crate::storage::resources::{self, Insertion};
use crate::storage::{Db, StorageError};

/// Why a resource was not registered.
#[derive(Debug, thiserror::Error)]
pub enum ResourcesError {
    /// The identifier cannot be one.
    #[error("{0} is no resource: an absolute URI without fragment")]
    Identifier(String),
    /// The issuer is the audience of tokens for userinfo, and stays that alone.
    #[error("a resource must not be the issuer")]
    IsIssuer,
    /// The scope means something about the user, whatever the resource.
    #[error("the scope {0} belongs to OpenID Connect")]
    IdentityScope(String),
    /// The identifier is taken.
    #[error("resource {0} exists already")]
    Exists(String),
    /// The identifier is that of a client.
    #[error("{0} is the id of a client; a resource must not be")]
    NamesClient(String),
    /// The database did not do it.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Registers a resource.
///
/// # Errors
/// When it breaks a rule or exists.
pub async fn create(
    db: &Db,
    resource: &Resource,
    issuer: &str,
    now: DateTime<Utc>,
) -> Result<(), ResourcesError> {
    let identifier = &resource.identifier;
    if !is_resource_identifier(identifier) {
        return Err(ResourcesError::Identifier(identifier.clone()));
    }
    if identifier.trim_end_matches('/') == issuer.trim_end_matches('/') {
        return Err(ResourcesError::IsIssuer);
    }
    scopes_are_its_own(resource.scopes.iter())?;
    match resources::insert(db, resource, now).await? {
        Insertion::Inserted => Ok(()),
        Insertion::Exists => Err(ResourcesError::Exists(identifier.clone())),
        Insertion::NamesClient => Err(ResourcesError::NamesClient(identifier.clone())),
    }
}

/// The check of scopes that [`create`] makes, for changes.
///
/// # Errors
/// With the scope that means something else already.
pub fn scopes_are_its_own<'a>(mut scopes: impl Iterator<Item = &'a str>) -> Result<(), ResourcesError> {
    match scopes.find(|scope| IDENTITY_SCOPES.contains(scope)) {
        Some(scope) => Err(ResourcesError::IdentityScope(scope.to_owned())),
        None => Ok(()),
    }
}
