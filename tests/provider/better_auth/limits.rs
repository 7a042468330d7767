//! How often one address may call each path, and what a browser is shown that nobody else would have
//! (reference §§6, 7.1).

use chrono::TimeDelta;
use serde_json::json;

use super::{Page, app, refuses};
use crate::support::app::TestApp;
use crate::support::jar::Jar;

/// Every path with a window of its own: how long that is in seconds, and how many requests it takes.
const WINDOWS: [(&str, i64, usize); 17] = [
    ("/sign-in/email", 10, 3),
    ("/sign-in/social", 10, 3),
    ("/sign-up/email", 10, 3),
    ("/change-password", 10, 3),
    ("/change-email", 10, 3),
    ("/request-password-reset", 60, 3),
    ("/send-verification-email", 60, 3),
    ("/forget-password/email-otp", 60, 3),
    ("/email-otp/send-verification-otp", 60, 3),
    ("/email-otp/request-password-reset", 60, 3),
    ("/email-otp/check-verification-otp", 60, 3),
    ("/email-otp/verify-email", 60, 3),
    ("/email-otp/reset-password", 60, 3),
    ("/email-otp/request-email-change", 60, 3),
    ("/email-otp/change-email", 60, 3),
    ("/sign-in/email-otp", 60, 3),
    ("/sign-in/magic-link", 60, 5),
];

#[tokio::test]
async fn every_path_has_the_window_that_clients_know() {
    let app = TestApp::start().await;
    for (path, window, most) in WINDOWS {
        let mut page = Page::new(&app);
        let first = page.post(path, json!({})).await;
        assert_ne!(first.status, 429, "{path}");
        // Each request that is let through keeps the window open.
        app.advance(TimeDelta::seconds(window - 1));
        for _ in 1..most {
            let answer = page.post(path, json!({})).await;
            assert_eq!(answer.status, first.status, "{path}");
        }
        // Nothing is looked at any more, not even the body.
        for (waited, left) in [(0, window), (window - 1, 1)] {
            app.advance(TimeDelta::seconds(waited));
            let answer = page
                .post_with(path, &[("content-type", "text/plain")], json!({}))
                .await;
            refuses(&answer, 429, "");
            assert_eq!(
                answer.json(),
                json!({"message": "Too many requests. Please try again later."})
            );
            let told = answer.header("x-retry-after");
            assert_eq!(told, Some(&*left.to_string()), "{path}");
            assert_eq!(answer.header("retry-after"), told);
        }
        // Refused ones did not keep it open.
        app.advance(TimeDelta::seconds(1));
        let answer = page.post(path, json!({})).await;
        assert_eq!(answer.status, first.status, "{path}");
    }
}

#[tokio::test]
async fn a_link_is_opened_five_times_and_everything_else_a_hundred_times() {
    let app = TestApp::start().await;
    for (path, window, most) in [
        ("/magic-link/verify?token=x", 60, 5),
        ("/ok", 10, 100),
        ("/get-session", 10, 100),
        ("/nothing/of/ours", 10, 100),
    ] {
        let mut page = Page::new(&app);
        for _ in 0..most {
            assert_ne!(page.get(path).await.status, 429, "{path}");
        }
        let answer = page.get(path).await;
        refuses(&answer, 429, "");
        assert_eq!(answer.header("x-retry-after"), Some(&*window.to_string()));
        // Another address is not told to wait.
        let mut other = Jar::from_address(&app, "203.0.113.8");
        let answer = other.get(&format!("/api/auth{path}")).await;
        assert_ne!(answer.status, 429, "{path}");
    }
}

#[tokio::test]
async fn the_page_of_errors_shows_a_code_and_nothing_that_a_link_brings() {
    let app = app().await;
    let long = "x".repeat(101);
    for (query, shown) in [
        ("error=state_mismatch", "state_mismatch"),
        (
            "error=INVALID_TOKEN&error_description=call+me+now",
            "INVALID_TOKEN",
        ),
        ("", "UNKNOWN"),
        ("error=", "UNKNOWN"),
        ("error=call+us+now", "UNKNOWN"),
        ("error=%3Cscript%3E", "UNKNOWN"),
        (&*format!("error={long}"), "UNKNOWN"),
    ] {
        let answer = Page::new(&app).get(&format!("/error?{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        let kind = answer.header("content-type").unwrap_or_default();
        assert!(kind.starts_with("text/html"), "{kind}");
        assert!(
            answer.body.contains(&format!("the code {shown}.")),
            "{query}: {}",
            answer.body
        );
        for planted in ["call me", "call us", "%3C", &long] {
            assert!(!answer.body.contains(planted), "{query}: {}", answer.body);
        }
        let policy = answer.header("content-security-policy").unwrap_or_default();
        assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    }
}
