//! Other identity providers as processes of their own (tests/clients/upstream_*.mjs): how each is started, what
//! `[[providers]]` says of it, and how a person logs in there.

use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Method, Url};
use serde_json::{Value, json};
use signet::config::Config;
use signet::flows::federation::Federation;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::app::TestApp;
use super::browser::Answer;
use super::jar::Jar;
use super::programs::{checkout, installed};

/// What it is like, and with which algorithm it signs if it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Google(&'static str),
    Microsoft(&'static str),
    Apple(&'static str),
    GitHub,
    Discord,
    Facebook,
    GitLab(&'static str),
    /// No brand that has a preset: found by discovery alone.
    Oidc(&'static str),
    /// No OpenID provider, with names of its own for everything.
    OAuth2,
}

/// Every kind, those of OpenID with an algorithm each.
pub const KINDS: [Kind; 9] = [
    Kind::Google("RS256"),
    Kind::Microsoft("PS256"),
    Kind::Apple("ES256"),
    Kind::GitHub,
    Kind::Discord,
    Kind::Facebook,
    Kind::GitLab("RS256"),
    Kind::Oidc("EdDSA"),
    Kind::OAuth2,
];

/// The client that every provider knows.
pub const CLIENT_ID: &str = "signet-client";

/// Its secret: with characters that `client_secret_basic` has to encode (RFC 6749 §2.3.1).
pub const CLIENT_SECRET: &str = "s3cret: 100%+/&";

/// The tenant of a Microsoft-like provider's users, unless their account says another `tid`.
pub const TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

const TEAM_ID: &str = "DEF123GHIJ";
const KEY_ID: &str = "ABC123DEFG";

impl Kind {
    /// The name of the preset, which is the entry's id too.
    pub const fn preset(self) -> &'static str {
        match self {
            Self::Google(_) => "google",
            Self::Microsoft(_) => "microsoft",
            Self::Apple(_) => "apple",
            Self::GitHub => "github",
            Self::Discord => "discord",
            Self::Facebook => "facebook",
            Self::GitLab(_) => "gitlab",
            Self::Oidc(_) => "oidc",
            Self::OAuth2 => "oauth2",
        }
    }

    /// A person, as this kind knows people. `number` tells people of one provider apart.
    pub fn account(self, number: u32, email: &str, verified: bool, name: &str) -> Value {
        let picture = "https://pictures.example/ada.png";
        match self {
            Self::Google(_) => json!({
                "sub": format!("10769150350006150715113082{number}"), "email": email, "email_verified": verified,
                "name": name, "picture": picture, "amr": ["pwd", "mfa"],
            }),
            Self::Microsoft(_) => json!({
                "sub": format!("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ{number}"),
                "oid": format!("00000000-0000-0000-66f3-{number:012x}"),
                "email": email, "email_verified": verified, "preferred_username": email, "name": name,
            }),
            Self::Apple(_) => json!({
                "sub": format!("001999.64b1c1b6d5a84dd8a0e0e0b5b1f7c2a1.{number:04}"),
                // As text, as Apple documents it.
                "email": email, "email_verified": verified.to_string(), "is_private_email": "false", "name": name,
            }),
            Self::GitHub => json!({
                "user": {"id": 583_231 + number, "login": format!("octocat{number}"), "node_id": "MDQ6VXNlcjE=",
                    "avatar_url": picture, "type": "User", "name": name, "email": null},
                "emails": [
                    {"email": format!("{number}+octocat@users.noreply.github.com"), "primary": false,
                        "verified": true, "visibility": null},
                    {"email": email, "primary": true, "verified": verified, "visibility": "private"},
                ],
            }),
            Self::Discord => json!({
                "user": {"id": format!("8035111023004{number:05}"), "username": format!("nelly{number}"),
                    "discriminator": "0", "global_name": name, "avatar": "8342729096ea3675442027381ff50dfe",
                    "email": email, "verified": verified, "mfa_enabled": true, "locale": "en-US"},
            }),
            Self::Facebook => json!({
                "user": {"id": format!("1022049283847{number}"), "name": name, "email": email,
                    "picture": {"data": {"url": picture, "is_silhouette": false}}},
            }),
            Self::GitLab(_) => json!({
                "sub": number.to_string(), "email": email, "email_verified": verified, "name": name,
                "nickname": format!("ada{number}"), "preferred_username": format!("ada{number}"), "picture": picture,
            }),
            Self::Oidc(_) => json!({
                "sub": format!("f:campus:{number}"), "email": email, "email_verified": verified, "name": name,
            }),
            Self::OAuth2 => json!({
                "user": {"member": {"number": number, "display_name": name},
                    "mail": {"address": email, "confirmed": verified}},
            }),
        }
    }

    fn is_openid(self) -> Option<&'static str> {
        match self {
            Self::Google(algorithm)
            | Self::Microsoft(algorithm)
            | Self::Apple(algorithm)
            | Self::GitLab(algorithm)
            | Self::Oidc(algorithm) => Some(algorithm),
            Self::GitHub | Self::Discord | Self::Facebook | Self::OAuth2 => None,
        }
    }
}

/// A running provider, ended with the value.
pub struct Upstream {
    pub kind: Kind,
    /// Its address, below which everything of it stands.
    pub url: String,
    /// The private key of our client, for Apple.
    pem: String,
    http: reqwest::Client,
    child: Child,
    /// It ends when this does.
    _stdin: ChildStdin,
}

impl Upstream {
    /// One with these people, by the names that they log in with.
    pub async fn start(kind: Kind, accounts: Value) -> Self {
        Self::with(kind, json!({"accounts": accounts})).await
    }

    /// One with further settings (upstream_openid.mjs). As `host` it may have `localhost`, which to browsers is another
    /// site than the app's.
    pub async fn with(kind: Kind, mut settings: Value) -> Self {
        let key = openssl::ec::EcGroup::from_curve_name(openssl::nid::Nid::X9_62_PRIME256V1)
            .and_then(|curve| openssl::ec::EcKey::generate(&curve))
            .and_then(openssl::pkey::PKey::from_ec_key)
            .expect("a key");
        let text = |pem: Vec<u8>| String::from_utf8(pem).expect("PEM is text");
        let public_key = text(key.public_key_to_pem().expect("a key has a public half"));
        settings["client"] = match kind {
            Kind::Apple(_) => {
                json!({"id": CLIENT_ID, "team_id": TEAM_ID, "key_id": KEY_ID, "public_key": public_key})
            }
            _ => json!({"id": CLIENT_ID, "secret": CLIENT_SECRET}),
        };
        let mut command = Command::new(installed(".venv/bin/node"));
        installed("tests/clients/node_modules");
        let clients = checkout("tests/clients");
        match kind.is_openid() {
            Some(algorithm) => command
                .arg(clients.join("upstream_openid.mjs"))
                .args([kind.preset(), algorithm]),
            None => command.arg(clients.join("upstream_api.mjs")).arg(kind.preset()),
        };
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node runs");
        let mut stdin = child.stdin.take().expect("it is piped");
        stdin
            .write_all(format!("{settings}\n").as_bytes())
            .await
            .expect("it reads");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let line = lines.next_line().await.expect("lines of text");
        let port = line.as_deref().and_then(|line| line.strip_prefix("ready "));
        let port = port.unwrap_or_else(|| panic!("{kind:?} does not start: {line:?}"));
        let host = settings["host"].as_str().unwrap_or("127.0.0.1");
        Self {
            kind,
            url: format!("http://{host}:{port}"),
            pem: text(key.private_key_to_pem_pkcs8().expect("a key can be written")),
            http: reqwest::Client::builder()
                .tls_certs_only([])
                .build()
                .expect("a client"),
            child,
            _stdin: stdin,
        }
    }

    /// What its entry's `issuer` is.
    pub fn issuer(&self) -> String {
        match self.kind {
            Kind::Microsoft(_) => format!("{}/common/v2.0", self.url),
            _ => self.url.clone(),
        }
    }

    /// Its `[[providers]]` entry, with these lines more.
    pub fn entry(&self, further: &str) -> String {
        let preset = self.kind.preset();
        let url = &self.url;
        let place = match self.kind {
            Kind::OAuth2 => format!(
                "authorization_endpoint = \"{url}/authorize\"\ntoken_endpoint = \"{url}/token\"\n\
                 userinfo_endpoint = \"{url}/members/self\"\nscopes = [\"member\"]\n\
                 claims = {{ sub = \"member.number\", name = \"member.display_name\", email = \"mail.address\", \
                 email_verified = \"mail.confirmed\" }}\n"
            ),
            _ => format!("issuer = \"{}\"\n", self.issuer()),
        };
        let secret = match self.kind {
            Kind::Apple(_) => format!(
                "client_secret = '''\n{}'''\nteam_id = \"{TEAM_ID}\"\nkey_id = \"{KEY_ID}\"\n",
                self.pem
            ),
            _ => format!("client_secret = \"{CLIENT_SECRET}\"\n"),
        };
        format!(
            "[[providers]]\nid = \"{preset}\"\npreset = \"{preset}\"\n{place}client_id = \"{CLIENT_ID}\"\n{secret}allow_private_addresses = true\n{further}\n"
        )
    }

    /// Lets it send browsers back to this app.
    pub async fn knows(&self, app: &TestApp) {
        self.sends_back_to(&app.issuer).await;
    }

    /// Lets it send browsers back to a provider of this issuer.
    pub async fn sends_back_to(&self, issuer: &str) {
        let callback = format!("{issuer}/api/auth/callback/{}", self.kind.preset());
        let after_logout = format!("{issuer}/logout/done");
        self.told(json!({"callbacks": [callback, after_logout]})).await;
    }

    /// Makes `place` answer badly from now on (upstream_server.mjs names the faults).
    pub async fn fails(&self, place: &str, fault: Value) {
        self.told(json!({"faults": {place: fault}})).await;
    }

    /// Makes it honest again.
    pub async fn heals(&self) {
        self.told(json!({"faults": {}, "id_token": {}, "userinfo": {}, "limited": false}))
            .await;
    }

    /// Tells it anything that `/control` takes.
    pub async fn told(&self, what: Value) {
        let request = self.http.post(format!("{}/control", self.url)).json(&what);
        let answer = request.send().await.expect("it answers");
        assert_eq!(answer.status(), 200, "{what}");
    }

    /// How often a place of it was asked.
    pub async fn asked(&self, place: &str) -> u64 {
        let answer = self.http.get(format!("{}/control", self.url)).send().await;
        let state: Value = answer.expect("it answers").json().await.expect("JSON");
        state["asked"][place].as_u64().unwrap_or(0)
    }

    /// Ends it in the middle of whatever it does.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("our own child");
    }

    /// Logs `account` in there, in a browser that was sent to `to`, and returns what brings it back.
    pub async fn log_in(&self, jar: &mut Jar, to: &Url, account: &str) -> Return {
        self.walk(jar, to, &[("account", account)]).await
    }

    /// Says no there.
    pub async fn refuse(&self, jar: &mut Jar, to: &Url) -> Return {
        self.walk(jar, to, &[("cancel", "yes")]).await
    }

    async fn walk(&self, jar: &mut Jar, to: &Url, fields: &[(&str, &str)]) -> Return {
        let is_here = |url: &Url| url.as_str().starts_with(&format!("{}/", self.url));
        assert!(is_here(to), "{to} is not {}", self.url);
        let mut answer = jar.get(to.as_str()).await;
        for _ in 0..10 {
            if answer.status.is_redirection() {
                let url = answer.location();
                if !is_here(&url) {
                    return Return::Query(url);
                }
                answer = jar.get(url.as_str()).await;
                continue;
            }
            let (action, hidden) = answer.form();
            if !is_here(&action) {
                return Return::Form(action, hidden);
            }
            assert_eq!(answer.status, 200, "{answer:#?}");
            answer = jar.submit(&answer, fields).await;
        }
        panic!("it goes round in circles: {answer:#?}");
    }
}

/// How a browser comes back.
#[derive(Debug, Clone)]
pub enum Return {
    /// By a redirect.
    Query(Url),
    /// By a form.
    Form(Url, Vec<(String, String)>),
}

impl Return {
    /// A parameter of it.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let found = |(given, value): (String, String)| (given == name).then_some(value);
        match self {
            Self::Query(url) => url.query_pairs().into_owned().find_map(found),
            Self::Form(_, fields) => fields.iter().cloned().find_map(found),
        }
    }

    /// The same with a parameter put in place of the one that is there; `None` takes it out.
    #[must_use]
    pub fn with(self, name: &str, value: Option<&str>) -> Self {
        let changed = |fields: Vec<(String, String)>| -> Vec<(String, String)> {
            let kept = fields.into_iter().filter(|(given, _)| given != name);
            kept.chain(value.map(|value| (name.to_owned(), value.to_owned())))
                .collect()
        };
        match self {
            Self::Query(mut url) => {
                let fields = changed(url.query_pairs().into_owned().collect());
                url.query_pairs_mut().clear().extend_pairs(fields);
                Self::Query(url)
            }
            Self::Form(url, fields) => Self::Form(url, changed(fields)),
        }
    }

    /// Goes back, in this browser, to the answer of the callback itself. A form comes from the provider's site, and
    /// browsers say so.
    pub async fn follow(&self, jar: &mut Jar, provider: &Upstream) -> Answer {
        match self {
            Self::Query(url) => jar.get(url.as_str()).await,
            Self::Form(url, fields) => {
                let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
                let headers = [
                    ("content-type", "application/x-www-form-urlencoded"),
                    ("origin", &*provider.url),
                    ("sec-fetch-site", "cross-site"),
                ];
                // No cookie that is `Lax` goes along.
                let body = Some(super::jar::encode(&fields));
                let kept = std::mem::take(&mut jar.cookies);
                let answer = jar.send(Method::POST, url.as_str(), &headers, body).await;
                let set = std::mem::replace(&mut jar.cookies, kept);
                jar.cookies.extend(set);
                assert_eq!(answer.status, 303, "{answer:#?}");
                jar.get(answer.location().as_str()).await
            }
        }
    }
}

/// What a configuration with these entries means.
pub fn federation(entries: &[String]) -> Federation {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let file = std::env::temp_dir().join(format!("signet-providers-{}-{count}.toml", std::process::id()));
    std::fs::write(&file, entries.concat()).expect("the temporary directory is writable");
    let loaded = Config::load(Some(&file), Vec::new());
    let _ = std::fs::remove_file(&file);
    let config = loaded.expect("the test's providers are right").config;
    signet::server::federation::federation(&config).expect("the test's keys are right")
}
