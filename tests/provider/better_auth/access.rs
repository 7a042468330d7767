//! Signing up and in, and what a session's tokens are worth where (reference §§7.2, 8, 9, 14).

use serde_json::{Value, json};

use super::{ADA, Page, ada, app, app_with, refuses};
use crate::support::app::PASSWORD;

fn keys(object: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = object
        .as_object()
        .expect("an object")
        .keys()
        .map(|key| &**key)
        .collect();
    keys.sort_unstable();
    keys
}

const USER: [&str; 7] = [
    "createdAt",
    "email",
    "emailVerified",
    "id",
    "image",
    "name",
    "updatedAt",
];

#[tokio::test]
async fn a_signup_is_answered_as_clients_know_it() {
    let app = app().await;
    let mut page = Page::new(&app);
    let body = |email: &str, password: &str| json!({"name": "", "email": email, "password": password});
    let answer = page
        .post(
            "/sign-up/email",
            json!({"name": "", "email": "Ada@Example.org", "password": PASSWORD, "role": "admin"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let said = answer.json();
    assert_eq!(keys(&said["user"]), USER);
    assert_eq!(
        (&said["user"]["email"], &said["user"]["image"]),
        (&json!(ADA), &json!(null))
    );
    let created = said["user"]["createdAt"].as_str().expect("a time");
    assert_eq!(
        (created.len(), &created[19..20], &created[23..]),
        (24, ".", "Z"),
        "{created}"
    );
    assert!(page.session().await["user"]["id"] == said["user"]["id"]);
    let long = "x".repeat(129);
    for (email, password, status, code) in [
        (
            "ADA@example.org",
            PASSWORD,
            422,
            "USER_ALREADY_EXISTS_USE_ANOTHER_EMAIL",
        ),
        ("b@example.org", "short", 400, "PASSWORD_TOO_SHORT"),
        ("b@example.org", &*long, 400, "PASSWORD_TOO_LONG"),
        ("b@example.org", "password1", 400, "PASSWORD_TOO_WEAK"),
        ("b@example", PASSWORD, 400, "VALIDATION_ERROR"),
        (" b@example.org", PASSWORD, 400, "VALIDATION_ERROR"),
        ("b@example.org", "", 400, "VALIDATION_ERROR"),
    ] {
        refuses(
            &Page::new(&app)
                .post("/sign-up/email", body(email, password))
                .await,
            status,
            code,
        );
    }
    let closed = app_with(|options| options.settings.accounts.signup = false).await;
    let answer = Page::new(&closed)
        .post("/sign-up/email", body(ADA, PASSWORD))
        .await;
    refuses(&answer, 400, "EMAIL_PASSWORD_SIGN_UP_DISABLED");
}

#[tokio::test]
async fn where_addresses_are_proven_a_taken_one_looks_like_a_free_one() {
    let app = app_with(|options| options.settings.accounts.require_verified_email = true).await;
    app.user(ADA, json!({})).await;
    let mut shapes = Vec::new();
    for email in [ADA, "free@example.org"] {
        let body = json!({"name": "Ada", "email": email, "password": PASSWORD});
        let answer = Page::new(&app).post("/sign-up/email", body).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let said = answer.json();
        assert_eq!(
            (&said["token"], &said["user"]["email"]),
            (&json!(null), &json!(email))
        );
        assert!(
            !answer
                .set_cookies()
                .iter()
                .any(|line| line.contains("session_token")),
            "{answer:#?}"
        );
        let mut names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        names.sort_unstable();
        shapes.push((keys(&said["user"]).join(","), names));
    }
    assert_eq!(shapes[0], shapes[1]);
    let mut page = Page::new(&app);
    let body = json!({"email": "free@example.org", "password": PASSWORD});
    refuses(
        &page.post("/sign-in/email", body).await,
        403,
        "EMAIL_NOT_VERIFIED",
    );
}

#[tokio::test]
async fn a_sign_in_is_answered_as_clients_know_it() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let long = "x".repeat(129);
    for (email, password, status, code) in [
        (ADA, "wrong", 401, "INVALID_EMAIL_OR_PASSWORD"),
        ("nobody@example.org", PASSWORD, 401, "INVALID_EMAIL_OR_PASSWORD"),
        ("ada", PASSWORD, 400, "INVALID_EMAIL"),
        (ADA, &*long, 400, "PASSWORD_TOO_LONG"),
    ] {
        let body = json!({"email": email, "password": password});
        refuses(&Page::new(&app).post("/sign-in/email", body).await, status, code);
    }
    let mut page = Page::new(&app);
    let body = json!({"email": ADA, "password": PASSWORD, "callbackURL": "/home"});
    let answer = page.post("/sign-in/email", body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("location")),
        (200, Some("/home"))
    );
    let said = answer.json();
    assert_eq!((&said["redirect"], &said["url"]), (&json!(true), &json!("/home")));
    let plain = page.sign_in(ADA).await;
    assert_eq!(keys(&plain), ["redirect", "token", "user"]);
}

#[tokio::test]
async fn nothing_that_a_script_reads_is_a_cookie() {
    let app = app().await;
    let mut page = ada(&app).await;
    let mut other = Page::new(&app);
    other.sign_in(ADA).await;
    let told = page.get("/get-session").await;
    let listed = page.get("/list-sessions").await.json();
    let one_time = page.get("/one-time-token/generate").await.json();
    let mut values: Vec<String> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|session| session["token"].as_str().expect("a token").to_owned())
        .collect();
    assert_eq!(values.len(), 2);
    values.push(
        told.json()["session"]["token"]
            .as_str()
            .expect("a token")
            .to_owned(),
    );
    values.push(one_time["token"].as_str().expect("a token").to_owned());
    let signature = page.jar.cookies["better-auth.session_token"]
        .rsplit_once('.')
        .expect("a signature")
        .1
        .to_owned();
    for value in values {
        for cookie in [value.clone(), format!("{value}.{signature}")] {
            let mut thief = Page::new(&app);
            thief
                .jar
                .cookies
                .insert("better-auth.session_token".to_owned(), cookie);
            assert_eq!(thief.session().await, Value::Null, "{value}");
            assert!(!thief.jar.is_in().await);
        }
    }
}

#[tokio::test]
async fn a_bearer_token_is_a_session_here_and_never_becomes_a_cookie() {
    let app = app().await;
    app.user(ADA, json!({})).await;
    let mut page = Page::new(&app);
    let token = page.sign_in(ADA).await["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let header = format!("bearer {token}");
    let bearer = [("authorization", &*header)];
    let mut program = Page::new(&app);
    let told = program.get_with("/get-session", &bearer).await;
    assert_eq!(told.json()["user"]["email"], ADA);
    let answer = program
        .post_with("/update-user", &bearer, json!({"name": "Ada"}))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("set-auth-token")),
        (200, Some(&*token))
    );
    app.advance(chrono::TimeDelta::hours(25));
    let renewed = program.get_with("/get-session", &bearer).await;
    assert_eq!(renewed.header("set-auth-token"), Some(&*token));
    let one_time = program.get_with("/one-time-token/generate", &bearer).await.json();
    let carried = program.post("/one-time-token/verify", one_time).await;
    assert_eq!(
        (carried.status.as_u16(), carried.header("set-auth-token")),
        (200, Some(&*token))
    );
    assert!(program.jar.cookies.is_empty(), "{:?}", program.jar.cookies);
    for wrong in ["Bearer", "Bearer x", "Basic eA==", "Bearer signet_st_x.y"] {
        let answer = page.get_with("/get-session", &[("authorization", wrong)]).await;
        assert_eq!(answer.json()["user"]["email"], ADA, "the cookie stands: {wrong}");
    }
    let userinfo = program
        .jar
        .send(reqwest::Method::GET, "/oauth2/userinfo", &bearer, None)
        .await;
    assert_eq!(userinfo.status, 401);
}

#[tokio::test]
async fn a_one_time_token_carries_a_session_once() {
    let app = app().await;
    let mut page = ada(&app).await;
    let token = page.get("/one-time-token/generate").await.json();
    let mut there = Page::new(&app);
    let carried = there.post("/one-time-token/verify", token.clone()).await;
    assert_eq!(carried.status, 200, "{carried:#?}");
    assert_eq!(
        carried.json()["session"]["id"],
        page.session().await["session"]["id"]
    );
    assert_eq!(there.session().await["user"]["email"], ADA);
    refuses(&there.post("/one-time-token/verify", token).await, 400, "");
    let late = page.get("/one-time-token/generate").await.json();
    app.advance(chrono::TimeDelta::minutes(3));
    refuses(&there.post("/one-time-token/verify", late).await, 400, "");
    refuses(
        &Page::new(&app).get("/one-time-token/generate").await,
        401,
        "UNAUTHORIZED",
    );
}

#[tokio::test]
async fn of_many_who_spend_a_one_time_token_at_once_one_gets_the_session() {
    let app = app().await;
    let mut page = ada(&app).await;
    let token = page.get("/one-time-token/generate").await.json();
    let tries = (0..8).map(|_| {
        let (mut there, token) = (Page::new(&app), token.clone());
        async move { there.post("/one-time-token/verify", token).await.status.as_u16() }
    });
    let mut statuses = futures_util::future::join_all(tries).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 400, 400, 400, 400, 400, 400, 400]);
}

#[tokio::test]
async fn a_jwt_tells_the_user_and_its_key_is_published() {
    let app = app().await;
    let mut page = ada(&app).await;
    let token = page.get("/token").await.json()["token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let part = |index: usize| -> Value {
        use base64::Engine as _;
        let text = token.split('.').nth(index).expect("a part");
        let json = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(text)
            .expect("base64url");
        serde_json::from_slice(&json).expect("JSON")
    };
    let (header, claims) = (part(0), part(1));
    assert_eq!(keys(&header), ["alg", "kid"]);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!(app.issuer), &json!(app.issuer))
    );
    assert_eq!(
        claims["exp"]
            .as_i64()
            .zip(claims["iat"].as_i64())
            .map(|(exp, iat)| exp - iat),
        Some(900)
    );
    assert_eq!((&claims["sub"], &claims["email"]), (&claims["id"], &json!(ADA)));
    let jwks = Page::new(&app).get("/jwks").await.json();
    for key in jwks["keys"].as_array().expect("keys") {
        assert_eq!((&key["crv"], &key["alg"]), (&json!("Ed25519"), &json!("EdDSA")));
    }
    assert!(
        jwks["keys"]
            .as_array()
            .expect("keys")
            .iter()
            .any(|key| key["kid"] == header["kid"])
    );
    assert!(page.get("/get-session").await.header("set-auth-jwt").is_some());
    refuses(&Page::new(&app).get("/token").await, 401, "UNAUTHORIZED");
}

#[tokio::test]
async fn several_users_wait_in_one_browser() {
    let app = app().await;
    let mut page = ada(&app).await;
    app.user("eve@example.org", json!({})).await;
    page.sign_in("eve@example.org").await;
    let listed = page.get("/multi-session/list-device-sessions").await.json();
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    let adas = listed
        .iter()
        .find(|one| one["user"]["email"] == ADA)
        .expect("hers")["session"]["token"]
        .clone();
    // The name of a session opens nothing where its cookie is not.
    let mut thief = Page::new(&app);
    let body = json!({"sessionToken": adas});
    refuses(
        &thief.post("/multi-session/set-active", body.clone()).await,
        401,
        "INVALID_SESSION_TOKEN",
    );
    assert_eq!(page.session().await["user"]["email"], "eve@example.org");
    let answer = page.post("/multi-session/set-active", body.clone()).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!(page.session().await["user"]["email"], ADA);
    assert_eq!(
        page.post("/multi-session/revoke", body).await.json(),
        json!({"status": true})
    );
    assert_eq!(page.session().await["user"]["email"], "eve@example.org");
    page.sign_in(ADA).await;
    assert_eq!(
        page.post("/sign-out", json!({})).await.json(),
        json!({"success": true})
    );
    assert_eq!(app.count("sessions WHERE ended_at IS NULL").await, 0);
    assert_eq!(
        page.get("/multi-session/list-device-sessions").await.json(),
        json!([])
    );
}
