//! The address of an account: proving it, and changing it.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;

use super::access::{Refresh, Visitor};
use super::answer::{ApiError, Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::mailed::{email_of, mail_params, no_verification_mail, redirect, some_url, stay, with_parameter};
use super::objects::UserObject;
use super::password::invalid_token;
use crate::domain::email::EmailKey;
use crate::domain::mail::MailKind;
use crate::domain::mailed_link::Purpose;
use crate::domain::user::User;
use crate::flows::accounts;
use crate::flows::accounts::email_change::{self, Acted, AskOutcome, NewAddressProof};
use crate::flows::accounts::verification::{self, Confirmation, Confirmed, Opened};
use crate::flows::mails;

/// `POST /send-verification-email`: whoever is logged in is told what there is to prove; a stranger is told nothing.
pub async fn send_verification(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let (_, email) = email_of(&mut input, "email");
    let callback = input.optional_text("callbackURL");
    input.finish()?;
    call.mail_leaves(no_verification_mail())?;
    let Some(email) = email else { return Ok(done()) };
    if let Some(held) = call.session(Refresh::Allowed).await? {
        let user = &held.present.user;
        if EmailKey::of_typed(&user.email).as_ref() != Some(email.key()) {
            return Err(ApiError::bad_request("EMAIL_MISMATCH", "Email mismatch"));
        }
        if user.email_verified {
            return Err(ApiError::bad_request(
                "EMAIL_ALREADY_VERIFIED",
                "Email is already verified",
            ));
        }
    }
    let visitor = call.visitor().await?;
    let browser = call.browser(&visitor, stay(true));
    let (provider, params) = (&call.site.provider, mail_params(callback));
    accounts::ask(
        provider,
        MailKind::VerifyEmail,
        &email,
        &browser,
        &params,
        call.now,
    )
    .await?;
    Ok(done())
}

#[derive(Serialize)]
struct Verified {
    status: bool,
    user: Option<UserObject>,
}

/// `GET /verify-email`: what the link is for stands in it.
pub async fn verify(call: &mut Call) -> Outcome {
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    let token = input.text("token");
    let callback = some_url(input.optional_text("callbackURL"));
    input.finish()?;
    let visitor = call.visitor().await?;
    let known = |purpose| mails::read(&call.site.provider, purpose, token).is_some();
    let result = if known(Purpose::ConfirmEmailChange) {
        change_by_link(call, &visitor, Purpose::ConfirmEmailChange, token).await?
    } else if known(Purpose::VerifyNewEmail) {
        change_by_link(call, &visitor, Purpose::VerifyNewEmail, token).await?
    } else {
        verify_by_link(call, &visitor, token).await?
    };
    Ok(match (result, callback) {
        (ByLink::Page(answer), _) => answer,
        (ByLink::Done(_), Some(callback)) => redirect(&callback),
        (ByLink::Done(answer), None) => answer,
        (ByLink::Refused(code, _), Some(callback)) => redirect(&with_parameter(&callback, "error", code)),
        (ByLink::Refused(_, error), None) => return Err(error),
    })
}

/// What a link came to.
enum ByLink {
    /// It does not act in this browser.
    Page(HttpResponse),
    /// What to say where the browser is not sent on.
    Done(HttpResponse),
    /// It is not good; the code goes with the browser.
    Refused(&'static str, ApiError),
}

impl ByLink {
    const fn refused(code: &'static str, message: &'static str) -> Self {
        Self::Refused(code, ApiError::new(StatusCode::UNAUTHORIZED, code, message))
    }

    const fn dead() -> Self {
        Self::Refused("INVALID_TOKEN", invalid_token(StatusCode::UNAUTHORIZED))
    }

    const fn expired() -> Self {
        Self::refused("TOKEN_EXPIRED", "Token expired")
    }
}

async fn verify_by_link(call: &mut Call, visitor: &Visitor, token: &str) -> Result<ByLink, ApiError> {
    let provider = call.site.provider.clone();
    let confirmation = if call.links_act_anywhere() {
        Confirmation::ItWasMe
    } else {
        Confirmation::Here
    };
    let (opened, confirmed) = {
        let browser = call.browser(visitor, stay(true));
        let opened = verification::open(&provider, token, &browser, call.now).await?;
        let confirmed = verification::confirm(&provider, token, confirmation, &browser, call.now).await?;
        (opened, confirmed)
    };
    let user = match confirmed {
        Confirmed::Verified(user) => user,
        Confirmed::Elsewhere => return Ok(ByLink::Page(call.shown_on_page("/verify-email", token))),
        Confirmed::Expired => return Ok(ByLink::expired()),
        Confirmed::Dead | Confirmed::Removed => return Ok(ByLink::dead()),
    };
    // A link that was used before proves nothing of who uses it again.
    let proven_here = matches!(opened, Opened::Good(signup) if signup.here);
    if proven_here && provider.settings.accounts.login_after_verification {
        call.log_in_after_proof(&user, visitor).await?;
    }
    Ok(ByLink::Done(json(&Verified {
        status: true,
        user: None,
    })))
}

async fn change_by_link(
    call: &mut Call,
    visitor: &Visitor,
    purpose: Purpose,
    token: &str,
) -> Result<ByLink, ApiError> {
    let provider = call.site.provider.clone();
    let browser = call.browser(visitor, stay(true));
    let user = match email_change::open(&provider, purpose, token, &browser, call.now).await? {
        email_change::Opened::Good { user, .. } => user,
        email_change::Opened::Expired => return Ok(ByLink::expired()),
        email_change::Opened::Dead => return Ok(ByLink::dead()),
    };
    match &visitor.present {
        Some(present) if present.user.id == user.id => {}
        Some(_) => return Ok(ByLink::refused("INVALID_USER", "Invalid user")),
        None if call.links_act_anywhere() => {}
        None => {
            let page = match purpose {
                Purpose::ConfirmEmailChange => "/account/email/confirm",
                _ => "/account/email/verify",
            };
            return Ok(ByLink::Page(call.shown_on_page(page, token)));
        }
    }
    let acted = match purpose {
        Purpose::ConfirmEmailChange => email_change::confirm(&provider, token, &browser, call.now).await?,
        _ => email_change::verify(&provider, token, &browser, call.now).await?,
    };
    Ok(match acted {
        Acted::Asked => ByLink::Done(done()),
        Acted::Changed(user) => {
            call.give_changed_user(&user).await?;
            ByLink::Done(json(&Verified {
                status: true,
                user: Some(UserObject::from(&*user)),
            }))
        }
        Acted::Dead => ByLink::dead(),
    })
}

/// `POST /change-email`: whether anybody has the new address is never said.
pub async fn change(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let (_, email) = email_of(&mut input, "newEmail");
    let callback = input.optional_text("callbackURL");
    input.finish()?;
    let held = call.logged_in().await?;
    let Some(email) = email else { return Ok(done()) };
    if !call.site.provider.settings.accounts.change_email {
        return Err(ApiError::bad_request(
            "CHANGE_EMAIL_DISABLED",
            "Change email is disabled",
        ));
    }
    call.mail_leaves(ApiError::without_code(
        StatusCode::BAD_REQUEST,
        "Verification email isn't enabled",
    ))?;
    let visitor = call.visitor_of(&held);
    let browser = call.browser(&visitor, stay(true));
    let (proof, params) = (NewAddressProof::Link, mail_params(callback));
    let (provider, now) = (&call.site.provider, call.now);
    let outcome = email_change::ask(provider, &held.present, &email, proof, &browser, &params, now).await?;
    asked(outcome)?;
    Ok(done())
}

/// What a wish for another address came to.
///
/// # Errors
/// When it was refused.
pub fn asked(outcome: AskOutcome) -> Result<(), ApiError> {
    Err(match outcome {
        AskOutcome::Asked => return Ok(()),
        AskOutcome::Same => ApiError::without_code(StatusCode::BAD_REQUEST, "Email is the same"),
        AskOutcome::NotFresh => ApiError::forbidden("SESSION_NOT_FRESH", "Session is not fresh"),
        AskOutcome::Closed => ApiError::bad_request("CHANGE_EMAIL_DISABLED", "Change email is disabled"),
    })
}

impl Call {
    /// Gives the browser its session again after its user has changed, if that is who it has.
    ///
    /// # Errors
    /// When the session cannot be looked up.
    pub async fn give_changed_user(&mut self, user: &User) -> Result<(), ApiError> {
        // Looked up anew: a change of address moves the epoch, and may have ended the session.
        self.held = None;
        if let Some(held) = self.session(Refresh::Allowed).await?
            && held.present.user.id == user.id
        {
            self.give_session_again(&held);
        }
        Ok(())
    }

    /// Logs in whoever has just proven the address, unless they are.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn log_in_after_proof(
        &mut self,
        user: &User,
        visitor: &Visitor,
    ) -> Result<Option<String>, ApiError> {
        if visitor
            .present
            .as_ref()
            .is_some_and(|present| present.user.id == user.id)
        {
            return Ok(None);
        }
        let begun = {
            let browser = self.browser(visitor, stay(true));
            accounts::sign_in::after_proof(&self.site.provider, user, &browser, self.now).await?
        };
        let Some(logged_in) = begun else { return Ok(None) };
        self.give_login(&logged_in);
        self.keep_beside_others(&logged_in).await?;
        let form = crate::domain::session_token::Form::Bearer;
        Ok(Some(super::objects::token(&self.site, &logged_in.session, form)))
    }
}
