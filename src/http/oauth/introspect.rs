//! `POST /oauth2/introspect` (RFC 7662).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};

use super::client_credentials::client_request;
use crate::flows::introspect;
use crate::http::body::Form;
use crate::http::error;
use crate::http::site::Site;

/// Tells a client what a token is good for.
pub async fn introspect(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let (fields, credentials) = match client_request(&request, form) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let provider = &site.provider;
    let token = fields.secret("token");
    match introspect::introspect(provider, &credentials, token.as_ref(), provider.now()).await {
        Ok(answer) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(answer),
        Err(refusal) => error::oauth(&refusal),
    }
}
