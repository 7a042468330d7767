//! Whoever is on the way to an application goes on to it, whatever had to be done by mail before.

use serde_json::json;

use super::{ADA, NEW, link_to};
use crate::support::app::{PASSWORD, TestApp};
use crate::support::browser::{Answer, Browser};

/// A browser on its way to the application, and the page of login that it stands at.
async fn on_the_way(app: &TestApp) -> (Browser, Answer) {
    let client = app.spa().await;
    let browser = Browser::new(app);
    let login = browser.open(&browser.authorize(&client, &[])).await;
    assert_eq!(login.url.path(), "/login", "{login:#?}");
    (browser, login)
}

/// The page at `path`, for the request of the page before.
async fn beside(browser: &Browser, login: &Answer, path: &str) -> Answer {
    let page = browser
        .get(&format!("{path}?{}", login.url.query().expect("a request")))
        .await;
    assert_eq!(page.status, 200, "{page:#?}");
    page
}

#[tokio::test]
async fn after_a_new_password() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let (browser, login) = on_the_way(&app).await;
    let page = beside(&browser, &login, "/forgot-password").await;
    assert_eq!(browser.submit(&page, &[("email", ADA)]).await.status, 200);
    let page = browser.get(&link_to(&app, ADA).await).await;
    let done = browser.submit(&page, &[("password", NEW)]).await;
    let login = browser.follow(done).await;
    assert_eq!(login.url.path(), "/login", "{login:#?}");
    let fields = [("email", ADA), ("password", NEW)];
    let answer = browser.submit(&login, &fields).await;
    browser.follow(answer).await.code();
}

#[tokio::test]
async fn after_a_login_by_mail() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let (browser, login) = on_the_way(&app).await;
    let page = beside(&browser, &login, "/login/link").await;
    assert_eq!(browser.submit(&page, &[("email", ADA)]).await.status, 200);
    let page = browser.get(&link_to(&app, ADA).await).await;
    assert!(
        page.body.contains("Example SPA"),
        "it says where one goes: {page:#?}"
    );
    let answer = browser.submit(&page, &[]).await;
    browser.follow(answer).await.code();
}

#[tokio::test]
async fn after_the_address_is_proven() {
    for login_after_verification in [false, true] {
        let app = TestApp::with(|options| {
            options.settings.accounts.require_verified_email = true;
            options.settings.accounts.login_after_verification = login_after_verification;
        })
        .await;
        let (browser, login) = on_the_way(&app).await;
        let page = beside(&browser, &login, "/signup").await;
        let fields = [("name", "Ada"), ("email", ADA), ("password", PASSWORD)];
        assert_eq!(browser.submit(&page, &fields).await.status, 200);
        let page = browser.get(&link_to(&app, ADA).await).await;
        let done = browser.submit(&page, &[("answer", "here")]).await;
        let mut answer = browser.follow(done).await;
        if !login_after_verification {
            assert_eq!(answer.url.path(), "/login", "{answer:#?}");
            answer = browser.log_in(&answer, ADA).await;
        }
        answer.code();
    }
}

#[tokio::test]
async fn but_not_in_another_browser_where_it_ends_at_the_account() {
    let app = TestApp::start().await;
    app.user(ADA, json!({})).await;
    let (browser, login) = on_the_way(&app).await;
    let page = beside(&browser, &login, "/login/link").await;
    browser.submit(&page, &[("email", ADA)]).await;
    let link = link_to(&app, ADA).await;
    let other = Browser::from_address(&app, "198.51.100.3");
    let page = other.get(&link).await;
    assert!(
        page.body.contains("This link was asked for in another browser."),
        "{page:#?}"
    );
    assert!(!page.body.contains("Example SPA"), "{page:#?}");
    let answer = other.submit(&page, &[]).await;
    let account = other.follow(answer).await;
    assert_eq!(
        (account.status.as_u16(), account.url.path()),
        (200, "/account"),
        "{account:#?}"
    );
}
