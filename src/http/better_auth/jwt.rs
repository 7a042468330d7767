//! The JWT by which an application's back end knows the user, and the keys that it checks it with.

use actix_web::HttpResponse;
use actix_web::http::header::CACHE_CONTROL;
use serde::Serialize;

use super::answer::{Outcome, json};
use super::call::Call;
use crate::flows::user_token;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// `GET /token`
pub async fn token(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Token<'a> {
        token: &'a str,
    }
    let user = call.logged_in().await?.present.user;
    let token = user_token::issue(&call.site.provider, &user, call.now).await?;
    Ok(json(&Token {
        token: token.expose(),
    }))
}

/// `GET /jwks`: the keys that these tokens are signed with, and no others, since libraries that know Ed25519 alone
/// read it.
pub async fn jwks(call: &mut Call) -> Outcome {
    let keys = call.site.provider.believable_keys(call.now).await?;
    let algorithms = [SigningAlgorithm::EdDsa].into_iter().collect();
    let jwks = keys.ring.jwks_view(algorithms, call.now);
    let max_age = keys.ring.jwks_max_age(call.now).num_seconds();
    Ok(HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, format!("public, max-age={max_age}")))
        .content_type("application/json")
        .body(jwks.body.clone()))
}
