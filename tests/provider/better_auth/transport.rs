//! Bodies, origins, redirect targets, scripts of others, limits (reference §§1, 5, 6).

use reqwest::Method;
use serde_json::json;

use super::{ADA, Page, app, app_with, refuses};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::jar::Jar;

const FRONT: &str = "https://app.example.org";

async fn trusting() -> TestApp {
    let listed = [FRONT, "https://*.preview.example"].map(str::to_owned);
    app_with(|options| options.site.better_auth.trusted_origins = listed.into()).await
}

#[tokio::test]
async fn what_is_not_there_is_an_empty_404_whatever_the_method() {
    let app = app().await;
    let mut jar = Jar::new(&app);
    for (method, path) in [
        (Method::GET, "/api/auth"),
        (Method::GET, "/api/auth/"),
        (Method::GET, "/api/auth/nothing"),
        (Method::GET, "/api/auth/ok/"),
        (Method::GET, "/api/auth//ok"),
        (Method::POST, "/api/auth/ok"),
        (Method::GET, "/api/auth/sign-in/email"),
        (Method::DELETE, "/api/auth/sign-in/email"),
        (Method::OPTIONS, "/api/auth/sign-in/email"),
        (Method::HEAD, "/api/auth/ok"),
        (Method::POST, "/api/auth/set-password"),
        (Method::POST, "/api/auth/two-factor/enable"),
    ] {
        let answer = jar.send(method.clone(), path, &[], None).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.body),
            (404, ""),
            "{method} {path}"
        );
    }
    let ok = jar.get("/api/auth/ok").await;
    assert_eq!((ok.status.as_u16(), &*ok.body), (200, "{\"ok\":true}"));
    let off = app_with(|options| options.site.better_auth.enabled = false).await;
    let answer = Jar::new(&off).get("/api/auth/ok").await;
    assert_eq!(answer.status, 404);
}

#[tokio::test]
async fn json_alone_is_read_and_forms_where_a_page_without_script_sends_them() {
    let app = app().await;
    let mut jar = Jar::new(&app);
    for (path, kind, body, status, code) in [
        ("/sign-in/email", "application/json", "", 400, "VALIDATION_ERROR"),
        ("/sign-in/email", "application/json", "{", 400, "BAD_REQUEST"),
        (
            "/sign-in/email",
            "application/json; charset=utf-8",
            "[]",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/sign-in/email",
            "text/plain",
            "{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "/sign-in/email",
            "application/vnd.api+json",
            "{}",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        (
            "/update-user",
            "application/x-www-form-urlencoded",
            "name=x",
            415,
            "UNSUPPORTED_MEDIA_TYPE",
        ),
        // Validation stands before authentication.
        (
            "/update-user",
            "application/json",
            "{\"name\":1}",
            400,
            "VALIDATION_ERROR",
        ),
        (
            "/update-user",
            "application/json",
            "{\"name\":\"x\"}",
            401,
            "UNAUTHORIZED",
        ),
    ] {
        let path = format!("/api/auth{path}");
        let headers = [("content-type", kind)];
        let answer = jar
            .send(Method::POST, &path, &headers, Some(body.to_owned()))
            .await;
        refuses(&answer, status, code);
    }
    app.user(ADA, json!({})).await;
    let fields = [("email", ADA), ("password", PASSWORD)];
    let answer = jar.post("/api/auth/sign-in/email", &fields).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
}

#[tokio::test]
async fn what_comes_with_a_cookie_comes_from_a_trusted_page() {
    let app = trusting().await;
    for (headers, code) in [
        (&[][..], "MISSING_OR_NULL_ORIGIN"),
        (&[("origin", "null")], "MISSING_OR_NULL_ORIGIN"),
        (&[("origin", "https://evil.example")], "INVALID_ORIGIN"),
        (&[("origin", "https://a.preview.example")], "INVALID_ORIGIN"),
        (
            &[("referer", "https://evil.example/https://app.example.org")],
            "INVALID_ORIGIN",
        ),
        (&[("origin", "null"), ("sec-fetch-site", "same-origin")], ""),
        (&[("origin", FRONT)], ""),
        (&[("referer", "https://app.example.org/x")], ""),
    ] {
        let mut jar = Jar::new(&app);
        jar.cookies.insert("other".to_owned(), "x".to_owned());
        let answer = jar.send(Method::POST, "/api/auth/sign-out", headers, None).await;
        if code.is_empty() {
            assert_eq!(answer.status, 200, "{headers:?}");
        } else {
            refuses(&answer, 403, code);
        }
        jar.cookies.clear();
        let answer = jar.send(Method::POST, "/api/auth/sign-out", headers, None).await;
        assert_eq!(answer.status, 200, "without a cookie: {headers:?}");
    }
}

#[tokio::test]
async fn no_page_elsewhere_logs_a_browser_in() {
    let app = trusting().await;
    app.user(ADA, json!({})).await;
    for (headers, code) in [
        (&[][..], ""),
        (&[("sec-fetch-mode", "cors")], "MISSING_OR_NULL_ORIGIN"),
        (&[("origin", "https://evil.example")], "INVALID_ORIGIN"),
        (&[("referer", "https://evil.example/x")], "INVALID_ORIGIN"),
        (
            &[
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-mode", "navigate"),
                ("origin", FRONT),
            ],
            "CROSS_SITE_NAVIGATION_LOGIN_BLOCKED",
        ),
        (&[("sec-fetch-site", "same-site"), ("origin", FRONT)], ""),
    ] {
        let mut all = vec![("content-type", "application/json")];
        all.extend(headers);
        let body = json!({"email": ADA, "password": PASSWORD}).to_string();
        let answer = Jar::new(&app)
            .send(Method::POST, "/api/auth/sign-in/email", &all, Some(body))
            .await;
        if code.is_empty() {
            assert_eq!(answer.status, 200, "{headers:?} {answer:#?}");
        } else {
            refuses(&answer, 403, code);
        }
    }
    // So it is wherever a login begins.
    let person = json!({"name": "Eve", "email": "eve@example.org", "password": PASSWORD});
    let code = json!({"email": ADA, "otp": "123456", "type": "sign-in"});
    let headers = [
        ("content-type", "application/json"),
        ("origin", "https://evil.example"),
    ];
    for (path, body) in [
        ("/sign-up/email", &person),
        ("/sign-in/magic-link", &person),
        ("/sign-in/email-otp", &code),
        ("/email-otp/send-verification-otp", &code),
        ("/sign-in/social", &json!({"provider": "above"})),
    ] {
        let path = format!("/api/auth{path}");
        let answer = Jar::new(&app)
            .send(Method::POST, &path, &headers, Some(body.to_string()))
            .await;
        assert_eq!(answer.json()["code"], "INVALID_ORIGIN", "{path}: {answer:#?}");
    }
    assert_eq!(app.count("users").await, 1);
    assert_eq!(app.deliver_mail().await, []);
}

#[tokio::test]
async fn browsers_are_sent_to_trusted_addresses_alone() {
    let app = trusting().await;
    let mut page = Page::new(&app);
    for target in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
    ] {
        for (name, code) in [
            ("callbackURL", "INVALID_CALLBACK_URL"),
            ("redirectTo", "INVALID_REDIRECT_URL"),
            ("errorCallbackURL", "INVALID_ERROR_CALLBACK_URL"),
            ("newUserCallbackURL", "INVALID_NEW_USER_CALLBACK_URL"),
        ] {
            let answer = page.post("/sign-in/email", json!({name: target})).await;
            refuses(&answer, 403, code);
        }
        let query: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        for path in [
            "/verify-email",
            "/reset-password/x",
            "/delete-user/callback",
            "/magic-link/verify",
        ] {
            let answer = page.get(&format!("{path}?token=x&callbackURL={query}")).await;
            refuses(&answer, 403, "INVALID_CALLBACK_URL");
        }
    }
    let answer = page.post("/sign-in/email", json!({"callbackURL": 1})).await;
    refuses(&answer, 400, "");
    for target in [
        "/home",
        "https://app.example.org/x",
        "https://a.preview.example/x",
    ] {
        let answer = page.post("/sign-in/email", json!({"callbackURL": target})).await;
        refuses(&answer, 400, "VALIDATION_ERROR");
    }
}

#[tokio::test]
async fn scripts_of_listed_origins_call_with_cookies_and_no_others() {
    let app = trusting().await;
    let mut jar = Jar::new(&app);
    let ask = [("access-control-request-method", "POST")];
    for (origin, trusted) in [
        (FRONT, true),
        ("https://a.preview.example", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let headers = [("origin", origin), ask[0]];
        let preflight = jar
            .send(Method::OPTIONS, "/api/auth/sign-in/email", &headers, None)
            .await;
        assert_eq!(preflight.status, if trusted { 204 } else { 404 }, "{origin}");
        let answer = jar
            .send(Method::GET, "/api/auth/get-session", &headers[..1], None)
            .await;
        assert_eq!(answer.header("vary"), Some("Origin"));
        let allowed = trusted.then_some(origin);
        assert_eq!(answer.header("access-control-allow-origin"), allowed);
        assert_eq!(
            answer.header("access-control-allow-credentials"),
            trusted.then_some("true")
        );
        let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
        assert_eq!(exposed.contains("set-auth-token"), trusted, "{exposed}");
    }
}

#[tokio::test]
async fn one_address_is_told_to_wait_in_the_form_that_clients_know() {
    let app = TestApp::start().await;
    let mut page = Page::new(&app);
    let body = || json!({"email": "nobody@example.org", "password": PASSWORD});
    for _ in 0..3 {
        refuses(
            &page.post("/sign-in/email", body()).await,
            401,
            "INVALID_EMAIL_OR_PASSWORD",
        );
    }
    let answer = page.post("/sign-in/email", body()).await;
    refuses(&answer, 429, "");
    let seconds: i64 = answer
        .header("x-retry-after")
        .expect("a time")
        .parse()
        .expect("a number");
    assert!((1..=10).contains(&seconds), "{seconds}");
    assert_eq!(answer.header("retry-after"), answer.header("x-retry-after"));
    assert_eq!(
        answer.json(),
        json!({"message": "Too many requests. Please try again later."})
    );
    app.advance(chrono::TimeDelta::seconds(10));
    refuses(
        &page.post("/sign-in/email", body()).await,
        401,
        "INVALID_EMAIL_OR_PASSWORD",
    );
}
