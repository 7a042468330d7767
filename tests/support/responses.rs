//! Authorization responses as a client gets them, and the pages that are shown where no client may get one.

use std::collections::BTreeMap;

use reqwest::StatusCode;
use reqwest::header::LOCATION;

use super::browser::Answer;

/// The address of an authorization response, and its parameters.
pub type Response = (String, BTreeMap<String, String>);

impl Answer {
    /// Whether it leads to a client at all, by redirect or by form.
    pub fn is_authorization_response(&self) -> bool {
        let elsewhere = |url: reqwest::Url| url.origin() != self.url.origin();
        match self.status {
            StatusCode::SEE_OTHER => elsewhere(self.location()),
            StatusCode::OK => self.body.contains("<form") && elsewhere(self.form().0),
            _ => false,
        }
    }

    /// The authorization response, by query or by form, whose headers leak nothing (RFC 9700 §4.2, §4.12).
    pub fn response(&self) -> Response {
        self.is_kept_to_itself();
        let (target, pairs) = if self.status == StatusCode::OK {
            let csp = self.header("content-security-policy").expect("a policy");
            assert!(!csp.contains("form-action"), "{csp}");
            let (action, fields) = self.form();
            (action.to_string(), fields)
        } else {
            assert_eq!(self.status, StatusCode::SEE_OTHER, "{self:#?}");
            let location = self.headers.get(LOCATION).expect("a redirect");
            let location = location.to_str().expect("a header of text");
            let (target, query) = location.split_once('?').expect("a query");
            let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
            (target.to_owned(), pairs.collect())
        };
        let count = pairs.len();
        let parameters: BTreeMap<_, _> = pairs.into_iter().collect();
        assert_eq!(parameters.len(), count, "a parameter comes once: {parameters:?}");
        (target, parameters)
    }

    /// The `error` of an authorization response.
    pub fn refusal(&self) -> String {
        let (_, parameters) = self.response();
        assert!(!parameters.contains_key("code"), "{parameters:?}");
        parameters["error"].clone()
    }

    /// The code of an authorization response.
    pub fn code(&self) -> String {
        let (_, mut parameters) = self.response();
        parameters
            .remove("code")
            .unwrap_or_else(|| panic!("no code: {parameters:?}"))
    }

    /// A page of status 4xx from which nothing leads anywhere (RFC 6749 §4.1.2.1, RFC 9700 §4.11).
    pub fn is_dead_end(&self) {
        assert!(self.status.is_client_error(), "{self:#?}");
        self.is_kept_to_itself();
        assert_eq!(self.header("location"), None, "{self:#?}");
        assert_eq!(self.header("refresh"), None, "{self:#?}");
        for lead in ["<a ", "<form", "http-equiv", "https://", "javascript:"] {
            assert!(!self.body.contains(lead), "{lead}: {}", self.body);
        }
        self.is_page(true);
    }

    /// A page that nobody frames, and whose forms stay here (`own`) or may lead to a client.
    pub fn is_page(&self, own: bool) {
        assert_eq!(self.header("content-type"), Some("text/html; charset=utf-8"));
        let csp = self.header("content-security-policy").expect("a policy");
        for directive in [
            "default-src 'none'",
            "script-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ] {
            assert!(
                csp.split("; ").any(|given| given == directive),
                "{directive}: {csp}"
            );
        }
        assert_eq!(
            csp.contains("form-action 'self'"),
            own,
            "{}: {csp}",
            self.url.path()
        );
        assert_eq!(csp.contains("form-action"), own, "{}: {csp}", self.url.path());
        assert_eq!(self.header("x-frame-options"), Some("DENY"));
        self.is_kept_to_itself();
    }

    /// Nobody stores the answer, and nobody is told where the browser comes from.
    pub fn is_kept_to_itself(&self) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:#?}");
        assert_eq!(self.header("referrer-policy"), Some("no-referrer"), "{self:#?}");
        assert_eq!(
            self.header("x-content-type-options"),
            Some("nosniff"),
            "{self:#?}"
        );
    }
}
