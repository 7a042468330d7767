//! `GET /.well-known/jwks.json` (RFC 7517 §5): bytes that were made once, from memory, with or without a
//! database.

use actix_web::{HttpRequest, HttpResponse, web};

use super::metadata::document_or_unchanged;
use crate::http::site::Site;

/// Answers with the published keys.
pub async fn jwks(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let keys = site.provider.keys();
    let jwks = keys.ring.jwks(site.provider.now());
    document_or_unchanged(
        &request,
        &site,
        "application/jwk-set+json",
        &jwks.etag,
        &jwks.body,
    )
}
