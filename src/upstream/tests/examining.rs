//! What `signet doctor` is told.

use super::*;

async fn examine(upstream: &Upstream) -> Result<(), Fault> {
    let secret = Secret::new(CLIENT_SECRET);
    upstream.examine(CALLBACK, Some(&secret), now()).await
}

async fn refused_with(provider: &OpenId, status: u16, error: &str) -> Result<(), Fault> {
    provider
        .stand
        .says("/token", Reply::status(status, json!({"error": error})));
    examine(&provider.upstream()).await
}

#[tokio::test]
async fn a_provider_that_knows_us_refuses_the_code_and_nothing_else() {
    let provider = OpenId::start().await;
    refused_with(&provider, 400, "invalid_grant")
        .await
        .expect("all is well");
    let heard = &provider.stand.heard("/token")[0];
    assert_eq!(heard.form["redirect_uri"], CALLBACK);

    let fault = refused_with(&provider, 401, "invalid_client")
        .await
        .expect_err("unknown");
    assert!(fault.message.contains("invalid_client") && fault.hint.contains("client_secret"));
    let fault = refused_with(&provider, 400, "redirect_uri_mismatch")
        .await
        .expect_err("another callback");
    assert!(fault.hint.contains("callback"), "{fault:?}");
    let fault = refused_with(&provider, 400, "teapot").await.expect_err("what?");
    assert!(fault.message.contains("teapot"));

    provider.answer(&provider.claims());
    examine(&provider.upstream())
        .await
        .expect_err("whoever takes any code checks nothing");
}

#[tokio::test]
async fn what_cannot_work_is_said_before_anybody_tries() {
    let provider = OpenId::start().await;
    let fault = async |metadata: Value| {
        provider.publish(metadata);
        examine(&provider.upstream()).await.expect_err("a fault")
    };
    let with = |name: &str, value: Value| {
        let mut metadata = provider.metadata();
        metadata[name] = value;
        metadata
    };
    let hmac = fault(with(
        "id_token_signing_alg_values_supported",
        json!(["HS256", "none"]),
    ))
    .await;
    assert!(hmac.message.contains("signs ID tokens"), "{hmac:?}");
    let other = fault(with("issuer", json!("https://other.example"))).await;
    assert!(other.hint.contains("issuer"), "{other:?}");
    let lacking = fault(json!({"issuer": provider.stand.url})).await;
    assert!(lacking.message.contains("form"), "{lacking:?}");

    provider.publish(provider.metadata());
    provider.publish_keys(&[]);
    let keyless = examine(&provider.upstream()).await.expect_err("a fault");
    assert!(keyless.message.contains("no key"), "{keyless:?}");

    let lost = upstream_of(settings(
        Preset::Oidc,
        &format!("{}/elsewhere", provider.stand.url),
    ));
    let lost = examine(&lost).await.expect_err("a fault");
    assert!(lost.message.contains(".well-known"), "{lost:?}");
}
