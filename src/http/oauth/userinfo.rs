//! `GET` and `POST /oauth2/userinfo` (OpenID Connect Core §5.3). The token comes in the header or in the form
//! (RFC 6750 §2.1, §2.2), never in the query.

use actix_web::http::Method;
use actix_web::http::header::{AUTHORIZATION, CACHE_CONTROL, WWW_AUTHENTICATE};
use actix_web::{HttpRequest, HttpResponse, web};

use crate::domain::secret::Secret;
use crate::flows::userinfo;
use crate::http::body::{BodyError, Form};
use crate::http::error;
use crate::http::site::Site;

/// Tells a client what its user lets it know.
pub async fn userinfo(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let in_form = match form {
        // A GET has no form, nor needs a POST that says it all in its header one.
        _ if request.method() != Method::POST => None,
        Err(BodyError::ContentType) => None,
        Err(error) => return error::body(error),
        Ok(fields) if fields.spoiled().is_empty() => fields.secret("access_token"),
        Ok(_) => return error::bearer_invalid_request("a parameter is repeated or too long"),
    };
    // Two headers are two ways: whoever stands in front of us may have believed the other one.
    if request.headers().get_all(AUTHORIZATION).count() > 1 {
        return error::bearer_invalid_request("the Authorization header must come once");
    }
    let in_header = bearer(&request);
    let token = match (in_header, in_form) {
        (Some(token), None) | (None, Some(token)) => token,
        (Some(_), Some(_)) => {
            return error::bearer_invalid_request("the access token must come in one way only");
        }
        // RFC 6750 §3.1: whoever shows no token is told no error.
        (None, None) => {
            return HttpResponse::Unauthorized()
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((WWW_AUTHENTICATE, "Bearer realm=\"signet\""))
                .finish();
        }
    };
    let provider = &site.provider;
    match userinfo::userinfo(provider, token.expose(), provider.now()).await {
        Ok(claims) => HttpResponse::Ok()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(claims),
        Err(refusal) => error::bearer(&refusal),
    }
}

fn bearer(request: &HttpRequest) -> Option<Secret> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| Secret::new(token.trim()))
}
