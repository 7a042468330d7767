//! `/account/email`: another address is asked for. It changes when a link there was opened.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::mailed::NO_ADDRESS;
use super::super::view::{ButtonView, EmailField, FactView, LinkView, StepForm, StepPage, Text};
use super::super::visit::{Member, either};
use crate::domain::email::EmailAddress;
use crate::domain::mail::{MailKind, MailParams};
use crate::flows::accounts;
use crate::flows::accounts::email_change::{self, AskOutcome, NewAddressProof};
use crate::http::body::Form;
use crate::http::error;
use crate::http::redirect::see_other;
use crate::http::site::Site;

/// `GET /account/email`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    is_open(&member)?;
    member.is_fresh("email")?;
    Ok(show(&member, "", None))
}

/// `POST /account/email`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(asked(&site, &request, form).await)
}

async fn asked(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    is_open(&member)?;
    member.is_fresh("email")?;
    let typed = fields.text("email").unwrap_or_default();
    let Ok(new) = EmailAddress::parse(typed) else {
        return Ok(show(&member, typed, Some(NO_ADDRESS.into())));
    };
    let (present, browser, now) = (&member.present, member.browser(), member.now);
    let (proof, params) = (NewAddressProof::Link, MailParams::default());
    let outcome = email_change::ask(&site.provider, present, &new, proof, &browser, &params, now).await;
    match outcome.map_err(|error| member.failed(&error))? {
        AskOutcome::Asked => Ok(sent(&member, &new)),
        AskOutcome::Same => Ok(show(&member, typed, Some("This is your address already.".into()))),
        AskOutcome::NotFresh => Err(see_other(&site.path("/account/again?for=email"))),
        AskOutcome::Closed => Err(closed(&member)),
    }
}

/// `POST /account/email/send`: another link that proves the present address.
pub async fn send(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(sent_again(&site, &request, form).await)
}

async fn sent_again(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, _) = Member::of_form(site, request, form).await?;
    let email = EmailAddress::parse(&member.present.user.email);
    if let (Ok(email), true) = (email, site.provider.settings.mail) {
        let (browser, params) = (member.browser(), MailParams::default());
        accounts::ask(
            &site.provider,
            MailKind::VerifyEmail,
            &email,
            &browser,
            &params,
            member.now,
        )
        .await
        .map_err(|error| member.failed(&error))?;
    }
    Ok(member.done("sent"))
}

fn is_open(member: &Member<'_>) -> Result<(), HttpResponse> {
    let settings = &member.site.provider.settings;
    if settings.accounts.change_email && settings.mail {
        Ok(())
    } else {
        Err(closed(member))
    }
}

fn closed(member: &Member<'_>) -> HttpResponse {
    error::page(
        member.site,
        member.request,
        StatusCode::FORBIDDEN,
        "Addresses stay as they are",
        "Whoever runs this service lets nobody change an e-mail address.",
        None,
    )
}

fn show(member: &Member<'_>, typed: &str, error: Option<Text>) -> HttpResponse {
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let page = StepPage {
        title: "Change your e-mail address".into(),
        lead: "The address changes when you have opened the links that we mail you.".into(),
        client: None,
        notice: None,
        facts: vec![FactView::text("Present address", &*member.present.user.email)],
        form: Some(StepForm {
            email: Some(EmailField {
                label: "New e-mail address".into(),
                value: typed.to_owned(),
                autocomplete: "email",
                error,
            }),
            buttons: vec![ButtonView::only("Change the address")],
            ..member.form("/account/email")
        }),
        links: vec![LinkView::new(
            "Back to your account",
            member.site.path("/account"),
        )],
    };
    member.show(status, &page)
}

/// Which address was mailed depends on the account of who asks alone: nothing is said about the new one.
fn sent(member: &Member<'_>, new: &EmailAddress) -> HttpResponse {
    let (user, settings) = (&member.present.user, &member.site.provider.settings);
    let lead = if user.email_verified && settings.accounts.confirm_email_change {
        "We have mailed a link to your present address, to ask whether you want this. When you have opened it, the new \
         address gets a link of its own."
    } else {
        "If the new address can be yours, we have mailed it a link. The address changes when you have opened that."
    };
    let page = StepPage {
        title: "Look into your mail".into(),
        lead: lead.into(),
        client: None,
        notice: None,
        facts: vec![
            FactView::text("Present address", &*user.email),
            FactView::text("New address", new.as_str()),
        ],
        form: None,
        links: vec![LinkView::new(
            "Back to your account",
            member.site.path("/account"),
        )],
    };
    member.show(StatusCode::OK, &page)
}
