//! Whose tokens are shown, and to which API: those that the command line names, or the only ones there are.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::super::shell::Workplace;
use super::super::{CommandError, users};
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::flows::issue::{self, Target};
use crate::flows::provider::Provider;
use crate::flows::targets;
use crate::oauth::scope::{IDENTITY_SCOPES, ScopeSet};
use crate::storage;

/// Whose tokens are shown.
pub struct Parties {
    /// The identifiers of the API; one at least.
    pub audiences: Vec<String>,
    client: Client,
    user: Option<String>,
}

impl Parties {
    /// Those that were named, or the only ones there are.
    ///
    /// # Errors
    /// When somebody named is not registered, or has no tokens for this API; when nobody was named and several
    /// could be meant.
    pub async fn find(
        place: &Workplace,
        provider: &Provider,
        audiences: &[String],
        client: Option<&str>,
        user: Option<&str>,
    ) -> Result<Self, CommandError> {
        let audiences = find_audiences(place, audiences).await?;
        let client = find_client(place, provider, &audiences, client).await?;
        let user = match user {
            Some(user) => Some(users::find(&place.db, user).await?.id.to_string()),
            None => None,
        };
        Ok(Self {
            audiences,
            client,
            user,
        })
    }

    /// A token as the token endpoint gives it to the client.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn good_token(&self, provider: &Provider, now: DateTime<Utc>) -> Result<String, CommandError> {
        let scope = scope_of(provider, &self.client, &self.audiences)?;
        let target = Target {
            resource: Some(&self.audiences[0]),
            scope: &scope,
        };
        let indexes = &provider.status_indexes;
        let index = indexes
            .for_client(provider, &self.client.id, now)
            .await
            .map_err(|error| CommandError::caused("status_list", &error))?;
        let tokens = issue::for_client(provider, &self.client, target, index, now)
            .await
            .map_err(|error| CommandError::caused("keys", &error))?;
        // One place was wanted; the block that was leased for it is for others.
        indexes.give_up(provider).await?;
        Ok(tokens.access_token.expose().to_owned())
    }

    /// What the claims say of the user, where one was named.
    pub fn about_the_user(&self) -> Value {
        match &self.user {
            Some(user) => json!({"sub": user}),
            None => json!({}),
        }
    }
}

async fn find_audiences(place: &Workplace, named: &[String]) -> Result<Vec<String>, CommandError> {
    let registered = storage::resources::list(&place.db).await?.into_iter();
    let mut registered: Vec<String> = registered.filter_map(|row| Some(row.ok()?.identifier)).collect();
    if let Some(unknown) = named.iter().find(|named| !registered.contains(named)) {
        return Err(CommandError::not_found("resource", unknown).hint("`signet resources list` shows all"));
    }
    match (named, registered.len()) {
        ([], 1) => Ok(vec![registered.remove(0)]),
        ([], 0) => Err(CommandError::new("not_found", "no API is registered")
            .hint("`signet resources create --identifier URI --name NAME --scope SCOPE` registers one")),
        ([], _) => Err(CommandError::new("ambiguous", "several APIs are registered")
            .hint(format!("name this one: --audience {}", registered.join(" or ")))),
        (named, _) => Ok(named.to_vec()),
    }
}

async fn find_client(
    place: &Workplace,
    provider: &Provider,
    audiences: &[String],
    named: Option<&str>,
) -> Result<Client, CommandError> {
    if let Some(named) = named {
        let unknown = || CommandError::not_found("client", named);
        let id: ClientId = named.parse().map_err(|_| unknown())?;
        let client = storage::clients::find(&place.db, &id)
            .await?
            .ok_or_else(unknown)?;
        if client.disabled_at.is_some() {
            return Err(CommandError::new(
                "invalid_client",
                format!("the client {named} is disabled"),
            ));
        }
        return match targets::resources_are_the_clients(provider, &client, audiences) {
            Ok(()) => Ok(client),
            Err(_) => Err(CommandError::new(
                "invalid_target",
                format!("the client {named} gets no tokens for {}", audiences.join(", ")),
            )
            .hint("name another API with --audience, or another client with --token-for")),
        };
    }
    let rows = storage::clients::list(&place.db)
        .await?
        .into_iter()
        .filter_map(Result::ok);
    let mut candidates: Vec<Client> = rows
        .filter(|client| {
            client.disabled_at.is_none()
                && targets::resources_are_the_clients(provider, client, audiences).is_ok()
                && scope_of(provider, client, audiences).is_ok_and(|scope| scope.iter().next().is_some())
        })
        .collect();
    match candidates.len() {
        1 => Ok(candidates.remove(0)),
        0 => Err(
            CommandError::new("not_found", "no client has a scope of this API")
                .hint("`signet clients create` registers one; --token-for names one all the same"),
        ),
        _ => {
            let ids: Vec<String> = candidates.iter().map(|client| client.id.to_string()).collect();
            Err(
                CommandError::new("ambiguous", "several clients get tokens for this API")
                    .hint(format!("name one: --token-for {}", ids.join(" or "))),
            )
        }
    }
}

/// All that the client may do at the API.
fn scope_of(provider: &Provider, client: &Client, audiences: &[String]) -> Result<ScopeSet, CommandError> {
    let scope = targets::scope_for(provider, &client.metadata.scope, audiences);
    let scope = scope.map_err(|error| CommandError::caused("internal", &error))?;
    Ok(scope.filtered(|token| !IDENTITY_SCOPES.contains(&token)))
}
