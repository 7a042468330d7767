//! The metadata documents: `/.well-known/openid-configuration` (OpenID Connect Discovery §4) and
//! `/.well-known/oauth-authorization-server` (RFC 8414 §3), the same bytes, made once a revision of the registry.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;

use crate::http::site::Site;

/// Answers with the metadata.
pub async fn metadata(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let document = site.metadata.present(&site.provider);
    document_or_unchanged(
        &request,
        site.public_cache.clone(),
        "application/json",
        &document.etag,
        &document.body,
    )
}

/// A public document, or that it has not changed (RFC 9110 §15.4.5).
pub(super) fn document_or_unchanged(
    request: &HttpRequest,
    cache_control: HeaderValue,
    media_type: &'static str,
    etag: &str,
    body: &Bytes,
) -> HttpResponse {
    let known = is_known(request, etag);
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((CACHE_CONTROL, cache_control))
        .insert_header((ETAG, etag));
    if known {
        answer.finish()
    } else {
        answer
            .insert_header((CONTENT_TYPE, HeaderValue::from_static(media_type)))
            .body(body.clone())
    }
}

/// Whether the client holds what `etag` names (RFC 9110 §13.1.2). The comparison is the weak one.
pub(super) fn is_known(request: &HttpRequest, etag: &str) -> bool {
    request.headers().get_all(IF_NONE_MATCH).any(|value| {
        let tags = value.to_str().unwrap_or_default().split(',');
        tags.map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
    })
}
