//! Passwords of who is logged in, and of who forgot theirs.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::access::Held;
use super::answer::{ApiError, Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::mailed::{email_of, mail_params, redirect, stay, with_parameter};
use super::objects::{UserObject, token as token_of};
use super::sign_up::unfit_password;
use crate::domain::mail::MailKind;
use crate::domain::password::Password;
use crate::domain::secret::Secret;
use crate::domain::session_token::Form;
use crate::flows::accounts;
use crate::flows::accounts::password_change::{self, ChangeOutcome, OtherSessions};
use crate::flows::accounts::password_reset::{self, ResetOutcome};
use crate::flows::login::{PasswordCheck, password_is};
use crate::flows::signup::PasswordFault;

/// `POST /change-password`
pub async fn change(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Changed {
        token: Option<String>,
        user: UserObject,
    }
    let body = call.body.take();
    let mut input = Input::of(&body);
    let current = Secret::new(input.text("currentPassword"));
    let new = Secret::new(input.text("newPassword"));
    let ends_others = input.optional_truth("revokeOtherSessions") == Some(true);
    input.finish()?;
    let held = call.logged_in().await?;
    may_be_chosen(&new)?;
    let visitor = call.visitor_of(&held);
    let others = if ends_others {
        OtherSessions::EndAndRenew
    } else {
        OtherSessions::Stay
    };
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        let (provider, now) = (&call.site.provider, call.now);
        password_change::change(provider, &held.present, &current, &new, others, &browser, now).await?
    };
    let (user, logged_in) = match outcome {
        ChangeOutcome::Changed(user, logged_in) => (user, logged_in),
        ChangeOutcome::Wrong => return Err(wrong_password()),
        ChangeOutcome::NoPassword => return Err(no_password()),
        ChangeOutcome::Refused(fault) => return Err(unfit_password(&fault)),
        ChangeOutcome::Ended => return Err(ApiError::unauthorized()),
    };
    call.give_device(&logged_in);
    let token = if ends_others {
        let mut present = held.present;
        call.forget_if_waiting(present.session.id);
        present.session = logged_in.session.clone();
        call.give_session_again(&Held {
            present,
            form: held.form,
        });
        if held.form == Form::Cookie {
            call.keep_beside_others(&logged_in).await?;
        }
        Some(token_of(&call.site, &logged_in.session, Form::Bearer))
    } else {
        None
    };
    Ok(json(&Changed {
        token,
        user: UserObject::from(&*user),
    }))
}

/// `POST /verify-password`
pub async fn verify(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let password = Secret::new(input.text("password"));
    input.finish()?;
    let held = call.logged_in().await?;
    let visitor = call.visitor_of(&held);
    let check = {
        let browser = call.browser(&visitor, stay(true));
        let (user, password) = (&held.present.user, password.expose());
        password_is(&call.site.provider, user, password, &browser, call.now).await?
    };
    match check {
        PasswordCheck::Right => Ok(done()),
        PasswordCheck::Wrong | PasswordCheck::None => Err(wrong_password()),
    }
}

/// `POST /request-password-reset`: the same answer whoever has the address, if anybody.
pub async fn request_reset(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Asked {
        status: bool,
        message: &'static str,
    }
    let body = call.body.take();
    let mut input = Input::of(&body);
    let (_, email) = email_of(&mut input, "email");
    let redirect_to = input.optional_text("redirectTo");
    input.finish()?;
    call.mail_leaves(ApiError::bad_request(
        "RESET_PASSWORD_DISABLED",
        "Reset password isn't enabled",
    ))?;
    if let Some(email) = email {
        let visitor = call.visitor().await?;
        let browser = call.browser(&visitor, stay(true));
        let (provider, params) = (&call.site.provider, mail_params(redirect_to));
        accounts::ask(
            provider,
            MailKind::ResetPassword,
            &email,
            &browser,
            &params,
            call.now,
        )
        .await?;
    }
    Ok(json(&Asked {
        status: true,
        message: "If this email exists in our system, check your email for the reset link",
    }))
}

/// `GET /reset-password/{token}`: sends the browser on to the page of the application that asks for the new password. A
/// look does not spend the link.
pub async fn reset_page(call: &mut Call) -> Outcome {
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    let callback = input.text("callbackURL");
    input.finish()?;
    let invalid = "INVALID_TOKEN";
    if callback.is_empty() {
        let page = call.site.provider.settings.url("/api/auth/error");
        return Ok(redirect(&with_parameter(&page, "error", invalid)));
    }
    let token = call
        .request
        .match_info()
        .get("token")
        .unwrap_or_default()
        .to_owned();
    let visitor = call.visitor().await?;
    let good = {
        let browser = call.browser(&visitor, stay(true));
        password_reset::open(&call.site.provider, &token, &browser, call.now).await?
    };
    let page = call.site.better_auth_origins.absolute(callback);
    Ok(redirect(&if good {
        with_parameter(&page, "token", &token)
    } else {
        with_parameter(&page, "error", invalid)
    }))
}

/// `POST /reset-password`
pub async fn reset(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let password = Secret::new(input.text("newPassword"));
    let token = input.optional_text("token");
    input.finish()?;
    let token = token
        .or_else(|| call.parameter("token"))
        .unwrap_or_default()
        .to_owned();
    may_be_chosen(&password)?;
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        password_reset::complete(&call.site.provider, &token, &password, &browser, call.now).await?
    };
    match outcome {
        ResetOutcome::Done(_) => Ok(done()),
        ResetOutcome::Refused(fault) => Err(unfit_password(&fault)),
        ResetOutcome::Dead => Err(invalid_token(StatusCode::BAD_REQUEST)),
    }
}

/// The length is looked at before anything is spent or counted.
///
/// # Errors
/// When it is not one of a password.
pub fn may_be_chosen(password: &Secret) -> Result<(), ApiError> {
    Password::chosen(password.expose())
        .map(drop)
        .map_err(|rule| unfit_password(&PasswordFault::Rule(rule)))
}

/// The password is another.
pub const fn wrong_password() -> ApiError {
    ApiError::bad_request("INVALID_PASSWORD", "Invalid password")
}

/// No password opens the account.
pub const fn no_password() -> ApiError {
    ApiError::bad_request("CREDENTIAL_ACCOUNT_NOT_FOUND", "Credential account not found")
}

/// A mailed link that is not good.
pub const fn invalid_token(status: StatusCode) -> ApiError {
    ApiError::new(status, "INVALID_TOKEN", "Invalid token")
}
