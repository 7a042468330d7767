//! The authorization code grant (RFC 6749 §4.1.3, RFC 7636 §4.6). Everything that must match is part of the
//! statement that spends the code, so a wrong try neither burns the code nor learns which part was wrong.

use chrono::{DateTime, Utc};

use super::{Asked, TokenError, TokenRequest, target_of_grant};
use crate::domain::client::Client;
use crate::domain::refresh_token::RefreshToken;
use crate::domain::secret::{PlainToken, TokenKind};
use crate::domain::status_list::StatusIndex;
use crate::flows::issue::{self, Target, Tokens};
use crate::flows::provider::Provider;
use crate::oauth::grant_type::GrantType;
use crate::oauth::pkce::CodeChallenge;
use crate::storage::authorization_codes::{self, FIRST_SERIAL, NewFamily, Presented, Redemption};

/// Spends the code and gives its tokens.
///
/// 1. The code has the form of one.
/// 2. The verifier has the form of one; without PKCE the `redirect_uri` must be there.
/// 3. The code is spent, and its family made, in one statement.
/// 4. The target is within the grant.
pub(super) async fn redeem(
    provider: &Provider,
    client: &Client,
    request: &TokenRequest,
    asked: &Asked,
    now: DateTime<Utc>,
) -> Result<Tokens, TokenError> {
    let code = request
        .code
        .as_ref()
        .ok_or(TokenError::Request("code is missing"))?;
    let code = PlainToken::parse(TokenKind::AuthorizationCode, code.expose());
    let code = code.ok_or(TokenError::Grant("the code is malformed"))?;
    let code_challenge = challenge_of_verifier(request)?;
    // OAuth 2.1 §10.2 lets clients with PKCE leave it out; without PKCE nothing else binds the code.
    if request.redirect_uri.is_none() && code_challenge.is_none() {
        return Err(TokenError::Request("redirect_uri is missing"));
    }
    let refreshes = client.may_use(GrantType::RefreshToken);
    let head_kv = provider.keys().mac.refresh_token.current().0;
    let presented = Presented {
        code_hash: &code.hash(),
        client: &client.id,
        redirect_uri: request.redirect_uri.as_deref(),
        code_challenge: code_challenge.as_ref(),
    };
    let status_index = provider.status_indexes.for_grant(provider, now).await?;
    let family = new_family(provider, client, refreshes, head_kv, status_index, now);
    // When the answer of the database is lost, so is the index: the family may have it.
    let redemption = authorization_codes::redeem(&provider.db, &presented, &family, now).await?;
    if !matches!(redemption, Redemption::Redeemed(_)) {
        provider.status_indexes.give_back(status_index);
    }
    let grant = match redemption {
        Redemption::Redeemed(grant) => grant,
        Redemption::Replayed { family } => {
            tracing::warn!(family.id = %family, "a code was presented again; its tokens are revoked");
            return Err(TokenError::Grant("the code was presented again"));
        }
        Redemption::Refused => return Err(TokenError::Grant("the code cannot be redeemed")),
    };
    let (resource, scope) = target_of_grant(provider, client, &grant, asked)?;
    let refresh_token = if refreshes {
        let token = RefreshToken {
            family: grant.family,
            serial: FIRST_SERIAL,
            key_version: head_kv,
        };
        token.write(&provider.settings.issuer, &provider.keys().mac.refresh_token)
    } else {
        None
    };
    let target = Target {
        resource: resource.as_deref(),
        scope: &scope,
    };
    Ok(issue::for_grant(provider, client, &grant, target, refresh_token, now).await?)
}

fn challenge_of_verifier(request: &TokenRequest) -> Result<Option<CodeChallenge>, TokenError> {
    let Some(verifier) = &request.code_verifier else {
        return Ok(None);
    };
    CodeChallenge::of_verifier(verifier.expose())
        .map(Some)
        .ok_or(TokenError::Request(
            "code_verifier has 43 to 128 unreserved characters",
        ))
}

/// Without the refresh grant the family only carries the access token: it is what a replay ends.
fn new_family(
    provider: &Provider,
    client: &Client,
    refreshes: bool,
    head_kv: i32,
    status_index: StatusIndex,
    now: DateTime<Utc>,
) -> NewFamily {
    let policy = &provider.settings.refresh;
    let expires_at = now
        + if refreshes {
            policy.ttl
        } else {
            provider.settings.access_token_ttl
        };
    NewFamily {
        rotates: client.metadata.refresh_token_rotation,
        offline: refreshes,
        head_kv,
        expires_at,
        idle_expires_at: expires_at.min(now + policy.idle_ttl),
        status_index,
    }
}
