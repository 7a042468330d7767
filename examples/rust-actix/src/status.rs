//! Status lists (draft-ietf-oauth-status-list §8.3): what was revoked before it expired. Fails closed.
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::error::ErrorServiceUnavailable;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;

use crate::{ISSUER, key};

/// A list: its bits, when to ask for a newer one, and when it is over; in seconds since 1970.
#[derive(Default)]
struct List {
    bits: Vec<u8>,
    ask_at: u64,
    over_at: u64,
}

static LISTS: LazyLock<RwLock<HashMap<String, Arc<List>>>> = LazyLock::new(RwLock::default);

#[derive(Deserialize)]
struct Claims {
    exp: u64,
    ttl: u64,
    status_list: Value,
}

/// Whether the list that a token names calls it invalid, or the token names none. Asks for a list once in its `ttl`.
pub async fn is_revoked(place: &Value) -> actix_web::Result<bool> {
    let (Some(uri), Some(idx)) = (place["uri"].as_str(), place["idx"].as_u64()) else {
        return Ok(true);
    };
    let (mut list, now) = (known(uri), now());
    if now >= list.ask_at {
        list = Arc::new(match fetch(uri, now).await {
            Some(list) => list,
            // The last list is good until its `exp`; without one nobody can say, and we do not guess.
            None if now < list.over_at => List { bits: list.bits.clone(), ask_at: now + 5, ..*list },
            None => return Err(ErrorServiceUnavailable("the status list is out of reach")),
        });
        LISTS.write().expect("no panic").insert(uri.to_owned(), list.clone());
    }
    Ok(is_set(&list.bits, idx))
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

fn known(uri: &str) -> Arc<List> {
    LISTS.read().expect("no panic").get(uri).cloned().unwrap_or_default()
}

/// The least significant bit of a byte comes first; a token beyond the list is none.
fn is_set(bits: &[u8], idx: u64) -> bool {
    let byte = usize::try_from(idx / 8).ok().and_then(|at| bits.get(at));
    byte.is_none_or(|byte| byte >> (idx % 8) & 1 == 1)
}

/// The list at `uri`, signed by the issuer like a token.
async fn fetch(uri: &str, now: u64) -> Option<List> {
    let request = reqwest::Client::new().get(uri).timeout(Duration::from_secs(5));
    let token = request.send().await.ok()?.error_for_status().ok()?.text().await.ok()?;
    let header = decode_header(&token).ok().filter(|it| it.typ.as_deref() == Some("statuslist+jwt"))?;
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.leeway = 30;
    rules.set_issuer(&[&*ISSUER]);
    rules.sub = Some(uri.to_owned());
    rules.set_required_spec_claims(&["iss", "sub", "exp"]);
    let key = key(&header.kid?).await.ok()??;
    let claims = decode::<Claims>(&token, &key, &rules).ok()?.claims;
    let lst = BASE64_URL_SAFE_NO_PAD.decode(claims.status_list["lst"].as_str()?).ok()?;
    let bits = miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(&lst, 1 << 20).ok()?;
    Some(List { bits, ask_at: now + claims.ttl, over_at: claims.exp })
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::time::Instant;

    use super::*;

    /// A thousand checks at a time, on a list that is known: the best of many, since others use the machine too.
    #[actix_web::test]
    async fn a_check_costs_less_than_a_microsecond() {
        let uri = "https://id.example.com/.well-known/status-lists/EdDSA/0";
        let bits = (0..1 << 14).map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let list = List { bits, ask_at: u64::MAX, over_at: u64::MAX };
        LISTS.write().expect("no panic").insert(uri.to_owned(), Arc::new(list));
        let places: Vec<Value> =
            (0..1000_u64).map(|n| serde_json::json!({ "uri": uri, "idx": n * 131 })).collect();
        let mut best = Duration::MAX;
        for _ in 0..2000 {
            let began = Instant::now();
            for place in &places {
                black_box(is_revoked(black_box(place)).await.expect("a list is known"));
            }
            best = best.min(began.elapsed());
        }
        println!("one check: {:?}", best / 1000);
        assert!(best < Duration::from_millis(1), "{best:?} for a thousand");
    }

    #[test]
    fn the_bits_of_the_drafts_example() {
        let set: Vec<u64> = (0..16).filter(|idx| is_set(&[0xb9, 0xa3], *idx)).collect();
        assert_eq!(set, [0, 3, 4, 5, 7, 8, 9, 13, 15]);
        assert!(is_set(&[0xb9, 0xa3], 16), "beyond the list");
    }
}
