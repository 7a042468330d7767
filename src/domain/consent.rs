//! What a user lets a third-party client have, and whether a request goes beyond it.

use chrono::{DateTime, Utc};

use super::authorization::AuthorizationRequest;
use super::ids::ClientId;
use super::user::{claims_of, supported_claims};
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};

/// Scopes, resources and single claims that were given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Consent {
    /// The scopes.
    pub scopes: ScopeSet,
    /// The APIs; and, behind an API's identifier and a space, each scope that was given at it, since the same
    /// scope may mean another thing at another.
    pub resources: Vec<String>,
    /// Claims asked for by name that no scope beside them stands for.
    pub claims: Vec<String>,
}

/// A consent, and who has it since when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenConsent {
    /// The client, which may be gone by now.
    pub client: ClientId,
    /// What it may have.
    pub consent: Consent,
    /// When the user agreed first.
    pub granted_at: DateTime<Utc>,
}

impl Consent {
    /// All that `request` asks for. Claims that tell nothing about the user, or are not known, need no consent.
    pub fn of(request: &AuthorizationRequest) -> Self {
        let by_scope: Vec<&str> = claims_of(&request.scope).collect();
        let named = request.claims.iter().flat_map(|claims| claims.names());
        let mut claims: Vec<String> = named
            .filter(|name| supported_claims().any(|known| known == *name) && !by_scope.contains(name))
            .map(str::to_owned)
            .collect();
        claims.sort_unstable();
        claims.dedup();
        let meant = request.scope.filtered(|scope| !IDENTITY_SCOPES.contains(&scope));
        let at = |resource: &String| {
            let scopes = meant.iter().map(|scope| format!("{resource} {scope}"));
            scopes.collect::<Vec<_>>()
        };
        let mut resources = request.resources.clone();
        resources.extend(request.resources.iter().flat_map(at));
        Self {
            scopes: request.scope.clone(),
            resources,
            claims,
        }
    }

    /// Whether everything that `asked` names was given.
    pub fn covers(&self, asked: &Self) -> bool {
        let by_scope: Vec<&str> = claims_of(&self.scopes).collect();
        asked.scopes.is_subset_of(&self.scopes)
            && asked.resources.iter().all(|one| self.resources.contains(one))
            && asked
                .claims
                .iter()
                .all(|one| self.claims.contains(one) || by_scope.contains(&one.as_str()))
    }
}
