//! What ends a family, and what does not.

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::json;

use super::{OFFLINE, first, next, refresh_as};
use crate::support::browser::Browser;
use crate::support::tokens::{EMAIL, Walk, refused, token};

#[tokio::test]
async fn a_spent_token_ends_family_session_and_siblings_but_not_the_user() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let client = walk.confidential("web", json!({})).await;
    let a = first(&walk, &spa, &[]).await;
    let sibling = walk.tokens_of(&client, &[]).await;
    let offline = walk.tokens_of(&client, &OFFLINE).await;
    let elsewhere = Browser::from_address(&walk.app, "203.0.113.8");
    let page = elsewhere.open(&elsewhere.authorize(&spa, &[])).await;
    let code = elsewhere.log_in(&page, EMAIL).await.callback()["code"].clone();
    let other = token(&walk.api.redeem(&spa, &code).await.json(), "refresh_token").to_owned();

    let b = next(&walk.api, &spa, &a).await;
    let c = next(&walk.api, &spa, &b).await;
    walk.app.advance(TimeDelta::seconds(31));
    refused(&walk.api.refresh(&spa, &a).await, 400, "invalid_grant");

    refused(&walk.api.refresh(&spa, &c).await, 400, "invalid_grant");
    for sibling in [&sibling, &offline] {
        let answer = refresh_as(&walk, &client, token(sibling, "refresh_token"), &[]).await;
        refused(&answer, 400, "invalid_grant");
        let userinfo = walk.api.userinfo(token(sibling, "access_token")).await;
        assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED);
    }
    // The browser is logged out; the user's other browser is not, and the user may log in again.
    let silent = walk.browser.authorize(&spa, &[("prompt", "none")]);
    let answer = walk.browser.open(&silent).await.callback();
    assert_eq!(answer["error"], "login_required");
    next(&walk.api, &spa, &other).await;
    first(&walk, &spa, &[]).await;
    assert_eq!(walk.app.count("events").await, 1);
}

#[tokio::test]
async fn a_refresh_token_is_its_own_clients() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let thief = walk.confidential("thief", json!({})).await;
    let without = walk
        .confidential("without", json!({"grant_types": ["authorization_code"]}))
        .await;
    let a = first(&walk, &spa, &[]).await;
    let b = next(&walk.api, &spa, &a).await;
    walk.app.advance(TimeDelta::minutes(5));
    for stolen in [&a, &b] {
        refused(
            &refresh_as(&walk, &thief, stolen, &[]).await,
            400,
            "invalid_grant",
        );
    }
    refused(
        &refresh_as(&walk, &without, &b, &[]).await,
        400,
        "unauthorized_client",
    );
    let fields = [("grant_type", "refresh_token"), ("client_id", &*spa)];
    refused(
        &walk.api.post("/oauth2/token", &fields).await,
        400,
        "invalid_request",
    );
    // Whoever tried has harmed nobody.
    next(&walk.api, &spa, &b).await;
}

#[tokio::test]
async fn a_logout_ends_a_family_unless_it_is_offline() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let bound = first(&walk, &spa, &[]).await;
    let offline = walk.tokens(&spa, &OFFLINE).await;
    let page = walk.browser.open("/logout").await;
    let answer = walk.browser.submit(&page, &[("logout", "yes")]).await;
    assert!(
        answer.status.is_success() || answer.status.is_redirection(),
        "{answer:#?}"
    );
    refused(&walk.api.refresh(&spa, &bound).await, 400, "invalid_grant");
    next(&walk.api, &spa, token(&offline, "refresh_token")).await;
    let userinfo = walk.api.userinfo(token(&offline, "access_token")).await;
    assert_eq!(userinfo.status, StatusCode::OK);
}

#[tokio::test]
async fn a_family_dies_with_its_user_its_client_and_its_time() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let statements = [
        (
            "UPDATE users SET disabled_at = created_at",
            "UPDATE users SET disabled_at = NULL",
        ),
        (
            "UPDATE users SET epoch = epoch + 1",
            "UPDATE users SET epoch = epoch - 1",
        ),
    ];
    let mut head = token(&walk.tokens(&spa, &OFFLINE).await, "refresh_token").to_owned();
    for (ending, back) in statements {
        walk.app.sql(ending).await;
        refused(&walk.api.refresh(&spa, &head).await, 400, "invalid_grant");
        // Being refused changes nothing: whoever is let in again has their family again.
        walk.app.sql(back).await;
        head = next(&walk.api, &spa, &head).await;
    }
    walk.app.advance(TimeDelta::days(14));
    refused(&walk.api.refresh(&spa, &head).await, 400, "invalid_grant");
    let head = first(&walk, &spa, &OFFLINE).await;
    walk.app.disable_client(&spa).await;
    refused(&walk.api.refresh(&spa, &head).await, 401, "invalid_client");
}

#[tokio::test]
async fn use_keeps_a_family_alive_up_to_its_end_and_in_one_row() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let mut head = first(&walk, &spa, &OFFLINE).await;
    for _ in 0..6 {
        walk.app.advance(TimeDelta::days(13));
        head = next(&walk.api, &spa, &head).await;
    }
    for _ in 0..100 {
        head = next(&walk.api, &spa, &head).await;
    }
    assert_eq!(walk.app.count("token_families").await, 1);
    walk.app.advance(TimeDelta::days(12));
    refused(&walk.api.refresh(&spa, &head).await, 400, "invalid_grant");
}
