//! The pending request that a page is part of: named in the page's address, found again for its browser.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use crate::domain::ids::AuthorizationRequestId;
use crate::domain::mail::MailParams;
use crate::flows::authorize::{self, ResumeError, Resumed};
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy::PagePolicy;
use crate::http::site::Site;
use crate::http::visitor::Visitor;

/// A request and its id.
#[derive(Debug)]
pub struct Pending {
    /// The id.
    pub id: AuthorizationRequestId,
    /// The request.
    pub resumed: Resumed,
}

impl Pending {
    /// Who the client thinks the user is.
    pub fn login_hint(&self) -> Option<&str> {
        self.resumed.proven.request.login_hint.as_deref()
    }
}

/// Who looks at a page, and for which request.
pub async fn visit(
    site: &Site,
    request: &HttpRequest,
    now: DateTime<Utc>,
) -> Result<(Visitor, Option<Pending>), HttpResponse> {
    let visitor = Visitor::read(site, request, now).await?;
    let pending = find(site, request, &visitor, now).await?;
    Ok((visitor, pending))
}

/// [`visit`] of a page that works without a request too: a mailed link may be opened in another browser, or when the
/// request is long over, and then leads to the account.
pub async fn visit_if_any(
    site: &Site,
    request: &HttpRequest,
    now: DateTime<Utc>,
) -> Result<(Visitor, Option<Pending>), HttpResponse> {
    let visitor = Visitor::read(site, request, now).await?;
    let Some(id) = named(request).and_then(|id| id.parse::<AuthorizationRequestId>().ok()) else {
        return Ok((visitor, None));
    };
    match authorize::resume(&site.provider, id, visitor.browser.hash(), now).await {
        Ok(resumed) => Ok((visitor, Some(Pending { id, resumed }))),
        Err(ResumeError::Gone | ResumeError::Client) => Ok((visitor, None)),
        Err(error) => Err(lost(site, request, &error)),
    }
}

/// The id in the address of a page.
fn named(request: &HttpRequest) -> Option<String> {
    let query = Fields::parse(request.query_string().as_bytes()).unwrap_or_default();
    query.owned("request")
}

/// The request that the address of a page names, if it names one; or the page that says that it is lost.
async fn find(
    site: &Site,
    request: &HttpRequest,
    visitor: &Visitor,
    now: DateTime<Utc>,
) -> Result<Option<Pending>, HttpResponse> {
    let Some(id) = named(request) else {
        return Ok(None);
    };
    let id = id
        .parse::<AuthorizationRequestId>()
        .map_err(|_| lost(site, request, &ResumeError::Gone))?;
    let resumed = authorize::resume(&site.provider, id, visitor.browser.hash(), now).await;
    let resumed = resumed.map_err(|error| lost(site, request, &error))?;
    Ok(Some(Pending { id, resumed }))
}

/// The address of a page, for the same request.
pub fn link(site: &Site, path: &str, pending: Option<&Pending>) -> String {
    match pending {
        Some(pending) => site.path(&format!("{path}?request={}", pending.id)),
        None => site.path(path),
    }
}

/// [`link`] with one of our words for what has just been done, which the page says in a sentence.
pub fn link_after(site: &Site, path: &str, pending: Option<&Pending>, done: &str) -> String {
    let link = link(site, path, pending);
    let separator = if pending.is_some() { '&' } else { '?' };
    format!("{link}{separator}done={done}")
}

/// Where the links of mails that a page causes lead: back to the same request.
pub fn mail_params(pending: Option<&Pending>) -> MailParams {
    MailParams {
        authorization_request: pending.map(|pending| *pending.id.as_uuid()),
        ..MailParams::default()
    }
}

/// Where the forms of a page may lead: for a request, to its client in the end; to other providers, where there are any.
pub fn policy(site: &Site, pending: Option<&Pending>) -> PagePolicy {
    if pending.is_some() || !site.provider.federation.entries().is_empty() {
        PagePolicy::LeadsElsewhere
    } else {
        PagePolicy::Own
    }
}

/// Where the browser goes when a page's work is done: back to the dispatcher, or to the account.
pub fn after(site: &Site, pending: Option<&Pending>) -> String {
    match pending {
        Some(pending) => site.path(&format!("/oauth2/authorize/{}", pending.id)),
        None => site.path("/account"),
    }
}

/// The page for a request that does not go on.
pub fn lost(site: &Site, request: &HttpRequest, error: &ResumeError) -> HttpResponse {
    match error {
        ResumeError::Gone => error::page(
            site,
            request,
            StatusCode::BAD_REQUEST,
            "This sign-in has ended",
            "It was finished already, took too long, or was begun in another browser.",
            Some("Go back to the application and sign in again."),
        ),
        ResumeError::Client => error::page(
            site,
            request,
            StatusCode::BAD_REQUEST,
            "This sign-in cannot go on",
            "The application that sent you here has changed in the meantime.",
            Some("Go back to the application and sign in again."),
        ),
        ResumeError::Registry(error) => error::failure_page(site, request, error),
        ResumeError::Storage(error) => error::failure_page(site, request, error),
    }
}

/// The page for a form that is not this browser's own, or too old.
pub fn not_own(site: &Site, request: &HttpRequest) -> HttpResponse {
    tracing::info!("a form was not its browser's own");
    error::page(
        site,
        request,
        StatusCode::FORBIDDEN,
        "Please try again",
        "The form was not sent from the page that this browser was shown, or cookies are turned off.",
        Some("Allow cookies for this site, open the page again, and send the form once more."),
    )
}

/// The page for a body that is no form of ours.
pub fn no_form(site: &Site, request: &HttpRequest, status: StatusCode) -> HttpResponse {
    error::page(
        site,
        request,
        status,
        "The form did not arrive",
        "What the browser sent is no form that this page knows.",
        Some("Open the page again and send the form once more."),
    )
}
