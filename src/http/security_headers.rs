//! The headers that keep browsers from being turned against their users.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse, HttpResponseBuilder, web};

use super::admission;
use super::site::Site;

/// Where the forms of a page may lead. Browsers apply `form-action` to the whole chain of redirects, so a page
/// that ends at a client must not have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PagePolicy {
    /// To ourselves alone.
    Own,
    /// Back to a client in the end.
    LeadsToClient,
}

impl PagePolicy {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Own => {
                "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                 frame-ancestors 'none'; form-action 'self'"
            }
            Self::LeadsToClient => {
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

/// What every answer carries. An address may hold a code, so nobody is ever told where a request comes from
/// (RFC 9700 §4.2.4); and what says nothing of caches is for none, since they may keep even a 404 or a 405 that
/// does not forbid it (RFC 9110 §15.1).
pub async fn on_every_answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let secure = request
        .app_data::<web::Data<Site>>()
        .is_some_and(|site| site.secure);
    let mut response = admission::admit(request, next).await?;
    let headers = response.headers_mut();
    if !headers.contains_key(CACHE_CONTROL) {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    let mut set =
        |name: HeaderName, value: &'static str| headers.insert(name, HeaderValue::from_static(value));
    set(X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(REFERRER_POLICY, "no-referrer");
    if secure {
        set(STRICT_TRANSPORT_SECURITY, "max-age=31536000");
    }
    Ok(response)
}
