//! A page as an answer, and what it may load, frame and send.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, X_FRAME_OPTIONS};
use actix_web::{HttpResponse, HttpResponseBuilder};

/// Where the forms of a page may lead. Browsers apply `form-action` to the whole chain of redirects, so a page
/// that ends at a client, or goes by another provider, must not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePolicy {
    /// To ourselves alone.
    Own,
    /// Back to a client in the end, or to another provider.
    LeadsElsewhere,
}

impl PagePolicy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Own => {
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'; form-action 'self'"
            }
            Self::LeadsElsewhere => {
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'"
            }
        }
    }
}

/// A page as an answer: never stored, never framed.
pub fn page(answer: &mut HttpResponseBuilder, policy: PagePolicy, html: String) -> HttpResponse {
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, policy.as_str()))
        .insert_header((X_FRAME_OPTIONS, "DENY"))
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(html)
}
