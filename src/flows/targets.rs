//! Who may ask for what: which resources a client may name (RFC 8707) and which scopes it gets for them.

use super::provider::Provider;
use super::registry::RegistryError;
use crate::domain::client::Client;
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};

/// Why a resource is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It is not registered, or not the client's: `invalid_target`.
    #[error("the resource is not registered, or not for this client")]
    Resource,
    /// The resources are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}

/// Whether `client` may ask for all of `resources`: a client without a list for any that is registered, one
/// with a list for those alone.
///
/// # Errors
/// With the first that it may not ask for.
pub fn resources_are_the_clients(
    provider: &Provider,
    client: &Client,
    resources: &[String],
) -> Result<(), TargetError> {
    for resource in resources {
        let own = client.metadata.resources.as_ref();
        if own.is_some_and(|own| !own.contains(resource)) || provider.registry.resource(resource)?.is_none() {
            return Err(TargetError::Resource);
        }
    }
    Ok(())
}

/// What of `scope` means something for `resources`: identity scopes always, others if one of the resources
/// knows them. Without a resource all of it stays.
///
/// # Errors
/// When the resources are not known at present.
pub fn scope_for(
    provider: &Provider,
    scope: &ScopeSet,
    resources: &[String],
) -> Result<ScopeSet, RegistryError> {
    if resources.is_empty() {
        return Ok(scope.clone());
    }
    let known = provider.registry.resources(resources)?;
    Ok(scope.filtered(|token| {
        IDENTITY_SCOPES.contains(&token) || known.iter().any(|resource| resource.scopes.contains(token))
    }))
}
