//! Keys that were stolen, under the eyes of verifiers of others: what the thief makes is believed until the time that
//! the operator is told and no longer, and nobody refuses what is made with the keys that follow.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use josekit::jwk::Jwk;
use josekit::jws::alg::eddsa::EddsaJwsAlgorithm::Eddsa;
use josekit::jws::alg::rsassa::RsassaJwsAlgorithm::Rs256;
use josekit::jws::{JwsHeader, JwsSigner};
use josekit::jwt::{self, JwtPayload};
use serde_json::{Value, json};
use signet::clock::{Clock, SystemClock};

use super::balancer::{self, Documents};
use super::postgres::Postgres;
use super::{MODERN, OLD, Traffic, command};
use crate::support::browser::{header, payload};
use crate::support::node::{Folder, Node};
use crate::support::programs::free_port;

const CONFIGURATION: &str = "\
    [keys]\n\
    min_announce = \"4s\"\n\
    poll_interval = \"200ms\"\n\
    jwks_max_age = \"1s\"\n\
    clock_skew = \"500ms\"\n";

/// A key in a thief's hands.
struct Stolen {
    kid: String,
    signer: Box<dyn JwsSigner>,
}

impl Stolen {
    fn of(jwk: &Value) -> Self {
        let kid = jwk["kid"].as_str().expect("a kid").to_owned();
        let read = Jwk::from_bytes(jwk.to_string().as_bytes()).expect("a key");
        let signer: Box<dyn JwsSigner> = if jwk["alg"] == "EdDSA" {
            Box::new(Eddsa.signer_from_jwk(&read).expect("a private key"))
        } else {
            Box::new(Rs256.signer_from_jwk(&read).expect("a private key"))
        };
        Self { kid, signer }
    }

    /// A token like `genuine`, for somebody else.
    fn forge(&self, genuine: &str) -> String {
        let mut head = JwsHeader::new();
        head.set_token_type("at+jwt");
        head.set_key_id(&self.kid);
        let mut claims = payload(genuine);
        claims["sub"] = "the thief".into();
        claims["exp"] = (SystemClock.now() + Duration::from_mins(1)).timestamp().into();
        let claims = JwtPayload::from_map(claims.as_object().expect("an object").clone()).expect("claims");
        jwt::encode_with_signer(&claims, &head, &*self.signer).expect("a token")
    }
}

#[tokio::test]
async fn what_a_thief_signs_is_believed_no_longer_than_the_operator_is_told() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("config")).expect("our own folder");
    std::fs::write(folder.path().join("config/signet.toml"), CONFIGURATION).expect("our own folder");
    let folder = Arc::new(folder);
    let database = Postgres::start().await;
    let (url, port) = (database.url(), free_port());
    let issuer = format!("http://127.0.0.1:{port}");
    command(&folder, &url, &issuer, &["migrate"], "");
    let one = Node::start(&folder, Some(&url), Some(&issuer)).await;
    let other = Node::start(&folder, Some(&url), Some(&issuer)).await;
    let _balancer = balancer::start(
        &folder,
        port,
        &[one.address(), other.address()],
        Documents::Passed,
    )
    .await;
    let mut traffic = Traffic::start(&folder, &url, &issuer, "1").await;
    traffic.run_for(Duration::from_secs(5)).await;

    let mut stolen = Vec::new();
    for audience in [MODERN, OLD] {
        let genuine = traffic.token(audience).await.expect("the nodes are well");
        let kid = header(&genuine)["kid"].as_str().expect("a kid").to_owned();
        let jwk = command(&folder, &url, &issuer, &["keys", "export", &kid, "--private"], "");
        stolen.push((Stolen::of(&jwk), genuine));
    }
    let mut told = Vec::new();
    for (key, _) in &stolen {
        forge_for(&mut traffic, &stolen, Duration::from_secs(1)).await;
        let (folder, url, issuer) = (Arc::clone(&folder), url.clone(), issuer.clone());
        let kid = key.kid.clone();
        let compromise = tokio::task::spawn_blocking(move || {
            command(&folder, &url, &issuer, &["keys", "compromise", &kid], "")
        });
        while !compromise.is_finished() {
            forge_for(&mut traffic, &stolen, Duration::ZERO).await;
        }
        let outcome = compromise.await.expect("it ends");
        assert_eq!(
            outcome["confirmed"].as_array().map(Vec::len),
            Some(2),
            "{outcome}"
        );
        assert_eq!(
            outcome["successors"][0]["unknown_until"],
            json!(null),
            "{outcome}"
        );
        told.push(
            outcome["believed_until"]
                .as_str()
                .expect("a time")
                .parse::<DateTime<Utc>>()
                .expect("a time"),
        );
    }
    forge_for(&mut traffic, &stolen, Duration::from_secs(5)).await;

    let thieves: Vec<_> = stolen.iter().map(|(key, _)| &*key.kid).collect();
    for (name, verdict) in traffic.end().await {
        let index = usize::from(verdict.last.contains_key(thieves[1]));
        let (kid, until) = (thieves[index], told[index]);
        assert!(
            verdict.last[kid] <= until,
            "{name}: {} after {until}",
            verdict.last[kid]
        );
        assert!(
            !verdict.failures.is_empty(),
            "{name} refuses what is forged in the end"
        );
        for failure in &verdict.failures {
            let token = failure.rsplit(' ').next().expect("it ends with the token");
            assert_eq!(
                header(token)["kid"],
                kid,
                "{name} refuses a good token: {failure}"
            );
        }
        assert!(verdict.last.len() > 1, "{name} saw no successor");
    }
}

/// Shows forged tokens among the good ones.
async fn forge_for(traffic: &mut Traffic, stolen: &[(Stolen, String)], time: Duration) {
    let began = std::time::Instant::now();
    loop {
        for (api, (key, genuine)) in traffic.apis.iter_mut().zip(stolen) {
            let forged = key.forge(genuine);
            for verifier in &mut api.verifiers {
                verifier.show(&forged).await;
            }
        }
        traffic.turn().await;
        if began.elapsed() >= time {
            return;
        }
    }
}
