//! Several users in one browser: how many, who acts, and that a logout leaves nobody behind (reference §14).

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::{ADA, Page, app, app_with};
use crate::logout::tokens;
use crate::support::app::TestApp;

const EVE: &str = "eve@example.org";

async fn users(app: &TestApp, count: usize) -> Vec<String> {
    let mut emails = Vec::new();
    for number in 0..count {
        let email = format!("user{number}@example.org");
        app.user(&email, json!({})).await;
        emails.push(email);
    }
    emails
}

/// Who waits in a browser.
async fn waiting(page: &mut Page) -> Vec<String> {
    let listed = page.get("/multi-session/list-device-sessions").await.json();
    let emails = listed.as_array().expect("a list").iter();
    let mut emails: Vec<_> = emails
        .map(|one| one["user"]["email"].as_str().expect("an address").to_owned())
        .collect();
    emails.sort();
    emails
}

fn device_cookies(page: &Page) -> usize {
    let names = page.jar.cookies.keys();
    names.filter(|name| name.contains("_multi-")).count()
}

/// Ada and Eve in one browser; Eve acts.
async fn two(app: &TestApp) -> Page {
    let mut page = super::ada(app).await;
    app.user(EVE, json!({})).await;
    page.sign_in(EVE).await;
    assert_eq!(waiting(&mut page).await, [ADA, EVE]);
    page
}

async fn alive(app: &TestApp) -> i64 {
    app.count("sessions WHERE ended_at IS NULL").await
}

#[tokio::test]
async fn five_sessions_wait_and_no_sixth() {
    let app = app().await;
    let emails = users(&app, 7).await;
    let mut page = Page::new(&app);
    for (number, email) in emails.iter().enumerate() {
        page.sign_in(email).await;
        assert_eq!(page.session().await["user"]["email"], **email);
        assert_eq!(device_cookies(&page), (number + 1).min(5), "{email}");
    }
    assert_eq!(waiting(&mut page).await, emails[..5]);
    // Where one leaves there is room again.
    let listed = page.get("/multi-session/list-device-sessions").await.json();
    let first = listed.as_array().expect("a list").iter();
    let mut first = first.filter(|one| one["user"]["email"] == *emails[0]);
    let token = first.next().expect("it waits")["session"]["token"].clone();
    let body = json!({"sessionToken": token});
    let answer = page.post("/multi-session/revoke", body).await;
    assert_eq!(answer.json(), json!({"status": true}));
    assert_eq!(
        page.session().await["user"]["email"],
        *emails[6],
        "who acts goes on"
    );
    page.sign_in(&emails[5]).await;
    assert_eq!(waiting(&mut page).await, emails[1..6]);
}

#[tokio::test]
async fn one_user_waits_once() {
    let app = app().await;
    let mut page = two(&app).await;
    page.sign_in(ADA).await;
    assert_eq!((waiting(&mut page).await.len(), device_cookies(&page)), (2, 2));
    assert_eq!(alive(&app).await, 2);
}

#[tokio::test]
async fn a_session_that_is_over_waits_no_longer() {
    let app = app().await;
    let mut page = two(&app).await;
    app.advance(TimeDelta::days(6));
    page.sign_in(EVE).await;
    app.advance(TimeDelta::days(2));
    assert_eq!(waiting(&mut page).await, [EVE]);
}

#[tokio::test]
async fn a_cookie_is_good_for_the_session_that_its_name_says() {
    let app = app().await;
    let mut page = two(&app).await;
    let names: Vec<String> = page.jar.cookies.keys().cloned().collect();
    let mut names = names.into_iter().filter(|name| name.contains("_multi-"));
    let (one, other) = (names.next().expect("one"), names.next().expect("another"));
    let swapped = page.jar.cookies[&other].clone();
    page.jar.cookies.insert(one, swapped);
    assert_eq!(waiting(&mut page).await.len(), 1);
    page.jar.cookies.remove(&other).expect("it was there");
    assert_eq!(waiting(&mut page).await, [""; 0]);
}

#[tokio::test]
async fn a_logout_at_a_page_leaves_nobody_behind() {
    let app = app().await;
    let mut page = two(&app).await;
    let asked = page.jar.get("/logout").await;
    let stays = page.jar.submit(&asked, &[("logout", "no")]).await;
    assert_eq!((stays.status.as_u16(), alive(&app).await), (303, 2));
    let stolen = page.jar.clone();
    let left = page.jar.submit(&asked, &[("logout", "yes")]).await;
    assert_eq!(left.status, 303, "{left:#?}");
    assert_eq!((alive(&app).await, device_cookies(&page)), (0, 0));
    page.jar = stolen;
    assert_eq!(waiting(&mut page).await, [""; 0]);
}

#[tokio::test]
async fn a_logout_by_a_client_leaves_nobody_behind_and_without_a_session_ends_nothing() {
    let app = app().await;
    app.spa().await;
    let mut page = two(&app).await;
    // Whoever holds no session of this browser proves nothing, whatever else waits there.
    let session = page.jar.cookies.remove("better-auth.session_token");
    let answer = page.jar.get("/oauth2/logout").await;
    assert_eq!((answer.status.as_u16(), alive(&app).await), (200, 2));
    let session = session.expect("she was logged in");
    page.jar
        .cookies
        .insert("better-auth.session_token".to_owned(), session);

    let tokens = tokens(&app, &mut page.jar, "openid").await;
    let hint = tokens["id_token"].as_str().expect("an ID token");
    let answer = page
        .jar
        .get(&format!("/oauth2/logout?id_token_hint={hint}"))
        .await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    assert_eq!((alive(&app).await, device_cookies(&page)), (0, 0));
}

#[tokio::test]
async fn where_one_user_is_enough_nobody_waits() {
    let app = app_with(|options| options.site.better_auth.multi_session = false).await;
    let mut page = super::ada(&app).await;
    app.user(EVE, json!({})).await;
    page.sign_in(EVE).await;
    assert_eq!(device_cookies(&page), 0);
    let listed = page.get("/multi-session/list-device-sessions").await.json();
    assert_eq!(listed, Value::Array(Vec::new()));
    assert_eq!(alive(&app).await, 1, "who acted before is logged out");
}
