//! The token endpoint (RFC 6749 §3.2, §4.1.3, §5) for the authorization code grant.

mod contents;

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, Browser, VERIFIER};
use crate::support::tokens::{EMAIL, Walk, refused, token};

/// Another verifier than that of the code.
const OTHER_VERIFIER: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// Redeems a code as `client` with these fields instead of, or beside, the right ones; an empty one is left out.
async fn redeem(walk: &Walk, client: &str, code: &str, changes: &[(&str, &str)]) -> Answer {
    let right = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("code", code),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let changed = |name: &str| changes.iter().any(|(given, _)| *given == name);
    let mut fields: Vec<_> = right.into_iter().filter(|(name, _)| !changed(name)).collect();
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    walk.api.post("/oauth2/token", &fields).await
}

#[tokio::test]
async fn every_refusal_has_its_code_and_none_of_them_burns_the_authorization_code() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let code = walk.code(&spa, &[]).await;
    let mut wrong_checksum = code.clone();
    let last = wrong_checksum.pop().expect("a code has characters");
    wrong_checksum.push(if last == 'A' { 'B' } else { 'A' });
    let truncated = &code[..code.len() - 1];
    let padded = format!("{code}=");
    let spaced = format!(" {code}");
    let long = "x".repeat(5000);
    let short = &VERIFIER[..42];
    for (changes, error) in [
        (vec![("grant_type", "")], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (
            vec![("grant_type", "AUTHORIZATION_CODE")],
            "unsupported_grant_type",
        ),
        (vec![("grant_type", "client_credentials")], "unauthorized_client"),
        (vec![("code", "")], "invalid_request"),
        (vec![("code", "signet_ac_")], "invalid_grant"),
        (vec![("code", &*wrong_checksum)], "invalid_grant"),
        (vec![("code", truncated)], "invalid_grant"),
        (vec![("code", &*padded)], "invalid_grant"),
        (vec![("code", &*spaced)], "invalid_grant"),
        (vec![("code", &*long)], "invalid_request"),
        (
            vec![("redirect_uri", "https://app.example/callback/")],
            "invalid_grant",
        ),
        (
            vec![("redirect_uri", "https://APP.example/callback")],
            "invalid_grant",
        ),
        (
            vec![("redirect_uri", "https://app.example/callback?")],
            "invalid_grant",
        ),
        (vec![("code_verifier", OTHER_VERIFIER)], "invalid_grant"),
        (vec![("code_verifier", short)], "invalid_request"),
        (vec![("code_verifier", &*long)], "invalid_request"),
        (vec![("code_verifier", "")], "invalid_grant"),
        (
            vec![("code_verifier", ""), ("redirect_uri", "")],
            "invalid_request",
        ),
        (vec![("scope", "a\\b")], "invalid_scope"),
        (vec![("scope", &"a".repeat(1025))], "invalid_scope"),
        (vec![("resource", "https://unknown.example")], "invalid_target"),
        (vec![("code", &*code), ("code", &*code)], "invalid_request"),
        (
            vec![("client_id", &*spa), ("client_id", &*spa)],
            "invalid_request",
        ),
    ] {
        let answer = redeem(&walk, &spa, &code, &changes).await;
        assert_eq!(answer.json()["error"], error, "{changes:?}");
        refused(&answer, 400, error);
    }
    let answer = redeem(&walk, &spa, &code, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
}

#[tokio::test]
async fn with_pkce_the_redirect_uri_may_be_left_out_and_without_it_not() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let code = walk.code(&spa, &[]).await;
    let answer = redeem(&walk, &spa, &code, &[("redirect_uri", "")]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");

    let old = walk.confidential("old", json!({"require_pkce": false})).await;
    let without = [
        ("code_challenge", ""),
        ("code_challenge_method", ""),
        ("nonce", "n"),
    ];
    let code = walk.code("old", &without).await;
    let bare = [("grant_type", "authorization_code"), ("code", &*code)];
    let as_old = |fields: Vec<(&'static str, &str)>| {
        let fields: Vec<_> = bare
            .iter()
            .copied()
            .chain(fields)
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .collect();
        let (api, old) = (&walk.api, &old);
        async move {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
            api.post_as((&old.0, &old.1), "/oauth2/token", &fields).await
        }
    };
    refused(&as_old(vec![]).await, 400, "invalid_request");
    // A verifier where there was no challenge is a downgrade (RFC 9700 §2.1.1).
    let downgraded = vec![("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)];
    refused(&as_old(downgraded).await, 400, "invalid_grant");
    let answer = as_old(vec![("redirect_uri", CALLBACK)]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");

    // A challenge that was sent is verified, whether it was needed or not.
    let code = walk.code("old", &[]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &*code),
        ("redirect_uri", CALLBACK),
    ];
    let answer = walk.api.post_as((&old.0, &old.1), "/oauth2/token", &fields).await;
    refused(&answer, 400, "invalid_grant");
    let answer = walk.redeem_as(&old, &code, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
}

#[tokio::test]
async fn a_stranger_with_a_code_neither_burns_nor_revokes() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let thief = walk.confidential("thief", json!({})).await;
    let code = walk.code(&spa, &[]).await;
    refused(&walk.redeem_as(&thief, &code, &[]).await, 400, "invalid_grant");
    let answer = redeem(&walk, &spa, &code, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    let tokens = answer.json();
    // Also after it is spent: codes lie in histories.
    refused(&walk.redeem_as(&thief, &code, &[]).await, 400, "invalid_grant");
    for changes in [
        [("code_verifier", OTHER_VERIFIER)],
        [("redirect_uri", "https://evil.example")],
    ] {
        refused(&redeem(&walk, &spa, &code, &changes).await, 400, "invalid_grant");
    }
    let userinfo = walk.api.userinfo(token(&tokens, "access_token")).await;
    assert_eq!(userinfo.status, StatusCode::OK, "{userinfo:#?}");
    let refreshed = walk.api.refresh(&spa, token(&tokens, "refresh_token")).await;
    assert_eq!(refreshed.status, StatusCode::OK, "{refreshed:#?}");
}

#[tokio::test]
async fn a_code_redeemed_twice_revokes_all_that_its_first_use_gave() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let judge = walk.confidential("judge", json!({})).await;
    let untouched = walk.tokens(&spa, &[]).await;
    let code = walk.code(&spa, &[("scope", "openid offline_access")]).await;
    let tokens = redeem(&walk, &spa, &code, &[]).await.json();
    let refreshed = walk
        .api
        .refresh(&spa, token(&tokens, "refresh_token"))
        .await
        .json();
    // Long after the code has expired, it still tells of a thief.
    walk.app.advance(TimeDelta::minutes(5));
    refused(&redeem(&walk, &spa, &code, &[]).await, 400, "invalid_grant");
    for of in [&tokens, &refreshed] {
        let refresh_token = token(of, "refresh_token");
        refused(&walk.api.refresh(&spa, refresh_token).await, 400, "invalid_grant");
        let access_token = token(of, "access_token");
        let userinfo = walk.api.userinfo(access_token).await;
        assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED, "{userinfo:#?}");
        assert_eq!(userinfo.json()["error"], "invalid_token");
        let status = walk.introspect(&judge, access_token).await;
        assert_eq!(status, json!({"active": false}));
    }
    // The other grant of the same client and session is not meant.
    let answer = walk.api.userinfo(token(&untouched, "access_token")).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
}

#[tokio::test]
async fn of_many_redemptions_at_once_over_two_nodes_one_wins() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let second = walk.app.second_node().await;
    let there = Api::new(&second);
    let code = walk.code(&spa, &[]).await;
    let answers = join_all((0..16).map(|number| {
        let api = if number % 2 == 0 { &walk.api } else { &there };
        api.redeem(&spa, &code)
    }))
    .await;
    let (good, bad): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == StatusCode::OK);
    assert_eq!(good.len(), 1, "{answers:#?}");
    bad.into_iter()
        .for_each(|answer| refused(answer, 400, "invalid_grant"));
}

#[tokio::test]
async fn a_code_dies_with_its_time_its_session_its_user_and_its_client() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let session = "UPDATE sessions SET ended_at = created_at, ended_reason = 'logout'";
    for (statement, seconds) in [
        ("", 60),
        (session, 0),
        ("UPDATE users SET epoch = epoch + 1", 0),
        ("UPDATE users SET disabled_at = created_at", 0),
    ] {
        // A browser of its own, since the last one's session has ended.
        let browser = Browser::from_address(&walk.app, "203.0.113.8");
        let page = browser.open(&browser.authorize(&spa, &[])).await;
        let code = browser.log_in(&page, EMAIL).await.callback()["code"].clone();
        walk.app.sql(statement).await;
        walk.app.advance(TimeDelta::seconds(seconds));
        let answer = redeem(&walk, &spa, &code, &[]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{statement}");
        refused(&answer, 400, "invalid_grant");
    }
    walk.app.sql("UPDATE users SET disabled_at = NULL").await;
    let browser = Browser::from_address(&walk.app, "203.0.113.9");
    let page = browser.open(&browser.authorize(&spa, &[])).await;
    let code = browser.log_in(&page, EMAIL).await.callback()["code"].clone();
    walk.app.disable_client(&spa).await;
    refused(&redeem(&walk, &spa, &code, &[]).await, 401, "invalid_client");
}

#[tokio::test]
async fn a_client_without_the_refresh_grant_gets_no_refresh_token_and_its_code_replay_still_ends_all() {
    let walk = Walk::on(TestApp::start().await, json!({})).await;
    let client = walk
        .confidential("web", json!({"grant_types": ["authorization_code"]}))
        .await;
    let code = walk.code("web", &[("scope", "openid offline_access")]).await;
    let tokens = walk.redeem_as(&client, &code, &[]).await.json();
    assert!(tokens.get("refresh_token").is_none());
    let access_token = token(&tokens, "access_token");
    assert_eq!(walk.api.userinfo(access_token).await.status, StatusCode::OK);
    refused(&walk.redeem_as(&client, &code, &[]).await, 400, "invalid_grant");
    assert_eq!(
        walk.api.userinfo(access_token).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn without_the_database_the_client_is_asked_to_come_again() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let code = walk.code(&spa, &[]).await;
    walk.lose_database();
    refused(
        &redeem(&walk, &spa, &code, &[]).await,
        503,
        "temporarily_unavailable",
    );
    // What is no code costs no query.
    let answer = redeem(&walk, &spa, &format!("{code}A"), &[]).await;
    refused(&answer, 400, "invalid_grant");
}
