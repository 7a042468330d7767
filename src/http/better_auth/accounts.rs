//! The ways in which a user can sign in. As long as passwords are the only ones, no account has tokens of others.

use actix_web::http::StatusCode;

use super::access::{Held, Refresh};
use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::Input;
use super::objects::AccountObject;
use crate::flows::linked_accounts;

/// What an account is named by, in bodies and queries that must say nothing else.
const NAMES: [&str; 3] = ["accountId", "useAccountCookie", "userId"];

/// `GET /list-accounts`
pub async fn list(call: &mut Call) -> Outcome {
    let user = call.logged_in().await?.present.user;
    let accounts = linked_accounts::list(&call.site.provider, &user).await?;
    let shown: Vec<_> = accounts
        .into_iter()
        .map(|account| AccountObject::of(account, &user))
        .collect();
    Ok(json(&shown))
}

/// `POST /unlink-account`: the last one stays, and passwords are the only kind so far.
pub async fn unlink(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let _ = input.text("accountId");
    input.finish()?;
    let user = call.freshly_logged_in().await?.present.user;
    let accounts = linked_accounts::list(&call.site.provider, &user).await?;
    if accounts.len() == 1 {
        return Err(ApiError::bad_request(
            "FAILED_TO_UNLINK_LAST_ACCOUNT",
            "You can't unlink your last account",
        ));
    }
    Err(unknown())
}

/// `POST /get-access-token`
pub async fn access_token(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let account = account_of(&mut input);
    input.finish()?;
    no_tokens(call, account).await
}

/// `POST /refresh-token`
pub async fn refresh_token(call: &mut Call) -> Outcome {
    access_token(call).await
}

/// `GET /account-info`
pub async fn info(call: &mut Call) -> Outcome {
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    input.nothing_but(&NAMES);
    let account = input.optional_text("accountId");
    input.finish()?;
    find(call, account).await?;
    Err(ApiError::bad_request(
        "PROVIDER_NOT_CONFIGURED",
        "Provider credential is not configured.",
    ))
}

fn account_of<'a>(input: &mut Input<'a>) -> Option<&'a str> {
    input.nothing_but(&NAMES);
    let _ = input.optional_text("userId");
    let by_cookie = input.optional_truth("useAccountCookie") == Some(true);
    if by_cookie {
        return None;
    }
    Some(input.text("accountId"))
}

async fn no_tokens(call: &mut Call, account: Option<&str>) -> Outcome {
    find(call, account).await?;
    Err(ApiError::bad_request(
        "PROVIDER_NOT_SUPPORTED",
        "Provider credential is not supported.",
    ))
}

/// The user's own account of this id, whomever else a body names. Nobody who is not logged in is told why.
async fn find(call: &mut Call, account: Option<&str>) -> Result<(), ApiError> {
    let held: Option<Held> = call.session(Refresh::Allowed).await?;
    let Some(held) = held else {
        return Err(ApiError::empty(StatusCode::UNAUTHORIZED));
    };
    let user = &held.present.user;
    let found = match account {
        Some(id) => linked_accounts::find(&call.site.provider, user, id).await?,
        None => None,
    };
    found.map(drop).ok_or_else(unknown)
}

const fn unknown() -> ApiError {
    ApiError::bad_request("ACCOUNT_NOT_FOUND", "Account not found")
}
