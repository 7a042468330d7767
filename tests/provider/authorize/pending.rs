//! Requests that wait for their pages: they belong to one browser, survive tabs and the back button, and end
//! with one answer. How an answer travels.

use chrono::TimeDelta;
use reqwest::{StatusCode, Url};
use serde_json::json;

use super::{logged_in, post_from_elsewhere};
use crate::support::app::{CALLBACK, PASSWORD, TestApp};
use crate::support::browser::{Answer, Api, Browser};

/// The id in the address of a page.
fn request_of(page: &Answer) -> String {
    let mut pairs = page.url.query_pairs();
    let (_, id) = pairs.find(|(name, _)| name == "request").expect("a request");
    id.into_owned()
}

#[tokio::test]
async fn a_post_arrives_without_cookies_and_goes_on_with_the_session() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let api = Api::new(&app);
    let browser = logged_in(&app, "ada@example.org").await;
    for mode in ["query", "form_post"] {
        let request = browser.authorize(&client, &[("response_mode", mode)]);
        let arrived = post_from_elsewhere(&api, &request).await;
        assert_eq!(arrived.status, StatusCode::SEE_OTHER);
        assert_eq!(arrived.header("set-cookie"), None, "it is nobody's browser yet");
        arrived.is_kept_to_itself();
        let location = arrived.location();
        assert_eq!(location.origin(), app.url.parse::<Url>().expect("a URL").origin());
        assert_eq!(location.query(), None, "the request itself is not in the address");
        let answer = browser.get(location.as_str()).await;
        answer.code();
    }
    let silent = browser.authorize(&client, &[("prompt", "none")]);
    let arrived = post_from_elsewhere(&api, &silent).await;
    browser.get(arrived.location().as_str()).await.code();
    let arrived = post_from_elsewhere(&api, &silent).await;
    let stranger = Browser::new(&app);
    let answer = stranger.get(arrived.location().as_str()).await;
    assert_eq!(answer.refusal(), "login_required");
}

#[tokio::test]
async fn a_browser_that_was_never_here_may_come_by_post() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let request = browser.authorize(&client, &[]);
    let arrived = post_from_elsewhere(&Api::new(&app), &request).await;
    let page = browser.open(arrived.location().as_str()).await;
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    browser.log_in(&page, "ada@example.org").await.code();
}

#[tokio::test]
async fn a_form_post_page_posts_the_answer_to_the_client() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let request = browser.authorize(&client, &[("response_mode", "form_post")]);
    let page = browser.get(&request).await;
    assert_eq!(page.status, StatusCode::OK);
    page.is_page(false);
    assert!(page.body.contains("method=\"post\""));
    let (target, told) = page.response();
    assert_eq!(target, CALLBACK);
    let names: Vec<_> = told.keys().map(String::as_str).collect();
    assert_eq!(names, ["code", "iss", "state"]);
    assert_eq!((&*told["iss"], &*told["state"]), (&*app.issuer, "af0ifjsldkj"));
    let tokens = Api::new(&app).redeem(&client, &told["code"]).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:#?}");
}

#[tokio::test]
async fn every_tab_finishes() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let mut tabs = Vec::new();
    for state in ["one", "two", "three", "four"] {
        tabs.push(
            browser
                .open(&browser.authorize(&client, &[("state", state)]))
                .await,
        );
    }
    // In the second tab first, and then in one whose form was made before anybody was logged in.
    for (tab, state) in [(1, "two"), (0, "one")] {
        let answer = browser.log_in(&tabs[tab], "ada@example.org").await;
        assert_eq!(answer.response().1["state"], state);
        answer.code();
    }
    // A restored window opens the page again; a window at the dispatcher goes on at once.
    let page = browser.get(tabs[2].url.as_str()).await;
    let answer = browser.log_in(&page, "ada@example.org").await;
    assert_eq!(answer.response().1["state"], "three");
    let dispatcher = format!("/oauth2/authorize/{}", request_of(&tabs[3]));
    let answer = browser.get(&dispatcher).await;
    assert_eq!(answer.response().1["state"], "four");
    answer.code();
    assert_eq!(app.count("sessions").await, 1);
    assert_eq!(app.count("authorization_requests").await, 0);
}

#[tokio::test]
async fn going_back_after_the_end_finds_the_end() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let start = browser.authorize(&client, &[]);
    let page = browser.open(&start).await;
    browser.log_in(&page, "ada@example.org").await.code();
    let id = request_of(&page);
    for path in [
        format!("/oauth2/authorize/{id}"),
        format!("/login?request={id}"),
        format!("/signup?request={id}"),
        format!("/consent?request={id}"),
    ] {
        browser.get(&path).await.is_dead_end();
    }
    let answer = browser
        .submit(&page, &[("email", "ada@example.org"), ("password", PASSWORD)])
        .await;
    answer.is_dead_end();
    // The address of the request itself begins anew, with a code of its own.
    browser.get(&start).await.code();
    assert_eq!(app.count("authorization_codes").await, 2);
}

#[tokio::test]
async fn another_browser_gets_nothing_of_a_pending_request() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let mallory = logged_in(&app, "mallory@example.org").await;
    let victim = Browser::new(&app);
    app.user("ada@example.org", json!({})).await;
    let page = victim.open(&victim.authorize(&client, &[])).await;
    let id = request_of(&page);
    let stranger = Browser::new(&app);
    for browser in [&mallory, &stranger] {
        for path in ["/login", "/signup", "/consent"] {
            browser.get(&format!("{path}?request={id}")).await.is_dead_end();
        }
        let answer = browser.get(&format!("/oauth2/authorize/{id}")).await;
        answer.is_dead_end();
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
    // Nor with the form of the victim's page, which is not their browser's own.
    let fields = [("email", "mallory@example.org"), ("password", PASSWORD)];
    mallory.submit(&page, &fields).await.is_dead_end();
    victim.log_in(&page, "ada@example.org").await.code();

    // One that came by POST is the first browser's that opens it.
    let arrived = post_from_elsewhere(
        &Api::new(&app),
        &victim.authorize(&client, &[("prompt", "login")]),
    )
    .await;
    let location = arrived.location();
    assert_eq!(victim.open(location.as_str()).await.status, StatusCode::OK);
    mallory.get(location.as_str()).await.is_dead_end();
}

#[tokio::test]
async fn what_is_no_pending_request_is_nothing() {
    let app = TestApp::start().await;
    let browser = logged_in(&app, "ada@example.org").await;
    for id in [
        "00000000-0000-4000-8000-000000000000",
        "x",
        "%00",
        "..%2f..%2flogin",
        "1' OR '1'='1",
    ] {
        let answer = browser.get(&format!("/oauth2/authorize/{id}")).await;
        answer.is_dead_end();
        browser.get(&format!("/login?request={id}")).await;
    }
}

#[tokio::test]
async fn a_request_waits_for_an_hour() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let page = browser.open(&browser.authorize(&client, &[])).await;
    let late = browser.open(&browser.authorize(&client, &[])).await;
    app.advance(TimeDelta::minutes(59));
    browser.log_in(&page, "ada@example.org").await.code();
    app.advance(TimeDelta::minutes(1));
    browser.get(late.url.as_str()).await.is_dead_end();
}

#[tokio::test]
async fn a_client_that_is_disabled_meanwhile_gets_nothing() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let page = browser.open(&browser.authorize(&client, &[])).await;
    app.disable_client(&client).await;
    browser.log_in(&page, "ada@example.org").await.is_dead_end();
    browser
        .get(&format!("/oauth2/authorize/{}", request_of(&page)))
        .await
        .is_dead_end();
    assert_eq!(app.count("authorization_codes").await, 0);
}

#[tokio::test]
async fn of_all_who_finish_a_request_at_once_one_gets_the_code() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let other = app.second_node().await;
    let browser = logged_in(&app, "ada@example.org").await;
    let nobody = Browser::new(&app);
    for _ in 0..5 {
        let arrived = post_from_elsewhere(&Api::new(&app), &nobody.authorize(&client, &[])).await;
        let path = arrived.location().path().to_owned();
        let there = format!("{}{path}", other.url);
        let tries = (0..16).map(|number| browser.get(if number % 2 == 0 { &path } else { &there }));
        let answers = futures_util::future::join_all(tries).await;
        let codes = answers
            .iter()
            .filter(|answer| answer.status == StatusCode::SEE_OTHER)
            .map(Answer::code);
        assert_eq!(codes.count(), 1);
        for answer in answers
            .iter()
            .filter(|answer| answer.status != StatusCode::SEE_OTHER)
        {
            answer.is_dead_end();
        }
    }
}

#[tokio::test]
async fn every_hop_is_a_303_and_every_page_has_its_policy() {
    let app = TestApp::start().await;
    let client = app.spa().await;
    let third = app
        .client(json!({
            "client_id": "third", "client_name": "Third", "redirect_uris": [CALLBACK],
            "token_endpoint_auth_method": "none", "scope": "openid profile email",
        }))
        .await
        .0;
    app.user("ada@example.org", json!({})).await;
    let browser = Browser::new(&app);
    let hop = async |answer: &Answer| {
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{answer:#?}");
        answer.is_kept_to_itself();
        browser.get(answer.location().as_str()).await
    };
    // Pages with a client behind them, and the same without.
    let login = hop(&browser.get(&browser.authorize(&client, &[])).await).await;
    login.is_page(false);
    browser.get("/login").await.is_page(true);
    browser.get("/signup").await.is_page(true);
    let signup = hop(&browser
        .get(&browser.authorize(&client, &[("prompt", "create")]))
        .await)
    .await;
    signup.is_page(false);
    let wrong = browser
        .submit(&login, &[("email", "ada@example.org"), ("password", "no")])
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.is_page(false);
    let fields = [("email", "ada@example.org"), ("password", PASSWORD)];
    let posted = browser.submit(&wrong, &fields).await;
    hop(&posted).await.code();
    let consent = hop(&browser.get(&browser.authorize(&third, &[])).await).await;
    consent.is_page(false);
    let decided = browser.submit(&consent, &[("decision", "allow")]).await;
    hop(&decided).await.code();
    browser.get("/account").await.is_page(true);
    browser.get("/oauth2/logout").await.is_page(false);
    // The answer is in no address of ours, and nothing of theirs is loaded.
    for page in [&login, &signup, &consent] {
        assert!(!page.body.contains("src=\"http"), "{}", page.body);
        assert!(!page.body.contains(CALLBACK), "{}", page.body);
    }
}
