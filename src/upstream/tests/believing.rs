//! ID tokens, userinfo and metadata: what is believed, and each reason not to (OpenID Connect Core 1.0 §3.1.3.7, §5.3.2).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use josekit::jws::HS256;
use sha2::{Digest, Sha256};

use super::stand::compact;
use super::*;

#[tokio::test]
async fn whoever_comes_is_who_the_id_token_says() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    let arrival = redeem(&upstream).await.expect("an arrival");
    assert_eq!(arrival.issuer, provider.stand.url);
    assert_eq!(arrival.subject, "subject-1");
    assert_eq!(arrival.person.email.as_deref(), Some("ada@example.org"));
    assert!(arrival.person.email_verified);
    assert_eq!(arrival.person.name.as_deref(), Some("Ada Lovelace"));
    assert!(
        provider.stand.heard("/userinfo").is_empty(),
        "the token said it all"
    );

    let tokens = arrival.tokens.expect("tokens");
    assert_eq!(tokens.access_token.expose(), ACCESS_TOKEN);
    assert_eq!(tokens.expires_at, Some(later(3600)));
    assert_eq!(tokens.refresh_token.expect("one").expose(), "refresh-token");
    assert_eq!(tokens.scopes, ["openid", "email"]);

    let heard = &provider.stand.heard("/token")[0];
    assert_eq!(heard.form["grant_type"], "authorization_code");
    assert_eq!(heard.form["code"], "a-code");
    assert_eq!(heard.form["code_verifier"], VERIFIER);
    assert_eq!(heard.form["redirect_uri"], CALLBACK);
    assert!(heard.headers["authorization"].starts_with("Basic "));
    assert!(!heard.form.contains_key("client_secret"));

    redeem(&upstream).await.expect("another");
    let read = provider.stand.heard("/.well-known/openid-configuration");
    assert_eq!(read.len(), 1, "what is published is remembered");
}

#[tokio::test]
async fn every_algorithm_that_we_name_is_taken() {
    for key in [
        Key::eddsa("k"),
        Key::es256("k"),
        Key::es384("k"),
        Key::rs256("k"),
        Key::ps256("k"),
    ] {
        let provider = OpenId::with(key).await;
        redeem(&provider.upstream()).await.expect("an arrival");
    }
}

#[tokio::test]
async fn a_token_for_others_by_others_or_of_another_login_is_refused() {
    let provider = OpenId::start().await;
    for (name, value, fault) in [
        ("aud", json!("another"), IdTokenFault::Audience),
        ("aud", json!(["client", "another"]), IdTokenFault::Audience),
        ("aud", json!([]), IdTokenFault::Audience),
        ("aud", Value::Null, IdTokenFault::Audience),
        ("azp", json!("another"), IdTokenFault::Audience),
        ("iss", json!("https://evil.example"), IdTokenFault::Issuer),
        (
            "iss",
            json!(format!("{}/", provider.stand.url)),
            IdTokenFault::Issuer,
        ),
        ("iss", Value::Null, IdTokenFault::Malformed),
        ("nonce", json!("another"), IdTokenFault::Nonce),
        ("nonce", Value::Null, IdTokenFault::Nonce),
        ("sub", Value::Null, IdTokenFault::Malformed),
        ("exp", json!(now().timestamp() - 31), IdTokenFault::Expired),
        ("exp", Value::Null, IdTokenFault::Malformed),
        ("iat", json!(now().timestamp() - 3601), IdTokenFault::IssuedAt),
        ("iat", json!(now().timestamp() + 31), IdTokenFault::IssuedAt),
    ] {
        let token = provider.key.sign(&provider.claims_with(name, value.clone()));
        assert_eq!(provider.fault(&token).await, fault, "{name} {value}");
    }
    for (name, value) in [
        ("azp", json!("client")),
        ("aud", json!(["client"])),
        ("exp", json!(now().timestamp() - 29)),
        ("iat", json!(now().timestamp() + 29)),
    ] {
        provider.answer(&provider.claims_with(name, value.clone()));
        let arrival = redeem(&provider.upstream()).await;
        assert!(arrival.is_ok(), "{name} {value} {arrival:?}");
    }
}

#[tokio::test]
async fn whoever_was_to_log_in_anew_did_so_since() {
    let provider = OpenId::start().await;
    let code = Secret::new("a-code");
    let anew = Answer {
        logged_in_since: Some(now() - TimeDelta::minutes(1)),
        ..answer(&code)
    };
    let asked = now().timestamp() - 60;
    for (auth_time, is_taken) in [
        (json!(asked - 29), true),
        (json!(asked + 50), true),
        (json!(asked - 31), false),
        (json!(0), false),
        (Value::Null, false),
    ] {
        provider.answer(&provider.claims_with("auth_time", auth_time.clone()));
        let upstream = provider.upstream();
        let fault = redeem_answer(&upstream, &anew)
            .await
            .map_err(|error| match error {
                UpstreamError::IdToken(fault) => fault,
                other => panic!("{other}"),
            });
        assert_eq!(
            fault.err(),
            (!is_taken).then_some(IdTokenFault::AuthTime),
            "{auth_time}"
        );
        redeem(&upstream).await.expect("nobody asked for a new login");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_did_not_sign_is_refused() {
    let provider = OpenId::start().await;
    let claims = provider.claims();
    let unsigned = compact(&json!({"alg": "none"}), &claims, None);
    assert_eq!(provider.fault(&unsigned).await, IdTokenFault::Algorithm);

    let hmac = HS256.signer_from_bytes(CLIENT_SECRET).expect("a signer");
    let header = json!({"alg": "HS256", "kid": "first"});
    let by_secret = compact(&header, &claims, Some(&hmac));
    assert_eq!(provider.fault(&by_secret).await, IdTokenFault::Algorithm);

    let same_name = Key::es256("first").sign(&claims);
    assert_eq!(provider.fault(&same_name).await, IdTokenFault::Signature);
    let other_name = Key::es256("second").sign(&claims);
    assert_eq!(provider.fault(&other_name).await, IdTokenFault::Signature);

    let token = provider.key.sign(&claims);
    let (signed, signature) = token.rsplit_once('.').expect("a signature");
    let (header, _) = signed.split_once('.').expect("a header");
    let forged = provider.claims_with("sub", json!("victim"));
    let payload = URL_SAFE_NO_PAD.encode(forged.to_string());
    let swapped = format!("{header}.{payload}.{signature}");
    assert_eq!(provider.fault(&swapped).await, IdTokenFault::Signature);

    let critical = json!({"alg": "ES256", "kid": "first", "crit": ["b64"]});
    let critical = compact(&critical, &claims, None);
    assert_eq!(provider.fault(&critical).await, IdTokenFault::Malformed);
    assert_eq!(provider.fault("no token").await, IdTokenFault::Malformed);

    let answer = json!({"access_token": ACCESS_TOKEN, "token_type": "Bearer"});
    provider.stand.says("/token", Reply::json(answer));
    let refused = redeem(&provider.upstream()).await;
    assert!(
        matches!(refused, Err(UpstreamError::IdToken(IdTokenFault::Missing))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn an_access_token_must_be_the_one_of_the_id_token() {
    let provider = OpenId::start().await;
    let hash = |token: &str| URL_SAFE_NO_PAD.encode(&Sha256::digest(token)[..16]);
    let with = |token: &str| provider.claims_with("at_hash", json!(hash(token)));
    provider.answer(&with(ACCESS_TOKEN));
    redeem(&provider.upstream()).await.expect("its own");
    let token = provider.key.sign(&with("another"));
    assert_eq!(provider.fault(&token).await, IdTokenFault::AccessToken);
}

#[tokio::test]
async fn new_keys_are_found_and_not_looked_for_all_the_time() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    let believe = async |key: &Key, at: DateTime<Utc>| {
        let mut claims = provider.claims_with("iat", json!(at.timestamp()));
        claims["exp"] = json!(at.timestamp() + 600);
        let token = Secret::new(key.sign(&claims));
        let answer = IdTokenAnswer {
            token: &token,
            nonce: Some(NONCE),
            access_token: None,
        };
        upstream.verify_id_token(&answer, at).await
    };
    let asked = || provider.stand.heard("/keys").len();
    believe(&provider.key, now()).await.expect("known");
    assert_eq!(asked(), 1);

    let second = Key::es256("second");
    provider.publish_keys(&[&provider.key, &second]);
    believe(&second, now()).await.expect("found");
    assert_eq!(asked(), 2);
    believe(&provider.key, now()).await.expect("still there");

    let third = Key::es256("third");
    provider.publish_keys(&[&third]);
    let refused = believe(&third, later(9)).await;
    assert!(
        matches!(refused, Err(UpstreamError::IdToken(IdTokenFault::Signature))),
        "{refused:?}"
    );
    assert_eq!(asked(), 2, "whoever sends nonsense costs the provider nothing");
    believe(&third, later(10)).await.expect("found");
    assert_eq!(asked(), 3);

    provider.publish_keys(&[&second]);
    believe(&third, later(3599))
        .await
        .expect("remembered for an hour");
    assert_eq!(asked(), 3);
}

#[tokio::test]
async fn an_application_brings_a_token_of_ours_with_its_own_proofs() {
    let provider = OpenId::start().await;
    let believe = async |preset: Preset, claims: &Value, nonce: Option<&str>| {
        let token = Secret::new(provider.key.sign(claims));
        let access_token = Secret::new(ACCESS_TOKEN);
        let answer = IdTokenAnswer {
            token: &token,
            nonce,
            access_token: Some(&access_token),
        };
        provider.upstream_as(preset).verify_id_token(&answer, now()).await
    };
    let claims = provider.claims();
    let arrival = believe(Preset::Oidc, &claims, Some(NONCE))
        .await
        .expect("believed");
    assert_eq!(arrival.subject, "subject-1");
    assert!(arrival.tokens.is_none());
    believe(Preset::Oidc, &claims, None)
        .await
        .expect("it asked for no nonce");
    let refused = believe(Preset::Oidc, &claims, Some("another")).await;
    assert!(matches!(
        refused,
        Err(UpstreamError::IdToken(IdTokenFault::Nonce))
    ));

    let of_a_phone = provider.claims_with("azp", json!("phone"));
    believe(Preset::Google, &of_a_phone, Some(NONCE))
        .await
        .expect("Google's way");
    let refused = believe(Preset::Oidc, &of_a_phone, Some(NONCE)).await;
    assert!(matches!(
        refused,
        Err(UpstreamError::IdToken(IdTokenFault::Audience))
    ));

    let with_hash = provider.claims_with("at_hash", json!("AAAAAAAAAAAAAAAAAAAAAA"));
    let refused = believe(Preset::Oidc, &with_hash, Some(NONCE)).await;
    assert!(matches!(
        refused,
        Err(UpstreamError::IdToken(IdTokenFault::AccessToken))
    ));

    for preset in [Preset::GitHub, Preset::Discord, Preset::Facebook, Preset::OAuth2] {
        let refused = believe(preset, &claims, None).await;
        assert!(matches!(
            refused,
            Err(UpstreamError::NoIdTokens | UpstreamError::Misconfigured(_))
        ));
    }
}

#[tokio::test]
async fn userinfo_tells_what_the_token_does_not_and_of_the_same_person_alone() {
    let provider = OpenId::start().await;
    provider.answer(&provider.claims_with("email", Value::Null));
    let said = json!({"sub": "subject-1", "email": "ada@example.net", "name": "Another", "team": "blue"});
    provider.stand.says("/userinfo", Reply::json(said));
    let arrival = redeem(&provider.upstream()).await.expect("an arrival");
    let heard = &provider.stand.heard("/userinfo")[0];
    assert_eq!(heard.headers["authorization"], format!("Bearer {ACCESS_TOKEN}"));
    assert_eq!(arrival.person.email.as_deref(), Some("ada@example.net"));
    assert!(
        !arrival.person.email_verified,
        "the token's word was for no address"
    );
    assert_eq!(arrival.person.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(arrival.person.claims["team"], "blue");

    for said in [
        json!({"sub": "subject-2", "email": "eve@example.net"}),
        json!({"email": "eve@example.net"}),
    ] {
        provider.stand.says("/userinfo", Reply::json(said));
        let refused = redeem(&provider.upstream()).await;
        assert!(
            matches!(refused, Err(UpstreamError::Profile(ProfileFault::OtherSubject))),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn a_person_is_asked_for_by_token_and_must_be_the_one_that_is_meant() {
    let provider = OpenId::start().await;
    let said = json!({"sub": "subject-1", "email": "ada@example.net", "picture": "https://a.example/p"});
    provider.stand.says("/userinfo", Reply::json(said));
    let upstream = provider.upstream();
    let token = Secret::new(ACCESS_TOKEN);
    let person = upstream
        .person(&token, "subject-1", now())
        .await
        .expect("a person");
    assert_eq!(person.picture.as_deref(), Some("https://a.example/p"));
    let refused = upstream.person(&token, "subject-2", now()).await;
    assert!(matches!(
        refused,
        Err(UpstreamError::Profile(ProfileFault::OtherSubject))
    ));
    let nobody = Reply::status(401, json!({"error": "invalid_token"}));
    provider.stand.says("/userinfo", nobody);
    let refused = upstream.person(&token, "subject-1", now()).await;
    assert!(
        matches!(&refused, Err(UpstreamError::Refused { error }) if error == "invalid_token"),
        "{refused:?}"
    );
}

#[tokio::test]
async fn the_answer_and_the_metadata_must_be_of_the_provider_that_was_asked() {
    let provider = OpenId::start().await;
    let own = provider.stand.url.clone();
    redeem_with(&provider.upstream(), Some(&own), None)
        .await
        .expect("its own name");
    let mismatched = async |iss: Option<&str>| {
        let before = provider.stand.heard("/token").len();
        let refused = redeem_with(&provider.upstream(), iss, None).await;
        assert!(
            matches!(refused, Err(UpstreamError::IssuerMismatch)),
            "{refused:?}"
        );
        assert_eq!(provider.stand.heard("/token").len(), before, "no code went out");
    };
    mismatched(Some("https://evil.example")).await;

    let mut metadata = provider.metadata();
    metadata["authorization_response_iss_parameter_supported"] = json!(true);
    provider.publish(metadata);
    mismatched(None).await;

    let mut metadata = provider.metadata();
    metadata["issuer"] = json!("https://evil.example");
    provider.publish(metadata);
    mismatched(None).await;
}

#[tokio::test]
async fn methods_are_told_on_where_everybody_knows_them() {
    let provider = OpenId::start().await;
    provider.answer(&provider.claims_with("amr", json!(["pwd", "otp", "mfa", "pwd", "our-own", "fed"])));
    let arrival = redeem(&provider.upstream()).await.expect("an arrival");
    assert_eq!(arrival.amr, ["mfa", "otp", "pwd"]);
}

#[tokio::test]
async fn nothing_of_a_person_or_a_token_is_printed() {
    let provider = OpenId::start().await;
    let upstream = provider.upstream();
    let arrival = redeem(&upstream).await.expect("an arrival");
    let printed = format!("{upstream:?} {arrival:?}");
    for word in ["ada@", "Ada", ACCESS_TOKEN, "refresh-token", CLIENT_SECRET, "eyJ"] {
        assert!(!printed.contains(word), "{word} in {printed}");
    }
}
