//! `bare`, the limit: what a program on the same parts could do if it did nothing but the one thing that is
//! measured. actix-web with two workers, josekit over OpenSSL with a signer made once, one statement where there
//! is one at all, and argon2id on two threads of its own that keep their memory. No checks, no errors, no log.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use actix_web::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use anyhow::Context;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use bytes::Bytes;
use chrono::TimeDelta;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jws::alg::eddsa::{EddsaJwsSigner, EddsaJwsVerifier};
use josekit::jws::{EdDSA, JwsHeader};
use josekit::jwt::{self, JwtPayload};
use serde::Deserialize;
use serde_json::{Value, json};
use signet::clock::{Clock, SystemClock};
use signet::domain::ids::TokenId;
use signet::random::{Random, SystemRandom};
use tokio::sync::oneshot;
use tokio_postgres::NoTls;
use uuid::Uuid;

/// The workers, and the threads that hash.
const THREADS: usize = 2;

/// The connections of the pool: as many as Signet has by default.
const POOL: usize = 16;

/// The one statement of a refresh: the rule of refresh tokens on the same tables, said as plainly as it can be.
/// What pgbench runs too. $1 family, $2 client, $3 serial, $4 now, $5 key version, $6 and $7 where the windows for
/// retry and recovery begin, $8 the new idle expiry.
pub const REFRESH: &str = "WITH f AS (
    UPDATE token_families t SET (head, head_kv, prev, prev_at, advanced_at, prev2, prev2_at, idle_expires_at,
            ended_at, ended_reason) = (SELECT
        CASE WHEN v IN ('advance', 'branch') THEN t.head + 1 ELSE t.head END,
        CASE WHEN v IN ('advance', 'branch') THEN $5 ELSE t.head_kv END,
        CASE v WHEN 'advance' THEN t.head ELSE t.prev END,
        CASE WHEN v IN ('advance', 'branch') THEN GREATEST($4, t.prev_at) ELSE t.prev_at END,
        CASE v WHEN 'advance' THEN $4 ELSE t.advanced_at END,
        CASE v WHEN 'advance' THEN t.prev ELSE t.prev2 END,
        CASE v WHEN 'advance' THEN t.prev_at ELSE t.prev2_at END,
        CASE WHEN v IN ('advance', 'same') THEN GREATEST($8, t.idle_expires_at) ELSE t.idle_expires_at END,
        CASE v WHEN 'theft' THEN $4 END, CASE v WHEN 'theft' THEN 'theft' END
      FROM (SELECT CASE
        WHEN $3 = t.head AND NOT t.rotates THEN 'same' WHEN $3 = t.head THEN 'advance'
        WHEN $3 > t.head THEN 'ahead'
        WHEN $3 = t.prev AND t.prev_at > $6 OR $3 = t.prev2 AND t.prev2_at > $6 THEN 'retry'
        WHEN $3 = t.prev AND t.advanced_at > $7 THEN 'branch' ELSE 'theft' END) d(v))
    FROM users u, sessions s, clients c
    WHERE t.id = $1 AND t.client_id = $2 AND t.jkt IS NULL AND t.ended_at IS NULL AND t.expires_at > $4
        AND t.idle_expires_at > $4 AND u.id = t.user_id AND u.epoch = t.epoch AND u.disabled_at IS NULL
        AND c.id = t.client_id AND c.disabled_at IS NULL AND s.id = t.session_id
        AND (t.offline OR s.ended_at IS NULL)
    RETURNING t.id, t.session_id, t.head, t.head_kv, t.ended_reason, u.id AS user_id),
k AS (UPDATE sessions SET ended_at = $4 WHERE ended_at IS NULL
    AND id IN (SELECT session_id FROM f WHERE ended_reason = 'theft')),
e AS (INSERT INTO events SELECT $4, 'refresh_theft', id FROM f WHERE ended_reason = 'theft')
SELECT head, head_kv, ended_reason, user_id FROM f";

/// How the families of the limits are called: those of `bare`, and those of pgbench.
pub const FAMILIES: [&str; 2] = ["00000000-0000-4000-8000-", "10000000-0000-4000-8000-"];

const FIND_USER: &str = "SELECT id, email, email_verified, name FROM users WHERE id = $1";

struct Bare {
    jwks: Document,
    metadata: Document,
    header: JwsHeader,
    signer: EddsaJwsSigner,
    verifier: EddsaJwsVerifier,
    pool: Pool,
    hashes: mpsc::Sender<Hash>,
}

/// Answers as Signet gave them, but for what differs from one answer to the next.
struct Document {
    headers: HeaderMap,
    body: Bytes,
}

struct Hash {
    password: String,
    answer: oneshot::Sender<[u8; 32]>,
}

#[derive(Deserialize)]
struct TokenForm {
    grant_type: String,
    client_id: String,
    client_secret: Option<String>,
    scope: Option<String>,
    refresh_token: Option<String>,
    sub: Option<String>,
}

#[derive(Deserialize)]
struct IntrospectionForm {
    token: String,
}

#[derive(Deserialize)]
struct LoginForm {
    email: String,
    password: String,
}

/// Runs it until it is killed. The documents lie in `directory`; where it listens is its first line.
pub fn run(directory: &Path) -> anyhow::Result<()> {
    let manager = Manager::from_config(
        std::env::var("DATABASE_URL")?.parse()?,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let key = EdKeyPair::generate(EdCurve::Ed25519)?;
    let mut header = JwsHeader::new();
    header.set_token_type("at+jwt");
    header.set_key_id("bare");
    let bare = web::Data::new(Bare {
        jwks: Document::read(&directory.join("jwks"))?,
        metadata: Document::read(&directory.join("metadata"))?,
        header,
        signer: EdDSA.signer_from_jwk(&key.to_jwk_private_key())?,
        verifier: EdDSA.verifier_from_jwk(&key.to_jwk_public_key())?,
        pool: Pool::builder(manager).max_size(POOL).build()?,
        hashes: start_hashing()?,
    });
    actix_web::rt::System::new().block_on(async move {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(bare.clone())
                .route("/.well-known/jwks.json", web::get().to(jwks))
                .route("/.well-known/openid-configuration", web::get().to(metadata))
                .route("/oauth2/token", web::post().to(token))
                .route("/oauth2/userinfo", web::get().to(userinfo))
                .route("/oauth2/introspect", web::post().to(introspect))
                .route("/login", web::post().to(login))
        })
        .workers(THREADS)
        .bind(("127.0.0.1", 0))?;
        let mut output = std::io::stdout();
        writeln!(output, "{}", server.addrs()[0])?;
        output.flush()?;
        server.run().await?;
        Ok(())
    })
}

impl Document {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let headers: Vec<(String, String)> =
            serde_json::from_slice(&std::fs::read(path.with_extension("headers"))?)?;
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
        }
        Ok(Self {
            headers: map,
            body: std::fs::read(path.with_extension("body"))?.into(),
        })
    }

    fn answer(&self) -> HttpResponse {
        let mut answer = HttpResponse::Ok();
        for (name, value) in &self.headers {
            answer.append_header((name.clone(), value.clone()));
        }
        answer.body(self.body.clone())
    }
}

async fn jwks(bare: web::Data<Bare>) -> HttpResponse {
    bare.jwks.answer()
}

async fn metadata(bare: web::Data<Bare>) -> HttpResponse {
    bare.metadata.answer()
}

async fn token(bare: web::Data<Bare>, form: web::Form<TokenForm>) -> actix_web::Result<HttpResponse> {
    if form.grant_type == "refresh_token" {
        return refresh(&bare, &form).await.map_err(failed);
    }
    if form.client_secret.is_none() {
        return Ok(HttpResponse::Unauthorized().finish());
    }
    let subject = form.sub.as_deref().unwrap_or(&form.client_id);
    let scope = form.scope.as_deref().unwrap_or_default();
    let signed = bare.sign(subject, &form.client_id, scope).map_err(failed)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({"access_token": signed, "token_type": "Bearer", "expires_in": 600, "scope": scope})))
}

async fn refresh(bare: &Bare, form: &TokenForm) -> anyhow::Result<HttpResponse> {
    let token = form.refresh_token.as_deref().context("no refresh_token")?;
    let (family, serial) = token.split_once('.').context("no serial")?;
    let (family, serial): (Uuid, i64) = (family.parse()?, serial.parse()?);
    let connection = bare.pool.get().await?;
    let statement = connection.prepare_cached(REFRESH).await?;
    let now = SystemClock.now();
    let (retried_since, lost_since) = (now - TimeDelta::seconds(30), now - TimeDelta::hours(24));
    let idle_expires_at = now + TimeDelta::days(14);
    let row = connection
        .query_one(
            &statement,
            &[
                &family,
                &form.client_id,
                &serial,
                &now,
                &1_i32,
                &retried_since,
                &lost_since,
                &idle_expires_at,
            ],
        )
        .await?;
    let (head, user): (i64, Uuid) = (row.get("head"), row.get("user_id"));
    let scope = "openid profile email";
    let signed = bare.sign(&user.to_string(), &form.client_id, scope)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({
            "access_token": signed, "token_type": "Bearer", "expires_in": 600, "scope": scope,
            "refresh_token": format!("{family}.{head}"),
        })))
}

async fn userinfo(bare: web::Data<Bare>, request: HttpRequest) -> actix_web::Result<HttpResponse> {
    let header = request
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let (claims, user) = bare.believed(token).await.map_err(failed)?;
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(json!({
            "sub": claims.subject(), "email": user["email"], "email_verified": user["email_verified"],
            "name": user["name"],
        })))
}

async fn introspect(
    bare: web::Data<Bare>,
    form: web::Form<IntrospectionForm>,
) -> actix_web::Result<HttpResponse> {
    let (claims, _) = bare.believed(&form.token).await.map_err(failed)?;
    let mut claims = claims.claims_set().clone();
    claims.insert("active".to_owned(), Value::Bool(true));
    Ok(HttpResponse::Ok()
        .insert_header(("Cache-Control", "no-store"))
        .json(claims))
}

async fn login(bare: web::Data<Bare>, form: web::Form<LoginForm>) -> actix_web::Result<HttpResponse> {
    let (answer, answered) = oneshot::channel();
    let password = form.password.clone();
    let asked = bare.hashes.send(Hash { password, answer });
    asked.map_err(|_| actix_web::error::ErrorInternalServerError("no hashing"))?;
    let hash = answered
        .await
        .map_err(actix_web::error::ErrorInternalServerError)?;
    Ok(HttpResponse::SeeOther()
        .insert_header((LOCATION, "/account"))
        .insert_header(("X-Hash", format!("{:02x}{}", hash[0], form.email.len())))
        .finish())
}

impl Bare {
    fn sign(&self, subject: &str, client: &str, scope: &str) -> anyhow::Result<String> {
        let now = SystemClock.now().timestamp();
        let jti = TokenId::generate(&SystemRandom).to_string();
        let mut payload = JwtPayload::new();
        payload.set_issuer("http://127.0.0.1:8080");
        payload.set_subject(subject);
        payload.set_audience(vec!["http://127.0.0.1:8080"]);
        payload.set_jwt_id(jti);
        payload.set_claim("exp", Some((now + 600).into()))?;
        payload.set_claim("iat", Some(now.into()))?;
        payload.set_claim("client_id", Some(client.into()))?;
        payload.set_claim("scope", Some(scope.into()))?;
        Ok(jwt::encode_with_signer(&payload, &self.header, &self.signer)?)
    }

    async fn believed(&self, token: &str) -> anyhow::Result<(JwtPayload, Value)> {
        let (claims, _) = jwt::decode_with_verifier(token, &self.verifier)?;
        let user: Uuid = claims.subject().context("no sub")?.parse()?;
        let connection = self.pool.get().await?;
        let statement = connection.prepare_cached(FIND_USER).await?;
        let row = connection.query_one(&statement, &[&user]).await?;
        let user = json!({
            "email": row.get::<_, &str>("email"), "email_verified": row.get::<_, bool>("email_verified"),
            "name": row.get::<_, &str>("name"),
        });
        Ok((claims, user))
    }
}

fn failed(error: anyhow::Error) -> actix_web::Error {
    actix_web::error::ErrorInternalServerError(format!("{error:#}"))
}

/// Memory to hash in on huge pages, which make a hash faster.
fn huge_pages(blocks: usize) -> Vec<Block> {
    let mut memory = Vec::with_capacity(blocks);
    // SAFETY: the range is part of an allocation that we hold alone, from its first whole page to its last, and the
    // advice changes nothing that is in it.
    unsafe {
        let spare = memory.spare_capacity_mut();
        let page = usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap_or(4096);
        let (start, bytes) = (spare.as_mut_ptr().cast::<u8>(), size_of_val(spare));
        let before = start.align_offset(page);
        let whole = (bytes - before) / page * page;
        libc::madvise(start.wrapping_add(before).cast(), whole, libc::MADV_HUGEPAGE);
    }
    memory.resize(blocks, Block::new());
    memory
}

fn start_hashing() -> anyhow::Result<mpsc::Sender<Hash>> {
    let (sender, receiver) = mpsc::channel::<Hash>();
    let receiver = Arc::new(Mutex::new(receiver));
    let params = Params::new(19456, 2, 1, Some(32)).map_err(|error| anyhow::anyhow!("{error}"))?;
    let mut salt = [0; 16];
    SystemRandom.fill(&mut salt);
    for _ in 0..THREADS {
        let (receiver, params) = (Arc::clone(&receiver), params.clone());
        std::thread::spawn(move || {
            let mut memory = huge_pages(params.block_count());
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            loop {
                let Ok(Ok(job)) = receiver.lock().map(|receiver| receiver.recv()) else {
                    return;
                };
                let mut output = [0; 32];
                let password = job.password.as_bytes();
                let hashed = argon2.hash_password_into_with_memory(password, &salt, &mut output, &mut memory);
                hashed.expect("salt and output have lengths that the format allows");
                // An error means that nobody waits any more.
                let _ = job.answer.send(output);
            }
        });
    }
    Ok(sender)
}
