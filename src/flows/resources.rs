//! Registering resources: the APIs that tokens are for (RFC 8707).

use chrono::{DateTime, Utc};

use super::signing_choice::can_be_chosen;
use crate::domain::resource::{Resource, is_resource_identifier};
use crate::domain::signing_choice::NotChoosable;
use crate::oauth::scope::IDENTITY_SCOPES;
use crate::storage::resources::{self, Insertion, ResourceChange};
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
    /// No key signs with what its tokens shall be signed with.
    #[error(transparent)]
    Algorithm(#[from] NotChoosable),
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
    let asked = resource.access_token_signing_alg.into_iter().collect();
    can_be_chosen::<ResourcesError>(db, asked, now).await?;
    match resources::insert(db, resource, now).await? {
        Insertion::Inserted => Ok(()),
        Insertion::Exists => Err(ResourcesError::Exists(identifier.clone())),
        Insertion::NamesClient => Err(ResourcesError::NamesClient(identifier.clone())),
    }
}

/// Changes a resource and returns it as it is then; `None` if there is none.
///
/// # Errors
/// When it would break a rule.
pub async fn update(
    db: &Db,
    identifier: &str,
    change: &ResourceChange,
    now: DateTime<Utc>,
) -> Result<Option<Resource>, ResourcesError> {
    if let Some(scopes) = &change.scopes {
        scopes_are_its_own(scopes.iter())?;
    }
    let asked = change.access_token_signing_alg.into_iter().collect();
    can_be_chosen::<ResourcesError>(db, asked, now).await?;
    Ok(resources::update(db, identifier, change, now).await?)
}

fn scopes_are_its_own<'a>(mut scopes: impl Iterator<Item = &'a str>) -> Result<(), ResourcesError> {
    match scopes.find(|scope| IDENTITY_SCOPES.contains(scope)) {
        Some(scope) => Err(ResourcesError::IdentityScope(scope.to_owned())),
        None => Ok(()),
    }
}
