//! An API that takes Signet's access tokens, and knows nothing of Signet but its issuer's name. With `--check-status`
//! it also refuses tokens that were revoked, whose user was disabled, and so on.
mod status;

use std::{env, sync::LazyLock, time::Duration, time::Instant};

use actix_web::{App, HttpServer, Result, error::ErrorServiceUnavailable, get, web::Json};
use actix_web_httpauth::extractors::{AuthenticationError, bearer::*};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};

static ISSUER: LazyLock<String> = LazyLock::new(|| env::var("ISSUER").expect("set ISSUER"));
static AUDIENCE: LazyLock<String> = LazyLock::new(|| env::var("AUDIENCE").expect("set AUDIENCE"));
static CHECK_STATUS: LazyLock<bool> = LazyLock::new(|| env::args().any(|it| it == "--check-status"));
static KEYS: tokio::sync::Mutex<Option<(JwkSet, Instant)>> = tokio::sync::Mutex::const_new(None);

/// Keeps the keys for five minutes; fetches anew for one that is not there, at most twice a minute.
async fn key(kid: &str) -> reqwest::Result<Option<DecodingKey>> {
    let mut keys = KEYS.lock().await;
    let find = |set: &JwkSet| DecodingKey::from_jwk(set.find(kid)?).ok();
    let cached = keys.as_ref().map(|(set, fetched)| (find(set), fetched.elapsed().as_secs()));
    if let Some((found, ..30) | (found @ Some(_), ..300)) = cached {
        return Ok(found);
    }
    let request = reqwest::Client::new().get(format!("{}/.well-known/jwks.json", *ISSUER));
    let answer = request.timeout(Duration::from_secs(5)).send().await?.error_for_status()?;
    Ok(find(&keys.insert((answer.json().await?, Instant::now())).0))
}

/// The claims of the caller's token, which must have been given `scope`; else the answer of RFC 6750 §3.
async fn access_token(token: &str, scope: &'static str) -> Result<Value> {
    let refuse = |error| AuthenticationError::from(Config::default().scope(scope)).with_error(error);
    let invalid = || refuse(Error::InvalidToken);
    let header = decode_header(token).map_err(|_| invalid())?;
    // An ID token is signed by the same key: only the type tells the two apart (RFC 9068 §4).
    let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
    if header.crit.is_some() || !matches!(typ.as_str(), "at+jwt" | "application/at+jwt") {
        return Err(invalid().into());
    }
    let key = key(&header.kid.unwrap_or_default()).await.map_err(ErrorServiceUnavailable)?;
    // The algorithm is ours to say, never the token's; an absent claim is not checked unless required.
    let mut rules = Validation::new(Algorithm::EdDSA);
    (rules.leeway, rules.validate_nbf) = (30, true);
    rules.set_issuer(&[&*ISSUER]);
    rules.set_audience(&[&*AUDIENCE]);
    rules.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    let token = decode::<Value>(token, &key.ok_or_else(invalid)?, &rules).map_err(|_| invalid())?.claims;
    if *CHECK_STATUS && status::is_revoked(&token["status"]["status_list"]).await? {
        return Err(invalid().into());
    }
    let scoped = token["scope"].as_str().is_some_and(|granted| granted.split(' ').any(|it| it == scope));
    scoped.then_some(token).ok_or_else(|| refuse(Error::InsufficientScope).into())
}

#[get("/notes")]
async fn notes(bearer: BearerAuth) -> Result<Json<Value>> {
    let token = access_token(bearer.token(), "notes:read").await?;
    Ok(Json(json!({ "sub": token["sub"], "client_id": token["client_id"], "notes": ["Buy milk"] })))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    println!("An API at {}, for tokens of {}", *AUDIENCE, *ISSUER);
    let port = env::var("PORT").map_or(3000, |port| port.parse().expect("PORT is a number"));
    HttpServer::new(|| App::new().service(notes)).bind(("127.0.0.1", port))?.run().await
}
