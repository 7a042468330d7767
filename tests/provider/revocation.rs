//! Token revocation (RFC 7009).

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::browser::Answer;
use crate::support::tokens::{Walk, refused, token};

async fn revoke(walk: &Walk, client: &str, of: &str, further: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("client_id", client), ("token", of)];
    fields.extend(further);
    walk.api.post("/oauth2/revoke", &fields).await
}

/// An empty answer without a content type: a browser's client takes no other.
fn done(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    assert_eq!(answer.body, "");
    assert_eq!(answer.header("content-type"), None);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a_refresh_token_goes_with_its_family_and_leaves_the_session() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let offline = ("scope", "openid offline_access");
    for asked in [vec![], vec![offline]] {
        let tokens = walk.tokens(&spa, &asked).await;
        let other = walk.tokens(&spa, &[]).await;
        let spent = token(&tokens, "refresh_token");
        let refreshed = walk.api.refresh(&spa, spent).await.json();
        // A spent token names its family as well as the newest.
        walk.app.advance(TimeDelta::minutes(1));
        done(&revoke(&walk, &spa, spent, &[]).await);
        let head = token(&refreshed, "refresh_token");
        refused(&walk.api.refresh(&spa, head).await, 400, "invalid_grant");
        for tokens in [&tokens, &refreshed] {
            let userinfo = walk.api.userinfo(token(tokens, "access_token")).await;
            assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED);
        }
        let userinfo = walk.api.userinfo(token(&other, "access_token")).await;
        assert_eq!(userinfo.status, StatusCode::OK);
        let silent = walk.browser.authorize(&spa, &[("prompt", "none")]);
        assert!(walk.browser.open(&silent).await.callback().contains_key("code"));
        // Twice is as good as once.
        done(&revoke(&walk, &spa, head, &[]).await);
    }
}

#[tokio::test]
async fn an_access_token_goes_alone_whatever_the_hint_says() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let judge = walk.confidential("judge", json!({})).await;
    for hint in ["", "access_token", "refresh_token", "no such thing"] {
        let tokens = walk.tokens(&spa, &[]).await;
        let access_token = token(&tokens, "access_token");
        assert_eq!(walk.introspect(&judge, access_token).await["active"], true);
        done(&revoke(&walk, &spa, access_token, &[("token_type_hint", hint)]).await);
        assert_eq!(
            walk.api.userinfo(access_token).await.status,
            StatusCode::UNAUTHORIZED
        );
        assert_eq!(
            walk.introspect(&judge, access_token).await,
            json!({"active": false})
        );
        done(&revoke(&walk, &spa, access_token, &[]).await);
        let refreshed = walk.api.refresh(&spa, token(&tokens, "refresh_token")).await;
        let fresh = refreshed.json();
        assert_eq!(
            walk.api.userinfo(token(&fresh, "access_token")).await.status,
            StatusCode::OK
        );
    }
}

#[tokio::test]
async fn what_is_no_token_of_the_client_stays_and_the_client_learns_nothing() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let public = json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code"]});
    walk.confidential("thief", public).await;
    let tokens = walk.tokens(&spa, &[]).await;
    for name in ["access_token", "refresh_token", "id_token"] {
        done(&revoke(&walk, "thief", token(&tokens, name), &[]).await);
    }
    for garbage in ["x", "a.b.c", "signet_rt_x", "signet_ac_x", &"x".repeat(8000)] {
        done(&revoke(&walk, &spa, garbage, &[]).await);
    }
    let userinfo = walk.api.userinfo(token(&tokens, "access_token")).await;
    assert_eq!(userinfo.status, StatusCode::OK);
    let refreshed = walk.api.refresh(&spa, token(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK);
    walk.app.advance(TimeDelta::minutes(11));
    done(&revoke(&walk, &spa, token(&tokens, "access_token"), &[]).await);
}

#[tokio::test]
async fn who_is_not_believed_revokes_nothing() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let tokens = walk.tokens_of(&web, &[]).await;
    let refresh_token = token(&tokens, "refresh_token");
    refused(
        &revoke(&walk, "web", refresh_token, &[]).await,
        401,
        "invalid_client",
    );
    refused(
        &revoke(&walk, "nobody", refresh_token, &[]).await,
        401,
        "invalid_client",
    );
    let wrong = ("web", "signet_cs_wrong");
    let fields = [("token", refresh_token)];
    let answer = walk.api.post_as(wrong, "/oauth2/revoke", &fields).await;
    refused(&answer, 401, "invalid_client");
    let answer = walk.api.post_as((&web.0, &web.1), "/oauth2/revoke", &[]).await;
    refused(&answer, 400, "invalid_request");
    assert_eq!(walk.introspect(&web, refresh_token).await["active"], true);
    let answer = walk
        .api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &fields)
        .await;
    done(&answer);
    assert_eq!(
        walk.introspect(&web, refresh_token).await,
        json!({"active": false})
    );
}

#[tokio::test]
async fn a_revocation_that_was_not_stored_is_no_success() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let tokens = walk.tokens(&spa, &[]).await;
    walk.lose_database();
    for name in ["access_token", "refresh_token"] {
        let answer = revoke(&walk, &spa, token(&tokens, name), &[]).await;
        refused(&answer, 503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    // What is no token at all needs no database to be of no use.
    done(&revoke(&walk, &spa, "x", &[]).await);
}
