//! `/forgot-password`: asks for a link that sets a new password. Answers the same for every address.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::mailed::{Asks, Sent};
use super::visit::{Visit, either};
use crate::domain::mail::MailKind;
use crate::flows::accounts;
use crate::http::body::Form;
use crate::http::site::Site;

/// The page that asks for the address.
pub(super) const ASKS: Asks = Asks {
    title: "Forgot your password?",
    lead: "Tell us your e-mail address, and we mail you a link that sets a new password.",
    action: "/forgot-password",
    button: "Send the link",
};

/// `GET /forgot-password`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    visit.mail_leaves()?;
    Ok(ASKS.show(&visit, "", None))
}

/// `POST /forgot-password`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(asked(&site, &request, form).await)
}

async fn asked(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (visit, fields) = Visit::of_form(site, request, form).await?;
    visit.mail_leaves()?;
    let email = ASKS.typed(&visit, &fields)?;
    let (kind, browser, params) = (MailKind::ResetPassword, visit.browser(), visit.params());
    accounts::ask(&site.provider, kind, &email, &browser, &params, visit.now)
        .await
        .map_err(|error| visit.failed(&error))?;
    let sent = Sent {
        lead: "If there is an account with this address, we have mailed it a link that sets a new password. The link \
               works once, within 30 minutes.",
        email: email.as_str(),
        again: "/forgot-password",
    };
    Ok(sent.show(&visit, StatusCode::OK))
}
