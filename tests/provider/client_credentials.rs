//! The client credentials grant (RFC 6749 §4.4).

use std::time::Duration;

use chrono::TimeDelta;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::app::TestApp;
use crate::support::browser::{Answer, header, payload};
use crate::support::tokens::{NOTES, Walk, refused, token};

async fn ask(walk: &Walk, client: &(String, String), further: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("grant_type", "client_credentials")];
    fields.extend(further);
    walk.api
        .post_as((&client.0, &client.1), "/oauth2/token", &fields)
        .await
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself_and_nothing_of_a_user() {
    let walk = Walk::start().await;
    let client = walk.confidential("batch", json!({})).await;
    let answer = ask(&walk, &client, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let tokens = answer.json();
    let members: Vec<&String> = tokens.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["access_token", "token_type", "expires_in", "scope"]);
    // The identity scopes are the client's, but say nothing without a user.
    assert_eq!(tokens["scope"], "notes:read notes:write");
    let access_token = token(&tokens, "access_token");
    assert_eq!(header(access_token)["typ"], "at+jwt");
    let mut claims = payload(access_token);
    let now = walk.app.provider.now().timestamp();
    assert!(claims["jti"].take().is_string());
    assert!(claims["status"]["status_list"].take().is_object());
    assert_eq!(
        claims,
        json!({"iss": walk.app.issuer, "sub": "batch", "client_id": "batch", "aud": walk.app.issuer,
            "iat": now, "exp": now + 600, "jti": null, "scope": "notes:read notes:write",
            "status": {"status_list": null}})
    );
    let userinfo = walk.api.userinfo(access_token).await;
    refused_by_userinfo(&userinfo);
    let status = walk.introspect(&client, access_token).await;
    assert_eq!(status["active"], true);
    assert_eq!(status["sub"], "batch");
}

/// Such a token lacks `openid`, so userinfo has nothing to say to it (RFC 6750 §3.1).
fn refused_by_userinfo(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:#?}");
    assert_eq!(answer.json()["error"], "insufficient_scope");
}

#[tokio::test]
async fn scope_is_the_clients_own_the_resources_own_and_never_about_a_user() {
    let walk = Walk::start().await;
    walk.app.resource(NOTES, "notes:read other").await;
    walk.app.resource("https://mail.example", "mail:send").await;
    let free = walk.confidential("free", json!({})).await;
    let bound = walk.confidential("bound", json!({"resources": [NOTES]})).await;
    let mail = "https://mail.example";
    for (client, asked, expected) in [
        (&free, vec![("scope", "notes:write")], Ok((None, "notes:write"))),
        (&free, vec![("scope", "openid profile email")], Ok((None, ""))),
        (
            &free,
            vec![("scope", "openid notes:read")],
            Ok((None, "notes:read")),
        ),
        (&free, vec![("scope", "mail:send")], Err("invalid_scope")),
        (&free, vec![("scope", "notes:read\"")], Err("invalid_scope")),
        (&free, vec![("resource", NOTES)], Ok((Some(NOTES), "notes:read"))),
        (
            &free,
            vec![("resource", NOTES), ("resource", NOTES)],
            Ok((Some(NOTES), "notes:read")),
        ),
        (&free, vec![("resource", mail)], Ok((Some(mail), ""))),
        (
            &free,
            vec![("resource", mail), ("scope", "notes:read")],
            Ok((Some(mail), "")),
        ),
        (
            &free,
            vec![("resource", NOTES), ("resource", mail)],
            Err("invalid_target"),
        ),
        (
            &free,
            vec![("resource", "https://notes.example/")],
            Err("invalid_target"),
        ),
        (
            &free,
            vec![("resource", "HTTPS://notes.example")],
            Err("invalid_target"),
        ),
        (&free, vec![("resource", "notes")], Err("invalid_target")),
        (&bound, vec![("resource", NOTES)], Ok((Some(NOTES), "notes:read"))),
        (&bound, vec![("resource", mail)], Err("invalid_target")),
    ] {
        let answer = ask(&walk, client, &asked).await;
        match expected {
            Ok((resource, scope)) => {
                assert_eq!(answer.status, StatusCode::OK, "{asked:?} {answer:#?}");
                let tokens = answer.json();
                let claims = payload(token(&tokens, "access_token"));
                let scope = if scope.is_empty() {
                    Value::Null
                } else {
                    json!(scope)
                };
                assert_eq!(tokens["scope"], scope, "{asked:?}");
                assert_eq!(claims["scope"], scope, "{asked:?}");
                assert_eq!(claims["aud"], resource.unwrap_or(&walk.app.issuer), "{asked:?}");
            }
            Err(error) => refused(&answer, 400, error),
        }
    }
}

#[tokio::test]
async fn a_client_without_the_grant_is_unauthorized() {
    let walk = Walk::start().await;
    let client = walk
        .confidential("web", json!({"grant_types": ["authorization_code"]}))
        .await;
    refused(&ask(&walk, &client, &[]).await, 400, "unauthorized_client");
}

#[tokio::test]
async fn the_grant_needs_no_database() {
    let walk = Walk::start().await;
    walk.app.resource(NOTES, "notes:read").await;
    let client = walk.confidential("batch", json!({})).await;
    walk.lose_database();
    for asked in [&[][..], &[("scope", "notes:read"), ("resource", NOTES)]] {
        let answer = ask(&walk, &client, asked).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    }
    let wrong = (client.0, "signet_cs_wrong".to_owned());
    refused(&ask(&walk, &wrong, &[]).await, 401, "invalid_client");
}

#[tokio::test]
async fn clients_that_the_database_no_longer_vouches_for_get_nothing_until_it_does() {
    let app = TestApp::with(|options| options.max_unconfirmed = Duration::from_millis(300)).await;
    let walk = Walk::on(app, json!({})).await;
    let client = walk.confidential("batch", json!({})).await;
    // Nobody reloads here, which is what a database that is away comes to.
    until(&walk, &client, StatusCode::SERVICE_UNAVAILABLE).await;
    let answer = ask(&walk, &client, &[]).await;
    refused(&answer, 503, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some("1"));
    let metadata = walk.api.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata.status, StatusCode::OK);
    let jwks = walk.api.get("/.well-known/jwks.json").await;
    assert_eq!(jwks.status, StatusCode::OK);
    until(&walk, &client, StatusCode::OK).await;
}

/// Asks until the answer has this status; for a good one, the registry is confirmed before each try.
async fn until(walk: &Walk, client: &(String, String), status: StatusCode) {
    let reached = async {
        loop {
            if status == StatusCode::OK {
                walk.app.provider.reload().await.expect("the database is there");
            }
            if ask(walk, client, &[]).await.status == status {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reached)
        .await
        .expect("it comes to that");
}

#[tokio::test]
async fn a_disabled_client_gets_nothing_and_its_tokens_are_inactive() {
    let walk = Walk::start().await;
    let client = walk.confidential("batch", json!({})).await;
    let judge = walk.confidential("judge", json!({})).await;
    let tokens = ask(&walk, &client, &[]).await.json();
    walk.app.advance(TimeDelta::seconds(1));
    walk.app.disable_client("batch").await;
    refused(&ask(&walk, &client, &[]).await, 401, "invalid_client");
    let status = walk.introspect(&judge, token(&tokens, "access_token")).await;
    assert_eq!(status, json!({"active": false}));
}
