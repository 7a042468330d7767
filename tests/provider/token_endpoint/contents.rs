//! What the tokens say, to whom, and to a library that is not ours.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use josekit::jwk::Jwk;
use josekit::jws::{EdDSA, RS256};
use josekit::jwt;
use openssl::hash::{MessageDigest, hash};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::app::CALLBACK;
use crate::support::browser::{header, payload};
use crate::support::tokens::{NOTES, Walk, refused, token};

#[tokio::test]
async fn a_token_is_for_one_resource_and_for_the_scope_that_means_something_there() {
    let walk = Walk::start().await;
    walk.app.resource(NOTES, "notes:read notes:write").await;
    let mail = "https://mail.example";
    walk.app.resource(mail, "mail:send").await;
    let client = walk
        .confidential("web", json!({"scope": "openid email notes:read mail:send"}))
        .await;
    let scope = ("scope", "openid email notes:read mail:send");
    let both = [scope, ("resource", NOTES), ("resource", mail)];
    let issuer = walk.app.issuer.clone();

    // One of two: which one must be said.
    let code = walk.code("web", &both).await;
    let tokens = walk.redeem_as(&client, &code, &[("resource", mail)]).await.json();
    let claims = payload(token(&tokens, "access_token"));
    assert_eq!(claims["aud"], json!([mail, issuer]));
    assert_eq!(claims["scope"], "openid email mail:send");
    assert_eq!(tokens["scope"], "openid email mail:send");
    // The refresh may take the other, and neither gives what was not granted.
    let refresh = |token: &str, further: &[(&str, &str)]| {
        let mut fields = vec![
            ("grant_type".to_owned(), "refresh_token".to_owned()),
            ("refresh_token".to_owned(), token.to_owned()),
        ];
        fields.extend(
            further
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        let (api, client) = (&walk.api, &client);
        async move {
            let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
            api.post_as((&client.0, &client.1), "/oauth2/token", &fields)
                .await
        }
    };
    let refresh_token = token(&tokens, "refresh_token");
    let answer = refresh(refresh_token, &[("resource", NOTES), ("scope", "notes:read")]).await;
    let refreshed = answer.json();
    let claims = payload(token(&refreshed, "access_token"));
    // Without openid the token is nothing to userinfo, and there is no ID token.
    assert_eq!(claims["aud"], NOTES);
    assert_eq!(claims["scope"], "notes:read");
    assert!(refreshed.get("id_token").is_none());
    let userinfo = walk.api.userinfo(token(&refreshed, "access_token")).await;
    assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED);
    let next = token(&refreshed, "refresh_token");
    for (further, error) in [
        (vec![], "invalid_target"),
        (vec![("resource", NOTES), ("resource", mail)], "invalid_target"),
        (vec![("resource", "https://other.example")], "invalid_target"),
        (vec![("resource", &*issuer)], "invalid_target"),
        (
            vec![("resource", NOTES), ("scope", "notes:write")],
            "invalid_scope",
        ),
        (vec![("resource", NOTES), ("scope", "profile")], "invalid_scope"),
    ] {
        let answer = refresh(next, &further).await;
        assert_eq!(answer.json()["error"], error, "{further:?}");
        refused(&answer, 400, error);
    }
    // Without a resource the token is for the provider; with one alone it is that one's.
    let plain = walk.tokens_of(&client, &[("scope", "openid")]).await;
    assert_eq!(payload(token(&plain, "access_token"))["aud"], json!(issuer));
    let one = walk.tokens_of(&client, &[scope, ("resource", NOTES)]).await;
    let claims = payload(token(&one, "access_token"));
    assert_eq!(claims["aud"], json!([NOTES, issuer]));
    assert_eq!(claims["scope"], "openid email notes:read");
    // A resource that was not asked for at the authorization endpoint is not to be had.
    let code = walk.code("web", &[scope, ("resource", NOTES)]).await;
    let answer = walk.redeem_as(&client, &code, &[("resource", mail)]).await;
    refused(&answer, 400, "invalid_target");
}

/// Verifies with josekit and the published key set, as a client or an API would.
async fn verified(walk: &Walk, jwt: &str) -> Value {
    let jwks = walk.api.get("/.well-known/jwks.json").await.json();
    let header = header(jwt);
    let key = jwks["keys"]
        .as_array()
        .expect("keys")
        .iter()
        .find(|key| key["kid"] == header["kid"])
        .expect("the key is published");
    assert!(key.get("d").is_none());
    let jwk = Jwk::from_map(key.as_object().expect("an object").clone()).expect("a key");
    let (claims, _) = match header["alg"].as_str() {
        Some("EdDSA") => jwt::decode_with_verifier(jwt, &EdDSA.verifier_from_jwk(&jwk).expect("a key")),
        Some("RS256") => jwt::decode_with_verifier(jwt, &RS256.verifier_from_jwk(&jwk).expect("a key")),
        other => panic!("{other:?}"),
    }
    .expect("the signature is right");
    Value::Object(claims.into())
}

/// The left half of a digest (OpenID Connect Core §3.1.3.6), made by OpenSSL.
fn left_half(digest: MessageDigest, token: &str) -> String {
    let digest = hash(digest, token.as_bytes()).expect("a digest");
    URL_SAFE_NO_PAD.encode(&digest[..digest.len() / 2])
}

#[tokio::test]
async fn a_library_of_others_verifies_every_token() {
    let walk = Walk::start().await;
    let rs = walk
        .confidential("rs", json!({"id_token_signed_response_alg": "RS256"}))
        .await;
    let ed = walk.confidential("ed", json!({})).await;
    let login = walk.app.provider.now().timestamp();
    for (client, alg, digest) in [
        (&rs, "RS256", MessageDigest::sha256()),
        (&ed, "EdDSA", MessageDigest::sha512()),
    ] {
        let tokens = walk
            .tokens_of(client, &[("nonce", "n-0S6"), ("scope", "openid")])
            .await;
        let access_token = token(&tokens, "access_token");
        assert_eq!(header(access_token)["alg"], "EdDSA");
        assert_eq!(header(access_token)["typ"], "at+jwt");
        let access = verified(&walk, access_token).await;
        let id_token = token(&tokens, "id_token");
        assert_eq!(header(id_token)["alg"], alg);
        let claims = verified(&walk, id_token).await;
        let now = walk.app.provider.now().timestamp();
        assert_eq!(
            claims,
            json!({"iss": walk.app.issuer, "sub": walk.user.to_string(), "aud": client.0, "azp": client.0,
                "iat": now, "exp": now + 600, "auth_time": login, "nonce": "n-0S6", "acr": access["acr"],
                "amr": ["pwd"], "sid": access["sid"], "at_hash": left_half(digest, access_token)})
        );
        // A refreshed ID token tells of the same login, and of its own access token.
        walk.app.advance(TimeDelta::seconds(90));
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token(&tokens, "refresh_token")),
        ];
        let refreshed = walk
            .api
            .post_as((&client.0, &client.1), "/oauth2/token", &fields)
            .await
            .json();
        let again = verified(&walk, token(&refreshed, "id_token")).await;
        for member in ["iss", "sub", "aud", "azp", "auth_time", "sid", "acr", "amr"] {
            assert_eq!(again[member], claims[member], "{member}");
        }
        assert_eq!(again["iat"], now + 90);
        assert!(again.get("nonce").is_none());
        assert_eq!(
            again["at_hash"],
            left_half(digest, token(&refreshed, "access_token"))
        );
    }
}

#[tokio::test]
async fn an_id_token_is_no_access_token_and_a_refresh_token_neither() {
    let walk = Walk::start().await;
    let client = walk.confidential("web", json!({})).await;
    let rs = walk
        .confidential("rs", json!({"id_token_signed_response_alg": "RS256"}))
        .await;
    for client in [&client, &rs] {
        let tokens = walk.tokens_of(client, &[]).await;
        for name in ["id_token", "refresh_token"] {
            let userinfo = walk.api.userinfo(token(&tokens, name)).await;
            assert_eq!(userinfo.status, StatusCode::UNAUTHORIZED, "{name}");
            assert_eq!(userinfo.json()["error"], "invalid_token");
        }
        let status = walk.introspect(client, token(&tokens, "id_token")).await;
        assert_eq!(status, json!({"active": false}));
        // Nor is it a refresh token or a code, and revoking it revokes nothing.
        for (grant, field) in [("refresh_token", "refresh_token"), ("authorization_code", "code")] {
            let fields = [
                ("grant_type", grant),
                (field, token(&tokens, "id_token")),
                ("redirect_uri", CALLBACK),
            ];
            let answer = walk
                .api
                .post_as((&client.0, &client.1), "/oauth2/token", &fields)
                .await;
            refused(&answer, 400, "invalid_grant");
        }
        let fields = [("token", token(&tokens, "id_token"))];
        let answer = walk
            .api
            .post_as((&client.0, &client.1), "/oauth2/revoke", &fields)
            .await;
        assert_eq!(answer.status, StatusCode::OK);
        let userinfo = walk.api.userinfo(token(&tokens, "access_token")).await;
        assert_eq!(userinfo.status, StatusCode::OK);
    }
}
