//! A server that says what it is told to, and remembers what it heard.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jwk::KeyPair;
use josekit::jwk::alg::ec::{EcCurve, EcKeyPair};
use josekit::jwk::alg::ed::{EdCurve, EdKeyPair};
use josekit::jwk::alg::rsa::RsaKeyPair;
use josekit::jws::{ES256, ES384, EdDSA, JwsSigner, PS256, RS256};
use serde_json::{Value, json};

/// What is said at one address.
#[derive(Clone)]
pub enum Reply {
    /// A status, headers and a body.
    Says(u16, Vec<(&'static str, String)>, String),
    /// Nothing, ever.
    Nothing,
    /// A body without an end.
    Endless,
}

impl Reply {
    pub fn json(value: Value) -> Self {
        Self::status(200, value)
    }

    pub fn status(status: u16, value: Value) -> Self {
        let json = ("content-type", "application/json; charset=utf-8".to_owned());
        Self::Says(status, vec![json], value.to_string())
    }
}

/// A request as it came.
#[derive(Clone)]
pub struct Heard {
    pub path: String,
    pub query: String,
    pub headers: HashMap<String, String>,
    pub form: HashMap<String, String>,
}

#[derive(Default)]
struct Inside {
    replies: HashMap<String, Reply>,
    heard: Vec<Heard>,
}

pub struct Stand {
    pub url: String,
    inside: Arc<Mutex<Inside>>,
}

impl Stand {
    pub async fn start() -> Self {
        let inside = Arc::<Mutex<Inside>>::default();
        let shared = Arc::clone(&inside);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::from(Arc::clone(&shared)))
                .default_service(web::to(answer))
        })
        .workers(1)
        .disable_signals()
        .bind("127.0.0.1:0")
        .expect("a free port");
        let port = server.addrs()[0].port();
        tokio::spawn(server.run());
        Self {
            url: format!("http://127.0.0.1:{port}"),
            inside,
        }
    }

    pub fn says(&self, path: &str, reply: Reply) {
        let mut inside = self.inside.lock().expect("no panic inside");
        inside.replies.insert(path.to_owned(), reply);
    }

    pub fn heard(&self, path: &str) -> Vec<Heard> {
        let inside = self.inside.lock().expect("no panic inside");
        let at = |heard: &&Heard| heard.path == path;
        inside.heard.iter().filter(at).cloned().collect()
    }

    pub fn heard_nothing(&self) -> bool {
        self.inside.lock().expect("no panic inside").heard.is_empty()
    }
}

async fn answer(request: HttpRequest, body: web::Bytes, inside: web::Data<Mutex<Inside>>) -> HttpResponse {
    let reply = {
        let mut inside = inside.lock().expect("no panic inside");
        inside.heard.push(Heard {
            path: request.path().to_owned(),
            query: request.query_string().to_owned(),
            headers: request
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), value.to_str().unwrap_or_default().to_owned()))
                .collect(),
            form: url::form_urlencoded::parse(&body).into_owned().collect(),
        });
        inside.replies.get(request.path()).cloned()
    };
    match reply {
        None => HttpResponse::NotFound().finish(),
        Some(Reply::Says(status, headers, body)) => {
            let status = StatusCode::from_u16(status).expect("a status");
            let mut response = HttpResponse::build(status);
            for header in headers {
                response.insert_header(header);
            }
            response.body(body)
        }
        Some(Reply::Nothing) => std::future::pending().await,
        Some(Reply::Endless) => {
            let chunk = web::Bytes::from_static(&[b' '; 32 * 1024]);
            HttpResponse::Ok().streaming(futures_util::stream::repeat(Ok::<_, Infallible>(chunk)))
        }
    }
}

/// A key that signs ID tokens.
pub struct Key {
    kid: &'static str,
    pub public: Value,
    signer: Box<dyn JwsSigner>,
}

impl Key {
    fn new(kid: &'static str, pair: &dyn KeyPair, signer: Box<dyn JwsSigner>) -> Self {
        let mut public = pair.to_jwk_public_key();
        public.set_key_id(kid);
        public.set_key_use("sig");
        Self {
            kid,
            public: serde_json::to_value(&public).expect("JSON"),
            signer,
        }
    }

    pub fn es256(kid: &'static str) -> Self {
        let pair = EcKeyPair::generate(EcCurve::P256).expect("a key");
        let signer = ES256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer");
        Self::new(kid, &pair, Box::new(signer))
    }

    pub fn es384(kid: &'static str) -> Self {
        let pair = EcKeyPair::generate(EcCurve::P384).expect("a key");
        let signer = ES384
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer");
        Self::new(kid, &pair, Box::new(signer))
    }

    pub fn eddsa(kid: &'static str) -> Self {
        let pair = EdKeyPair::generate(EdCurve::Ed25519).expect("a key");
        let signer = EdDSA
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer");
        Self::new(kid, &pair, Box::new(signer))
    }

    pub fn rs256(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(2048).expect("a key");
        let signer = RS256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer");
        Self::new(kid, &pair, Box::new(signer))
    }

    pub fn ps256(kid: &'static str) -> Self {
        let pair = RsaKeyPair::generate(2048).expect("a key");
        let signer = PS256
            .signer_from_jwk(&pair.to_jwk_private_key())
            .expect("a signer");
        Self::new(kid, &pair, Box::new(signer))
    }

    /// A token of these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.signer.algorithm().name(), "kid": self.kid});
        compact(&header, claims, Some(&*self.signer))
    }
}

/// A token with any header, whoever signs it.
pub fn compact(header: &Value, claims: &Value, signer: Option<&dyn JwsSigner>) -> String {
    let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
    let signed = format!("{}.{}", encode(header), encode(claims));
    let signature = signer.map_or_else(Vec::new, |signer| {
        signer.sign(signed.as_bytes()).expect("a signature")
    });
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
