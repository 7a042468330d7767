//! An API that takes Signet's access tokens, and knows nothing of Signet but its issuer's name.
use std::{env, io, time::Instant};

use actix_web::{App, HttpServer, error::ErrorServiceUnavailable, get, web};
use actix_web_httpauth::extractors::{AuthenticationError, bearer::*};
use actix_web_httpauth::headers::www_authenticate::bearer::Bearer;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Value, json};

struct Verifier {
    jwks_uri: String,
    keys: tokio::sync::Mutex<Option<(JwkSet, Instant)>>,
    validation: Validation,
}

impl Verifier {
    /// Keeps the keys for five minutes; fetches anew for one that is not there, at most twice a minute.
    async fn key(&self, kid: &str) -> reqwest::Result<Option<DecodingKey>> {
        let mut keys = self.keys.lock().await;
        let find = |set: &JwkSet| DecodingKey::from_jwk(set.find(kid)?).ok();
        if let Some((set, fetched)) = &*keys {
            let (found, age) = (find(set), fetched.elapsed().as_secs());
            if age < 30 || (age < 300 && found.is_some()) {
                return Ok(found);
            }
        }
        let answer = reqwest::get(&self.jwks_uri).await?.error_for_status()?;
        Ok(find(&keys.insert((answer.json().await?, Instant::now())).0))
    }

    /// The claims of the caller's token, which must have been given `scope`; else the answer of RFC 6750 §3.
    async fn access_token(&self, token: &str, scope: &'static str) -> actix_web::Result<Value> {
        let challenge = || Bearer::build().realm("notes").scope(scope).finish();
        let refuse = |error| AuthenticationError::new(challenge()).with_error(error);
        let invalid = || refuse(Error::InvalidToken);
        let header = decode_header(token).map_err(|_| invalid())?;
        // An ID token is signed by the same key: only the type tells the two apart (RFC 9068 §4).
        let typ = header.typ.unwrap_or_default().to_ascii_lowercase();
        if typ.strip_prefix("application/").unwrap_or(&typ) != "at+jwt" {
            return Err(invalid().into());
        }
        let key = self.key(&header.kid.unwrap_or_default()).await;
        let key = key.map_err(|_| ErrorServiceUnavailable("the issuer's keys are out of reach"))?;
        let decoded = decode::<Value>(token, &key.ok_or_else(invalid)?, &self.validation);
        let claims = decoded.map_err(|_| invalid())?.claims;
        let granted = claims["scope"].as_str().unwrap_or_default();
        if !granted.split(' ').any(|it| it == scope) {
            return Err(refuse(Error::InsufficientScope).into());
        }
        Ok(claims)
    }
}

#[get("/notes")]
async fn notes(verifier: web::Data<Verifier>, bearer: BearerAuth) -> actix_web::Result<web::Json<Value>> {
    let token = verifier.access_token(bearer.token(), "notes:read").await?;
    Ok(web::Json(
        json!({ "sub": token["sub"], "client_id": token["client_id"], "notes": ["Buy milk"] }),
    ))
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let setting = |name| env::var(name).map_err(|_| io::Error::other(format!("set {name}")));
    let issuer = setting("ISSUER")?;
    // The algorithm is ours to say, never the token's; an absent claim is not checked unless it is required.
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[&issuer]);
    validation.set_audience(&[setting("AUDIENCE")?]);
    validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
    let jwks_uri = format!("{issuer}/.well-known/jwks.json");
    let verifier = web::Data::new(Verifier {
        jwks_uri,
        keys: Default::default(),
        validation,
    });
    let port = env::var("PORT").map_or(3000, |port| port.parse().expect("PORT is a number"));
    let realm = Config::default().realm("notes");
    HttpServer::new(move || {
        App::new()
            .app_data(verifier.clone())
            .app_data(realm.clone())
            .service(notes)
    })
    .workers(2)
    .bind(("127.0.0.1", port))?
    .run()
    .await
}
