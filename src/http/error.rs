//! The one place where an error becomes an answer: a code its status, a cause a line in the log.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use serde::Serialize;

use super::body::BodyError;
use super::page_policy::{self, PagePolicy};
use super::pages::view::{BusyPage, ErrorPage, Text};
use super::root_span::request_id;
use super::site::Site;
use crate::flows::limits::TooMany;
use crate::flows::refusal::Refusal;
use crate::oauth::error_code::ErrorCode;

#[derive(Serialize)]
struct ErrorBody {
    error: &'static str,
    error_description: &'static str,
}

/// The answer of a protocol endpoint (RFC 6749 §5.2, RFC 8628 §3.5).
pub fn oauth(refusal: &(impl Refusal + 'static)) -> HttpResponse {
    log(refusal);
    let code = refusal.code();
    let mut answer = HttpResponse::build(status(code));
    match code {
        ErrorCode::InvalidClient => {
            answer.insert_header((WWW_AUTHENTICATE, "Basic realm=\"signet\", charset=\"UTF-8\""));
        }
        ErrorCode::TemporarilyUnavailable => {
            answer.insert_header((RETRY_AFTER, refusal.retry_after().num_seconds().max(1)));
        }
        _ => {}
    }
    json(&mut answer, code, refusal.error_description())
}

/// The answer of a resource of our own to its bearer (RFC 6750 §3).
pub fn bearer(refusal: &(impl Refusal + 'static)) -> HttpResponse {
    log(refusal);
    let code = refusal.code();
    let status = match code {
        ErrorCode::InvalidToken => StatusCode::UNAUTHORIZED,
        ErrorCode::InsufficientScope => StatusCode::FORBIDDEN,
        other => status(other),
    };
    let mut answer = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        answer.insert_header((RETRY_AFTER, refusal.retry_after().num_seconds().max(1)));
    } else if status.is_client_error() {
        let description = refusal.error_description();
        let challenge =
            format!("Bearer realm=\"signet\", error=\"{code}\", error_description=\"{description}\"");
        answer.insert_header((WWW_AUTHENTICATE, challenge));
    }
    json(&mut answer, code, refusal.error_description())
}

/// The answer to a body that is no form.
pub fn body(error: BodyError) -> HttpResponse {
    json(
        &mut HttpResponse::build(error.status()),
        ErrorCode::InvalidRequest,
        error.description(),
    )
}

/// The answer to a request that is malformed beyond its endpoint.
pub fn invalid_request(description: &'static str) -> HttpResponse {
    json(
        &mut HttpResponse::BadRequest(),
        ErrorCode::InvalidRequest,
        description,
    )
}

/// [`invalid_request`] of a resource of our own, which names its scheme in every refusal (RFC 6750 §3).
pub fn bearer_invalid_request(description: &'static str) -> HttpResponse {
    let challenge =
        format!("Bearer realm=\"signet\", error=\"invalid_request\", error_description=\"{description}\"");
    let mut answer = HttpResponse::BadRequest();
    answer.insert_header((WWW_AUTHENTICATE, challenge));
    json(&mut answer, ErrorCode::InvalidRequest, description)
}

/// The answer of a protocol endpoint to a method that it does not have (RFC 9110 §15.5.6).
pub fn method_not_allowed(allowed: &'static str) -> HttpResponse {
    let mut answer = HttpResponse::MethodNotAllowed();
    answer.insert_header((ALLOW, allowed));
    json(
        &mut answer,
        ErrorCode::InvalidRequest,
        "this address does not take that method",
    )
}

fn json(answer: &mut HttpResponseBuilder, code: ErrorCode, description: &'static str) -> HttpResponse {
    answer.insert_header((CACHE_CONTROL, "no-store")).json(ErrorBody {
        error: code.as_str(),
        error_description: description,
    })
}

const fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::InvalidClient => StatusCode::UNAUTHORIZED,
        ErrorCode::ServerError => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::TemporarilyUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    }
}

/// Once an error, at the level that says who must look.
fn log(refusal: &(impl Refusal + 'static)) {
    let code = refusal.code();
    let error: &dyn std::error::Error = refusal;
    match code {
        ErrorCode::ServerError => tracing::error!(error, error.code = %code, "a request failed"),
        ErrorCode::TemporarilyUnavailable => {
            tracing::warn!(error, error.code = %code, "a request could not be served");
        }
        ErrorCode::InvalidClient => tracing::warn!(error, error.code = %code, "a client was refused"),
        _ => tracing::info!(error, error.code = %code, "a request was refused"),
    }
}

/// A page that ends a way: nothing on it leads anywhere.
pub fn page(
    site: &Site,
    request: &HttpRequest,
    status: StatusCode,
    title: &'static str,
    message: impl Into<Text>,
    advice: Option<&'static str>,
) -> HttpResponse {
    let html = site.pages.render(&ErrorPage {
        title: title.into(),
        message: message.into(),
        advice: advice.map(Into::into),
        request_id: request_id(request),
    });
    page_policy::page(&mut HttpResponse::build(status), PagePolicy::Own, html)
}

/// A page that asks for patience.
pub fn busy(
    site: &Site,
    request: &HttpRequest,
    status: StatusCode,
    title: &'static str,
    message: &'static str,
    retry_after: Duration,
) -> HttpResponse {
    let html = site.pages.render(&BusyPage {
        title: title.into(),
        message: message.into(),
        retry_after,
        request_id: request_id(request),
    });
    let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
    let mut answer = HttpResponse::build(status);
    answer.insert_header((RETRY_AFTER, seconds.max(1)));
    page_policy::page(&mut answer, PagePolicy::Own, html)
}

/// 429 (RFC 6585 §4).
pub fn too_many_page(site: &Site, request: &HttpRequest, too_many: TooMany) -> HttpResponse {
    busy(
        site,
        request,
        StatusCode::TOO_MANY_REQUESTS,
        "Too many attempts",
        "There were too many attempts from here, or at this account. Please wait a little.",
        too_many.retry_after.to_std().unwrap_or(Duration::from_secs(1)),
    )
}

/// The page for when a flow could not do its work: what it needs is not to be had, or something broke.
pub fn failure_page(site: &Site, request: &HttpRequest, failure: &(impl Refusal + 'static)) -> HttpResponse {
    let error: &dyn std::error::Error = failure;
    if failure.code() == ErrorCode::TemporarilyUnavailable {
        tracing::warn!(error, "a page could not be served");
        return busy(
            site,
            request,
            StatusCode::SERVICE_UNAVAILABLE,
            "Not available at the moment",
            "The service cannot look anything up right now. Nothing is lost.",
            failure.retry_after().to_std().unwrap_or(Duration::from_secs(1)),
        );
    }
    tracing::error!(error, "a page failed");
    page(
        site,
        request,
        StatusCode::INTERNAL_SERVER_ERROR,
        "Something went wrong",
        "The page could not be made. This is not your fault.",
        Some("Try again; if it happens again, tell whoever runs this service the number below."),
    )
}

/// What no route knows: a page for browsers, JSON for programs.
pub fn not_found(site: &Site, request: &HttpRequest) -> HttpResponse {
    let accept = request
        .headers()
        .get("accept")
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.contains("text/html")) {
        return page(
            site,
            request,
            StatusCode::NOT_FOUND,
            "There is nothing here",
            "The address is wrong, or the page is gone.",
            None,
        );
    }
    HttpResponse::NotFound()
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_TYPE, "application/json"))
        .body("{\"error\":\"not_found\",\"error_description\":\"there is nothing at this address\"}")
}
