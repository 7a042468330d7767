//! A browser as far as protocols go: cookies, redirects one by one, and forms found in pages.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::{HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::app::{CALLBACK, PASSWORD, TestApp};

/// The PKCE verifier of the tests.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// The challenge that belongs to [`VERIFIER`].
pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
    pub url: Url,
}

impl Answer {
    pub async fn of(response: reqwest::Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            url: response.url().clone(),
            body: response.text().await.expect("a body of text"),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("a header of text"))
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Where a redirect leads.
    pub fn location(&self) -> Url {
        let location = self.headers.get(LOCATION);
        let location = location.unwrap_or_else(|| panic!("no redirect: {self:#?}"));
        self.url
            .join(location.to_str().expect("a header of text"))
            .expect("an address")
    }

    /// The parameters of an authorization response.
    pub fn callback(&self) -> HashMap<String, String> {
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:#?}");
        let location = self.location();
        assert!(location.as_str().starts_with(CALLBACK), "{location}");
        location.query_pairs().into_owned().collect()
    }

    /// The first form of a page: its address and its hidden fields.
    pub fn form(&self) -> (Url, Vec<(String, String)>) {
        let first = self.forms().into_iter().next();
        first.unwrap_or_else(|| panic!("no form: {self:#?}"))
    }

    /// Every form of a page: its address and its hidden fields.
    pub fn forms(&self) -> Vec<(Url, Vec<(String, String)>)> {
        let forms = self.body.split("<form").skip(1);
        forms.map(|form| self.read_form(form)).collect()
    }

    fn read_form(&self, form: &str) -> (Url, Vec<(String, String)>) {
        let form = form.split("</form>").next().unwrap_or_default();
        let action = attribute(form, "action").unwrap_or_default();
        let hidden = form.split("<input").skip(1).filter_map(|input| {
            let input = input.split('>').next().unwrap_or_default();
            (attribute(input, "type").as_deref() == Some("hidden")).then(|| {
                Some((
                    attribute(input, "name")?,
                    attribute(input, "value").unwrap_or_default(),
                ))
            })?
        });
        (self.url.join(&action).expect("an address"), hidden.collect())
    }

    /// The cookies that an answer sets, each line as it is.
    pub fn set_cookies(&self) -> Vec<&str> {
        let lines = self.headers.get_all("set-cookie").iter();
        lines
            .map(|line| line.to_str().expect("a header of text"))
            .collect()
    }
}

fn between<'a>(text: &'a str, start: &str, end: &str) -> Option<&'a str> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(&rest[..rest.find(end)?])
}

fn attribute(element: &str, name: &str) -> Option<String> {
    let value = between(element, &format!("{name}=\""), "\"")?;
    Some(
        value
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&#39;", "'")
            .replace("&amp;", "&"),
    )
}

/// A browser with cookies of its own.
pub struct Browser {
    http: Client,
    base: Url,
}

impl Browser {
    pub fn new(app: &TestApp) -> Self {
        Self::from_address(app, "203.0.113.7")
    }

    /// A browser behind a proxy that the app trusts, so that tests have addresses of their own.
    pub fn from_address(app: &TestApp, address: &str) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", address.parse().expect("a header's value"));
        headers.insert("accept", "text/html".parse().expect("a header's value"));
        headers.insert(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
                .parse()
                .expect("a header's value"),
        );
        Self {
            http: Client::builder()
                .cookie_store(true)
                .redirect(Policy::none())
                .default_headers(headers)
                .build()
                .expect("a client"),
            base: app.url.parse().expect("an address"),
        }
    }

    pub async fn get(&self, path: &str) -> Answer {
        let url = self.base.join(path).expect("an address");
        Answer::of(self.http.get(url).send().await.expect("an answer")).await
    }

    pub async fn post(&self, url: Url, fields: &[(&str, &str)]) -> Answer {
        Answer::of(self.http.post(url).form(fields).send().await.expect("an answer")).await
    }

    /// Posts with one more header.
    pub async fn post_with(&self, url: Url, fields: &[(&str, &str)], name: &str, value: &str) -> Answer {
        let request = self.http.post(url).header(name, value);
        Answer::of(request.form(fields).send().await.expect("an answer")).await
    }

    /// Follows redirects as long as they stay here.
    pub async fn follow(&self, mut answer: Answer) -> Answer {
        for _ in 0..20 {
            if !answer.status.is_redirection() || answer.location().origin() != self.base.origin() {
                return answer;
            }
            let url = answer.location();
            answer = Answer::of(self.http.get(url).send().await.expect("an answer")).await;
        }
        panic!("redirects go round in circles: {answer:#?}");
    }

    /// Opens an address and follows redirects.
    pub async fn open(&self, path: &str) -> Answer {
        self.follow(self.get(path).await).await
    }

    /// Fills in the first form of a page, sends it, and returns the answer itself.
    pub async fn submit(&self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        let (action, hidden) = page.form();
        let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(action, &all).await
    }

    /// Signs up on the page of a pending request, or without one.
    pub async fn sign_up(&self, page: &Answer, email: &str) -> Answer {
        let fields = [("name", "Ada Lovelace"), ("email", email), ("password", PASSWORD)];
        let answer = self.submit(page, &fields).await;
        self.follow(answer).await
    }

    /// Logs in on the page of a pending request, or without one.
    pub async fn log_in(&self, page: &Answer, email: &str) -> Answer {
        let answer = self
            .submit(page, &[("email", email), ("password", PASSWORD)])
            .await;
        self.follow(answer).await
    }

    /// The address of an authorization request of `client` with PKCE and these further parameters.
    pub fn authorize(&self, client: &str, further: &[(&str, &str)]) -> String {
        let mut url = self.base.join("/oauth2/authorize").expect("an address");
        {
            let mut query = url.query_pairs_mut();
            for (name, value) in [
                ("client_id", client),
                ("redirect_uri", CALLBACK),
                ("response_type", "code"),
                ("scope", "openid profile email"),
                ("state", "af0ifjsldkj"),
                ("code_challenge", &*challenge()),
                ("code_challenge_method", "S256"),
            ] {
                if !further.iter().any(|(given, _)| *given == name) {
                    query.append_pair(name, value);
                }
            }
            query.extend_pairs(further.iter().filter(|(_, value)| !value.is_empty()));
        }
        url.to_string()
    }
}

/// Programs without cookies: the token endpoint and its neighbours.
pub struct Api {
    http: Client,
    base: Url,
}

impl Api {
    pub fn new(app: &TestApp) -> Self {
        Self {
            http: Client::builder()
                .redirect(Policy::none())
                .build()
                .expect("a client"),
            base: app.url.parse().expect("an address"),
        }
    }

    pub fn http(&self) -> &Client {
        &self.http
    }

    pub fn url(&self, path: &str) -> Url {
        self.base.join(path).expect("an address")
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.http.get(self.url(path)).send().await.expect("an answer")).await
    }

    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self.http.post(self.url(path)).form(fields);
        Answer::of(request.send().await.expect("an answer")).await
    }

    pub async fn post_as(&self, client: (&str, &str), path: &str, fields: &[(&str, &str)]) -> Answer {
        let request = self
            .http
            .post(self.url(path))
            .basic_auth(client.0, Some(client.1));
        Answer::of(request.form(fields).send().await.expect("an answer")).await
    }

    pub async fn userinfo(&self, access_token: &str) -> Answer {
        let request = self
            .http
            .get(self.url("/oauth2/userinfo"))
            .bearer_auth(access_token);
        Answer::of(request.send().await.expect("an answer")).await
    }

    /// Redeems a code as the public client `client`.
    pub async fn redeem(&self, client: &str, code: &str) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("client_id", client),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        self.post("/oauth2/token", &fields).await
    }

    /// Refreshes as the public client `client`.
    pub async fn refresh(&self, client: &str, refresh_token: &str) -> Answer {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("refresh_token", refresh_token),
        ];
        self.post("/oauth2/token", &fields).await
    }
}

/// The payload of a JWT, without verifying anything.
pub fn payload(jwt: &str) -> Value {
    let part = jwt.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// The header of a JWT.
pub fn header(jwt: &str) -> Value {
    let part = jwt.split('.').next().expect("three parts");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}
