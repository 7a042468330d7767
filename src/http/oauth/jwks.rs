//! `GET /.well-known/jwks.json` (RFC 7517 §5): bytes that were made once, from memory, with or without a
//! database. With `alg` in the query the document has the keys of these algorithms alone.

use actix_web::http::header::HeaderValue;
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use chrono::TimeDelta;

use super::document::document_or_unchanged;
use crate::http::error;
use crate::http::site::Site;
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/jwk-set+json");

/// Answers with the published keys: all, or those of the algorithms that the query names. Keys that could not be
/// read again for too long are not served: they may be past a change, and a verifier does better with what it has.
pub async fn jwks(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let now = site.provider.now();
    let keys = match site.provider.believable_keys(now).await {
        Ok(keys) => keys,
        Err(unread) => return error::oauth(&unread),
    };
    let jwks = match view(request.query_string()) {
        Ok(None) => keys.ring.jwks(now),
        Ok(Some(algorithms)) => keys.ring.jwks_view(algorithms, now),
        Err(UnknownAlgorithm) => {
            return error::invalid_request("alg must be EdDSA, Ed25519, ES256, RS256 or PS256");
        }
    };
    let max_age = keys.ring.jwks_max_age(now);
    answer(&site, &request, max_age, &jwks.etag, &jwks.body)
}

/// All published keys, unless they have to be read again first.
pub fn at_once(site: &Site, request: &HttpRequest) -> Option<HttpResponse> {
    let now = site.provider.now();
    let keys = site.provider.believed_keys(now).ok()?;
    let (jwks, max_age) = (keys.ring.jwks(now), keys.ring.jwks_max_age(now));
    Some(answer(site, request, max_age, &jwks.etag, &jwks.body))
}

fn answer(site: &Site, request: &HttpRequest, max_age: TimeDelta, etag: &str, body: &Bytes) -> HttpResponse {
    let cache_control = cache_control(site, max_age);
    document_or_unchanged(request, cache_control, MEDIA_TYPE, etag, body)
}

fn cache_control(site: &Site, max_age: TimeDelta) -> HeaderValue {
    if max_age == site.provider.settings.keys.policy.jwks_max_age {
        return site.public_cache.clone();
    }
    let value = format!("public, max-age={}", max_age.num_seconds());
    HeaderValue::try_from(value).expect("a number is a header's value")
}

/// The query names an algorithm that no key of ours ever has. A verifier that misspells it should hear of it
/// rather than find no key.
#[derive(Debug, PartialEq, Eq)]
struct UnknownAlgorithm;

/// The algorithms that a query names with `alg`, which may come several times; `None` where it does not come.
/// Other parameters are nobody's business: some clients add one against caches.
fn view(query: &str) -> Result<Option<AlgorithmSet>, UnknownAlgorithm> {
    if query.is_empty() {
        return Ok(None);
    }
    let mut view = None;
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        if name == "alg" {
            let algorithm = SigningAlgorithm::parse(&value).ok_or(UnknownAlgorithm)?;
            view.get_or_insert_with(AlgorithmSet::default).insert(algorithm);
        }
    }
    Ok(view)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_names_algorithms_or_nothing_of_ours() {
        use SigningAlgorithm::{Es256, Rs256};
        for nothing in ["", "&", "v=1", "kid=x&use=sig", "ALG=RS256", "algorithm=x"] {
            assert_eq!(view(nothing), Ok(None), "{nothing}");
        }
        for (query, named) in [
            ("alg=RS256", &[Rs256][..]),
            ("alg=RS256&alg=ES256", &[Es256, Rs256]),
            ("v=1&alg=RS256&alg=RS256", &[Rs256]),
            ("alg=%52S256", &[Rs256]),
        ] {
            assert_eq!(view(query), Ok(Some(named.iter().copied().collect())), "{query}");
        }
        for wrong in [
            "alg",
            "alg=",
            "alg=rs256",
            "alg=RS256,ES256",
            "alg=RS256&alg=none",
            "alg=%00",
        ] {
            assert_eq!(view(wrong), Err(UnknownAlgorithm), "{wrong}");
        }
    }
}
