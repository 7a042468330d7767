//! `GET /.well-known/status-lists/{alg}/{shard}` (draft-ietf-oauth-status-list §8): bytes that were made once, from
//! memory, with or without a database, until their `exp`.

use actix_web::http::header::{CACHE_CONTROL, HeaderValue, RETRY_AFTER};
use actix_web::{HttpRequest, HttpResponse, web};

use super::document::document_or_unchanged;
use crate::flows::status_lists::Found;
use crate::http::error;
use crate::http::site::Site;
use crate::oauth::signing_algorithm::SigningAlgorithm;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/statuslist+jwt");

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
    let max_age = document.max_age(now).num_seconds();
    let cache_control =
        HeaderValue::try_from(format!("public, max-age={max_age}")).expect("a number is a header's value");
    document_or_unchanged(
        &request,
        cache_control,
        MEDIA_TYPE,
        &document.etag,
        &document.body,
    )
}

/// The one spelling of a number, so that a list has one address.
fn number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
