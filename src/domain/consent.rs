//! What a user lets a third-party client have, and whether a request goes beyond it.

use super::authorization::AuthorizationRequest;
use crate::oauth::scope::ScopeSet;

/// Scopes, resources and single claims that were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// The scopes.
    pub scopes: ScopeSet,
    /// The APIs.
    pub resources: Vec<String>,
    /// Claims asked for by name.
    pub claims: Vec<String>,
}

impl Consent {
    /// All that `request` asks for.
    pub fn of(request: &AuthorizationRequest) -> Self {
        let mut claims: Vec<String> = request
            .claims
            .iter()
            .flat_map(|claims| claims.names())
            .map(str::to_owned)
            .collect();
        claims.sort_unstable();
        claims.dedup();
        Self {
            scopes: request.scope.clone(),
            resources: request.resources.clone(),
            claims,
        }
    }

    /// Whether everything that `asked` names was given.
    pub fn covers(&self, asked: &Self) -> bool {
        let within = |asked: &[String], given: &[String]| asked.iter().all(|one| given.contains(one));
        asked.scopes.is_subset_of(&self.scopes)
            && within(&asked.resources, &self.resources)
            && within(&asked.claims, &self.claims)
    }
}
