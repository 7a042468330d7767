//! Public documents: bytes that were made once, with a strong entity tag.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH,
};
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;

/// A public document, or that it has not changed (RFC 9110 §15.4.5). The headers are new to the answer, so they are
/// appended: replacing costs twice as much, even where there is nothing to replace.
pub(super) fn document_or_unchanged(
    request: &HttpRequest,
    cache_control: HeaderValue,
    media_type: HeaderValue,
    etag: &str,
    body: &Bytes,
) -> HttpResponse {
    let known = is_known(request, etag);
    let mut answer = if known {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else {
        HttpResponse::with_body(StatusCode::OK, BoxBody::new(body.clone()))
    };
    let headers = answer.headers_mut();
    headers.append(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.append(CACHE_CONTROL, cache_control);
    headers.append(
        ETAG,
        HeaderValue::from_str(etag).expect("a tag is made of letters and digits"),
    );
    if !known {
        headers.append(CONTENT_TYPE, media_type);
    }
    answer
}

/// Whether the client holds what `etag` names (RFC 9110 §13.1.2). The comparison is the weak one.
fn is_known(request: &HttpRequest, etag: &str) -> bool {
    request.headers().get_all(IF_NONE_MATCH).any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
