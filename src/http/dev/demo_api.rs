//! The demo API: a resource server that accepts our access tokens (RFC 6750).

use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::DevSite;
use crate::flows::demo::{self, DemoRefusal};

/// `GET /dev/api/me`.
pub async fn me(request: HttpRequest, site: web::Data<DevSite>) -> HttpResponse {
    let Some(token) = bearer(&request) else {
        return HttpResponse::Unauthorized()
            .insert_header((WWW_AUTHENTICATE, "Bearer"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(json!({"error": "invalid_request", "error_description": "no access token"}));
    };
    match demo::who_calls(&(site.jwks)(), token, &site.issuer, site.clock.now()) {
        Ok(claims) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(json!({"message": "The demo API accepted your access token.", "token": claims})),
        Err(refusal) => refused(refusal),
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn refused(refusal: DemoRefusal) -> HttpResponse {
    let (mut answer, code) = match refusal {
        DemoRefusal::Token(_) => (HttpResponse::Unauthorized(), "invalid_token"),
        DemoRefusal::Scope => (HttpResponse::Forbidden(), "insufficient_scope"),
    };
    let description = refusal.to_string();
    answer
        .insert_header((
            WWW_AUTHENTICATE,
            format!("Bearer error=\"{code}\", error_description=\"{description}\""),
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(json!({"error": code, "error_description": description}))
}
