//! Refresh tokens over HTTP (RFC 6749 §6, RFC 9700 §4.14): the life of a family as its client sees it.

mod endings;

use std::time::Duration;

use chrono::TimeDelta;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::mac::MacPurpose;
use signet::domain::signing_key::StoredMacKey;
use signet::storage::keys;
use tokio::io::AsyncWriteExt;

use crate::support::app::{TestApp, master_key};
use crate::support::browser::{Answer, Api, payload};
use crate::support::tokens::{EMAIL, NOTES, Walk, refused, token};

const OFFLINE: [(&str, &str); 1] = [("scope", "openid offline_access")];

/// Refreshes as a client that has a secret.
async fn refresh_as(walk: &Walk, client: &(String, String), of: &str, further: &[(&str, &str)]) -> Answer {
    let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", of)];
    fields.extend(further);
    walk.api
        .post_as((&client.0, &client.1), "/oauth2/token", &fields)
        .await
}

/// The next refresh token of a public client.
async fn next(api: &Api, client: &str, of: &str) -> String {
    let answer = api.refresh(client, of).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    token(&answer.json(), "refresh_token").to_owned()
}

async fn first(walk: &Walk, client: &str, further: &[(&str, &str)]) -> String {
    token(&walk.tokens(client, further).await, "refresh_token").to_owned()
}

#[tokio::test]
async fn a_retry_gets_the_same_bytes_and_a_late_one_a_second_branch() {
    let walk = Walk::start().await;
    let second = walk.app.second_node().await;
    let there = Api::new(&second);
    let spa = walk.app.spa().await;
    second.provider.reload().await.expect("the registry is read");
    let a = first(&walk, &spa, &[]).await;
    let b = next(&walk.api, &spa, &a).await;
    assert_ne!(a, b);
    assert_eq!(a.len(), b.len());
    walk.app.advance(TimeDelta::seconds(29));
    let again = walk.api.refresh(&spa, &a).await.json();
    assert_eq!(token(&again, "refresh_token"), b);
    assert_eq!(next(&there, &spa, &a).await, b);
    // The other tokens are made afresh.
    let once_more = walk.api.refresh(&spa, &a).await.json();
    assert_ne!(once_more["access_token"], again["access_token"]);
    // Nobody has used b, so its answer was lost: a branches, and b is dead from then on.
    walk.app.advance(TimeDelta::seconds(2));
    let c = next(&walk.api, &spa, &a).await;
    assert_ne!(c, b);
    let d = next(&there, &spa, &c).await;
    assert_eq!(next(&walk.api, &spa, &c).await, d);
    walk.app.advance(TimeDelta::seconds(31));
    refused(&walk.api.refresh(&spa, &b).await, 400, "invalid_grant");
    refused(&walk.api.refresh(&spa, &d).await, 400, "invalid_grant");
}

#[tokio::test]
async fn a_family_that_does_not_rotate_keeps_its_token() {
    let walk = Walk::start().await;
    let client = walk
        .confidential("web", json!({"refresh_token_rotation": false}))
        .await;
    let tokens = walk.tokens_of(&client, &[]).await;
    let only = token(&tokens, "refresh_token");
    for _ in 0..3 {
        walk.app.advance(TimeDelta::minutes(20));
        let answer = refresh_as(&walk, &client, only, &[]).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        assert_eq!(answer.json()["refresh_token"], only);
    }
}

#[tokio::test]
async fn what_is_no_token_of_ours_costs_no_query() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let genuine = first(&walk, &spa, &[]).await;
    let other = TestApp::start().await;
    let of_other_issuer = {
        let client = other.spa().await;
        let walk = Walk::on(other, json!({})).await;
        first(&walk, &client, &[]).await
    };
    walk.lose_database();
    let mut forged: Vec<String> = vec![
        String::from("signet_rt_"),
        genuine[..genuine.len() - 1].to_owned(),
        format!("{genuine}A"),
        format!("{genuine}="),
        format!("{genuine} "),
        format!(" {genuine}"),
        genuine.replace("signet_rt_", "signet_RT_"),
        genuine.replace("signet_rt_", ""),
        "x".repeat(4000),
        of_other_issuer,
    ];
    // Every part of it is under the MAC; the version alone says which key to try.
    let version = "signet_rt_".len() + 32..="signet_rt_".len() + 37;
    for at in "signet_rt_".len()..genuine.len() {
        let mut changed = genuine.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        if !version.contains(&at) {
            forged.push(String::from_utf8(changed).expect("ASCII"));
        }
    }
    for token in &forged {
        refused(&walk.api.refresh(&spa, token).await, 400, "invalid_grant");
    }
    refused(
        &walk.api.refresh(&spa, &genuine).await,
        503,
        "temporarily_unavailable",
    );
}

/// Adds a key for refresh tokens, which makes them from now on.
async fn add_mac_key(app: &TestApp, version: i32) {
    let place = format!("mac_key/refresh_token/{version}");
    let now = app.provider.now();
    let key = StoredMacKey {
        purpose: MacPurpose::RefreshToken,
        version,
        wrapped: master_key()
            .wrap(&[version.to_be_bytes()[3]; 32], &place)
            .expect("wrapped"),
        master_key: master_key().fingerprint(),
        published_at: now,
        max_lifetime: None,
        signing_at: Some(now),
        draining_at: None,
        retired_at: None,
        compromised_at: None,
    };
    let tx = app.db().begin().await.expect("a transaction");
    keys::insert_mac_key(&tx, &key).await.expect("stored");
    tx.commit().await.expect("committed");
    app.sql("UPDATE revisions SET revision = revision + 1 WHERE name = 'keys'")
        .await;
}

#[tokio::test]
async fn a_key_of_another_node_is_loaded_before_its_tokens_are_refused() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let cut_off = walk.app.second_node().await;
    let old = first(&walk, &spa, &[]).await;
    add_mac_key(&walk.app, 4).await;
    let newer = walk.app.second_node().await;
    let new = next(&Api::new(&newer), &spa, &old).await;
    // All at once, so that most of them come while the first is loading the key.
    let answers = join_all((0..16).map(|_| walk.api.refresh(&spa, &new))).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        assert_eq!(answer.json()["refresh_token"], answers[0].json()["refresh_token"]);
    }
    // A node that can load nothing cannot say that there is no such key.
    cut_off.provider.db.close();
    let there = Api::new(&cut_off);
    refused(&there.refresh(&spa, &new).await, 503, "temporarily_unavailable");
    let fields = [("client_id", &*spa), ("token", &*new)];
    refused(
        &there.post("/oauth2/revoke", &fields).await,
        503,
        "temporarily_unavailable",
    );
    // A version that there never was is refused by whoever can look.
    walk.app.sql("DELETE FROM mac_keys WHERE version = 4").await;
    walk.app
        .sql("UPDATE revisions SET revision = revision + 1 WHERE name = 'keys'")
        .await;
    let without = walk.app.second_node().await;
    refused(
        &Api::new(&without).refresh(&spa, &new).await,
        400,
        "invalid_grant",
    );
}

#[tokio::test]
async fn a_refresh_may_ask_for_less_and_never_for_more() {
    let walk = Walk::start().await;
    let client = walk.confidential("web", json!({})).await;
    let tokens = walk
        .tokens_of(&client, &[("scope", "openid email notes:read")])
        .await;
    let a = token(&tokens, "refresh_token");
    let less = refresh_as(&walk, &client, a, &[("scope", "openid")]).await.json();
    assert_eq!(less["scope"], "openid");
    assert_eq!(payload(token(&less, "access_token"))["scope"], "openid");
    assert!(payload(token(&less, "id_token")).get("email").is_none());
    let b = token(&less, "refresh_token");
    for more in [
        "openid profile",
        "notes:write",
        "offline_access",
        "openid email notes:read x",
    ] {
        refused(
            &refresh_as(&walk, &client, b, &[("scope", more)]).await,
            400,
            "invalid_scope",
        );
    }
    // The grant itself has not shrunk (RFC 6749 §6).
    let all = refresh_as(&walk, &client, b, &[]).await.json();
    assert_eq!(all["scope"], "openid email notes:read");
    assert_eq!(payload(token(&all, "id_token"))["email"], EMAIL);
}

#[tokio::test]
async fn asking_for_too_much_does_not_spend_the_token() {
    let walk = Walk::start().await;
    let client = walk.confidential("web", json!({})).await;
    let tokens = walk.tokens_of(&client, &[]).await;
    let a = token(&tokens, "refresh_token");
    let answer = refresh_as(&walk, &client, a, &[("scope", "openid phone")]).await;
    refused(&answer, 400, "invalid_scope");
    // Had it been spent, this would be a theft.
    walk.app.advance(TimeDelta::days(2));
    let answer = refresh_as(&walk, &client, a, &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
}

#[tokio::test]
async fn what_a_client_has_lost_is_not_refreshed() {
    let walk = Walk::start().await;
    walk.app.resource(NOTES, "notes:read notes:write").await;
    let client = walk.confidential("web", json!({})).await;
    let plain = walk
        .tokens_of(&client, &[("scope", "openid email notes:write")])
        .await;
    let asked = [("scope", "openid notes:read notes:write"), ("resource", NOTES)];
    let notes = walk.tokens_of(&client, &asked).await;
    let change = "UPDATE clients SET metadata = metadata || '{\"scope\": \"openid notes:read\"}'";
    change_registry(&walk, change).await;
    let answer = refresh_as(&walk, &client, token(&plain, "refresh_token"), &[])
        .await
        .json();
    assert_eq!(answer["scope"], "openid");
    assert!(payload(token(&answer, "id_token")).get("email").is_none());
    let answer = refresh_as(&walk, &client, token(&notes, "refresh_token"), &[])
        .await
        .json();
    assert_eq!(answer["scope"], "openid notes:read");
    let next = token(&answer, "refresh_token");
    // The resource is no longer the client's, then it is gone.
    let other = "UPDATE clients SET metadata = metadata || '{\"resources\": [\"https://other.example\"]}'";
    change_registry(&walk, other).await;
    refused(
        &refresh_as(&walk, &client, next, &[]).await,
        400,
        "invalid_target",
    );
    let any = "UPDATE clients SET metadata = metadata || '{\"resources\": null}'; DELETE FROM resources";
    change_registry(&walk, any).await;
    refused(
        &refresh_as(&walk, &client, next, &[]).await,
        400,
        "invalid_target",
    );
}

async fn change_registry(walk: &Walk, statement: &str) {
    let moved = "UPDATE revisions SET revision = revision + 1 WHERE name = 'registry'";
    walk.app.sql(&format!("{statement}; {moved}")).await;
    walk.app.provider.reload().await.expect("the registry is read");
}

#[tokio::test]
async fn an_answer_that_nobody_read_is_given_again() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let mut head = first(&walk, &spa, &[]).await;
    for spent in 1..=10 {
        hang_up_after_asking(&walk, &spa, &head).await;
        until_head_is(&walk, 2 * spent).await;
        let successor = next(&walk.api, &spa, &head).await;
        assert_eq!(next(&walk.api, &spa, &head).await, successor);
        head = next(&walk.api, &spa, &successor).await;
    }
}

/// Returns once the only family has come so far.
async fn until_head_is(walk: &Walk, head: i64) {
    let client = walk.app.database.client().await;
    let reached = async {
        let asked = "SELECT head FROM token_families";
        while client
            .query_one(asked, &[])
            .await
            .expect("one family")
            .get::<_, i64>(0)
            < head
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reached)
        .await
        .expect("a request is served although nobody waits for it");
}

/// Sends a whole request and closes the connection.
async fn hang_up_after_asking(walk: &Walk, client: &str, of: &str) {
    let address = walk.app.url.trim_start_matches("http://");
    let body = format!("grant_type=refresh_token&client_id={client}&refresh_token={of}");
    let request = format!(
        "POST /oauth2/token HTTP/1.1\r\nHost: {address}\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("connected");
    stream.write_all(request.as_bytes()).await.expect("sent");
    stream.shutdown().await.expect("closed");
}

#[tokio::test]
async fn without_the_database_a_refresh_may_be_tried_again() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let head = first(&walk, &spa, &[]).await;
    walk.lose_database();
    for further in [None, Some(("scope", "openid"))] {
        let mut fields: Vec<(&str, &str)> = vec![
            ("grant_type", "refresh_token"),
            ("client_id", &spa),
            ("refresh_token", &head),
        ];
        fields.extend(further);
        let answer = walk.api.post("/oauth2/token", &fields).await;
        refused(&answer, 503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let body: Value = walk.api.get("/.well-known/jwks.json").await.json();
    assert!(body["keys"].is_array());
}
