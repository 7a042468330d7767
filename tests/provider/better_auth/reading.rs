//! How cookies, origins and targets are read where there are two ways to write them, and what every answer does to a
//! session that it looked up (reference §§2 to 5, 7.2, 7.3, 9, 14).

use chrono::TimeDelta;
use percent_encoding::percent_decode_str;
use reqwest::Method;
use serde_json::{Value, json};

use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::PASSWORD;
use crate::support::browser::Answer;
use crate::support::jar::{Jar, USER_AGENT};

const COOKIE: &str = "better-auth.session_token";
const DATA: &str = "better-auth.session_data";

/// The cookie of this name that an answer sets, with its attributes.
fn set<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let begins = format!("{name}=");
    let mut lines = answer.set_cookies().into_iter();
    lines.find(|line| line.starts_with(&begins))
}

#[tokio::test]
async fn a_cookie_is_read_with_its_escapes_and_without() {
    let app = app().await;
    let mut page = ada(&app).await;
    let escaped = page.jar.cookies[COOKIE].clone();
    let plain = percent_decode_str(&escaped)
        .decode_utf8()
        .expect("text")
        .into_owned();
    assert_ne!(escaped, plain);
    let (token, signature) = plain.rsplit_once('.').expect("a signature");
    assert_eq!((signature.len(), signature.ends_with('=')), (44, true));
    let unpadded = signature.trim_end_matches('=');
    for (value, email) in [
        (escaped, json!(ADA)),
        (plain.clone(), json!(ADA)),
        (token.to_owned(), Value::Null),
        (format!("{token}.{unpadded}"), Value::Null),
        (format!("{token}x.{signature}"), Value::Null),
    ] {
        page.jar.cookies.insert(COOKIE.to_owned(), value.clone());
        let answer = page.get("/get-session").await;
        assert_eq!(answer.json()["user"]["email"], email, "{value}");
        assert_eq!(set(&answer, COOKIE), None, "nothing is taken for it: {value}");
    }
}

#[tokio::test]
async fn a_session_that_ended_is_taken_away_wherever_it_is_looked_up() {
    let app = app().await;
    let page = ada(&app).await;
    app.sql("UPDATE sessions SET ended_at = now()").await;
    for (path, body, status) in [
        ("/get-session", None, 200),
        ("/list-accounts", None, 401),
        ("/update-user", Some(json!({"name": "x"})), 401),
        ("/send-verification-email", Some(json!({"email": ADA})), 200),
    ] {
        let mut again = Page::new(&app);
        again.jar = page.jar.clone();
        let answer = match body {
            Some(body) => again.post(path, body).await,
            None => again.get(path).await,
        };
        assert_eq!(answer.status, status, "{path}");
        for name in [COOKIE, DATA, "better-auth.dont_remember"] {
            let line = set(&answer, name).unwrap_or_else(|| panic!("{path}: no {name}: {answer:#?}"));
            let taken = format!("{name}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax");
            assert_eq!(line, taken, "{path}");
        }
    }
}

#[tokio::test]
async fn a_session_is_extended_by_what_is_refused_too() {
    let app = app().await;
    let mut page = ada(&app).await;
    app.advance(TimeDelta::hours(25));
    let answer = page.post("/update-user", json!({"role": "admin"})).await;
    refuses(&answer, 400, "");
    let line = set(&answer, COOKIE).expect("it is given again");
    assert!(line.contains("; Max-Age=604800;"), "{line}");
    assert!(answer.header("set-auth-token").is_some());
    let exposed = answer.header("access-control-expose-headers").unwrap_or_default();
    assert!(
        exposed.split(", ").any(|name| name == "set-auth-token"),
        "{exposed}"
    );
}

#[tokio::test]
async fn a_session_that_ends_with_the_browser_is_never_extended() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let body = json!({"email": ADA, "password": PASSWORD, "rememberMe": false});
    let answer = page.post("/sign-in/email", body).await;
    // What waits in the browser has its days all the same, and the session that it names has not.
    let waiting = set(&answer, &format!("{COOKIE}_multi-{}", session_id(&page)));
    assert!(
        waiting.is_some_and(|line| line.contains("; Max-Age=604800;")),
        "{answer:#?}"
    );
    let ends = page.session().await["session"]["expiresAt"].clone();
    for _ in 0..3 {
        app.advance(TimeDelta::hours(7));
        let answer = page.get("/get-session").await;
        assert_eq!(
            (&answer.json()["session"]["expiresAt"], set(&answer, COOKIE)),
            (&ends, None)
        );
    }
    // What sends the cookie again says again that it ends with the browser.
    let answer = page.post("/update-user", json!({"name": "Countess"})).await;
    let line = set(&answer, COOKIE).expect("it is given again");
    assert!(!line.contains("Max-Age"), "{line}");
    assert!(set(&answer, "better-auth.dont_remember").is_some());
    app.advance(TimeDelta::hours(3));
    assert_eq!(page.session().await, Value::Null);
}

/// The name of the session that acts, as its own cookie is named.
fn session_id(page: &Page) -> String {
    let names = page.jar.cookies.keys();
    let mut ids = names.filter_map(|name| name.strip_prefix("better-auth.session_token_multi-"));
    ids.next().expect("it waits").to_owned()
}

#[tokio::test]
async fn on_https_nobody_beside_this_host_adds_a_session() {
    let app = app_with(|options| options.issuer = Some("https://id.example.org".to_owned())).await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    page.origin = "https://id.example.org".to_owned();
    page.sign_in(ADA).await;
    let name = page.jar.cookies.keys().find(|name| name.contains("_multi-"));
    let name = name.expect("it waits").clone();
    assert!(
        name.starts_with("__Host-better-auth.session_token_multi-"),
        "{name}"
    );
    // Without its prefix a cookie is another one.
    let value = page.jar.cookies["__Secure-better-auth.session_token"].clone();
    let mut unprefixed = Page::new(&app);
    unprefixed.jar.cookies.insert(COOKIE.to_owned(), value);
    assert_eq!(unprefixed.session().await, Value::Null);
    // Nor does a login renew a session whose cookie came without the one that binds it to this host.
    let value = page.jar.cookies["__Secure-better-auth.session_token"].clone();
    let mut planted = Page::new(&app);
    planted.origin.clone_from(&page.origin);
    planted
        .jar
        .cookies
        .insert("__Secure-better-auth.session_token".to_owned(), value);
    planted.sign_in(ADA).await;
    let id = |session: &Value| session["session"]["id"].clone();
    assert_ne!(id(&planted.session().await), id(&page.session().await));
}

#[tokio::test]
async fn where_a_session_began_is_shown_as_far_as_the_network_of_a_household() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    // As `normalizeIP` of better-auth has it.
    for (address, shown) in [
        ("198.51.100.3", "198.51.100.3"),
        ("2001:DB8:0:a1:b2::7", "2001:0db8:0000:00a1:0000:0000:0000:0000"),
        ("::ffff:198.51.100.3", "198.51.100.3"),
    ] {
        let mut page = Page::new(&app);
        page.jar = Jar::from_address(&app, address);
        page.sign_in(ADA).await;
        assert_eq!(page.session().await["session"]["ipAddress"], shown, "{address}");
    }
    let mut page = Page::new(&app);
    page.sign_in(ADA).await;
    app.sql("UPDATE sessions SET ip_address = NULL").await;
    assert_eq!(page.session().await["session"]["ipAddress"], "");
}

#[tokio::test]
async fn a_session_says_where_it_began_and_ends_by_its_own_token() {
    let app = app().await;
    let mut page = ada(&app).await;
    let session = page.session().await["session"].clone();
    assert_eq!(
        (&session["ipAddress"], &session["userAgent"]),
        (&json!("203.0.113.7"), &json!(USER_AGENT))
    );
    let answer = page.post("/revoke-session", json!({"token": "unknown"})).await;
    assert_eq!(answer.json(), json!({"status": true}));
    assert_eq!(set(&answer, COOKIE), None);
    let body = json!({"token": session["token"]});
    let answer = page.post("/revoke-session", body).await;
    assert_eq!(answer.json(), json!({"status": true}));
    assert!(set(&answer, COOKIE).is_some_and(|line| line.contains("Max-Age=0")));
    assert_eq!(page.session().await, Value::Null);
}

#[tokio::test]
async fn a_copy_that_is_forged_or_old_is_written_anew() {
    let app = app_with(|options| options.site.better_auth.cookie_cache_max_age = TimeDelta::minutes(5)).await;
    let mut page = ada(&app).await;
    let good = page.jar.cookies[DATA].clone();
    assert_eq!(set(&page.get("/get-session").await, DATA), None, "it is believed");
    app.user("eve@example.org", json!({})).await;
    let mut eve = Page::new(&app);
    eve.sign_in("eve@example.org").await;
    let hers = eve.jar.cookies[DATA].clone();
    for bad in ["", "x", &good[1..], &hers] {
        page.jar.cookies.insert(DATA.to_owned(), bad.to_owned());
        let answer = page.get("/get-session").await;
        assert_eq!(answer.json()["user"]["email"], ADA, "{bad}");
        let line = set(&answer, DATA).unwrap_or_else(|| panic!("not written anew: {bad}"));
        assert!(
            line.ends_with("; Max-Age=300; Path=/; HttpOnly; SameSite=Lax"),
            "{line}"
        );
    }
    // Until its time is over, and no longer.
    app.sql("UPDATE sessions SET ended_at = now()").await;
    app.advance(TimeDelta::seconds(299));
    assert_eq!(page.session().await["user"]["email"], ADA);
    app.advance(TimeDelta::seconds(1));
    assert_eq!(page.session().await, Value::Null);
}

#[tokio::test]
async fn a_copy_answers_without_a_token_that_others_would_believe() {
    let app = app_with(|options| options.site.better_auth.cookie_cache_max_age = TimeDelta::minutes(5)).await;
    let mut page = ada(&app).await;
    let cached = page.get("/get-session").await;
    assert_eq!(cached.json()["user"]["email"], ADA);
    assert_eq!(cached.header("set-auth-jwt"), None);
    let looked_up = page.get("/get-session?disableCookieCache=true").await;
    assert!(looked_up.header("set-auth-jwt").is_some());
}

#[tokio::test]
async fn a_copy_is_believed_beside_the_cookie_and_beside_nothing_else() {
    let app = app_with(|options| options.site.better_auth.cookie_cache_max_age = TimeDelta::minutes(5)).await;
    let mut page = ada(&app).await;
    let before = page.session().await;
    app.sql("UPDATE users SET name = 'Countess'").await;
    assert_eq!(page.session().await, before, "the copy answers");
    page.jar.cookies.remove(COOKIE).expect("it is logged in");
    assert!(page.jar.cookies.contains_key(DATA));
    let copy = page.jar.clone();
    let bearer = format!("Bearer {}", before["session"]["token"].as_str().expect("a token"));
    let answer = page.get_with("/get-session", &[("authorization", &bearer)]).await;
    assert_eq!(answer.json()["user"]["name"], "Countess", "{answer:#?}");
    page.jar = copy;
    assert_eq!(page.session().await, Value::Null);
}

#[tokio::test]
async fn origins_and_targets_are_read_as_browsers_read_them() {
    let front = "https://app.example.org".to_owned();
    let app = app_with(|options| options.site.better_auth.trusted_origins = vec![front]).await;
    let mut page = ada(&app).await;
    for (origin, trusted) in [
        ("HTTPS://APP.example.org:443", true),
        ("https://app.example.org:8443", false),
        ("http://app.example.org", false),
        ("https://app.example.org.evil.example", false),
        ("https://evil.example#https://app.example.org", false),
    ] {
        page.origin = origin.to_owned();
        let answer = page.post("/verify-password", json!({"password": PASSWORD})).await;
        if trusted {
            assert_eq!(answer.status, 200, "{origin}: {answer:#?}");
        } else {
            refuses(&answer, 403, "INVALID_ORIGIN");
        }
    }
    page.origin.clone_from(&app.url);
    for target in [
        "/a%2Fb",
        "/a%5Cb",
        "/a\\b",
        "/a\nb",
        "home",
        "https://app.example.org@evil.example/",
        "https://app.example.org.evil.example/",
        "data:text/html,x",
    ] {
        let body = json!({"email": ADA, "password": PASSWORD, "callbackURL": target});
        let answer = page.post("/sign-in/email", body).await;
        refuses(&answer, 403, "INVALID_CALLBACK_URL");
        let query: String = url::form_urlencoded::byte_serialize(target.as_bytes()).collect();
        let path = format!("/sign-in/email?callbackURL={query}");
        let body = json!({"email": ADA, "password": PASSWORD});
        refuses(&page.post(&path, body).await, 403, "INVALID_CALLBACK_URL");
    }
    // A path may have them behind its end.
    let body = json!({"email": ADA, "password": PASSWORD, "callbackURL": "/a?next=%2Fb"});
    let answer = page.post("/sign-in/email", body).await;
    assert_eq!(answer.header("location"), Some("/a?next=%2Fb"));
}

#[tokio::test]
async fn a_form_without_script_signs_up() {
    let app = app().await;
    let mut jar = Jar::new(&app);
    let fields = [
        ("name", "Ada"),
        ("email", ADA),
        ("password", PASSWORD),
        ("image", "/ada.png"),
    ];
    let answer = jar.post("/api/auth/sign-up/email", &fields).await;
    assert_eq!(answer.json()["user"]["image"], "/ada.png", "{answer:#?}");
    assert!(jar.is_in().await);
}

#[tokio::test]
async fn a_signup_that_is_not_to_be_remembered_ends_with_the_browser() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = json!({"name": "Ada", "email": ADA, "password": PASSWORD, "rememberMe": false});
    let answer = page.post("/sign-up/email", body).await;
    let line = set(&answer, COOKIE).expect("a session");
    assert!(!line.contains("Max-Age"), "{line}");
    assert!(set(&answer, "better-auth.dont_remember").is_some());
}

#[tokio::test]
async fn only_a_look_at_the_session_forbids_to_keep_it() {
    let app = app().await;
    let mut page = ada(&app).await;
    for (path, kept) in [
        ("/get-session", false),
        ("/list-accounts", true),
        ("/token", true),
    ] {
        let answer = page.get(path).await;
        assert_eq!(answer.header("pragma").is_none(), kept, "{path}");
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
    }
    let head = page
        .jar
        .send(Method::HEAD, "/api/auth/get-session", &[], None)
        .await;
    assert_eq!(head.status, 404);
}
