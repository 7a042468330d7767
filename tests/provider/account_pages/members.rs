//! What members do that a stranger at an open screen must not, and what they let applications have.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::json;

use super::{ADA, NEW, ada, stored};
use crate::authorize::logged_in;
use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{Api, Browser};

/// When Ada's one session was logged in to, in seconds, and its id.
async fn session(app: &TestApp) -> (String, f64) {
    let client = app.database.client().await;
    let row = client
        .query_one(
            "SELECT id::text, extract(epoch FROM auth_time)::float8 FROM sessions WHERE ended_at IS NULL",
            &[],
        )
        .await
        .expect("there is one");
    (row.get(0), row.get(1))
}

#[tokio::test]
async fn what_only_the_user_should_do_wants_a_recent_login_which_keeps_the_session() {
    for (word, wants) in [("email", "/account/email"), ("export", "/account/export")] {
        let app = TestApp::start().await;
        app.user(ADA, json!({})).await;
        let mut jar = ada(&app).await;
        assert_eq!(jar.get(wants).await.status, 200, "{wants}: the login is recent");
        let form = jar.get("/account/email").await;
        app.advance(TimeDelta::days(1) + TimeDelta::seconds(1));
        let again = jar.get(wants).await;
        let path = format!("/account/again?for={word}");
        assert_eq!(again.header("location"), Some(&*path), "{wants}");
        // A form that was open all the while is no way around it.
        let posted = jar.submit(&form, &[("email", "new@example.org")]).await;
        assert_eq!(posted.header("location"), Some("/account/again?for=email"));
        assert_eq!(app.count("outgoing_mails").await, 0);

        let (id, before) = session(&app).await;
        let page = jar.get(&path).await;
        let wrong = jar.submit(&page, &[("password", NEW)]).await;
        assert_eq!(wrong.status, 422);
        assert_eq!(jar.get(wants).await.status, 303, "a wrong password opens nothing");
        let right = jar.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(right.status, 303, "{right:#?}");
        let back = if word == "export" {
            "/account?done=export"
        } else {
            wants
        };
        assert_eq!(right.header("location"), Some(back));
        assert_eq!(jar.get(wants).await.status, 200, "{wants}");
        let (same, after) = session(&app).await;
        assert_eq!(same, id, "it is the same session");
        assert!(after - before >= 86_401.0, "{before} {after}");
    }
}

#[tokio::test]
async fn after_a_fresh_login_it_goes_on_to_pages_of_ours_alone() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let mut jar = ada(&app).await;
    for (word, leads) in [
        ("delete", "/account/delete"),
        ("profile", "/account/profile"),
        ("identities", "/account/identities"),
        ("https%3A%2F%2Fevil.example", "/account"),
        ("%2F%2Fevil.example", "/account"),
        ("", "/account"),
    ] {
        let page = jar.get(&format!("/account/again?for={word}")).await;
        let answer = jar.submit(&page, &[("password", PASSWORD)]).await;
        assert_eq!(answer.header("location"), Some(leads), "{word}");
    }
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions_where_the_user_says_so_and_never_this_one() {
    for (fields, others_stay) in [(&[][..], true), (&[("end_others", "yes")][..], false)] {
        let app = TestApp::start().await;
        app.user(ADA, json!({})).await;
        let (mut here, mut other) = (ada(&app).await, ada(&app).await);
        let form = here.get("/account/password").await;
        let mut typed = vec![("current_password", PASSWORD), ("password", NEW)];
        typed.extend(fields);
        let answer = here.submit(&form, &typed).await;
        assert_eq!(answer.header("location"), Some("/account?done=password"));
        assert!(here.is_in().await);
        assert_eq!(other.is_in().await, others_stay, "{fields:?}");
    }
}

/// A client of somebody else, which Ada lets have something; and its refresh token.
async fn allowed(app: &TestApp, browser: &Browser, client: &str) -> String {
    app.client(json!({
        "client_id": client, "client_name": format!("The {client}"), "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code", "refresh_token"],
        "scope": "openid profile email offline_access",
    }))
    .await;
    let wish = [("scope", "openid email offline_access"), ("prompt", "consent")];
    let page = browser.open(&browser.authorize(client, &wish)).await;
    assert_eq!(page.url.path(), "/consent", "{page:#?}");
    let code = browser.submit(&page, &[("decision", "allow")]).await;
    let code = browser.follow(code).await.code();
    let tokens = Api::new(app).redeem(client, &code).await.json();
    tokens["refresh_token"]
        .as_str()
        .expect("a refresh token")
        .to_owned()
}

#[tokio::test]
async fn an_application_that_is_disconnected_is_out_and_must_ask_again() {
    let app = TestApp::start().await;
    let browser = logged_in(&app, ADA).await;
    let none = browser.get("/account/applications").await;
    assert!(none.body.contains("You have let no application use"), "{none:#?}");
    let planner = allowed(&app, &browser, "planner").await;
    let reader = allowed(&app, &browser, "reader").await;

    let page = browser.get("/account/applications").await;
    assert!(
        page.body.contains("The planner") && page.body.contains("The reader"),
        "{page:#?}"
    );
    let (action, hidden) = page
        .forms()
        .into_iter()
        .find(|(_, hidden)| hidden.contains(&("client_id".to_owned(), "planner".to_owned())))
        .expect("a form that disconnects it");
    let fields: Vec<_> = hidden.iter().map(|(name, value)| (&**name, &**value)).collect();

    // Another user's form has nothing to say about it.
    let other = logged_in(&app, "eve@example.org").await;
    let before = stored(&app).await;
    assert_eq!(
        other.post(action.clone(), &fields).await.status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(stored(&app).await, before);

    let answer = browser.post(action.clone(), &fields).await;
    assert_eq!(
        answer.header("location"),
        Some("/account/applications?done=withdrawn")
    );
    let page = browser.follow(answer).await;
    assert!(
        page.body.contains("The application is disconnected."),
        "{page:#?}"
    );
    assert!(
        !page.body.contains("The planner") && page.body.contains("The reader"),
        "{page:#?}"
    );
    let api = Api::new(&app);
    assert_eq!(
        api.refresh("planner", &planner).await.json()["error"],
        "invalid_grant"
    );
    assert_eq!(api.refresh("reader", &reader).await.status, StatusCode::OK);
    let asked = browser
        .open(&browser.authorize("planner", &[("scope", "openid email")]))
        .await;
    assert_eq!(asked.url.path(), "/consent", "{asked:#?}");
    // Once more, by the form of before: nothing is left to end.
    assert_eq!(browser.post(action, &fields).await.status, StatusCode::SEE_OTHER);
    assert_eq!(app.count("consents").await, 1);
}
