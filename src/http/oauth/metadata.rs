//! The metadata documents: `/.well-known/openid-configuration` (OpenID Connect Discovery §4) and
//! `/.well-known/oauth-authorization-server` (RFC 8414 §3), the same bytes, made once a revision of the registry.

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};

use super::document::document_or_unchanged;
use crate::http::site::Site;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/json");

/// Answers with the metadata.
pub async fn metadata(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    at_once(&site, &request)
}

/// The metadata, for which there is nothing to wait.
pub fn at_once(site: &Site, request: &HttpRequest) -> HttpResponse {
    let document = site.metadata.present(&site.provider);
    document_or_unchanged(
        request,
        site.public_cache.clone(),
        MEDIA_TYPE,
        &document.etag,
        &document.body,
    )
}
