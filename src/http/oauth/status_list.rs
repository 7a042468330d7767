//! `GET /.well-known/status-lists/{alg}/{shard}` (draft-ietf-oauth-status-list §8): bytes that were made once, from
//! memory, with or without a database, until their `exp`.

use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};

use super::metadata::is_known;
use crate::flows::status_lists::Found;
use crate::http::error;
use crate::http::site::Site;
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// When it is worth asking again for a list that is over: as soon as the database may be back.
const RETRY: u32 = 5;

/// Answers with a list. It has one form, which is sent whatever `Accept` says (RFC 9110 §12.4.1).
pub async fn status_list(
    request: HttpRequest,
    path: web::Path<(String, String)>,
    site: web::Data<Site>,
) -> HttpResponse {
    let (algorithm, shard) = path.into_inner();
    let now = site.provider.now();
    let found = match (SigningAlgorithm::parse(&algorithm), number(&shard)) {
        (Some(algorithm), Some(shard)) => site.provider.status_lists.find(algorithm, shard, now),
        _ => Found::Unknown,
    };
    let document = match found {
        Found::Document(document) => document,
        Found::Expired => {
            return HttpResponse::ServiceUnavailable()
                .insert_header((CACHE_CONTROL, "no-store"))
                .insert_header((RETRY_AFTER, RETRY))
                .finish();
        }
        Found::Unknown => return error::not_found(&site, &request),
    };
    let known = is_known(&request, &document.etag);
    let mut answer = if known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    let max_age = document.max_age(now).num_seconds();
    answer
        .insert_header((CACHE_CONTROL, format!("public, max-age={max_age}")))
        .insert_header((ETAG, &*document.etag));
    if known {
        answer.finish()
    } else {
        answer
            .insert_header((CONTENT_TYPE, "application/statuslist+jwt"))
            .body(document.body.clone())
    }
}

/// The one spelling of a number, so that a list has one address.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
