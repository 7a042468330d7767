//! Which scripts may read an answer (Fetch standard, CORS protocol). Credentials are never allowed here, so a
//! script gets what any program would get, and nothing of the user's cookies.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderMap, HeaderValue, ORIGIN, VARY,
};
use actix_web::middleware::{DefaultHeaders, Next};
use actix_web::{Error, HttpResponse, web};

use super::site::Site;

const EXPOSED: HeaderValue = HeaderValue::from_static("WWW-Authenticate, Retry-After, X-Request-Id");

/// Anybody may read: public metadata and keys, and why there are none.
pub fn anybody() -> DefaultHeaders {
    DefaultHeaders::new().add((ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")))
}

/// The answer to a preflight request, to which the middleware adds who may go on.
pub async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"))
        .insert_header((ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"))
        .insert_header((ACCESS_CONTROL_MAX_AGE, "600"))
        .finish()
}

/// Scripts of registered clients may read, errors too.
pub async fn registered_origins(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let origin = request.headers().get(ORIGIN).cloned();
    let site = request.app_data::<web::Data<Site>>();
    let allowed = origin.filter(|origin| {
        let origin = origin.to_str().unwrap_or_default();
        site.is_some_and(|site| site.provider.registry.allows_origin(origin))
    });
    if is_preflight(&request) {
        let mut answer = preflight().await;
        mark(answer.headers_mut(), allowed);
        return Ok(request.into_response(answer).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    mark(response.headers_mut(), allowed);
    Ok(response.map_into_left_body())
}

fn mark(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = allowed {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}

fn is_preflight(request: &ServiceRequest) -> bool {
    request.method() == Method::OPTIONS
}
