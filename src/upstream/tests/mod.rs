//! Against real servers on this machine: what providers say, in the order and the forms in which they say it.

mod apis;
mod asking;
mod believing;
mod dialects;
mod examining;
mod stand;
mod trouble;

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use stand::{Key, Reply, Stand};

const CALLBACK: &str = "https://id.example/api/auth/callback/test";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const NONCE: &str = "n-0S6_WzA2Mj";
const ACCESS_TOKEN: &str = "access-token";
const CLIENT_SECRET: &str = "a-secret-that-is-long-enough-for-hs256";

/// When all this happens.
fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 0).expect("a time")
}

fn settings(preset: Preset, issuer: &str) -> Settings {
    Settings {
        id: "test".into(),
        preset,
        issuer: Some(issuer.parse().expect("a URL")),
        client_id: "client".into(),
        scopes: Vec::new(),
        claims: BTreeMap::new(),
        endpoints: None,
        allow_private_addresses: true,
    }
}

fn upstream_of(settings: Settings) -> Upstream {
    Upstream::new(settings, &Clients::default())
}

fn ask() -> Ask<'static> {
    Ask {
        redirect_uri: CALLBACK,
        state: "af0ifjsldkj",
        nonce: NONCE,
        code_verifier: VERIFIER,
        login_hint: None,
        scopes: &[],
        parameters: &[],
        again: false,
    }
}

/// Redeems a code that came back with `iss` and `user`.
async fn redeem_with(
    upstream: &Upstream,
    iss: Option<&str>,
    user: Option<&str>,
) -> Result<Arrival, UpstreamError> {
    let secret = Secret::new("a-code");
    let answer = Answer {
        iss,
        user,
        ..answer(&secret)
    };
    redeem_answer(upstream, &answer).await
}

async fn redeem_answer(upstream: &Upstream, answer: &Answer<'_>) -> Result<Arrival, UpstreamError> {
    upstream
        .redeem(answer, Some(&Secret::new(CLIENT_SECRET)), now())
        .await
}

fn answer(code: &Secret) -> Answer<'_> {
    Answer {
        code,
        code_verifier: VERIFIER,
        nonce: NONCE,
        redirect_uri: CALLBACK,
        iss: None,
        user: None,
        logged_in_since: None,
    }
}

async fn redeem(upstream: &Upstream) -> Result<Arrival, UpstreamError> {
    redeem_with(upstream, None, None).await
}

/// An OpenID provider of one key.
struct OpenId {
    stand: Stand,
    key: Key,
    clients: Clients,
}

impl OpenId {
    async fn with(key: Key) -> Self {
        let stand = Stand::start().await;
        let provider = Self {
            stand,
            key,
            clients: Clients::default(),
        };
        provider.publish(provider.metadata());
        provider.publish_keys(&[&provider.key]);
        provider.answer(&provider.claims());
        provider
    }

    async fn start() -> Self {
        Self::with(Key::es256("first")).await
    }

    fn metadata(&self) -> Value {
        let url = &self.stand.url;
        json!({
            "issuer": url,
            "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"),
            "userinfo_endpoint": format!("{url}/userinfo"),
            "jwks_uri": format!("{url}/keys"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "a-new-one"],
        })
    }

    fn publish(&self, metadata: Value) {
        self.stand
            .says("/.well-known/openid-configuration", Reply::json(metadata));
    }

    fn publish_keys(&self, keys: &[&Key]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.public).collect();
        self.stand.says("/keys", Reply::json(json!({"keys": keys})));
    }

    /// Of a person whom the token says all about.
    fn claims(&self) -> Value {
        json!({
            "iss": self.stand.url, "aud": "client", "sub": "subject-1", "nonce": NONCE,
            "iat": now().timestamp(), "exp": now().timestamp() + 600,
            "email": "ada@example.org", "email_verified": true, "name": "Ada Lovelace",
        })
    }

    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        if value.is_null() {
            claims.as_object_mut().expect("an object").remove(name);
        } else {
            claims[name] = value;
        }
        claims
    }

    /// Lets the token endpoint give out an ID token.
    fn answer(&self, claims: &Value) {
        self.answer_token(&self.key.sign(claims));
    }

    fn answer_token(&self, id_token: &str) {
        let answer = json!({
            "access_token": ACCESS_TOKEN, "token_type": "Bearer", "expires_in": 3600, "refresh_token": "refresh-token",
            "scope": "openid email", "id_token": id_token,
        });
        self.stand.says("/token", Reply::json(answer));
    }

    fn upstream(&self) -> Upstream {
        self.upstream_as(Preset::Oidc)
    }

    fn upstream_as(&self, preset: Preset) -> Upstream {
        Upstream::new(settings(preset, &self.stand.url), &self.clients)
    }

    /// Why a token is not believed.
    async fn fault(&self, id_token: &str) -> IdTokenFault {
        self.answer_token(id_token);
        match redeem(&self.upstream()).await {
            Err(UpstreamError::IdToken(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

/// What errands do, they do on any thread.
#[test]
fn errands_can_be_moved_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let upstream = upstream_of(settings(Preset::Oidc, "https://id.example"));
    let secret = Secret::new("");
    is_send(upstream.authorization_url(&ask(), now()));
    is_send(upstream.refresh(&secret, None, now()));
    is_send(upstream.person(&secret, "", now()));
    is_send(upstream.examine("", None, now()));
    is_send(upstream.end_session_url("", "", None, now()));
    is_send(redeem(&upstream));
}

fn later(seconds: i64) -> DateTime<Utc> {
    now() + TimeDelta::seconds(seconds)
}
