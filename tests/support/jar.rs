//! A browser whose cookies the test holds in its own hands: it sends `Secure` ones over plain http too, and the
//! test may look at them, forge them and plant some.

use std::collections::BTreeMap;

use reqwest::redirect::Policy;
use reqwest::{Client, Method, Url};

use super::app::{PASSWORD, TestApp};
use super::browser::Answer;

/// The `User-Agent` of every jar.
pub const USER_AGENT: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";

/// A browser.
#[derive(Clone)]
pub struct Jar {
    /// Its cookies by name; values as they came.
    pub cookies: BTreeMap<String, String>,
    /// Headers of every request.
    pub headers: Vec<(&'static str, String)>,
    http: Client,
    base: Url,
}

impl Jar {
    pub fn new(app: &TestApp) -> Self {
        Self::from_address(app, "203.0.113.7")
    }

    /// A browser behind a proxy that the app trusts.
    pub fn from_address(app: &TestApp, address: &str) -> Self {
        Self {
            cookies: BTreeMap::new(),
            headers: vec![
                ("x-forwarded-for", address.to_owned()),
                ("accept", "text/html".to_owned()),
                ("user-agent", USER_AGENT.to_owned()),
            ],
            // Nothing here speaks TLS, and reading the system's certificates takes longer than any test.
            http: Client::builder()
                .tls_certs_only([])
                .redirect(Policy::none())
                .build()
                .expect("a client"),
            base: app.url.parse().expect("an address"),
        }
    }

    /// The `Cookie` header that goes with every request.
    pub fn cookie_header(&self) -> String {
        let pairs: Vec<_> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    /// Sends a request as it is told, with these headers more, and keeps the cookies of the answer.
    pub async fn send(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        let url = self.base.join(path).expect("an address");
        let mut request = self.http.request(method, url);
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !self.cookies.is_empty() {
            request = request.header("cookie", self.cookie_header());
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        self.keep(&answer);
        answer
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_with(path, &[], fields).await
    }

    /// Posts a form with these headers more.
    pub async fn post_with(
        &mut self,
        path: &str,
        headers: &[(&str, &str)],
        fields: &[(&str, &str)],
    ) -> Answer {
        let mut all = vec![("content-type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        self.send(Method::POST, path, &all, Some(encode(fields))).await
    }

    /// Fills in the first form of a page and sends it.
    pub async fn submit(&mut self, page: &Answer, fields: &[(&str, &str)]) -> Answer {
        self.submit_form(page.form(), fields).await
    }

    /// Fills in the form of a page that leads to `path`, and sends it.
    pub async fn submit_to(&mut self, page: &Answer, path: &str, fields: &[(&str, &str)]) -> Answer {
        let form = page.forms().into_iter().find(|(url, _)| url.path() == path);
        self.submit_form(
            form.unwrap_or_else(|| panic!("no form to {path}: {page:#?}")),
            fields,
        )
        .await
    }

    async fn submit_form(
        &mut self,
        (action, hidden): (Url, Vec<(String, String)>),
        fields: &[(&str, &str)],
    ) -> Answer {
        let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
        let all: Vec<_> = hidden.chain(fields.iter().copied()).collect();
        self.post(action.as_str(), &all).await
    }

    /// Follows redirects as long as they stay here.
    pub async fn follow(&mut self, mut answer: Answer) -> Answer {
        for _ in 0..20 {
            if !answer.status.is_redirection() || answer.location().origin() != self.base.origin() {
                return answer;
            }
            answer = self.get(answer.location().as_str()).await;
        }
        panic!("redirects go round in circles: {answer:#?}");
    }

    /// Opens the page of signup, and sends it filled in.
    pub async fn sign_up(&mut self, name: &str, email: &str, password: &str) -> Answer {
        let page = self.get("/signup").await;
        let fields = [("name", name), ("email", email), ("password", password)];
        self.submit(&page, &fields).await
    }

    /// Opens the page of login, and sends it filled in.
    pub async fn log_in(&mut self, email: &str, password: &str) -> Answer {
        let page = self.get("/login").await;
        self.submit(&page, &[("email", email), ("password", password)])
            .await
    }

    /// [`log_in`](Self::log_in) with the password of the tests, which must work.
    pub async fn enter(&mut self, email: &str) -> Answer {
        let answer = self.log_in(email, PASSWORD).await;
        assert_eq!(answer.status, 303, "{answer:#?}");
        assert_eq!(answer.location().path(), "/account");
        answer
    }

    /// Whether somebody is logged in here.
    pub async fn is_in(&mut self) -> bool {
        let page = self.get("/account").await;
        match page.status.as_u16() {
            200 => true,
            303 => {
                assert_eq!(page.location().path(), "/login");
                false
            }
            _ => panic!("{page:#?}"),
        }
    }

    fn keep(&mut self, answer: &Answer) {
        for line in answer.set_cookies() {
            let pair = line.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie has a name");
            // The one is how we take a cookie away, the other how others do.
            if line.contains("; Max-Age=0;") || value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

/// A form as browsers send it.
pub fn encode(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish()
}
