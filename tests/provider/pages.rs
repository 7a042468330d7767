//! What every page has in common: the headers that protect it, and what happens to requests that are none.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{Answer, Api, Browser};
use crate::support::jar::{Jar, encode};

const OWN: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; \
                   frame-ancestors 'none'; form-action 'self'";
const LEADS_TO_CLIENT: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
                               base-uri 'none'; frame-ancestors 'none'";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Asserts what is true of every page, whatever is on it.
fn assert_guarded(page: &Answer, policy: &str) {
    let header = |name| page.header(name);
    assert_eq!(
        header("content-type"),
        Some("text/html; charset=utf-8"),
        "{page:#?}"
    );
    assert_eq!(header("content-security-policy"), Some(policy), "{page:#?}");
    assert_eq!(header("x-frame-options"), Some("DENY"));
    assert_eq!(header("cache-control"), Some("no-store"));
    assert_eq!(header("x-content-type-options"), Some("nosniff"));
    assert_eq!(header("referrer-policy"), Some("no-referrer"));
    assert_eq!(header("access-control-allow-origin"), None);
    assert_eq!(header("server"), None);
    assert!(header("x-request-id").is_some_and(|id| id.len() == 24));
    for inline in [
        " style=",
        "<style",
        " onclick=",
        " onload=",
        " onsubmit=",
        "javascript:",
        "http-equiv",
    ] {
        assert!(!page.body.contains(inline), "{inline} in {}", page.body);
    }
    for script in page.body.split("<script").skip(1) {
        let (tag, rest) = script.split_once('>').expect("a whole tag");
        assert!(tag.contains("src=\"/assets/"), "{tag}");
        assert!(rest.starts_with("</script>"), "{rest}");
    }
}

#[tokio::test]
async fn every_page_is_guarded() {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    let stranger = json!({
        "client_id": "stranger", "client_name": "Stranger", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code"], "token_endpoint_auth_method": "none", "scope": "openid email",
    });
    app.client(stranger).await;
    let mut jar = Jar::new(&app);
    let browser = Browser::new(&app);
    let login_for_client = browser
        .open(&browser.authorize("stranger", &[("scope", "openid")]))
        .await;
    assert_guarded(&login_for_client, LEADS_TO_CLIENT);
    let wrong = browser
        .submit(
            &login_for_client,
            &[("email", "ada@example.org"), ("password", "wrong")],
        )
        .await;
    assert_guarded(&wrong, LEADS_TO_CLIENT);
    let create = browser.authorize("stranger", &[("scope", "openid"), ("prompt", "create")]);
    assert_guarded(&browser.open(&create).await, LEADS_TO_CLIENT);
    assert_guarded(&browser.open(&browser.authorize("nobody", &[])).await, OWN);
    for path in [
        "/login",
        "/signup",
        "/logout",
        "/nothing",
        "/login?request=x",
        "/oauth2/logout?state=%ff",
    ] {
        assert_guarded(&jar.get(path).await, OWN);
    }
    assert_guarded(&jar.post("/login", &[]).await, OWN);
    assert_guarded(&jar.log_in("ada@example.org", "").await, OWN);
    assert_guarded(&jar.sign_up("", "", "").await, OWN);

    let consent = browser.log_in(&login_for_client, "ada@example.org").await;
    assert!(consent.body.contains("Allow access?"), "{consent:#?}");
    assert_guarded(&consent, LEADS_TO_CLIENT);
    jar.enter("ada@example.org").await;
    assert_guarded(&jar.get("/account").await, OWN);
    assert_guarded(&jar.get("/logout").await, LEADS_TO_CLIENT);
    let post = browser
        .open(&browser.authorize("stranger", &[("prompt", "none"), ("response_mode", "form_post")]))
        .await;
    assert_guarded(&post, LEADS_TO_CLIENT);
    let mut eve = Jar::from_address(&app, "198.51.100.1");
    for _ in 0..10 {
        eve.log_in("eve@example.org", "wrong").await;
    }
    let busy = eve.log_in("eve@example.org", "wrong").await;
    assert_eq!(busy.status, StatusCode::TOO_MANY_REQUESTS);
    assert_guarded(&busy, OWN);
}

#[tokio::test]
async fn a_redirect_is_never_stored_and_tells_nobody_where_it_comes_from() {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    let answers = [
        jar.get("/").await,
        jar.get("/account").await,
        jar.enter("ada@example.org").await,
        jar.get("/login").await,
    ];
    for answer in answers {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert!(
            answer
                .header("location")
                .is_some_and(|path| path.starts_with('/'))
        );
    }
}

#[tokio::test]
async fn pages_lead_nowhere_that_a_request_names() {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    for name in [
        "next",
        "redirect",
        "redirect_uri",
        "callbackURL",
        "returnTo",
        "continue",
    ] {
        let mut jar = Jar::new(&app);
        jar.headers.push(("x-forwarded-host", "evil.example".into()));
        jar.headers.push(("x-original-url", "//evil.example".into()));
        let page = jar.get(&format!("/login?{name}=https://evil.example/")).await;
        let answer = jar
            .submit(
                &page,
                &[
                    ("email", "ada@example.org"),
                    ("password", PASSWORD),
                    (name, "//evil.example"),
                ],
            )
            .await;
        assert!(!page.body.contains("evil.example"));
        assert_eq!(answer.header("location"), Some("/account"), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_a_page_for_people_and_json_for_programs() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for path in [
        "/nothing",
        "/login/",
        "/LOGIN",
        "//login",
        "/account/sessions",
        "/login%2f",
        "/assets/x",
        "/assets/..%2f..%2fCargo.toml",
        "/login.css",
        "/account;x",
        "/account/x.css",
    ] {
        let page = jar.get(&format!("{}{path}", app.url)).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.body.contains("There is nothing here"), "{path}: {page:#?}");
        assert!(!page.body.contains(path), "the address is not repeated");
    }
    let answer = Api::new(&app).get("/nothing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.json()["error"], "not_found");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

#[tokio::test]
async fn a_method_that_an_address_does_not_have_is_a_405_that_names_those_it_has() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for (method, path, allowed) in [
        (Method::PUT, "/login", "GET, HEAD, POST"),
        (Method::DELETE, "/account", "GET, HEAD"),
        (Method::POST, "/account", "GET, HEAD"),
        (Method::GET, "/account/sessions/revoke-others", "POST"),
        (Method::GET, "/login/continue", "POST"),
        (Method::PATCH, "/oauth2/logout", "GET, POST"),
        (Method::GET, "/oauth2/token", "POST"),
    ] {
        let answer = jar.send(method.clone(), path, &[], None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{method} {path}");
    }
}

#[tokio::test]
async fn a_head_is_a_get_without_the_body() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    for path in [
        "/login",
        "/signup",
        "/logout",
        "/account",
        "/.well-known/jwks.json",
    ] {
        let get = jar.get(path).await;
        let head = jar.send(Method::HEAD, path, &[], None).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, "");
        assert_eq!(
            head.header("content-security-policy"),
            get.header("content-security-policy")
        );
    }
}

#[tokio::test]
async fn a_body_of_more_than_64_kib_is_a_413() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    let page = jar.get("/login").await;
    let code = page.form().1.remove(0).1;
    let fits = encode(&[("csrf", &code), ("email", "x"), ("password", "y"), ("z", "")]);
    for (length, expected) in [
        (64 * 1024, StatusCode::BAD_REQUEST),
        (64 * 1024 + 1, StatusCode::PAYLOAD_TOO_LARGE),
        (4 * 1024 * 1024, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let body = format!("{fits}{}", "a".repeat(length - fits.len()));
        for path in ["/login", "/signup", "/logout"] {
            let answer = jar.send(Method::POST, path, &[FORM], Some(body.clone())).await;
            // Nobody is logged in, so /logout has nothing to do once it knows that the form is one.
            assert_eq!(answer.status, expected, "{length} to {path}");
        }
    }
}

#[tokio::test]
async fn garbage_is_answered_and_does_nothing() {
    let app = TestApp::start().await;
    let mut jar = Jar::new(&app);
    let many: String = (0..101).map(|number| format!("f{number}=1&")).collect();
    for body in [
        "%ff",
        "a=%00",
        "csrf=%E0%A4%A",
        "csrf=a&csrf=a",
        &many,
        &"&=".repeat(5000),
    ] {
        for path in ["/login", "/signup"] {
            let answer = jar.send(Method::POST, path, &[FORM], Some(body.to_owned())).await;
            assert!(
                matches!(answer.status.as_u16(), 400 | 403),
                "{body:.20}: {}",
                answer.status
            );
            assert_guarded(&answer, OWN);
        }
    }
    for query in [
        "?request=%ff",
        "?request=a&request=b",
        "?request=00000000-0000-0000-0000-000000000000",
        "?%00",
    ] {
        let answer = jar.get(&format!("/login{query}")).await;
        assert!(matches!(answer.status.as_u16(), 200 | 400), "{query}");
        assert_guarded(&answer, OWN);
    }
}

#[tokio::test]
async fn a_failure_is_told_without_its_cause() {
    let app = TestApp::start().await;
    let spa = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let page = browser.open(&browser.authorize(&spa, &[])).await;
    let code = browser.log_in(&page, "ada@example.org").await.callback()["code"].clone();
    app.sql("ALTER TABLE sessions RENAME COLUMN user_id TO owner_id")
        .await;
    app.sql("ALTER TABLE authorization_codes RENAME COLUMN family_id TO relatives")
        .await;
    let answer = Api::new(&app).redeem(&spa, &code).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{answer:#?}");
    assert_eq!(answer.json()["error"], "server_error");
    let page = browser.get("/account").await;
    assert_eq!(page.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_guarded(&page, OWN);
    let id = page.header("x-request-id").expect("an id");
    assert!(page.body.contains(id), "{}", page.body);
    for told in [page.body, answer.body] {
        for cause in [
            "sessions", "user_id", "family", "column", "SELECT", "42703", "postgres",
        ] {
            assert!(!told.contains(cause), "{cause}: {told}");
        }
    }
}

/// What a connection answers to `head` and the beginning of a body that never ends.
async fn begin(app: &TestApp, path: &str) -> String {
    let address = app.url.strip_prefix("http://").expect("plain http");
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nAccept: text/html\r\nContent-Length: 1000\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=ada"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while !answer.windows(7).any(|window| window == b"</html>") {
        let read = tokio::time::timeout(Duration::from_secs(30), stream.read(&mut buffer)).await;
        match read.expect("it does not wait for ever").expect("read") {
            0 => break,
            count => answer.extend_from_slice(&buffer[..count]),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let app = TestApp::start().await;
    let answer = begin(&app, "/login").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("The form did not arrive"), "{answer}");
}
