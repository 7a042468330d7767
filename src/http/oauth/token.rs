//! `POST /oauth2/token` (RFC 6749 §3.2, §5.1).

use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;

use super::client_credentials::client_request;
use crate::domain::secret::Secret;
use crate::flows::issue::Tokens;
use crate::flows::token::{self, TokenRequest};
use crate::http::body::Form;
use crate::http::error;
use crate::http::site::Site;

/// RFC 6749 §5.1.
#[derive(Serialize)]
struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "String::is_empty")]
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

/// Answers a token request.
pub async fn token(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let (fields, credentials) = match client_request(&request, form) {
        Ok(read) => read,
        Err(answer) => return answer,
    };
    let asked = TokenRequest {
        credentials,
        grant_type: fields.owned("grant_type"),
        scope: fields.owned("scope"),
        resources: fields.all("resource"),
        code: fields.secret("code"),
        redirect_uri: fields.owned("redirect_uri"),
        code_verifier: fields.secret("code_verifier"),
        refresh_token: fields.secret("refresh_token"),
    };
    let provider = &site.provider;
    match token::exchange(provider, &asked, provider.now()).await {
        Ok(tokens) => issued(&tokens),
        Err(refusal) => error::oauth(&refusal),
    }
}

fn issued(tokens: &Tokens) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(TokenResponse {
            access_token: tokens.access_token.expose(),
            token_type: "Bearer",
            expires_in: tokens.expires_in.num_seconds(),
            scope: tokens.scope.to_string(),
            id_token: tokens.id_token.as_ref().map(Secret::expose),
            refresh_token: tokens.refresh_token.as_ref().map(Secret::expose),
        })
}
