//! `POST /sign-up/email`

use serde::Serialize;

use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::{Input, is_plain_email};
use super::mailed::{mail_params, stay};
use super::objects::{UserObject, token};
use crate::domain::password::PasswordRule;
use crate::domain::secret::Secret;
use crate::domain::session_token::Form as TokenForm;
use crate::domain::user::is_picture;
use crate::flows::signup::{self, EmailFault, Faults, Names, PasswordFault, SignupError, SignupOutcome};
use actix_web::http::StatusCode;

#[derive(Serialize)]
struct SignedUp {
    token: Option<String>,
    user: UserObject,
}

/// Makes an account. Where addresses must be proven, one that is taken gets the answer of a new one, after the same
/// work.
pub async fn email(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let name = input.text("name");
    let email = input.text("email").to_lowercase();
    if input.has("email") && !is_plain_email(&email) {
        input.issue("email", "Invalid email address");
    }
    let password = Secret::new(input.some_text("password"));
    let image = input
        .clearable_text("image")
        .flatten()
        .filter(|image| !image.is_empty());
    let callback = input.optional_text("callbackURL");
    if !image.is_none_or(is_picture) {
        input.issue("image", "Invalid image: an address of 1024 bytes at most");
    }
    let remember = input.optional_truth("rememberMe").unwrap_or(true);
    input.finish()?;
    call.is_no_login_by_another_page()?;
    let form = signup::Form {
        name,
        email: &email,
        password: &password,
        picture: image,
        names: Names::Optional,
    };
    let mut visitor = call.visitor().await?;
    call.remember_browser(&mut visitor);
    let params = mail_params(callback);
    let outcome = {
        let browser = call.browser(&visitor, stay(remember));
        signup::sign_up(&call.site.provider, &form, &browser, &params, call.now).await
    };
    let faults = match outcome {
        Ok(SignupOutcome::SignedUp(logged_in)) => {
            call.give_login(&logged_in);
            call.keep_beside_others(&logged_in).await?;
            return Ok(json(&SignedUp {
                token: Some(token(&call.site, &logged_in.session, TokenForm::Bearer)),
                user: UserObject::from(&logged_in.user),
            }));
        }
        Ok(SignupOutcome::MustVerify(user)) => {
            let user = UserObject::from(&*user);
            return Ok(json(&SignedUp { token: None, user }));
        }
        Ok(SignupOutcome::Refused(faults)) => faults,
        Err(SignupError::Closed) => {
            return Err(ApiError::bad_request(
                "EMAIL_PASSWORD_SIGN_UP_DISABLED",
                "Email and password sign up is not enabled",
            ));
        }
        Err(SignupError::TooMany(too_many)) => return Err(too_many.into()),
        Err(SignupError::Busy(busy)) => return Err(busy.into()),
        Err(SignupError::Storage(error)) => return Err(error.into()),
    };
    Err(refused(faults))
}

fn refused(faults: Faults) -> ApiError {
    let mut issues = Vec::new();
    if faults.email == Some(EmailFault::Invalid) {
        issues.push("[body.email] Invalid email address".to_owned());
    }
    if faults.name {
        issues.push("[body.name] Invalid name: 200 characters at most, none of them for control".to_owned());
    }
    match faults.password {
        _ if !issues.is_empty() => ApiError::validation(&issues),
        Some(fault) => unfit_password(&fault),
        None => ApiError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
            "User already exists. Use another email.",
        ),
    }
}

/// A password that cannot be had.
pub fn unfit_password(fault: &PasswordFault) -> ApiError {
    match fault {
        PasswordFault::Rule(PasswordRule::TooShort) => {
            ApiError::bad_request("PASSWORD_TOO_SHORT", "Password too short")
        }
        PasswordFault::Rule(PasswordRule::TooLong) => too_long_password(),
        // As the protocol's own plugin for such checks says it.
        PasswordFault::Leaked => ApiError::bad_request(
            "PASSWORD_COMPROMISED",
            "The password you entered has been compromised. Please choose a different password.",
        ),
        PasswordFault::Weak(_) => ApiError::bad_request("PASSWORD_TOO_WEAK", "Password is too easy to guess"),
    }
}

/// A password that nobody has.
pub const fn too_long_password() -> ApiError {
    ApiError::bad_request("PASSWORD_TOO_LONG", "Password too long")
}
