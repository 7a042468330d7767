//! `POST /oauth2/revoke` (RFC 7009).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};

use super::client_credentials::client_request;
use crate::flows::revoke;
use crate::http::body::Form;
use crate::http::error;
use crate::http::site::Site;

/// Revokes a token. The answer is empty and has no content type: a browser's client takes no other.
pub async fn revoke(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let (fields, credentials) = match client_request(&request, form) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let provider = &site.provider;
    let token = fields.secret("token");
    match revoke::revoke(provider, &credentials, token.as_ref(), provider.now()).await {
        Ok(()) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .finish(),
        Err(refusal) => error::oauth(&refusal),
    }
}
