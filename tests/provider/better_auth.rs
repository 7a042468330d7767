//! The Better Auth protocol by raw requests: statuses, headers and bodies as its clients know them. What the clients
//! themselves make of it is in `better_auth_clients`.

mod access;
mod breaches;
mod choices;
mod codes;
mod deviations;
mod devices;
mod limits;
mod mailed;
mod reading;
mod resets;
mod sessions;
mod transport;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::app::{Options, PASSWORD, TestApp};
use crate::support::browser::Answer;
use crate::support::jar::Jar;

const ADA: &str = "ada@example.org";

/// An app whose limits are out of the way.
async fn app() -> TestApp {
    app_with(|_| {}).await
}

async fn app_with(change: impl FnOnce(&mut Options)) -> TestApp {
    TestApp::with(|options| {
        options.settings.rate_limits = false;
        change(options);
    })
    .await
}

/// A page of the site itself, whose scripts call the API.
struct Page {
    jar: Jar,
    origin: String,
}

impl Page {
    fn new(app: &TestApp) -> Self {
        Self {
            jar: Jar::new(app),
            origin: app.url.clone(),
        }
    }

    async fn post(&mut self, path: &str, body: Value) -> Answer {
        self.post_with(path, &[], body).await
    }

    async fn post_with(&mut self, path: &str, headers: &[(&str, &str)], body: Value) -> Answer {
        let path = format!("/api/auth{path}");
        let origin = self.origin.clone();
        let mut all = vec![("content-type", "application/json"), ("origin", &*origin)];
        all.extend(headers);
        self.jar
            .send(Method::POST, &path, &all, Some(body.to_string()))
            .await
    }

    async fn get(&mut self, path: &str) -> Answer {
        self.jar.get(&format!("/api/auth{path}")).await
    }

    async fn get_with(&mut self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let path = format!("/api/auth{path}");
        self.jar.send(Method::GET, &path, headers, None).await
    }

    async fn sign_in(&mut self, email: &str) -> Value {
        let body = json!({"email": email, "password": PASSWORD});
        let answer = self.post("/sign-in/email", body).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        answer.json()
    }

    async fn session(&mut self) -> Value {
        let answer = self.get("/get-session").await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        answer.json()
    }
}

/// A page at which Ada is logged in.
async fn ada(app: &TestApp) -> Page {
    app.user(ADA, json!({})).await;
    let mut page = Page::new(app);
    page.sign_in(ADA).await;
    page
}

/// That an answer refuses with this status and code; `""`: with a message alone.
fn refuses(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{code}: {answer:#?}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let body = answer.json();
    assert!(body["message"].is_string(), "{body}");
    let said = body["code"].as_str().unwrap_or_default();
    assert_eq!(said, code, "{body}");
    // Clients show the body as it comes: the message stands first.
    assert!(answer.body.starts_with("{\"message\":"), "{}", answer.body);
}
