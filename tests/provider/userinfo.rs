//! The userinfo endpoint (OpenID Connect Core §5.3) and the bearer's way to it (RFC 6750).

use chrono::TimeDelta;
use reqwest::header::AUTHORIZATION;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::{Answer, payload};
use crate::support::tokens::{EMAIL, NOTES, Walk, token};

/// All that a profile can hold (OpenID Connect Core §5.1).
fn whole_profile() -> Value {
    json!({
        "given_name": "Ada", "family_name": "Lovelace", "middle_name": "King", "nickname": "Countess",
        "preferred_username": "ada", "profile": "https://ada.example", "picture": "https://ada.example/p.png",
        "website": "https://analytical.example", "gender": "female", "birthdate": "1815-12-10",
        "zoneinfo": "Europe/London", "locale": "en-GB", "phone_number": "+44 20 7946 0018",
        "phone_number_verified": true,
        "address": {"formatted": "12 St James's Square\nLondon", "street_address": "12 St James's Square",
            "locality": "London", "region": "Westminster", "postal_code": "SW1Y 4JH", "country": "GB"},
    })
}

async fn walk_with_profile() -> (Walk, String) {
    let walk = Walk::on(TestApp::start().await, whole_profile()).await;
    let spa = walk.app.spa().await;
    (walk, spa)
}

/// Holds a refusal to RFC 6750 §3.
#[track_caller]
fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(answer.status.as_u16(), status, "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    assert_eq!(body["error"], error, "{answer:#?}");
    let description = body["error_description"].as_str().expect("a text");
    let challenge =
        format!("Bearer realm=\"signet\", error=\"{error}\", error_description=\"{description}\"");
    assert_eq!(answer.header("www-authenticate"), Some(&*challenge));
}

#[tokio::test]
async fn each_scope_tells_its_claims_and_no_others() {
    let (walk, spa) = walk_with_profile().await;
    let profile = whole_profile();
    let picked = |names: &[&str]| -> Value {
        names
            .iter()
            .map(|name| ((*name).to_owned(), profile[*name].clone()))
            .collect()
    };
    let mut all = picked(&[
        "given_name",
        "family_name",
        "middle_name",
        "nickname",
        "preferred_username",
        "profile",
        "picture",
        "website",
        "gender",
        "birthdate",
        "zoneinfo",
        "locale",
    ]);
    all["name"] = json!("Ada Lovelace");
    all["updated_at"] = json!(walk.app.provider.now().timestamp());
    for (scope, expected) in [
        ("openid", json!({})),
        ("openid email", json!({"email": EMAIL, "email_verified": true})),
        ("openid phone", picked(&["phone_number", "phone_number_verified"])),
        ("openid address", picked(&["address"])),
        ("openid profile", all),
    ] {
        let mut expected = expected;
        expected["sub"] = json!(walk.user.to_string());
        let tokens = walk.tokens(&spa, &[("scope", scope)]).await;
        let answer = walk.api.userinfo(token(&tokens, "access_token")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.json(), expected, "{scope}");
    }
}

#[tokio::test]
async fn the_claims_parameter_asks_for_single_claims() {
    let (walk, spa) = walk_with_profile().await;
    let asked = json!({
        "userinfo": {"nickname": null, "email": {"essential": true}, "gender": {"value": "male"},
            "locale": {"values": ["de", "en-GB"]}, "sub": null, "aud": null, "https://x.example/y": null},
        "id_token": {"birthdate": null, "iss": {"value": "https://evil.example"}},
    });
    let tokens = walk
        .tokens(&spa, &[("scope", "openid"), ("claims", &asked.to_string())])
        .await;
    let answer = walk.api.userinfo(token(&tokens, "access_token")).await;
    let sub = walk.user.to_string();
    assert_eq!(
        answer.json(),
        json!({"nickname": "Countess", "email": EMAIL, "locale": "en-GB", "sub": sub})
    );
    let id_token = payload(token(&tokens, "id_token"));
    assert_eq!(id_token["birthdate"], "1815-12-10");
    assert_eq!(id_token["iss"], walk.app.issuer);
    assert!(id_token.get("nickname").is_none());
}

#[tokio::test]
async fn the_token_comes_in_the_header_or_in_a_form_and_never_otherwise() {
    let (walk, spa) = walk_with_profile().await;
    let tokens = walk.tokens(&spa, &[]).await;
    let access_token = token(&tokens, "access_token");
    let form = [("access_token", access_token)];
    let url = walk.api.url("/oauth2/userinfo");
    let ask = |method: Method| walk.api.http().request(method, url.clone());
    let in_header = |method: Method| ask(method).bearer_auth(access_token);
    for good in [
        in_header(Method::GET),
        in_header(Method::POST),
        in_header(Method::POST).form(&[("other", "x")]),
        in_header(Method::POST).json(&json!({"other": "x"})),
        ask(Method::POST).form(&form),
        ask(Method::GET).header(AUTHORIZATION, format!("bEARER {access_token}")),
    ] {
        let answer = Answer::of(good.send().await.expect("an answer")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        assert_eq!(answer.json()["sub"], walk.user.to_string());
    }
    let doubled = [("access_token", access_token), ("access_token", access_token)];
    for wrong in [
        in_header(Method::POST).form(&form),
        ask(Method::POST).form(&doubled),
        in_header(Method::GET).header(AUTHORIZATION, format!("Bearer {access_token}")),
    ] {
        let answer = Answer::of(wrong.send().await.expect("an answer")).await;
        refused(&answer, 400, "invalid_request");
    }
    let mut in_query = url.clone();
    in_query.set_query(Some(&format!("access_token={access_token}")));
    // Whoever shows no token is asked for one, and told no error (RFC 6750 §3.1).
    for bare in [
        ask(Method::GET),
        ask(Method::POST),
        walk.api.http().get(in_query.clone()),
        walk.api.http().post(in_query),
        ask(Method::GET).form(&form),
        ask(Method::POST).json(&json!({"access_token": access_token})),
        ask(Method::GET).header(AUTHORIZATION, "Bearer"),
        ask(Method::GET).basic_auth("a", Some("b")),
        ask(Method::GET).header(AUTHORIZATION, access_token),
    ] {
        let answer = Answer::of(bare.send().await.expect("an answer")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{answer:#?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"signet\""));
        assert_eq!(answer.body, "");
    }
}

#[tokio::test]
async fn a_token_for_others_or_for_another_time_is_refused() {
    let (walk, spa) = walk_with_profile().await;
    walk.app.resource(NOTES, "notes:read").await;
    let for_notes = [("scope", "notes:read"), ("resource", NOTES)];
    let notes = walk.tokens(&spa, &for_notes).await;
    refused(
        &walk.api.userinfo(token(&notes, "access_token")).await,
        401,
        "invalid_token",
    );
    let plain = walk.tokens(&spa, &[("scope", "notes:read")]).await;
    let answer = walk.api.userinfo(token(&plain, "access_token")).await;
    refused(&answer, 403, "insufficient_scope");
    let tokens = walk.tokens(&spa, &[]).await;
    let access_token = token(&tokens, "access_token");
    let (head, signature) = access_token.rsplit_once('.').expect("three parts");
    for garbage in [
        "x".to_owned(),
        "a.b.c".to_owned(),
        format!("{head}."),
        format!("{head}.A{}", &signature[1..]),
        format!("{access_token}="),
        format!("{access_token}.{signature}"),
        "x".repeat(9000),
    ] {
        refused(&walk.api.userinfo(&garbage).await, 401, "invalid_token");
    }
    let other = TestApp::start().await;
    let stranger = crate::support::browser::Api::new(&other);
    refused(&stranger.userinfo(access_token).await, 401, "invalid_token");
    assert_eq!(walk.api.userinfo(access_token).await.status, StatusCode::OK);
    walk.app.advance(TimeDelta::minutes(10));
    refused(&walk.api.userinfo(access_token).await, 401, "invalid_token");
}

#[tokio::test]
async fn what_a_token_stands_on_is_seen_at_once() {
    let (walk, spa) = walk_with_profile().await;
    let bound = walk.tokens(&spa, &[]).await;
    let offline = walk.tokens(&spa, &[("scope", "openid offline_access")]).await;
    for (ending, back, survives_offline) in [
        (
            "UPDATE users SET disabled_at = created_at",
            "UPDATE users SET disabled_at = NULL",
            false,
        ),
        (
            "UPDATE users SET epoch = epoch + 1",
            "UPDATE users SET epoch = epoch - 1",
            false,
        ),
        (
            "UPDATE clients SET disabled_at = created_at",
            "UPDATE clients SET disabled_at = NULL",
            false,
        ),
        (
            "UPDATE token_families SET ended_at = created_at, ended_reason = 'revoked'",
            "UPDATE token_families SET ended_at = NULL, ended_reason = NULL",
            false,
        ),
        (
            "UPDATE sessions SET ended_at = created_at, ended_reason = 'logout'",
            "UPDATE sessions SET ended_at = NULL, ended_reason = NULL",
            true,
        ),
    ] {
        walk.app.sql(ending).await;
        refused(
            &walk.api.userinfo(token(&bound, "access_token")).await,
            401,
            "invalid_token",
        );
        let answer = walk.api.userinfo(token(&offline, "access_token")).await;
        assert_eq!(answer.status == StatusCode::OK, survives_offline, "{ending}");
        walk.app.sql(back).await;
        let answer = walk.api.userinfo(token(&bound, "access_token")).await;
        assert_eq!(answer.status, StatusCode::OK, "{back}");
    }
    walk.app.sql("DELETE FROM users").await;
    refused(
        &walk.api.userinfo(token(&bound, "access_token")).await,
        401,
        "invalid_token",
    );
}

#[tokio::test]
async fn without_the_database_the_bearer_is_asked_to_come_again() {
    let (walk, spa) = walk_with_profile().await;
    let tokens = walk.tokens(&spa, &[]).await;
    walk.lose_database();
    let answer = walk.api.userinfo(token(&tokens, "access_token")).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.json()["error"], "temporarily_unavailable");
    refused(&walk.api.userinfo("x").await, 401, "invalid_token");
}
