//! The headers that keep browsers from being turned against their users.

use actix_web::http::header::{
    CACHE_CONTROL, HeaderMap, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS,
};

/// Adds what every answer carries. An address may hold a code, so nobody is ever told where a request comes from
/// (RFC 9700 §4.2.4); and what says nothing of caches is for none, since they may keep even a 404 or a 405 that
/// does not forbid it (RFC 9110 §15.1).
pub fn append(headers: &mut HeaderMap, secure: bool) {
    if !headers.contains_key(CACHE_CONTROL) {
        headers.append(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    headers.append(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.append(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if secure {
        let a_year = HeaderValue::from_static("max-age=31536000");
        headers.append(STRICT_TRANSPORT_SECURITY, a_year);
    }
}
