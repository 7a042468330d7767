//! Six digits by mail, instead of a link.

use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::email::asked;
use super::input::Input;
use super::mailed::{email_of, mail_params, no_verification_mail, stay};
use super::objects::{UserObject, token as token_of};
use super::password::may_be_chosen;
use super::sign_up::unfit_password;
use crate::domain::email::{EmailAddress, EmailKey};
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::mailed_link::Purpose;
use crate::domain::secret::Secret;
use crate::domain::session_token::Form;
use crate::domain::user::{Profile, is_picture, parse_name};
use crate::flows::accounts::email_change::{self, Acted, AskOutcome, NewAddressProof};
use crate::flows::accounts::password_reset::{self, ResetOutcome};
use crate::flows::accounts::sign_in::{self, SignInOutcome};
use crate::flows::accounts::{self, CodeOutcome, try_code, verification};

/// What codes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    SignIn,
    EmailVerification,
    ForgetPassword,
}

impl Kind {
    const fn mail(self) -> MailKind {
        match self {
            Self::SignIn => MailKind::SignInCode,
            Self::EmailVerification => MailKind::VerifyEmailCode,
            Self::ForgetPassword => MailKind::ResetPasswordCode,
        }
    }

    const fn purpose(self) -> Purpose {
        match self {
            Self::SignIn => Purpose::SignInCode,
            Self::EmailVerification => Purpose::VerifyEmailCode,
            Self::ForgetPassword => Purpose::ResetPasswordCode,
        }
    }
}

#[derive(Serialize)]
struct Success {
    success: bool,
}

fn success() -> Outcome {
    Ok(json(&Success { success: true }))
}

/// `POST /email-otp/send-verification-otp`: the same answer whether or not anybody has the address.
pub async fn send(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let kind = kind_of(&mut input);
    input.finish()?;
    call.is_no_login_by_another_page()?;
    let Some(kind) = kind else {
        return Err(ApiError::without_code(
            StatusCode::BAD_REQUEST,
            "Invalid OTP type",
        ));
    };
    ask(call, kind, email).await
}

/// `POST /email-otp/request-password-reset`, and its older name.
pub async fn request_reset(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    input.finish()?;
    ask(call, Kind::ForgetPassword, email).await
}

async fn ask(call: &mut Call, kind: Kind, email: &str) -> Outcome {
    let email = EmailAddress::parse(email).map_err(|_| invalid_email())?;
    call.mail_leaves(no_verification_mail())?;
    let mut visitor = call.visitor().await?;
    call.remember_browser(&mut visitor);
    let browser = call.browser(&visitor, stay(true));
    let (provider, params) = (&call.site.provider, mail_params(None));
    accounts::ask(provider, kind.mail(), &email, &browser, &params, call.now).await?;
    success()
}

/// `POST /email-otp/check-verification-otp`: whether a code would do, which it still can thereafter.
pub async fn check(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let kind = kind_of(&mut input);
    let code = input.text("otp");
    input.finish()?;
    let email = key_of(email)?;
    let Some(kind) = kind else {
        return Err(invalid_otp());
    };
    let visitor = call.visitor().await?;
    let browser = call.browser(&visitor, stay(true));
    let (provider, now) = (&call.site.provider, call.now);
    match try_code(provider, kind.purpose(), &email, None, code, &browser, now).await? {
        CodeOutcome::Right(_) => success(),
        not => Err(not_right(&not)),
    }
}

/// `POST /email-otp/verify-email`
pub async fn verify_email(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Verified {
        status: bool,
        token: Option<String>,
        user: UserObject,
    }
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let code = input.text("otp");
    input.finish()?;
    let email = key_of(email)?;
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        verification::by_code(&call.site.provider, &email, code, &browser, call.now).await?
    };
    let user = match outcome {
        verification::ByCode::Verified(user) => user,
        verification::ByCode::Not(not) => return Err(not_right(&not)),
    };
    let token = if call.site.provider.settings.accounts.login_after_verification {
        call.log_in_after_proof(&user, &visitor).await?
    } else {
        None
    };
    Ok(json(&Verified {
        status: true,
        token,
        user: UserObject::from(&*user),
    }))
}

/// `POST /sign-in/email-otp`
pub async fn sign_in(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct SignedIn {
        token: String,
        user: UserObject,
    }
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let code = input.text("otp");
    let name = input.optional_text("name").filter(|name| !name.trim().is_empty());
    if name.is_some_and(|name| parse_name(name).is_none()) {
        input.issue(
            "name",
            "Invalid name: 200 characters at most, none of them for control",
        );
    }
    let image = input.optional_text("image").filter(|image| !image.is_empty());
    if !image.is_none_or(is_picture) {
        input.issue("image", "Invalid image: an address of 1024 bytes at most");
    }
    input.finish()?;
    call.is_no_login_by_another_page()?;
    let email = key_of(email)?;
    let picture = image.map(|image| ("picture".to_owned(), Value::from(image)));
    let profile = Profile::new(picture.into_iter().collect()).unwrap_or_default();
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        let (provider, name) = (&call.site.provider, name.and_then(parse_name));
        sign_in::by_code(provider, &email, code, name, Some(&profile), &browser, call.now).await?
    };
    let (logged_in, user) = match outcome {
        SignInOutcome::LoggedIn { logged_in, user, .. } => (logged_in, user),
        SignInOutcome::Not(not) => return Err(not_right(&not)),
        SignInOutcome::Closed | SignInOutcome::Dead => return Err(invalid_otp()),
    };
    call.give_login(&logged_in);
    call.keep_beside_others(&logged_in).await?;
    Ok(json(&SignedIn {
        token: token_of(&call.site, &logged_in.session, Form::Bearer),
        user: UserObject::from(&*user),
    }))
}

/// `POST /email-otp/reset-password`
pub async fn reset_password(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("email");
    let code = input.text("otp");
    let password = Secret::new(input.text("password"));
    input.finish()?;
    let email = key_of(email)?;
    may_be_chosen(&password)?;
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        password_reset::by_code(&call.site.provider, &email, code, &password, &browser, call.now).await?
    };
    match outcome {
        password_reset::ByCode::Tried(ResetOutcome::Done(_)) => success(),
        password_reset::ByCode::Tried(ResetOutcome::Refused(fault)) => Err(unfit_password(&fault)),
        password_reset::ByCode::Tried(ResetOutcome::Dead) => Err(invalid_otp()),
        password_reset::ByCode::Not(not) => Err(not_right(&not)),
    }
}

/// `POST /email-otp/request-email-change`
pub async fn request_change(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let (_, email) = email_of(&mut input, "newEmail");
    let _ = input.optional_text("otp");
    input.finish()?;
    let held = call.logged_in().await?;
    let Some(email) = email else {
        return Err(invalid_email());
    };
    call.mail_leaves(no_verification_mail())?;
    let visitor = call.visitor_of(&held);
    let browser = call.browser(&visitor, stay(true));
    let (proof, params) = (NewAddressProof::Code, MailParams::default());
    let (provider, now) = (&call.site.provider, call.now);
    match email_change::ask(provider, &held.present, &email, proof, &browser, &params, now).await? {
        AskOutcome::Closed => Err(change_disabled()),
        outcome => {
            asked(outcome)?;
            success()
        }
    }
}

/// `POST /email-otp/change-email`
pub async fn change(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let email = input.text("newEmail");
    let code = input.text("otp");
    input.finish()?;
    let held = call.logged_in().await?;
    if !call.site.provider.settings.accounts.change_email {
        return Err(change_disabled());
    }
    let email = key_of(email)?;
    let visitor = call.visitor_of(&held);
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        let (provider, present) = (&call.site.provider, &held.present);
        email_change::by_code(provider, present, &email, code, &browser, call.now).await?
    };
    match outcome {
        email_change::ByCode::Acted(Acted::Changed(user)) => {
            call.give_changed_user(&user).await?;
            success()
        }
        email_change::ByCode::Acted(Acted::Asked | Acted::Dead) => Err(invalid_otp()),
        email_change::ByCode::Not(not) => Err(not_right(&not)),
    }
}

/// The type of a code; `None` for the one that has addresses of its own.
fn kind_of(input: &mut Input<'_>) -> Option<Kind> {
    match input.text("type") {
        "sign-in" => Some(Kind::SignIn),
        "email-verification" => Some(Kind::EmailVerification),
        "forget-password" => Some(Kind::ForgetPassword),
        "change-email" => None,
        _ => {
            if input.has("type") {
                let issue = "Invalid option: expected one of \
                    \"email-verification\"|\"sign-in\"|\"forget-password\"|\"change-email\"";
                input.issue("type", issue);
            }
            None
        }
    }
}

fn key_of(email: &str) -> Result<EmailKey, ApiError> {
    EmailKey::of_typed(email).ok_or_else(invalid_email)
}

fn not_right(outcome: &CodeOutcome) -> ApiError {
    match outcome {
        CodeOutcome::Right(_) | CodeOutcome::Wrong => invalid_otp(),
        CodeOutcome::Expired => ApiError::bad_request("OTP_EXPIRED", "OTP expired"),
        CodeOutcome::TooMany => ApiError::forbidden("TOO_MANY_ATTEMPTS", "Too many attempts"),
    }
}

const fn invalid_otp() -> ApiError {
    ApiError::bad_request("INVALID_OTP", "Invalid OTP")
}

const fn invalid_email() -> ApiError {
    ApiError::bad_request("INVALID_EMAIL", "Invalid email")
}

const fn change_disabled() -> ApiError {
    ApiError::without_code(StatusCode::BAD_REQUEST, "Change email with OTP is disabled")
}
