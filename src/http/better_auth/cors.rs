//! Which scripts may call with cookies and read what comes back: those of origins that the operator listed word for
//! word (Fetch standard, CORS protocol).

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, web};

use crate::http::site::Site;

const EXPOSED: HeaderValue =
    HeaderValue::from_static("set-auth-token, set-auth-jwt, x-retry-after, retry-after, x-request-id");

/// Answers preflights of trusted origins, and marks what their scripts may read.
pub async fn trusted_origins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let origin = request.headers().get(ORIGIN).cloned();
    let site = request.app_data::<web::Data<Site>>();
    let trusted = origin.filter(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        site.is_some_and(|site| site.better_auth.enabled && site.better_auth_origins.trusts(origin))
    });
    let asks = request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    if request.method() == Method::OPTIONS && asks && trusted.is_some() {
        let mut answer = preflight();
        mark(answer.headers_mut(), trusted);
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    mark(response.headers_mut(), trusted);
    Ok(response.map_into_left_body())
}

fn mark(headers: &mut HeaderMap, trusted: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = trusted {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "content-type, authorization"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}
