//! The client credentials grant (RFC 6749 §4.4): no user, no refresh token, nothing in the database.
//! The place in the status lists comes out of a block that the node has leased.

use chrono::{DateTime, Utc};

use super::{Asked, TokenError};
use crate::domain::client::Client;
use crate::flows::issue::{self, Target, Tokens};
use crate::flows::provider::Provider;
use crate::flows::targets;
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};

/// A token of the client for itself. Asking for no scope gives all that it has; identity scopes say nothing
/// here, since there is no user.
pub(super) async fn grant(
    provider: &Provider,
    client: &Client,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Tokens, TokenError> {
    let own = &client.metadata.scope;
    let wanted: &ScopeSet = match &asked.scope {
        Some(scope) if scope.is_subset_of(own) => scope,
        Some(_) => return Err(TokenError::Scope),
        None => own,
    };
    let scope = targets::scope_for(provider, wanted, asked.resource.as_slice())?;
    let scope = scope.filtered(|token| !IDENTITY_SCOPES.contains(&token));
    let target = Target {
        resource: asked.resource.as_deref(),
        scope: &scope,
    };
    let status_index = provider
        .status_indexes
        .for_client(provider, &client.id, now)
        .await?;
    Ok(issue::for_client(provider, client, target, status_index, now).await?)
}
