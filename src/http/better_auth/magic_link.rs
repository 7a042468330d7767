//! Logging in by a mailed link.

use serde::Serialize;

use super::answer::{Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::mailed::{email_of, mail_params, no_verification_mail, redirect, some_url, stay, with_parameter};
use super::objects::{SessionObject, UserObject, token as token_of};
use crate::domain::mail::{MailKind, MailParams};
use crate::domain::session_token::Form;
use crate::domain::user::parse_name;
use crate::flows::accounts;
use crate::flows::accounts::sign_in::{self, Opened, SignInOutcome};

/// `POST /sign-in/magic-link`: the same answer whether or not anybody has the address.
pub async fn ask(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let (_, email) = email_of(&mut input, "email");
    let name = input.optional_text("name").filter(|name| !name.trim().is_empty());
    if name.is_some_and(|name| parse_name(name).is_none()) {
        input.issue(
            "name",
            "Invalid name: 200 characters at most, none of them for control",
        );
    }
    let params = MailParams {
        name: name.and_then(parse_name),
        new_user_callback_url: some_url(input.optional_text("newUserCallbackURL")),
        error_callback_url: some_url(input.optional_text("errorCallbackURL")),
        ..mail_params(input.optional_text("callbackURL"))
    };
    input.finish()?;
    call.is_no_login_by_another_page()?;
    call.mail_leaves(no_verification_mail())?;
    if let Some(email) = email {
        let mut visitor = call.visitor().await?;
        call.remember_browser(&mut visitor);
        let browser = call.browser(&visitor, stay(true));
        let provider = &call.site.provider;
        accounts::ask(provider, MailKind::SignIn, &email, &browser, &params, call.now).await?;
    }
    Ok(done())
}

/// `GET /magic-link/verify`: failures are told where the browser is sent to, and never here.
pub async fn verify(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct SignedIn {
        token: String,
        user: UserObject,
        session: SessionObject,
    }
    let query = std::mem::take(&mut call.query);
    let mut input = Input::of_query(&query);
    let token = input.text("token");
    let callback = some_url(input.optional_text("callbackURL"));
    let for_new = some_url(input.optional_text("newUserCallbackURL"));
    let for_errors = some_url(input.optional_text("errorCallbackURL"));
    input.finish()?;
    let provider = call.site.provider.clone();
    let origins = call.site.better_auth_origins.clone();
    let failed = |code: &str| {
        let target = for_errors.as_deref().or(callback.as_deref()).unwrap_or("/");
        Ok(redirect(&with_parameter(
            &origins.absolute(target),
            "error",
            code,
        )))
    };
    let visitor = call.visitor().await?;
    let outcome = {
        let browser = call.browser(&visitor, stay(true));
        match sign_in::open(&provider, token, &browser, call.now).await? {
            Opened::Good { here, .. } if here || call.links_act_anywhere() => {
                sign_in::by_link(&provider, token, &browser, call.now).await?
            }
            Opened::Good { .. } => return Ok(call.shown_on_page("/login/link", token)),
            Opened::Expired | Opened::Dead => return failed("INVALID_TOKEN"),
        }
    };
    let (logged_in, user, is_new) = match outcome {
        SignInOutcome::LoggedIn {
            logged_in,
            user,
            is_new,
        } => (logged_in, user, is_new),
        SignInOutcome::Closed => return failed("new_user_signup_disabled"),
        SignInOutcome::Dead | SignInOutcome::Not(_) => return failed("INVALID_TOKEN"),
    };
    call.give_login(&logged_in);
    call.keep_beside_others(&logged_in).await?;
    Ok(match for_new.filter(|_| is_new).or(callback) {
        Some(target) => redirect(&origins.absolute(&target)),
        None => json(&SignedIn {
            token: token_of(&call.site, &logged_in.session, Form::Bearer),
            user: UserObject::from(&*user),
            session: SessionObject::own(&call.site, &logged_in.session, &logged_in.user),
        }),
    })
}
