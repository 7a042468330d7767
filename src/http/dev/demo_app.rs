//! The demo application: one page and its scripts.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use actix_web::{HttpResponse, web};

use super::DevSite;

/// The page loads its own scripts, and talks to this origin alone.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /dev/` and `/dev/callback`.
pub async fn page(site: web::Data<DevSite>) -> HttpResponse {
    let issuer = minijinja::HtmlEscape(&site.issuer).to_string();
    let page = include_str!("assets/index.html").replace("{{ issuer }}", &issuer);
    asset("text/html; charset=utf-8", page)
}

/// `GET /dev/demo.js`.
pub async fn script() -> HttpResponse {
    asset("text/javascript; charset=utf-8", include_str!("assets/demo.js"))
}

/// `GET /dev/demo.css`.
pub async fn style() -> HttpResponse {
    asset("text/css; charset=utf-8", include_str!("assets/demo.css"))
}

/// `GET /dev/oidc-client-ts.js`.
pub async fn library() -> HttpResponse {
    asset(
        "text/javascript; charset=utf-8",
        include_str!("assets/oidc-client-ts-3.5.0.min.js"),
    )
}

/// `GET /dev/licence.txt`.
pub async fn licence() -> HttpResponse {
    asset(
        "text/plain; charset=utf-8",
        include_str!("assets/oidc-client-ts-3.5.0.LICENSE"),
    )
}

fn asset(kind: &'static str, body: impl actix_web::body::MessageBody + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(kind)
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-cache"))
        .body(body)
}
