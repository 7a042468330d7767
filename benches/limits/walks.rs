//! What connections do: one request again and again, a family that refreshes, the code flow of a browser that is
//! logged in. The same walks go to Signet and, where it can answer them, to `bare`.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use super::http::{self, Answer, Connection};
use super::load::Walk;

/// Where the clients' codes go. Nobody listens there.
pub const CALLBACK: &str = "https://app.example/callback";

/// The scope of every grant.
pub const SCOPE: &str = "openid profile email";

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The same request every time.
pub struct Same {
    pub request: Vec<u8>,
    pub status: u16,
}

impl Walk for Same {
    async fn step(&mut self, connection: &mut Connection) -> anyhow::Result<usize> {
        connection.exchange(&self.request).await?.expect(self.status)?;
        Ok(0)
    }
}

/// The kinds of steps of [`Storm`].
pub const SERVED: usize = 0;
/// See [`SERVED`].
pub const SHED: usize = 1;

/// A login that may be answered with "come back later", as many at once are.
pub struct Storm(pub Vec<u8>);

impl Walk for Storm {
    async fn step(&mut self, connection: &mut Connection) -> anyhow::Result<usize> {
        match connection.exchange(&self.0).await?.status {
            303 => Ok(SERVED),
            503 => Ok(SHED),
            other => bail!("a login is answered with {other}"),
        }
    }
}

/// A family that follows its successor.
pub struct Refresh {
    pub client: String,
    pub token: String,
    /// What of the grant the access token is for: with `openid` an ID token comes with it.
    pub scope: &'static str,
}

impl Walk for Refresh {
    async fn step(&mut self, connection: &mut Connection) -> anyhow::Result<usize> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", &*self.client),
            ("refresh_token", &*self.token),
            ("scope", self.scope),
        ];
        let request = http::post("/oauth2/token", &[], &fields);
        let answer = connection.exchange(&request).await?.expect(200)?;
        let successor = answer.member("refresh_token")?.to_owned();
        if successor == self.token {
            bail!("the family does not advance");
        }
        self.token = successor;
        Ok(0)
    }
}

/// The cookies of a browser.
#[derive(Debug, Clone, Default)]
pub struct Cookies(BTreeMap<String, String>);

impl Cookies {
    fn keep(&mut self, answer: &Answer<'_>) {
        for cookie in answer.headers("set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.0.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn header(&self) -> String {
        let pairs: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// The cookies of the browser after its session was forgotten, as it comes to log in again.
    fn without_session(&self) -> Self {
        let kept = self.0.iter().filter(|(name, _)| !name.contains("session_token"));
        Self(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}

/// A browser whose user is logged in.
pub struct Browser {
    cookies: Cookies,
    csrf: String,
    email: String,
    password: String,
}

impl Browser {
    /// Opens the login page and logs in.
    pub async fn log_in(connection: &mut Connection, email: &str, password: &str) -> anyhow::Result<Self> {
        let mut cookies = Cookies::default();
        let answer = connection
            .exchange(&http::get("/login", &[]))
            .await?
            .expect(200)?;
        cookies.keep(&answer);
        let page = answer.text()?;
        let csrf = page
            .split_once("name=\"csrf\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .context("a login page without its code")?
            .0
            .to_owned();
        let mut browser = Self {
            cookies,
            csrf,
            email: email.to_owned(),
            password: password.to_owned(),
        };
        let request = browser.login_request();
        let answer = connection.exchange(&request).await?.expect(303)?;
        browser.cookies.keep(&answer);
        Ok(browser)
    }

    /// The login form as this browser sends it the next time: it is known, but has no session.
    pub fn login_request(&self) -> Vec<u8> {
        http::post(
            "/login",
            &[("Cookie", &self.cookies.without_session().header())],
            &[
                ("csrf", &self.csrf),
                ("email", &self.email),
                ("password", &self.password),
            ],
        )
    }
}

/// The kinds of steps of [`CodeFlow`].
pub const AUTHORIZE: usize = 0;
/// See [`AUTHORIZE`].
pub const REDEEM: usize = 1;

/// The code flow of a browser that stays logged in, step by step.
pub struct CodeFlow {
    browser: Browser,
    client: String,
    authorize: String,
    code: Option<String>,
    /// The last refresh token and access token.
    pub tokens: Option<(String, String)>,
}

impl CodeFlow {
    pub fn new(browser: Browser, client: &str) -> Self {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("client_id", client),
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("scope", SCOPE),
                ("state", "af0ifjsldkj"),
                ("nonce", "n-0S6_WzA2Mj"),
                ("code_challenge", &challenge),
                ("code_challenge_method", "S256"),
            ])
            .finish();
        Self {
            browser,
            client: client.to_owned(),
            authorize: format!("/oauth2/authorize?{query}"),
            code: None,
            tokens: None,
        }
    }

    /// The request itself, and the redirects that follow until the client's address.
    async fn authorize(&self, connection: &mut Connection) -> anyhow::Result<String> {
        let cookies = self.browser.cookies.header();
        let mut path = self.authorize.clone();
        for _ in 0..5 {
            let request = http::get(&path, &[("Cookie", &cookies)]);
            let answer = connection.exchange(&request).await?.expect(303)?;
            let location = answer
                .headers("location")
                .next()
                .context("a redirect to nowhere")?;
            if location.starts_with(CALLBACK) {
                let url = Url::parse(location)?;
                let code = url.query_pairs().find(|(name, _)| name == "code");
                return Ok(code
                    .with_context(|| format!("no code: {location}"))?
                    .1
                    .into_owned());
            }
            path = match Url::parse(location) {
                Ok(url) => url[url::Position::BeforePath..].to_owned(),
                Err(_) => location.to_owned(),
            };
        }
        bail!("redirects go round in circles")
    }

    async fn redeem(&self, connection: &mut Connection, code: &str) -> anyhow::Result<(String, String)> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", &*self.client),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        let request = http::post("/oauth2/token", &[], &fields);
        let answer = connection.exchange(&request).await?.expect(200)?;
        Ok((
            answer.member("refresh_token")?.to_owned(),
            answer.member("access_token")?.to_owned(),
        ))
    }
}

impl Walk for CodeFlow {
    async fn step(&mut self, connection: &mut Connection) -> anyhow::Result<usize> {
        match self.code.take() {
            None => {
                self.code = Some(self.authorize(connection).await?);
                Ok(AUTHORIZE)
            }
            Some(code) => {
                self.tokens = Some(self.redeem(connection, &code).await?);
                Ok(REDEEM)
            }
        }
    }
}
