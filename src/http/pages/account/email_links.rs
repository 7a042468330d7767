//! `/account/email/confirm`, `verify` and `undo`: the links of a change of address. Each page shows what its link does,
//! and does it when the button is pressed. No session is needed: each link goes to whoever decides.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::view::{ButtonView, FactView, LinkView, StepForm, StepPage};
use super::super::visit::{Visit, either, token_in_address, token_in_form};
use super::super::{forgot_password, mailed};
use crate::domain::mailed_link::Purpose;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::flows::accounts::email_change::{self, Acted, Opened};
use crate::http::body::Form;
use crate::http::site::Site;

/// What one of the pages says.
struct Link {
    purpose: Purpose,
    path: &'static str,
    title: &'static str,
    lead: &'static str,
    button: &'static str,
}

const CONFIRM: Link = Link {
    purpose: Purpose::ConfirmEmailChange,
    path: "/account/email/confirm",
    title: "Change your e-mail address?",
    lead: "Somebody who is signed in to your account wants it to have another address. If you agree, we mail a link to \
           the new one. If it was not you, close this page and change your password.",
    button: "Yes, ask the new address",
};

const VERIFY: Link = Link {
    purpose: Purpose::VerifyNewEmail,
    path: "/account/email/verify",
    title: "Confirm your new e-mail address",
    lead: "From now on the account has the new address, and you sign in with it. Confirm it only if the account is \
           yours.",
    button: "Confirm the new address",
};

const UNDO: Link = Link {
    purpose: Purpose::UndoEmailChange,
    path: "/account/email/undo",
    title: "Was this change not yours?",
    lead: "The account gets its earlier address back, everybody is signed out, and the password is gone. You set a new \
           one by mail.",
    button: "Undo the change",
};

/// `GET /account/email/confirm`.
pub async fn get_confirm(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(show(&CONFIRM, &site, &request).await)
}

/// `GET /account/email/verify`.
pub async fn get_verify(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(show(&VERIFY, &site, &request).await)
}

/// `GET /account/email/undo`.
pub async fn get_undo(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(show(&UNDO, &site, &request).await)
}

/// `POST /account/email/confirm`.
pub async fn confirm(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(act(&CONFIRM, &site, &request, form).await)
}

/// `POST /account/email/verify`.
pub async fn verify(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(act(&VERIFY, &site, &request, form).await)
}

/// `POST /account/email/undo`.
pub async fn undo(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(act(&UNDO, &site, &request, form).await)
}

async fn show(link: &Link, site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    let Some(token) = token_in_address(request) else {
        return Ok(dead(&visit));
    };
    let (browser, now) = (visit.browser(), visit.now);
    let opened = email_change::open(&site.provider, link.purpose, token.expose(), &browser, now).await;
    Ok(match opened.map_err(|error| visit.failed(&error))? {
        Opened::Good { user, to } => ask(link, &visit, &token, &user, &to),
        Opened::Dead | Opened::Expired => dead(&visit),
    })
}

fn ask(link: &Link, visit: &Visit<'_>, token: &Secret, user: &User, to: &str) -> HttpResponse {
    let (present, next) = match link.purpose {
        Purpose::UndoEmailChange => ("Address now", "Address again"),
        _ => ("Present address", "New address"),
    };
    let page = StepPage {
        title: link.title.into(),
        lead: link.lead.into(),
        client: None,
        notice: None,
        facts: vec![FactView::text(present, &*user.email), FactView::text(next, to)],
        form: Some(StepForm {
            hidden: token_in_form(token),
            buttons: vec![ButtonView::only(link.button)],
            ..visit.form(link.path)
        }),
        links: Vec::new(),
    };
    visit.show(StatusCode::OK, &page)
}

async fn act(
    link: &Link,
    site: &Site,
    request: &HttpRequest,
    form: Form,
) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    let Some(token) = fields.secret("token") else {
        return Ok(dead(&visit));
    };
    let (provider, token, browser, now) = (&site.provider, token.expose(), visit.browser(), visit.now);
    let acted = match link.purpose {
        Purpose::ConfirmEmailChange => email_change::confirm(provider, token, &browser, now).await,
        Purpose::VerifyNewEmail => email_change::verify(provider, token, &browser, now).await,
        _ => email_change::undo(provider, token, &browser, now).await,
    };
    Ok(match acted.map_err(|error| visit.failed(&error))? {
        Acted::Dead => dead(&visit),
        Acted::Asked => done(
            &visit,
            "Look into your mail",
            "We have mailed a link to the new address. The address changes when you have opened that, within an hour.",
        ),
        Acted::Changed(user) if link.purpose == Purpose::UndoEmailChange => {
            let notice = "The account has its earlier address again, and everybody is signed out. Set a new password now.";
            forgot_password::ASKS.show(&visit, &user.email, Some(notice.into()))
        }
        Acted::Changed(_) => done(
            &visit,
            "Your e-mail address is changed",
            "You sign in with the new one from now on. The earlier address was told, and can undo this for seven days.",
        ),
    })
}

fn done(visit: &Visit<'_>, title: &'static str, lead: &'static str) -> HttpResponse {
    let page = StepPage {
        title: title.into(),
        lead: lead.into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links: vec![to_account(visit)],
    };
    visit.show(StatusCode::OK, &page)
}

fn dead(visit: &Visit<'_>) -> HttpResponse {
    mailed::dead(visit, vec![to_account(visit)])
}

fn to_account(visit: &Visit<'_>) -> LinkView {
    LinkView::new("Go to your account", visit.site.path("/account"))
}
