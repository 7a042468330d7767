//! Token introspection (RFC 7662).

use chrono::TimeDelta;
use serde_json::json;

use crate::support::browser::payload;
use crate::support::tokens::{NOTES, Walk, refused, token};

#[tokio::test]
async fn any_confidential_client_learns_what_an_access_token_says() {
    let walk = Walk::start().await;
    walk.app.resource(NOTES, "notes:read").await;
    let spa = walk.app.spa().await;
    let judge = walk.confidential("judge", json!({})).await;
    let asked = [("scope", "openid notes:read"), ("resource", NOTES)];
    let tokens = walk.tokens(&spa, &asked).await;
    let access_token = token(&tokens, "access_token");
    let mut expected = payload(access_token);
    expected["active"] = json!(true);
    expected["token_type"] = json!("Bearer");
    assert_eq!(walk.introspect(&judge, access_token).await, expected);
    walk.app.advance(TimeDelta::minutes(10));
    assert_eq!(
        walk.introspect(&judge, access_token).await,
        json!({"active": false})
    );
}

#[tokio::test]
async fn of_refresh_tokens_a_client_learns_about_its_own() {
    let walk = Walk::start().await;
    let own = walk.confidential("own", json!({})).await;
    let other = walk.confidential("other", json!({})).await;
    let tokens = walk.tokens_of(&own, &[]).await;
    let a = token(&tokens, "refresh_token").to_owned();
    let now = walk.app.provider.now().timestamp();
    let expected = json!({"active": true, "iss": walk.app.issuer, "sub": walk.user.to_string(),
        "client_id": "own", "scope": "openid profile email", "exp": now + 14 * 86400});
    assert_eq!(walk.introspect(&own, &a).await, expected);
    assert_eq!(walk.introspect(&other, &a).await, json!({"active": false}));
    let fields = [("grant_type", "refresh_token"), ("refresh_token", &*a)];
    let answer = walk
        .api
        .post_as((&own.0, &own.1), "/oauth2/token", &fields)
        .await
        .json();
    let b = token(&answer, "refresh_token");
    // A token is good as long as it would be answered, and asking does not use it.
    for (seconds, active) in [(0, true), (29, true), (1, false)] {
        walk.app.advance(TimeDelta::seconds(seconds));
        assert_eq!(walk.introspect(&own, &a).await["active"], active);
        assert_eq!(walk.introspect(&own, b).await["active"], true);
    }
    walk.app.advance(TimeDelta::days(14));
    assert_eq!(walk.introspect(&own, b).await, json!({"active": false}));
}

#[tokio::test]
async fn everything_else_is_inactive_without_a_reason() {
    let walk = Walk::start().await;
    let judge = walk.confidential("judge", json!({})).await;
    let tokens = walk.tokens_of(&judge, &[]).await;
    let access_token = token(&tokens, "access_token");
    let code = walk.code("judge", &[]).await;
    let (head, signature) = access_token.rsplit_once('.').expect("three parts");
    for garbage in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{head}."),
        format!("{head}.{}", signature.chars().rev().collect::<String>()),
        format!("{access_token}="),
        format!("{access_token} "),
        token(&tokens, "id_token").to_owned(),
        format!("{}A", token(&tokens, "refresh_token")),
        code,
        judge.1.clone(),
        "x".repeat(8192),
    ] {
        assert_eq!(
            walk.introspect(&judge, &garbage).await,
            json!({"active": false}),
            "{garbage}"
        );
    }
    assert_eq!(walk.introspect(&judge, access_token).await["active"], true);
}

#[tokio::test]
async fn what_a_token_stands_on_is_seen_at_once() {
    let walk = Walk::start().await;
    let judge = walk.confidential("judge", json!({})).await;
    let web = walk.confidential("web", json!({})).await;
    let offline = [("scope", "openid offline_access")];
    let tokens = walk.tokens_of(&web, &offline).await;
    for (ending, back) in [
        (
            "UPDATE users SET disabled_at = created_at",
            "UPDATE users SET disabled_at = NULL",
        ),
        (
            "UPDATE users SET epoch = epoch + 1",
            "UPDATE users SET epoch = epoch - 1",
        ),
        (
            "UPDATE clients SET disabled_at = created_at WHERE id = 'web'",
            "UPDATE clients SET disabled_at = NULL",
        ),
        (
            "UPDATE token_families SET ended_at = created_at, ended_reason = 'withdrawn'",
            "UPDATE token_families SET ended_at = NULL, ended_reason = NULL",
        ),
    ] {
        for name in ["access_token", "refresh_token"] {
            let asker = if name == "access_token" { &judge } else { &web };
            let token = token(&tokens, name);
            walk.app.sql(ending).await;
            assert_eq!(
                walk.introspect(asker, token).await,
                json!({"active": false}),
                "{ending}"
            );
            walk.app.sql(back).await;
            assert_eq!(walk.introspect(asker, token).await["active"], true, "{back}");
        }
    }
}

#[tokio::test]
async fn who_may_not_ask_is_told_so() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let judge = walk.confidential("judge", json!({})).await;
    let tokens = walk.tokens(&spa, &[]).await;
    let access_token = token(&tokens, "access_token");
    let of = |client: &'static str| [("client_id", client), ("token", access_token)];
    for client in ["spa", "judge", "nobody"] {
        let answer = walk.api.post("/oauth2/introspect", &of(client)).await;
        refused(&answer, 401, "invalid_client");
    }
    let answer = walk
        .api
        .post("/oauth2/introspect", &[("token", access_token)])
        .await;
    refused(&answer, 401, "invalid_client");
    let answer = walk
        .api
        .post_as((&judge.0, &judge.1), "/oauth2/introspect", &[])
        .await;
    refused(&answer, 400, "invalid_request");
    // The token itself opens nothing here.
    let request = walk
        .api
        .http()
        .post(walk.api.url("/oauth2/introspect"))
        .bearer_auth(access_token);
    let answer = request
        .form(&[("token", access_token)])
        .send()
        .await
        .expect("an answer");
    let answer = crate::support::browser::Answer::of(answer).await;
    refused(&answer, 401, "invalid_client");
}

#[tokio::test]
async fn without_the_database_there_is_no_answer_rather_than_a_wrong_one() {
    let walk = Walk::start().await;
    let judge = walk.confidential("judge", json!({})).await;
    let tokens = walk.tokens_of(&judge, &[]).await;
    walk.lose_database();
    for name in ["access_token", "refresh_token"] {
        let fields = [("token", token(&tokens, name))];
        let answer = walk
            .api
            .post_as((&judge.0, &judge.1), "/oauth2/introspect", &fields)
            .await;
        refused(&answer, 503, "temporarily_unavailable");
    }
    assert_eq!(walk.introspect(&judge, "x").await, json!({"active": false}));
}
