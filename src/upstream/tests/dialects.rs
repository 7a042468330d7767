//! OpenID providers that have a way of their own: Microsoft with its tenants, and Apple.

use super::*;

const TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

#[tokio::test]
async fn any_tenant_of_microsoft_signs_in_as_itself_and_vouches_for_nothing() {
    let provider = OpenId::start().await;
    let base = provider.stand.url.clone();
    let mut metadata = provider.metadata();
    metadata["issuer"] = json!(format!("{base}/{{tenantid}}/v2.0"));
    provider.stand.says(
        "/common/v2.0/.well-known/openid-configuration",
        Reply::json(metadata),
    );
    let upstream = || upstream_of(settings(Preset::Microsoft, &format!("{base}/common/v2.0")));
    let iss = format!("{base}/{TENANT}/v2.0");
    let claims = |iss: &str, tid: Value, oid: Value| {
        let mut claims = provider.claims_with("iss", json!(iss));
        claims["tid"] = tid;
        claims["oid"] = oid;
        claims
    };

    provider.answer(&claims(&iss, json!(TENANT), json!("object-1")));
    let arrival = redeem(&upstream()).await.expect("an arrival");
    assert_eq!((&*arrival.issuer, &*arrival.subject), (&*iss, "object-1"));
    assert_eq!(arrival.person.email.as_deref(), Some("ada@example.org"));
    assert!(!arrival.person.email_verified);

    let other = "00000000-0000-4000-8000-000000000000";
    for (iss, tid, oid, fault) in [
        (&*iss, json!(other), json!("o"), IdTokenFault::Issuer),
        (&*iss, Value::Null, json!("o"), IdTokenFault::Issuer),
        (
            &*format!("{base}/common/v2.0"),
            json!("common"),
            json!("o"),
            IdTokenFault::Issuer,
        ),
        (
            &*format!("{base}/{{tenantid}}/v2.0"),
            json!("{tenantid}"),
            json!("o"),
            IdTokenFault::Issuer,
        ),
        (&*iss, json!(TENANT), Value::Null, IdTokenFault::Subject),
        (&*iss, json!(TENANT), json!(""), IdTokenFault::Subject),
    ] {
        provider.answer(&claims(iss, tid.clone(), oid.clone()));
        match redeem(&upstream()).await {
            Err(UpstreamError::IdToken(found)) => assert_eq!(found, fault, "{iss} {tid} {oid}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn apple_says_true_in_text_and_the_name_through_the_browser() {
    let provider = OpenId::start().await;
    let mut metadata = provider.metadata();
    metadata["token_endpoint_auth_methods_supported"] = json!(["client_secret_post"]);
    metadata
        .as_object_mut()
        .expect("an object")
        .remove("userinfo_endpoint");
    provider.publish(metadata);
    let mut claims = provider.claims_with("email_verified", json!("true"));
    claims.as_object_mut().expect("an object").remove("name");
    provider.answer(&claims);
    let upstream = provider.upstream_as(Preset::Apple);

    let user = r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"eve@example.org"}"#;
    let arrival = redeem_with(&upstream, None, Some(user))
        .await
        .expect("the first time");
    assert_eq!(arrival.person.name.as_deref(), Some("Ada Lovelace"));
    assert_eq!(arrival.person.email.as_deref(), Some("ada@example.org"));
    assert!(arrival.person.email_verified);
    let heard = &provider.stand.heard("/token")[0];
    assert_eq!(heard.form["client_secret"], CLIENT_SECRET);
    assert!(!heard.headers.contains_key("authorization"));

    for user in [
        None,
        Some("no JSON"),
        Some("{}"),
        Some(r#"{"name":{"firstName":7}}"#),
    ] {
        let arrival = redeem_with(&upstream, None, user).await.expect("later");
        assert_eq!(arrival.person.name, None, "{user:?}");
    }
}
