//! Logging out, by the user and at a client's wish (OpenID Connect RP-Initiated Logout 1.0).

use reqwest::{Method, StatusCode, Url};
use serde_json::{Value, json};

use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, challenge};
use crate::support::jar::{Jar, encode};

const ADA: &str = "ada@example.org";
const BYE: &str = "https://app.example/bye";
const CLEARED: &str = "better-auth.session_token=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax";

/// A user who is logged in at the client `spa`, with its tokens.
struct LoggedIn {
    app: TestApp,
    jar: Jar,
    tokens: Value,
}

impl LoggedIn {
    async fn new(scope: &str) -> Self {
        let app = TestApp::start().await;
        app.spa().await;
        app.user(ADA, json!({})).await;
        let mut jar = Jar::new(&app);
        jar.enter(ADA).await;
        let tokens = tokens(&app, &mut jar, scope).await;
        Self { app, jar, tokens }
    }

    fn token(&self, name: &str) -> String {
        self.tokens[name].as_str().expect("a token").to_owned()
    }
}

/// What the client `spa` gets for whoever is logged in.
pub async fn tokens(app: &TestApp, jar: &mut Jar, scope: &str) -> Value {
    let request = encode(&[
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", scope),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
    ]);
    let code = jar.get(&format!("/oauth2/authorize?{request}")).await;
    let code = code.callback()["code"].clone();
    Api::new(app).redeem("spa", &code).await.json()
}

fn end_session(parameters: &[(&str, &str)]) -> String {
    format!("/oauth2/logout?{}", encode(parameters))
}

fn is_question(page: &Answer) -> bool {
    page.status == 200 && page.body.contains("<h1>Sign out?</h1>")
}

#[tokio::test]
async fn a_logout_asks_and_then_ends_the_session_and_what_came_of_it() {
    let mut user = LoggedIn::new("openid email").await;
    let secret = user
        .app
        .client(
            json!({"client_id": "api", "client_name": "API", "redirect_uris": [],
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic"}),
        )
        .await
        .1;
    let api = Api::new(&user.app);
    let introspect = async |token: &str| {
        let fields = [("token", token)];
        let answer = api.post_as(("api", &secret), "/oauth2/introspect", &fields).await;
        answer.json()["active"].clone()
    };
    let (access, refresh) = (user.token("access_token"), user.token("refresh_token"));
    assert_eq!(api.userinfo(&access).await.status, StatusCode::OK);
    assert_eq!(introspect(&access).await, true);

    let mut old = user.jar.clone();
    let page = user.jar.get("/logout").await;
    assert!(is_question(&page) && page.body.contains(ADA), "{page:#?}");
    assert!(old.is_in().await, "to ask ends nothing");
    let answer = user.jar.submit(&page, &[("logout", "no")]).await;
    assert_eq!(answer.location().path(), "/account");
    assert!(answer.set_cookies().is_empty());
    assert!(old.is_in().await);

    let answer = user.jar.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.set_cookies(), [CLEARED]);
    let page = user.jar.follow(answer).await;
    assert!(page.body.contains("You are signed out"), "{page:#?}");
    assert!(!old.is_in().await, "the cookie is worth nothing any more");

    let dead = api.userinfo(&access).await;
    assert_eq!(dead.status, StatusCode::UNAUTHORIZED);
    assert!(
        dead.header("www-authenticate")
            .is_some_and(|challenge| challenge.contains("error=\"invalid_token\""))
    );
    assert_eq!(introspect(&access).await, false);
    let refused = api.refresh("spa", &refresh).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn what_was_granted_for_offline_use_outlives_the_session() {
    let mut user = LoggedIn::new("openid offline_access").await;
    let page = user.jar.get("/logout").await;
    user.jar.submit(&page, &[("logout", "yes")]).await;
    assert!(!user.jar.is_in().await);
    let api = Api::new(&user.app);
    let refreshed = api.refresh("spa", &user.token("refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:#?}");
    let access = refreshed.json()["access_token"].clone();
    let userinfo = api.userinfo(access.as_str().expect("a token")).await;
    assert_eq!(userinfo.status, StatusCode::OK);
}

#[tokio::test]
async fn a_code_of_a_session_that_ended_is_worth_nothing() {
    let mut user = LoggedIn::new("openid").await;
    let request = encode(&[
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid offline_access"),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
    ]);
    let answer = user.jar.get(&format!("/oauth2/authorize?{request}")).await;
    let page = user.jar.get("/logout").await;
    user.jar.submit(&page, &[("logout", "yes")]).await;
    let refused = Api::new(&user.app)
        .redeem("spa", &answer.callback()["code"])
        .await;
    assert_eq!(refused.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_hint_of_the_very_session_ends_it_at_once_and_gives_the_state_back() {
    let mut user = LoggedIn::new("openid").await;
    let logout = end_session(&[
        ("id_token_hint", &user.token("id_token")),
        ("post_logout_redirect_uri", BYE),
        ("state", "a b&c=d#é"),
    ]);
    let mut old = user.jar.clone();
    let answer = user.jar.get(&logout).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
    assert_eq!(
        answer.header("location"),
        Some("https://app.example/bye?state=a+b%26c%3Dd%23%C3%A9")
    );
    assert_eq!(answer.set_cookies(), [CLEARED]);
    assert!(!old.is_in().await);
    // Once more, when nobody is logged in: the same way on, and nothing to ask.
    let answer = user.jar.get(&logout).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    let answer = Jar::new(&user.app).get(&end_session(&[])).await;
    assert!(answer.body.contains("You are signed out"));
    assert!(answer.set_cookies().is_empty());
}

#[tokio::test]
async fn an_expired_hint_is_still_a_hint() {
    let mut user = LoggedIn::new("openid").await;
    user.app.advance(chrono::TimeDelta::hours(2));
    let logout = end_session(&[("id_token_hint", &user.token("id_token"))]);
    let page = user.jar.get(&logout).await;
    assert!(page.body.contains("You are signed out") && page.body.contains("Example SPA"));
    assert!(!user.jar.is_in().await);
}

#[tokio::test]
async fn without_a_hint_of_the_very_session_the_user_is_asked_first() {
    let mut user = LoggedIn::new("openid").await;
    let mut elsewhere = Jar::new(&user.app);
    elsewhere.enter(ADA).await;
    let same_user = tokens(&user.app, &mut elsewhere, "openid").await;
    user.app.user("eve@example.org", json!({})).await;
    let mut eve = Jar::new(&user.app);
    eve.enter("eve@example.org").await;
    let of_eve = tokens(&user.app, &mut eve, "openid").await;
    let hint = |tokens: &Value| tokens["id_token"].as_str().expect("a token").to_owned();
    for parameters in [
        vec![("client_id", "spa".to_owned())],
        vec![("id_token_hint", hint(&same_user))],
        vec![("id_token_hint", hint(&of_eve))],
    ] {
        let mut parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        parameters.extend([("post_logout_redirect_uri", BYE), ("state", "xyz")]);
        let page = user.jar.get(&end_session(&parameters)).await;
        assert!(is_question(&page), "{page:#?}");
        assert!(page.body.contains("Example SPA"));
        let no = user.jar.submit(&page, &[("logout", "no")]).await;
        assert_eq!(no.location().path(), "/account");
        assert!(user.jar.is_in().await);
    }
    let page = user
        .jar
        .get(&end_session(&[
            ("client_id", "spa"),
            ("post_logout_redirect_uri", BYE),
            ("state", "xyz"),
        ]))
        .await;
    let yes = user.jar.submit(&page, &[("logout", "yes")]).await;
    assert_eq!(yes.location().as_str(), "https://app.example/bye?state=xyz");
    assert_eq!(yes.set_cookies(), [CLEARED]);
    assert!(!user.jar.is_in().await);
    assert!(elsewhere.is_in().await && eve.is_in().await);
    // A page without any parameter asks as well.
    let page = elsewhere.get("/oauth2/logout").await;
    assert!(is_question(&page));
}

#[tokio::test]
async fn nobody_is_sent_where_no_client_registered() {
    let mut user = LoggedIn::new("openid").await;
    user.app
        .client(
            json!({"client_id": "other", "client_name": "Other", "redirect_uris": [CALLBACK],
            "post_logout_redirect_uris": ["https://other.example/bye"],
            "grant_types": ["authorization_code"], "token_endpoint_auth_method": "none"}),
        )
        .await;
    let token = user.token("id_token");
    let access = user.token("access_token");
    let of_spa = ("id_token_hint", token.as_str());
    let uri = |uri: &'static str| ("post_logout_redirect_uri", uri);
    // The last character of a signature has few values; the first has them all.
    let (signed, signature) = token.rsplit_once('.').expect("a JWT has three parts");
    let other = if signature.starts_with('A') { "B" } else { "A" };
    let tampered = format!("{signed}.{other}{}", &signature[1..]);
    for parameters in [
        vec![of_spa, uri("https://evil.example/")],
        vec![of_spa, uri("https://app.example/bye/")],
        vec![of_spa, uri("https://app.example/bye?x=1")],
        vec![of_spa, uri("https://app.example/bye#x")],
        vec![of_spa, uri("HTTPS://app.example/bye")],
        vec![of_spa, uri("https://app.example/callback")],
        vec![of_spa, uri("//evil.example")],
        vec![of_spa, uri("javascript:alert(1)")],
        vec![of_spa, uri("https://other.example/bye")],
        vec![of_spa, ("client_id", "other"), uri("https://other.example/bye")],
        vec![("client_id", "other"), uri(BYE)],
        vec![("client_id", "nobody"), uri(BYE)],
        vec![("client_id", "\u{1}"), uri(BYE)],
        vec![uri(BYE)],
        vec![("id_token_hint", &tampered), uri(BYE)],
        vec![("id_token_hint", &access), uri(BYE)],
        vec![("id_token_hint", "x"), uri(BYE)],
        vec![of_spa, uri(BYE), uri(BYE)],
    ] {
        let page = user.jar.get(&end_session(&parameters)).await;
        assert_eq!(page.status, StatusCode::BAD_REQUEST, "{parameters:?}: {page:#?}");
        assert!(page.body.contains("You were not signed out"));
        assert!(!page.body.contains("evil.example") && !page.body.contains("href=\"https://"));
        assert!(page.set_cookies().is_empty());
        assert!(user.jar.is_in().await, "{parameters:?}");
    }
    let page = user.jar.get("/oauth2/logout?state=%ff").await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_form_of_the_question_cannot_be_sent_elsewhere() {
    let mut user = LoggedIn::new("openid").await;
    let page = user.jar.get(&end_session(&[("client_id", "spa")])).await;
    let (_, hidden) = page.form();
    let code = hidden
        .iter()
        .find(|(name, _)| name == "csrf")
        .expect("a code")
        .1
        .clone();
    let fields = [
        ("csrf", &*code),
        ("logout", "yes"),
        ("client_id", "spa"),
        ("post_logout_redirect_uri", "https://evil.example/"),
    ];
    let answer = user.jar.post("/logout", &fields).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{answer:#?}");
    assert!(user.jar.is_in().await);
}

#[tokio::test]
async fn a_post_reads_no_session_and_becomes_the_get_of_the_same_parameters() {
    let mut user = LoggedIn::new("openid").await;
    let fields = encode(&[
        ("id_token_hint", &user.token("id_token")),
        ("post_logout_redirect_uri", BYE),
        ("state", "x y"),
        ("next", "https://evil.example/"),
    ]);
    let headers = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", "https://app.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    let mut without_session = Jar::new(&user.app);
    for jar in [&mut without_session, &mut user.jar] {
        let answer = jar
            .send(Method::POST, "/oauth2/logout", &headers, Some(fields.clone()))
            .await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
        assert!(answer.set_cookies().is_empty());
        let location: Url = answer.location();
        assert_eq!(location.path(), "/oauth2/logout");
        let names: Vec<_> = location
            .query_pairs()
            .map(|(name, _)| name.into_owned())
            .collect();
        assert_eq!(names, ["id_token_hint", "post_logout_redirect_uri", "state"]);
    }
    assert!(user.jar.is_in().await, "the POST itself ends nothing");
    let answer = user
        .jar
        .send(Method::POST, "/oauth2/logout", &headers, Some(fields))
        .await;
    let answer = user.jar.follow(answer).await;
    assert_eq!(answer.location().as_str(), "https://app.example/bye?state=x+y");
    assert!(!user.jar.is_in().await);
}
