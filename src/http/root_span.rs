//! The span of a whole request, its id, and its place in the metrics. It knows the route's pattern and never
//! the address itself: a query may hold a code, a path an id.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};
use tracing::Instrument;

use super::site::Site;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of one request: in its answer, in the log, on error pages.
#[derive(Clone)]
struct RequestId(String);

/// The id of a request as pages show it.
pub fn request_id(request: &HttpRequest) -> String {
    let extensions = request.extensions();
    extensions
        .get::<RequestId>()
        .map(|id| id.0.clone())
        .unwrap_or_default()
}

/// Runs a request in its span, and counts it.
pub async fn around(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let id = new_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    // Strangers choose the method's name, and a metric's labels must be few.
    let method = match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    };
    let route = request.match_pattern().unwrap_or_else(|| "none".to_owned());
    let span = tracing::info_span!("http", request.id = %id, http.method = method, http.route = %route);
    let result = next.call(request).instrument(span.clone()).await;
    let status = match &result {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let elapsed = began.elapsed();
    metrics::histogram!("signet_http_request_seconds", "route" => route.clone()).record(elapsed);
    metrics::counter!(
        "signet_http_requests_total",
        "route" => route, "method" => method, "status" => status.as_str().to_owned()
    )
    .increment(1);
    span.in_scope(|| {
        tracing::debug!(
            http.status = status.as_u16(),
            duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            "answered"
        );
    });
    let mut response = result?;
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    Ok(response)
}

/// Ours alone: a stranger's id in our log would be whatever the stranger wants it to be.
fn new_id(request: &ServiceRequest) -> String {
    let mut bytes = [0; 12];
    if let Some(site) = request.app_data::<web::Data<Site>>() {
        site.provider.random.fill(&mut bytes);
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
