//! Logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0).
//!
//! A hint of the very session that the browser has is proof enough that the request is the user's; anything
//! else asks first, so that no page elsewhere can log people out (ASVS 10.6.2).

use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::provider::Provider;
use super::registry::RegistryError;
use super::sessions::{self, Present};
use crate::domain::client::{Client, RegisteredRedirectUri};
use crate::domain::ids::{ClientId, SessionId};
use crate::domain::secret::Secret;
use crate::jose::verify::verify_id_token_hint;
use crate::storage::StorageError;

/// The parameters of a request (§2); one without a value is absent.
#[derive(Debug, Clone, Default)]
#[expect(missing_docs, reason = "each is the parameter of its name")]
pub struct Parameters {
    pub id_token_hint: Option<Secret>,
    pub client_id: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub state: Option<String>,
}

/// Where a logout leads, proven.
#[derive(Debug)]
pub struct Destination {
    /// Who asked, if it is known.
    pub client: Option<Arc<Client>>,
    /// Where the client wants the browser, if it registered that.
    pub redirect_uri: Option<RegisteredRedirectUri>,
    /// Given back untouched.
    pub state: Option<String>,
}

impl Destination {
    /// The address to go to, if there is one.
    pub fn location(&self) -> Option<String> {
        let uri = self.redirect_uri.as_ref()?;
        Some(match &self.state {
            Some(state) => uri.with_parameters(&[("state", state.clone())]),
            None => uri.as_str().to_owned(),
        })
    }
}

/// What is to be done.
#[derive(Debug)]
pub enum EndSession {
    /// Nobody is logged in any more: go on.
    Done(Destination),
    /// Ask the user, then go on.
    Ask(Destination),
}

/// Why a request is refused, with a page.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    /// The hint is none of ours, or another client's.
    #[error("the id_token_hint is not one of this issuer's, or not this client's")]
    Hint,
    /// The client is not known.
    #[error("the client is not known")]
    Client,
    /// The address is not registered.
    #[error("the post_logout_redirect_uri is not registered")]
    RedirectUri,
    /// Clients are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Ends the session at once where the hint proves that its owner asks; else says that the user must be asked.
///
/// # Errors
/// When the request cannot be believed.
pub async fn request(
    provider: &Provider,
    parameters: &Parameters,
    present: Option<&Present>,
    now: DateTime<Utc>,
) -> Result<EndSession, EndSessionError> {
    let hint = hint(provider, parameters, now)?;
    let hinted = hint.as_ref().map(|hint| &hint.client);
    let destination = destination(provider, parameters, hinted)?;
    let Some(present) = present else {
        return Ok(EndSession::Done(destination));
    };
    if hint.is_some_and(|hint| hint.session == Some(present.session.id)) {
        sessions::log_out(provider, present.session.id, now).await?;
        return Ok(EndSession::Done(destination));
    }
    Ok(EndSession::Ask(destination))
}

/// Proves where a confirmed logout leads; the form carries no hint.
///
/// # Errors
/// When the client or its address is not registered.
pub fn confirmed(provider: &Provider, parameters: &Parameters) -> Result<Destination, EndSessionError> {
    destination(provider, parameters, None)
}

struct Hint {
    client: ClientId,
    session: Option<SessionId>,
}

/// The hint may have expired (§4), but it must be ours, and the named client's.
fn hint(
    provider: &Provider,
    parameters: &Parameters,
    now: DateTime<Utc>,
) -> Result<Option<Hint>, EndSessionError> {
    let Some(text) = &parameters.id_token_hint else {
        return Ok(None);
    };
    let claims = verify_id_token_hint(
        &provider.keys().ring,
        text.expose(),
        &provider.settings.issuer,
        now,
    )
    .map_err(|_| EndSessionError::Hint)?;
    let client = claims.aud.as_slice().first().cloned().unwrap_or_default();
    let client = ClientId::try_from(client).map_err(|_| EndSessionError::Hint)?;
    if parameters
        .client_id
        .as_ref()
        .is_some_and(|id| id != client.as_str())
    {
        return Err(EndSessionError::Hint);
    }
    Ok(Some(Hint {
        client,
        session: claims.sid,
    }))
}

fn destination(
    provider: &Provider,
    parameters: &Parameters,
    hinted: Option<&ClientId>,
) -> Result<Destination, EndSessionError> {
    let id = match (hinted, &parameters.client_id) {
        (Some(hinted), _) => Some(hinted.clone()),
        (None, Some(given)) => Some(ClientId::try_from(given.clone()).map_err(|_| EndSessionError::Client)?),
        (None, None) => None,
    };
    let client = match id {
        Some(id) => {
            let client = provider.registry.client(&id)?;
            let client = client.filter(|client| client.disabled_at.is_none());
            Some(client.ok_or(EndSessionError::Client)?)
        }
        None => None,
    };
    let redirect_uri = match (&parameters.post_logout_redirect_uri, &client) {
        (None, _) => None,
        (Some(uri), Some(client)) => {
            let proven = client.match_post_logout_redirect_uri(uri);
            Some(proven.ok_or(EndSessionError::RedirectUri)?)
        }
        // Without a client nobody registered it (§2).
        (Some(_), None) => return Err(EndSessionError::RedirectUri),
    };
    Ok(Destination {
        client,
        redirect_uri,
        state: parameters.state.clone(),
    })
}
