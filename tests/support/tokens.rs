//! Tokens for tests about tokens: a user who logs in through the pages, and whatever clients then redeem.

use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::ids::UserId;

use super::app::{CALLBACK, TestApp};
use super::browser::{Answer, Api, Browser, VERIFIER};

/// Where the user of these tests gets mail.
pub const EMAIL: &str = "ada@example.org";

/// An API of these tests.
pub const NOTES: &str = "https://notes.example";

/// An app with a user, their browser, and a program without cookies.
pub struct Walk {
    pub app: TestApp,
    pub user: UserId,
    pub browser: Browser,
    pub api: Api,
}

impl Walk {
    pub async fn start() -> Self {
        Self::on(TestApp::start().await, json!({})).await
    }

    /// A walk on an app of one's own, with a user of this profile.
    pub async fn on(app: TestApp, profile: Value) -> Self {
        let user = app.user(EMAIL, profile).await;
        let (browser, api) = (Browser::new(&app), Api::new(&app));
        Self {
            app,
            user,
            browser,
            api,
        }
    }

    /// A confidential first-party client with these further members of its metadata.
    pub async fn confidential(&self, id: &str, further: Value) -> (String, String) {
        let mut document = json!({
            "client_id": id, "client_name": "Example", "redirect_uris": [CALLBACK], "first_party": true,
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
            "id_token_signed_response_alg": "EdDSA",
            "scope": "openid profile email address phone offline_access notes:read notes:write",
        });
        let Value::Object(further) = further else {
            panic!("metadata is an object")
        };
        document.as_object_mut().expect("an object").extend(further);
        self.app.client(document).await
    }

    /// A code for `client`; the user logs in if they are asked to.
    pub async fn code(&self, client: &str, further: &[(&str, &str)]) -> String {
        let answer = self.browser.open(&self.browser.authorize(client, further)).await;
        let answer = if answer.status == StatusCode::OK {
            self.browser.log_in(&answer, EMAIL).await
        } else {
            answer
        };
        let callback = answer.callback();
        callback
            .get("code")
            .unwrap_or_else(|| panic!("no code: {callback:?}"))
            .clone()
    }

    /// Tokens for the public client `client`.
    pub async fn tokens(&self, client: &str, further: &[(&str, &str)]) -> Value {
        let code = self.code(client, further).await;
        let answer = self.api.redeem(client, &code).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        answer.json()
    }

    /// Tokens for a client that has a secret.
    pub async fn tokens_of(&self, client: &(String, String), further: &[(&str, &str)]) -> Value {
        let code = self.code(&client.0, further).await;
        let answer = self.redeem_as(client, &code, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        answer.json()
    }

    /// Redeems a code as a client that has a secret.
    pub async fn redeem_as(&self, client: &(String, String), code: &str, further: &[(&str, &str)]) -> Answer {
        let mut fields = vec![
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ];
        fields.extend(further);
        self.api
            .post_as((&client.0, &client.1), "/oauth2/token", &fields)
            .await
    }

    /// What `client` learns of `token`.
    pub async fn introspect(&self, client: &(String, String), token: &str) -> Value {
        let fields = [("token", token)];
        let answer = self
            .api
            .post_as((&client.0, &client.1), "/oauth2/introspect", &fields)
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()
    }

    /// Makes the database go away, for this app alone.
    pub fn lose_database(&self) {
        self.app.provider.db.close();
    }
}

/// A member of a token response that is a token.
pub fn token<'a>(tokens: &'a Value, name: &str) -> &'a str {
    tokens[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {tokens}"))
}

/// Holds an answer to the form of every refusal (RFC 6749 §5.2), and to this status and code.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:#?}");
    assert_eq!(
        answer.header("content-type"),
        Some("application/json"),
        "{answer:#?}"
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:#?}");
    assert!(answer.header("x-request-id").is_some(), "{answer:#?}");
    let body = answer.json();
    assert_eq!(body["error"], error, "{answer:#?}");
    let members = body.as_object().expect("an object");
    assert_eq!(members.len(), 2, "{answer:#?}");
    // RFC 6749 appendix A.8.
    let description = body["error_description"].as_str().expect("a text");
    let allowed = |byte: u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    assert!(
        !description.is_empty() && description.bytes().all(allowed),
        "{answer:#?}"
    );
    assert_eq!(
        answer.header("www-authenticate").is_some(),
        status == 401,
        "{answer:#?}"
    );
    assert_eq!(
        answer.header("retry-after").is_some(),
        status == 503,
        "{answer:#?}"
    );
}
