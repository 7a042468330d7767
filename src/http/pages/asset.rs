//! `/assets/…`: what the pages load, for ever cacheable under an address that names its content.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpRequest, HttpResponse, web};

use super::assets;
use crate::http::error;
use crate::http::site::Site;

/// How long a browser may keep what it asked for by a name that outlives its content.
const ICON_CACHE: &str = "public, max-age=86400";

/// Answers with an asset.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let path = request.path().strip_prefix(&*site.base).unwrap_or_default();
    match site.pages.assets().find(path) {
        Some(asset) => HttpResponse::Ok()
            .content_type(asset.media_type)
            .insert_header((CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .insert_header((CONTENT_SECURITY_POLICY, assets::POLICY))
            .body(asset.bytes.clone()),
        None => error::not_found(&site, &request),
    }
}

/// `/favicon.ico`: the icon under the name that browsers try by themselves, at the root of the origin.
pub async fn icon(site: web::Data<Site>) -> HttpResponse {
    let icon = &site.pages.assets().icon;
    HttpResponse::Ok()
        .content_type(icon.media_type)
        .insert_header((CACHE_CONTROL, ICON_CACHE))
        .insert_header((CONTENT_SECURITY_POLICY, assets::POLICY))
        .body(icon.bytes.clone())
}
