//! Imported users keep the `sub` that applications know them by, wherever one is told or asked for.

use serde_json::{Value, json};
use signet::storage::users;

use crate::support::app::TestApp;
use crate::support::browser::{Api, Browser, payload};

const SUBJECT: &str = "auth0|5f7c8ec7c33c6c004bbafe82";

/// An app with an imported user and one of its own; the first is logged in with a browser.
async fn imported() -> (TestApp, Browser) {
    let app = TestApp::start().await;
    app.user("ada@example.org", json!({})).await;
    app.user("grace@example.org", json!({})).await;
    app.sql(&format!(
        "UPDATE users SET subject = '{SUBJECT}', origin = 'auth0' WHERE email = 'ada@example.org'"
    ))
    .await;
    let browser = Browser::new(&app);
    (app, browser)
}

fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().expect("a text").to_owned()
}

#[tokio::test]
async fn every_token_and_answer_says_the_imported_subject() {
    let (app, browser) = imported().await;
    let spa = app.spa().await;
    let request = [("scope", "openid email"), ("prompt", "login")];
    let page = browser.open(&browser.authorize(&spa, &request)).await;
    let callback = browser.log_in(&page, "ada@example.org").await.callback();
    let api = Api::new(&app);
    let tokens = api.redeem(&spa, &callback["code"]).await.json();
    let (access, id) = (text(&tokens, "access_token"), text(&tokens, "id_token"));
    assert_eq!(payload(&access)["sub"], SUBJECT);
    assert_eq!(payload(&id)["sub"], SUBJECT);
    let told = api.userinfo(&access).await.json();
    assert_eq!(told["sub"], SUBJECT);
    assert_eq!(told["email"], "ada@example.org");

    let (client, secret) = app
        .client(json!({"client_name": "API", "grant_types": ["client_credentials"], "redirect_uris": []}))
        .await;
    let access_token = api
        .post_as((&client, &secret), "/oauth2/introspect", &[("token", &access)])
        .await
        .json();
    assert_eq!(access_token["active"], true);
    assert_eq!(access_token["sub"], SUBJECT);

    let refreshed = api.refresh(&spa, &text(&tokens, "refresh_token")).await.json();
    assert_eq!(payload(&text(&refreshed, "access_token"))["sub"], SUBJECT);
}

#[tokio::test]
async fn a_hint_and_the_claims_parameter_name_a_user_by_the_imported_subject() {
    let (app, browser) = imported().await;
    let spa = app.spa().await;
    let login = browser.authorize(&spa, &[("scope", "openid"), ("prompt", "login")]);
    let page = browser.open(&login).await;
    let callback = browser.log_in(&page, "ada@example.org").await.callback();
    let tokens = Api::new(&app).redeem(&spa, &callback["code"]).await.json();
    let hint = text(&tokens, "id_token");
    let silent = [("scope", "openid"), ("prompt", "none"), ("id_token_hint", &*hint)];
    let callback = browser.get(&browser.authorize(&spa, &silent)).await.callback();
    assert!(callback.contains_key("code"), "{callback:?}");

    let asks = |sub: &str| json!({"id_token": {"sub": {"value": sub}}}).to_string();
    let user = users::find_by_subject(app.db(), SUBJECT).await.expect("asked");
    let id = user.expect("the imported user").id.to_string();
    for (sub, outcome) in [(SUBJECT, "code"), (&*id, "error"), ("", "error")] {
        let claims = asks(sub);
        let silent = [("scope", "openid"), ("prompt", "none"), ("claims", &*claims)];
        let callback = browser.get(&browser.authorize(&spa, &silent)).await.callback();
        assert!(callback.contains_key(outcome), "{sub}: {callback:?}");
    }
}

#[tokio::test]
async fn a_user_is_found_by_the_subject_that_their_tokens_say_and_by_no_other() {
    let (app, _) = imported().await;
    let find = async |subject: &str| {
        let found = users::find_by_subject(app.db(), subject).await.expect("asked");
        found.map(|user| user.email)
    };
    assert_eq!(find(SUBJECT).await.as_deref(), Some("ada@example.org"));
    let sql = app.database.client().await;
    for (email, found) in [
        ("grace@example.org", Some("grace@example.org")),
        ("ada@example.org", None),
    ] {
        let row = sql
            .query_one("SELECT id::text FROM users WHERE email = $1", &[&email])
            .await;
        let id: String = row.expect("a user").get(0);
        assert_eq!(find(&id).await.as_deref(), found);
    }
    let looks_like_an_id =
        "UPDATE users SET subject = gen_random_uuid()::text WHERE email = 'grace@example.org'";
    let refused = sql
        .batch_execute(looks_like_an_id)
        .await
        .expect_err("no subject is an id");
    let constraint = refused.as_db_error().and_then(|error| error.constraint());
    assert_eq!(constraint, Some("users_subject_is_no_id"));
}

#[tokio::test]
async fn the_name_of_a_deleted_user_is_kept_from_others_and_tells_nothing() {
    let (app, _) = imported().await;
    let delete = async |email: &str| {
        let sql = app.database.client().await;
        let row = sql
            .query_one("SELECT id FROM users WHERE email = $1", &[&email])
            .await;
        let id: uuid::Uuid = row.expect("a user").get(0);
        let tx = app.db().begin().await.expect("a transaction");
        let deleted = users::delete(&tx, id.into(), app.provider.now()).await;
        assert!(deleted.expect("deleted"));
        tx.commit().await.expect("committed");
    };
    delete("grace@example.org").await;
    assert_eq!(
        app.count("retired_subjects").await,
        0,
        "a random id comes never again"
    );
    delete("ada@example.org").await;
    assert_eq!(app.count("retired_subjects").await, 1);
    let subjects = [SUBJECT.to_owned(), "auth0|another".to_owned()];
    let retired = signet::storage::imports::find_retired(app.db(), &subjects).await;
    assert_eq!(retired.expect("asked"), [SUBJECT.to_owned()].into());
}
