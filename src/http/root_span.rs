//! The span of a whole request, its id, and its place in the metrics. It knows the route's pattern and never
//! the address itself: a query may hold a code, a path an id.
//!
//! It stands before every answer, those from memory too, so it must cost next to nothing beside them.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use tracing::{Instrument, Span};

use super::request_id::RequestId;
use super::request_metrics::{self, Route};
use super::security_headers;
use super::site::Site;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request as pages show it.
pub fn request_id(request: &HttpRequest) -> String {
    let extensions = request.extensions();
    extensions
        .get::<RequestId>()
        .map(|id| id.as_str().to_owned())
        .unwrap_or_default()
}

/// Runs a request in its span, by the rules for every request, and counts it.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let route = request_metrics::route_of(request.request());
    let id = request
        .app_data::<web::Data<Site>>()
        .map(|site| site.request_ids.next());
    if let Some(id) = id.filter(|_| !route.is_document) {
        request.extensions_mut().insert(id);
    }
    let method = label(request.method());
    let span = span_of(id.as_ref(), method, &route);
    let result = security_headers::on_every_answer(request, next)
        .instrument(span.clone())
        .await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let elapsed = began.elapsed();
    route.record(method, status, elapsed);
    span.in_scope(|| {
        tracing::debug!(
            http.status = status.as_u16(),
            duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    let mut response = result?;
    if let Some(Ok(value)) = id.map(|id| HeaderValue::from_str(id.as_str())) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
}

/// Strangers choose the method's name, and a metric's labels must be few.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}

/// The public documents come from memory, and nothing that they do is worth a line above `debug`: below it they
/// go without the span, whose making would cost as much as their answer.
fn span_of(id: Option<&RequestId>, method: &'static str, route: &Route) -> Span {
    let id = id.map(RequestId::as_str);
    let pattern = &*route.pattern;
    if route.is_document {
        tracing::debug_span!(
            "http",
            request.id = id,
            http.method = method,
            http.route = pattern
        )
    } else {
        tracing::info_span!(
            "http",
            request.id = id,
            http.method = method,
            http.route = pattern
        )
    }
}
