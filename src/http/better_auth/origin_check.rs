//! Whether a request is its own page's: the headers by which browsers tell where it comes from.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, ORIGIN, REFERER};
use serde_json::Value;
use url::Url;

use super::answer::ApiError;
use super::media::Body;
use super::origins::Origins;
use crate::http::cookies::CookieHeaders;

/// Whatever comes with a cookie, even another's, comes from a page that is trusted with one.
///
/// # Errors
/// When it does not, or hides where it comes from.
pub fn cookies_come_from_trusted_pages(
    request: &HttpRequest,
    cookies: &CookieHeaders,
    origins: &Origins,
) -> Result<(), ApiError> {
    if cookies.is_empty() {
        return Ok(());
    }
    comes_from_a_trusted_page(request, origins)
}

/// A login is asked for by a page that is trusted with one, or by a program that is no browser: nobody is to find
/// themselves logged in as somebody else.
///
/// # Errors
/// When another page asks.
pub fn no_page_elsewhere_logs_in(
    request: &HttpRequest,
    cookies: &CookieHeaders,
    origins: &Origins,
) -> Result<(), ApiError> {
    // With cookies it was checked before.
    if !cookies.is_empty() {
        return Ok(());
    }
    let headers = request.headers();
    let fetch = |name: &str| text(headers, name).unwrap_or_default();
    if fetch("sec-fetch-site") == "cross-site" && fetch("sec-fetch-mode") == "navigate" {
        return Err(ApiError::forbidden(
            "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
            "Cross-site navigation login blocked. This request appears to be a CSRF attack.",
        ));
    }
    let is_browser = ["sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest"]
        .iter()
        .any(|name| !fetch(name).is_empty());
    if is_browser || headers.contains_key(ORIGIN) || headers.contains_key(REFERER) {
        comes_from_a_trusted_page(request, origins)?;
    }
    Ok(())
}

fn comes_from_a_trusted_page(request: &HttpRequest, origins: &Origins) -> Result<(), ApiError> {
    let headers = request.headers();
    let named = match text(headers, "origin") {
        // Sent by a page that tells nobody where it is; browsers say whether it is one of ours.
        Some("null") if text(headers, "sec-fetch-site") == Some("same-origin") => return Ok(()),
        Some(origin) => Some(origin.to_owned()),
        None => text(headers, "referer").and_then(|referer| {
            let url = Url::parse(referer).ok()?;
            Some(url.origin().ascii_serialization())
        }),
    };
    match named.filter(|named| !named.is_empty() && named != "null") {
        None => Err(ApiError::forbidden(
            "MISSING_OR_NULL_ORIGIN",
            "Missing or null Origin",
        )),
        Some(named) if origins.trusts(&named) => Ok(()),
        Some(_) => Err(ApiError::forbidden("INVALID_ORIGIN", "Invalid origin")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get(name)
        .map(|value| value.to_str().unwrap_or("unreadable"))
}

/// The names under which addresses are given that a browser is sent to, with the codes for wrong ones.
const TARGETS: [(&str, &str, &str); 4] = [
    ("callbackURL", "INVALID_CALLBACK_URL", "Invalid callbackURL"),
    ("redirectTo", "INVALID_REDIRECT_URL", "Invalid redirectURL"),
    (
        "errorCallbackURL",
        "INVALID_ERROR_CALLBACK_URL",
        "Invalid errorCallbackURL",
    ),
    (
        "newUserCallbackURL",
        "INVALID_NEW_USER_CALLBACK_URL",
        "Invalid newUserCallbackURL",
    ),
];

/// Nobody is sent where the operator trusts nobody.
///
/// # Errors
/// With the first address that leads there, or is none.
pub fn targets_lead_home(body: &Body, origins: &Origins) -> Result<(), ApiError> {
    for (name, code, message) in TARGETS {
        match body.as_ref().and_then(|body| body.get(name)) {
            None | Some(Value::Null) => {}
            Some(Value::String(target)) => is_home(target, code, message, origins)?,
            Some(_) => {
                let message = format!("{message}: expected a string");
                let status = actix_web::http::StatusCode::BAD_REQUEST;
                return Err(ApiError::said_without_code(status, message));
            }
        }
    }
    Ok(())
}

/// [`targets_lead_home`] for the addresses that stand in a query.
///
/// # Errors
/// With the first address that leads elsewhere.
pub fn query_targets_lead_home(
    query: &serde_json::Map<String, Value>,
    origins: &Origins,
) -> Result<(), ApiError> {
    for (name, code, message) in TARGETS {
        if let Some(Value::String(target)) = query.get(name) {
            is_home(target, code, message, origins)?;
        }
    }
    Ok(())
}

fn is_home(
    target: &str,
    code: &'static str,
    message: &'static str,
    origins: &Origins,
) -> Result<(), ApiError> {
    if target.is_empty() || origins.leads_home(target) {
        Ok(())
    } else {
        Err(ApiError::forbidden(code, message))
    }
}
