//! Leaving.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::access::{Held, Refresh};
use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::Input;
use super::mailed::{mail_params, redirect, some_url, stay};
use super::password::{invalid_token, no_password, wrong_password};
use crate::domain::secret::Secret;
use crate::flows::accounts::deletion::{self, DeletionOutcome};

#[derive(Serialize)]
struct Said {
    success: bool,
    message: &'static str,
}

const DELETED: Said = Said {
    success: true,
    message: "User deleted",
};

/// `POST /delete-user`
pub async fn delete(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of_optional(&body);
    let password = input.optional_text("password").map(Secret::new);
    let token = input.optional_text("token");
    let callback = input.optional_text("callbackURL");
    input.finish()?;
    let held = call.logged_in().await?;
    let visitor = call.visitor_of(&held);
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        let (provider, present, now) = (&call.site.provider, &held.present, call.now);
        match token {
            Some(token) => deletion::by_link(provider, present, token, &browser, now).await?,
            None => {
                let params = mail_params(callback);
                deletion::delete(provider, present, password.as_ref(), &browser, &params, now).await?
            }
        }
    };
    said(call, &held, outcome)
}

/// `GET /delete-user/callback`: by a mailed link, in a browser where the user is logged in.
pub async fn by_link(call: &mut Call) -> Outcome {
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    let token = input.text("token");
    let callback = some_url(input.optional_text("callbackURL"));
    input.finish()?;
    let Some(held) = call.session(Refresh::Allowed).await? else {
        return Err(ApiError::new(
            StatusCode::NOT_FOUND,
            "FAILED_TO_GET_USER_INFO",
            "Failed to get user info",
        ));
    };
    let visitor = call.visitor_of(&held);
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        deletion::by_link(&call.site.provider, &held.present, token, &browser, call.now).await?
    };
    let answer = said(call, &held, outcome)?;
    Ok(callback.map_or(answer, |callback| redirect(&callback)))
}

fn said(call: &mut Call, held: &Held, outcome: DeletionOutcome) -> Outcome {
    match outcome {
        DeletionOutcome::Deleted => {
            call.take_session();
            call.forget_if_waiting(held.present.session.id);
            Ok(json(&DELETED))
        }
        DeletionOutcome::Asked => Ok(json(&Said {
            success: true,
            message: "Verification email sent",
        })),
        DeletionOutcome::Wrong => Err(wrong_password()),
        DeletionOutcome::NoPassword => Err(no_password()),
        DeletionOutcome::NotFresh => Err(ApiError::bad_request(
            "SESSION_EXPIRED",
            "Session expired. Re-authenticate to perform this action.",
        )),
        DeletionOutcome::Dead => Err(invalid_token(StatusCode::NOT_FOUND)),
        DeletionOutcome::Closed => Err(ApiError::empty(StatusCode::NOT_FOUND)),
    }
}
