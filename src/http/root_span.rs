//! The span of a whole request, its id, and its place in the metrics. It knows the route's pattern and never
//! the address itself: a query may hold a code, a path an id.
//!
//! It stands before every answer, those from memory too, so it must cost next to nothing beside them.

use std::rc::Rc;
use std::time::Instant;

use actix_web::dev::ServiceResponse;
use actix_web::http::Method;
use actix_web::http::header::HeaderName;
use actix_web::{Error, HttpMessage, HttpRequest};
use tracing::Span;

use super::request_id::RequestId;
use super::request_metrics::{self, Route};
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

/// A request that is being answered.
pub struct RootSpan {
    began: Instant,
    route: Rc<Route>,
    id: RequestId,
    method: &'static str,
    span: Span,
}

impl RootSpan {
    /// Opens the span of a request, and gives it its id.
    pub fn open(site: &Site, request: &HttpRequest) -> Self {
        let began = Instant::now();
        let route = request_metrics::route_of(request);
        let id = site.request_ids.next();
        if !route.is_document {
            request.extensions_mut().insert(id);
        }
        let method = label(request.method());
        Self {
            span: span_of(id, method, &route),
            began,
            route,
            id,
            method,
        }
    }

    /// The span, for the work on the answer.
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    /// Counts the answer, and tells it its id.
    pub fn close(self, result: Result<ServiceResponse, Error>) -> Result<ServiceResponse, Error> {
        let status = match &result {
            Ok(response) => response.status(),
            Err(error) => error.as_response_error().status_code(),
        };
        let elapsed = self.began.elapsed();
        self.route.record(self.method, status, elapsed);
        self.span.in_scope(|| {
            tracing::debug!(
                http.status = status.as_u16(),
                duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
                "answered"
            );
        });
        let mut response = result?;
        response.headers_mut().append(X_REQUEST_ID, self.id.into());
        Ok(response)
    }
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
fn span_of(id: RequestId, method: &'static str, route: &Route) -> Span {
    let id = id.as_str();
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
