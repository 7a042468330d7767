//! `/reset-password`: a new password by a mailed link.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::signup::password_told;
use super::view::{LinkView, NewPasswordPage, PasswordAdvice, Text};
use super::visit::{Visit, either, token_in_address, token_in_form};
use super::{mailed, pending};
use crate::domain::secret::Secret;
use crate::flows::accounts::password_reset::{self, ResetOutcome};
use crate::http::body::Form;
use crate::http::redirect::see_other;
use crate::http::site::Site;

/// `GET /reset-password`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    let Some(token) = token_in_address(request) else {
        return Ok(dead(&visit));
    };
    let good = password_reset::open(&site.provider, token.expose(), &visit.browser(), visit.now).await;
    if good.map_err(|error| visit.failed(&error))? {
        Ok(show(&visit, &token, None))
    } else {
        Ok(dead(&visit))
    }
}

/// `POST /reset-password`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(set(&site, &request, form).await)
}

async fn set(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    let Some(token) = fields.secret("token") else {
        return Ok(dead(&visit));
    };
    let password = fields.secret("password").unwrap_or_else(|| Secret::new(""));
    let (browser, now) = (visit.browser(), visit.now);
    let outcome = password_reset::complete(&site.provider, token.expose(), &password, &browser, now).await;
    Ok(match outcome.map_err(|error| visit.failed(&error))? {
        ResetOutcome::Done(_) => {
            let pending = visit.pending.as_ref();
            see_other(&pending::link_after(site, "/login", pending, "password"))
        }
        ResetOutcome::Refused(fault) => show(&visit, &token, Some(password_told(fault))),
        ResetOutcome::Dead => dead(&visit),
    })
}

fn show(visit: &Visit<'_>, token: &Secret, fault: Option<(Text, Option<PasswordAdvice>)>) -> HttpResponse {
    let status = if fault.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let (error, advice) = fault.unzip();
    let page = NewPasswordPage {
        title: "Choose a new password".into(),
        lead:
            "With it you sign in from now on. Whoever is signed in to your account may have to do so again."
                .into(),
        action: visit.link("/reset-password"),
        csrf: visit.visitor.csrf(visit.site),
        hidden: token_in_form(token),
        current: None,
        error,
        advice: advice.flatten(),
        button: "Set the password".into(),
        links: Vec::new(),
    };
    visit.show(status, &page)
}

fn dead(visit: &Visit<'_>) -> HttpResponse {
    let again = LinkView::new("Ask for a new link", visit.link("/forgot-password"));
    mailed::dead(visit, vec![again])
}
