//! A client of a provider that may be away: nothing here takes an answer for granted.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};

use crate::support::app::{CALLBACK, PASSWORD};
use crate::support::browser::{Answer, VERIFIER, challenge};
use crate::support::node::Node;

/// A browser and a program in one, which wait ten seconds at most.
#[derive(Clone)]
pub struct Visitor {
    http: Client,
    base: String,
}

impl Visitor {
    pub fn new(node: &Node) -> Self {
        let here = Policy::custom(|attempt| {
            if attempt.url().host_str() == Some("127.0.0.1") {
                attempt.follow()
            } else {
                attempt.stop()
            }
        });
        let http = Client::builder()
            .cookie_store(true)
            .redirect(here)
            .timeout(Duration::from_secs(10));
        Self {
            http: http.build().expect("a client"),
            base: node.url.clone(),
        }
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Option<Answer> {
        let request = self.http.post(format!("{}{path}", self.base)).form(fields);
        read(request.send().await).await
    }

    pub async fn refresh(&self, of: &str) -> Option<Answer> {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "spa"),
            ("refresh_token", of),
        ];
        self.post("/oauth2/token", &fields).await
    }

    pub async fn redeem(&self, code: &str) -> Option<Answer> {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", "spa"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/oauth2/token", &fields).await
    }

    /// Asks for a code, and fills in the form of the page that asks who it is.
    pub async fn code(&self, prompt: &str, fields: &[(&str, &str)]) -> Option<String> {
        let challenge = challenge();
        let query = [
            ("client_id", "spa"),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "openid offline_access"),
            ("code_challenge", &*challenge),
            ("code_challenge_method", "S256"),
            ("prompt", prompt),
        ];
        let url = Url::parse_with_params(&format!("{}/oauth2/authorize", self.base), query).expect("a URL");
        let mut answer = read(self.http.get(url).send().await).await?;
        if answer.status == StatusCode::OK && answer.body.contains("<form") {
            let (action, hidden) = answer.form();
            let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
            let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
            answer = read(self.http.post(action).form(&all).send().await).await?;
        }
        if answer.status != StatusCode::SEE_OTHER {
            return None;
        }
        let location = answer.location();
        let mut parameters = location.query_pairs();
        parameters
            .find(|(name, _)| name == "code")
            .map(|(_, code)| code.into_owned())
    }

    pub async fn sign_up(&self, email: &str) -> Option<String> {
        let fields = [("name", "Ada Lovelace"), ("email", email), ("password", PASSWORD)];
        self.code("create", &fields).await
    }

    pub async fn log_in(&self, email: &str) -> Option<String> {
        self.code("login", &[("email", email), ("password", PASSWORD)])
            .await
    }
}

async fn read(response: reqwest::Result<reqwest::Response>) -> Option<Answer> {
    let response = response.ok()?;
    Some(Answer {
        status: response.status(),
        headers: response.headers().clone(),
        url: response.url().clone(),
        body: response.text().await.ok()?,
    })
}
