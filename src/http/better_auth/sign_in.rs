//! `POST /sign-in/email`

use actix_web::http::StatusCode;
use actix_web::http::header::LOCATION;
use serde::Serialize;

use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::Input;
use super::mailed::{mail_params, stay};
use super::objects::{UserObject, token};
use super::sign_up::too_long_password;
use crate::domain::email::EmailKey;
use crate::domain::password::{MAX_LENGTH, Password};
use crate::domain::secret::Secret;
use crate::domain::session_token::Form;
use crate::flows::login::{self, LoginOutcome};

#[derive(Serialize)]
struct SignedIn<'a> {
    redirect: bool,
    token: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    user: UserObject,
}

/// Logs in with a password.
pub async fn email(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let password = Secret::new(input.text("password"));
    let callback = input.optional_text("callbackURL").filter(|url| !url.is_empty());
    let remember = input.optional_truth("rememberMe").unwrap_or(true);
    input.finish()?;
    call.is_no_login_by_another_page()?;
    if EmailKey::of_typed(email).is_none() {
        return Err(ApiError::bad_request("INVALID_EMAIL", "Invalid email"));
    }
    let length = Password::presented(password.expose())
        .expose()
        .encode_utf16()
        .count();
    if length > MAX_LENGTH {
        return Err(too_long_password());
    }
    let visitor = call.visitor().await?;
    let params = mail_params(callback);
    let outcome = {
        let browser = call.browser(&visitor, stay(remember));
        login::log_in(
            &call.site.provider,
            email,
            password.expose(),
            &browser,
            &params,
            call.now,
        )
        .await?
    };
    let logged_in = match outcome {
        LoginOutcome::LoggedIn(logged_in) => logged_in,
        LoginOutcome::Wrong => {
            return Err(ApiError::new(
                StatusCode::UNAUTHORIZED,
                "INVALID_EMAIL_OR_PASSWORD",
                "Invalid email or password",
            ));
        }
        LoginOutcome::Disabled => {
            return Err(ApiError::forbidden("BANNED_USER", "This account is disabled"));
        }
        LoginOutcome::Unverified => {
            return Err(ApiError::forbidden("EMAIL_NOT_VERIFIED", "Email not verified"));
        }
    };
    call.give_login(&logged_in);
    call.keep_beside_others(&logged_in).await?;
    let mut answer = json(&SignedIn {
        redirect: callback.is_some(),
        token: token(&call.site, &logged_in.session, Form::Bearer),
        url: callback,
        user: UserObject::from(&logged_in.user),
    });
    if let Some(location) = callback.and_then(|url| url.parse().ok()) {
        answer.headers_mut().insert(LOCATION, location);
    }
    Ok(answer)
}
