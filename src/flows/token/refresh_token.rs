//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14). What becomes of a presented token says the table of
//! `domain::refresh_token`; here its outcome becomes an answer.

use chrono::{DateTime, Utc};

use super::{Asked, TokenError, TokenRequest, target_of_grant};
use crate::domain::client::Client;
use crate::domain::refresh_token::{NotARefreshToken, RefreshToken};
use crate::domain::secret::Secret;
use crate::flows::issue::{self, Target, Tokens};
use crate::flows::provider::{KeysUnread, Provider};
use crate::flows::targets;
use crate::oauth::scope::ScopeSet;
use crate::storage::StorageError;
use crate::storage::token_families::{self, Presentation, RefreshOutcome, Wanted};

/// Presents the refresh token and gives its successor.
pub(super) async fn rotate(
    provider: &Provider,
    client: &Client,
    request: &TokenRequest,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Tokens, TokenError> {
    let text = request
        .refresh_token
        .as_ref()
        .ok_or(TokenError::Request("refresh_token is missing"))?;
    let token = read(provider, text).await?;
    let presented = Presentation {
        family: token.family,
        serial: token.serial,
        client: &client.id,
    };
    let wanted = Wanted {
        scopes: asked.scope.as_ref().map(ScopeSet::as_slice),
        resource: asked.resource.as_deref(),
    };
    targets::resources_are_the_clients(provider, client, asked.resource.as_slice())?;
    let mut outcome = present(provider, &presented, wanted, now).await?;
    if outcome == RefreshOutcome::Refused && (asked.scope.is_some() || asked.resource.is_some()) {
        target_is_granted(provider, client, &presented, asked, now).await?;
        // Spent, or dead, whatever was asked for: that is for the table to say.
        outcome = present(provider, &presented, Wanted::default(), now).await?;
    }
    metrics::counter!("signet_refreshes_total", "outcome" => outcome.rotation().as_str()).increment(1);
    let (head, head_kv, grant) = match outcome {
        RefreshOutcome::Issued {
            head, head_kv, grant, ..
        } => (head, head_kv, grant),
        RefreshOutcome::Refused => return Err(TokenError::Grant("no live family")),
        RefreshOutcome::Ahead => {
            tracing::error!(
                family.id = %token.family,
                "a refresh token is newer than its family: the database lost a commit"
            );
            return Err(TokenError::Grant("the token is ahead of its family"));
        }
        RefreshOutcome::Theft => {
            tracing::warn!(
                family.id = %token.family,
                "a spent refresh token was presented: its family, session and sibling families have ended"
            );
            return Err(TokenError::Grant("the token was spent before"));
        }
    };
    let (resource, scope) = target_of_grant(provider, client, &grant, asked)?;
    let successor = RefreshToken {
        family: token.family,
        serial: head,
        key_version: head_kv,
    };
    let successor = written(provider, successor).await?;
    let target = Target {
        resource: resource.as_deref(),
        scope: &scope,
    };
    Ok(issue::for_grant(provider, client, &grant, target, Some(successor), now).await?)
}

async fn present(
    provider: &Provider,
    presented: &Presentation<'_>,
    wanted: Wanted<'_>,
    now: DateTime<Utc>,
) -> Result<RefreshOutcome, StorageError> {
    let key_version = provider.keys().mac.refresh_token.current().0;
    let policy = &provider.settings.refresh;
    token_families::rotate(&provider.db, presented, wanted, key_version, now, policy).await
}

/// Refuses whoever asks for what a live token does not stand for.
async fn target_is_granted(
    provider: &Provider,
    client: &Client,
    presented: &Presentation<'_>,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<(), TokenError> {
    let window = provider.settings.refresh.retry_window;
    match token_families::find_live(&provider.db, presented, now, window).await? {
        Some(live) => target_of_grant(provider, client, &live.grant, asked).map(drop),
        None => Ok(()),
    }
}

/// Reads a token. A key version that this node has not loaded causes one reload: another node may have begun
/// to use it a moment ago.
///
/// # Errors
/// [`UnreadToken`]: whether there is no such key, or nobody can say, is not the same to a client.
pub async fn read(provider: &Provider, text: &Secret) -> Result<RefreshToken, UnreadToken> {
    let issuer = &provider.settings.issuer;
    let read = || RefreshToken::read(text.expose(), issuer, &provider.keys().mac.refresh_token);
    match read() {
        Err(NotARefreshToken::UnknownKeyVersion) => {
            provider.reload_for_unknown_key().await?;
            Ok(read()?)
        }
        known => Ok(known?),
    }
}

/// Why a refresh token was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadToken {
    /// It is none of ours.
    #[error(transparent)]
    NotOurs(#[from] NotARefreshToken),
    /// It may be one of ours, by a key that cannot be read at present.
    #[error(transparent)]
    Keys(#[from] KeysUnread),
}

/// Writes the answer, which another node may have minted under a key that this one has yet to load.
async fn written(provider: &Provider, token: RefreshToken) -> Result<Secret, TokenError> {
    let write = || token.write(&provider.settings.issuer, &provider.keys().mac.refresh_token);
    if let Some(text) = write() {
        return Ok(text);
    }
    provider.reload_for_unknown_key().await?;
    write().ok_or(TokenError::Grant("the head of the family names an unknown key"))
}
