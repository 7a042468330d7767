//! `GET /.well-known/jwks.json` (RFC 7517 §5): bytes that were made once, from memory, with or without a
//! database.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG};
use actix_web::{HttpRequest, HttpResponse, web};

use super::metadata::is_known;
use crate::http::site::Site;

/// Answers with the published keys.
pub async fn jwks(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let keys = site.provider.keys();
    let jwks = keys.ring.jwks(site.provider.now());
    let mut answer = if is_known(&request, &jwks.etag) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    answer
        .insert_header((CACHE_CONTROL, site.public_cache.clone()))
        .insert_header((ETAG, jwks.etag.as_str()));
    if is_known(&request, &jwks.etag) {
        answer.finish()
    } else {
        answer
            .insert_header((CONTENT_TYPE, "application/jwk-set+json"))
            .body(jwks.body.clone())
    }
}
