//! The ways in which a user can sign in, and what other providers gave for them.

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::access::{Held, Refresh};
use super::answer::{ApiError, Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::objects::{AccountObject, date};
use crate::domain::federation::Identity;
use crate::flows::federation::Entry;
use crate::flows::federation::identities::{self, UnlinkOutcome};
use crate::flows::federation::tokens::{self, Tokens, TokensError};
use crate::flows::linked_accounts;

/// What an account is named by, in bodies and queries that must say nothing else.
const NAMES: [&str; 3] = ["accountId", "useAccountCookie", "userId"];

/// `GET /list-accounts`
pub async fn list(call: &mut Call) -> Outcome {
    let user = call.logged_in().await?.present.user;
    let provider = &call.site.provider;
    let accounts = linked_accounts::list(provider, &user).await?;
    let shown: Vec<_> = accounts
        .into_iter()
        .map(|account| {
            let kept = account
                .identity
                .as_ref()
                .and_then(|identity| tokens::kept(provider, identity));
            AccountObject::of(account, &user, kept.map(|tokens| tokens.scopes))
        })
        .collect();
    Ok(json(&shown))
}

/// `POST /unlink-account`: the last one stays.
pub async fn unlink(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let id = input.text("accountId");
    input.finish()?;
    let user = call.freshly_logged_in().await?.present.user;
    let last = ApiError::bad_request(
        "FAILED_TO_UNLINK_LAST_ACCOUNT",
        "You can't unlink your last account",
    );
    let provider = &call.site.provider;
    let accounts = linked_accounts::list(provider, &user).await?;
    if accounts.len() == 1 {
        return Err(last);
    }
    let account = accounts
        .into_iter()
        .find(|account| account.id == id)
        .ok_or_else(unknown)?;
    let outcome = match &account.identity {
        Some(identity) => identities::unlink(provider, &user, identity.id).await?,
        None => linked_accounts::remove_password(provider, &user, call.now).await?,
    };
    match outcome {
        UnlinkOutcome::Unlinked => Ok(done()),
        UnlinkOutcome::Last => Err(last),
        UnlinkOutcome::Unknown => Err(unknown()),
    }
}

/// `POST /get-access-token`: renewed if it is about to expire.
pub async fn access_token(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct AccessToken {
        access_token: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        access_token_expires_at: Option<String>,
        scopes: Vec<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id_token: Option<String>,
    }
    let identity = named(call).await?;
    let site = call.site.clone();
    let entry = entry_of(&site.provider.federation, &identity)?;
    let tokens = tokens::current(&site.provider, entry, &identity, call.now).await;
    let tokens = tokens.map_err(|error| match error {
        TokensError::Storage(error) => error.into(),
        TokensError::None
        | TokensError::NoRefreshToken
        | TokensError::NotRenewable
        | TokensError::Upstream(_) => {
            ApiError::bad_request("FAILED_TO_GET_ACCESS_TOKEN", "Failed to get a valid access token")
        }
    })?;
    let texts = Texts::of(&tokens);
    Ok(json(&AccessToken {
        access_token: texts.access_token,
        access_token_expires_at: tokens.expires_at.map(date),
        scopes: tokens.scopes,
        id_token: texts.id_token,
    }))
}

/// `POST /refresh-token`: renewed in any case.
pub async fn refresh_token(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Refreshed {
        access_token: String,
        refresh_token: Option<String>,
        access_token_expires_at: Option<String>,
        refresh_token_expires_at: Option<String>,
        scope: String,
        id_token: Option<String>,
        provider_id: String,
        account_id: String,
    }
    let identity = named(call).await?;
    let site = call.site.clone();
    let entry = entry_of(&site.provider.federation, &identity)?;
    let tokens = tokens::renew(&site.provider, entry, &identity, call.now).await;
    let tokens = tokens.map_err(|error| match error {
        TokensError::Storage(error) => error.into(),
        TokensError::None | TokensError::NoRefreshToken => {
            ApiError::bad_request("REFRESH_TOKEN_NOT_FOUND", "Refresh token not found")
        }
        TokensError::NotRenewable => {
            ApiError::bad_request("TOKEN_REFRESH_NOT_SUPPORTED", "Token refresh not supported")
        }
        TokensError::Upstream(_) => {
            ApiError::bad_request("FAILED_TO_REFRESH_ACCESS_TOKEN", "Failed to refresh access token")
        }
    })?;
    let texts = Texts::of(&tokens);
    Ok(json(&Refreshed {
        access_token: texts.access_token,
        refresh_token: texts.refresh_token,
        access_token_expires_at: tokens.expires_at.map(date),
        refresh_token_expires_at: tokens.refresh_expires_at.map(date),
        scope: tokens.scopes.join(","),
        id_token: texts.id_token,
        provider_id: identity.provider.clone(),
        account_id: identity.id.to_string(),
    }))
}

/// `GET /account-info`: what the provider says of the user now.
pub async fn info(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Info {
        user: InfoUser,
        data: Value,
        account: InfoAccount,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct InfoUser {
        name: String,
        email: Option<String>,
        email_verified: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        image: Option<String>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct InfoAccount {
        id: String,
        provider_id: String,
        account_id: String,
    }
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    input.nothing_but(&NAMES);
    let account = input.optional_text("accountId");
    input.finish()?;
    let not_configured = ApiError::bad_request(
        "PROVIDER_NOT_CONFIGURED",
        "Provider credential is not configured.",
    );
    let Some(identity) = find(call, account).await? else {
        return Err(not_configured);
    };
    let site = call.site.clone();
    let entry = site
        .provider
        .federation
        .entry(&identity.provider)
        .ok_or(not_configured)?;
    let tokens = tokens::current(&site.provider, entry, &identity, call.now).await;
    let tokens = tokens.map_err(|error| match error {
        TokensError::Storage(error) => error.into(),
        TokensError::None
        | TokensError::NoRefreshToken
        | TokensError::NotRenewable
        | TokensError::Upstream(_) => {
            ApiError::bad_request("ACCESS_TOKEN_NOT_FOUND", "Access token not found")
        }
    })?;
    let person = entry
        .upstream
        .person(&tokens.access_token, &identity.subject, call.now)
        .await;
    let person = person.map_err(|error| {
        tracing::warn!(
            provider.id = entry.id(),
            error = &error as &dyn std::error::Error,
            "a provider tells nothing of a user"
        );
        ApiError::bad_request("FAILED_TO_GET_USER_INFO", "Failed to get user info")
    })?;
    Ok(json(&Info {
        user: InfoUser {
            name: person.name.unwrap_or_default(),
            email: person.email,
            email_verified: person.email_verified,
            image: person.picture,
        },
        data: person.claims,
        account: InfoAccount {
            id: identity.id.to_string(),
            provider_id: identity.provider,
            account_id: identity.subject,
        },
    }))
}

/// Tokens in the clear, for the one answer that hands them to their owner.
struct Texts {
    access_token: String,
    refresh_token: Option<String>,
    id_token: Option<String>,
}

impl Texts {
    fn of(tokens: &Tokens) -> Self {
        let text = |secret: &crate::domain::secret::Secret| secret.expose().to_owned();
        Self {
            access_token: text(&tokens.access_token),
            refresh_token: tokens.refresh_token.as_ref().map(text),
            id_token: tokens.id_token.as_ref().map(text),
        }
    }
}

/// The identity that a body names.
async fn named(call: &mut Call) -> Result<Identity, ApiError> {
    let body = call.body.take();
    let mut input = Input::of(&body);
    input.nothing_but(&NAMES);
    let _ = input.optional_text("userId");
    // We set no cookie with an account in it, so none has one.
    let by_cookie = input.optional_truth("useAccountCookie") == Some(true);
    let account = (!by_cookie).then(|| input.text("accountId"));
    input.finish()?;
    find(call, account).await?.ok_or_else(not_supported)
}

fn entry_of<'a>(
    federation: &'a crate::flows::federation::Federation,
    identity: &Identity,
) -> Result<&'a Entry, ApiError> {
    federation.entry(&identity.provider).ok_or_else(not_supported)
}

const fn not_supported() -> ApiError {
    ApiError::bad_request("PROVIDER_NOT_SUPPORTED", "Provider credential is not supported.")
}

/// The user's own account of this id, whomever else a body names; `None` for the password. Nobody who is not logged in
/// is told why.
async fn find(call: &mut Call, account: Option<&str>) -> Result<Option<Identity>, ApiError> {
    let held: Option<Held> = call.session(Refresh::Allowed).await?;
    let Some(held) = held else {
        return Err(ApiError::empty(StatusCode::UNAUTHORIZED));
    };
    let user = &held.present.user;
    let found = match account {
        Some(id) => linked_accounts::find(&call.site.provider, user, id).await?,
        None => None,
    };
    Ok(found.ok_or_else(unknown)?.identity)
}

const fn unknown() -> ApiError {
    ApiError::bad_request("ACCOUNT_NOT_FOUND", "Account not found")
}
