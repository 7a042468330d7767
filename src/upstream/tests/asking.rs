//! Where browsers are sent.

use std::collections::HashMap;

use super::*;

async fn sent(upstream: &Upstream, ask: &Ask<'_>) -> (String, HashMap<String, String>) {
    let url = upstream.authorization_url(ask, now()).await.expect("an address");
    let pairs: Vec<(String, String)> = url.query_pairs().into_owned().collect();
    let query: HashMap<_, _> = pairs.iter().cloned().collect();
    assert_eq!(query.len(), pairs.len(), "no parameter stands twice: {url}");
    (
        url.as_str().split('?').next().unwrap_or_default().to_owned(),
        query,
    )
}

#[tokio::test]
async fn a_browser_is_sent_with_state_nonce_and_challenge() {
    let provider = OpenId::start().await;
    let (place, query) = sent(&provider.upstream(), &ask()).await;
    assert_eq!(place, format!("{}/authorize", provider.stand.url));
    let expected = [
        ("response_type", "code"),
        ("client_id", "client"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid email profile"),
        ("state", "af0ifjsldkj"),
        ("nonce", NONCE),
        // RFC 7636, Appendix B.
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let expected: HashMap<_, _> = expected.map(|(name, value)| (name.into(), value.into())).into();
    assert_eq!(query, expected);
}

#[tokio::test]
async fn what_is_added_replaces_nothing() {
    let provider = OpenId::start().await;
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let parameters = [
        pair("hd", "example.org"),
        pair("state", "evil"),
        pair("nonce", "evil"),
        pair("redirect_uri", "https://evil.example"),
        pair("request_uri", "https://evil.example"),
        pair("prompt", "none"),
    ];
    let scopes = ["calendar".to_owned(), "email".to_owned()];
    let wished = Ask {
        login_hint: Some("ada@example.org"),
        scopes: &scopes,
        parameters: &parameters,
        again: true,
        ..ask()
    };
    let (_, query) = sent(&provider.upstream(), &wished).await;
    assert_eq!(query["hd"], "example.org");
    assert_eq!(query["state"], "af0ifjsldkj");
    assert_eq!(query["nonce"], NONCE);
    assert_eq!(query["redirect_uri"], CALLBACK);
    assert!(!query.contains_key("request_uri"));
    assert_eq!(query["scope"], "openid email profile calendar");
    assert_eq!(query["login_hint"], "ada@example.org");
    assert_eq!((&*query["prompt"], &*query["max_age"]), ("login", "0"));
}

#[tokio::test]
async fn apple_answers_by_a_form_and_others_do_not() {
    let provider = OpenId::start().await;
    let apple = provider.upstream_as(Preset::Apple);
    assert!(apple.answers_by_form_post());
    let (_, query) = sent(&apple, &ask()).await;
    assert_eq!(query["response_mode"], "form_post");
    assert_eq!(query["scope"], "name email");
    let other = provider.upstream();
    assert!(!other.answers_by_form_post());
    assert!(!sent(&other, &ask()).await.1.contains_key("response_mode"));
}

#[tokio::test]
async fn those_without_discovery_stand_where_they_are_documented() {
    for (preset, place, scope) in [
        (
            Preset::GitHub,
            "https://github.com/login/oauth/authorize",
            "read:user user:email",
        ),
        (
            Preset::Discord,
            "https://discord.com/oauth2/authorize",
            "identify email",
        ),
        (
            Preset::Facebook,
            "https://www.facebook.com/v23.0/dialog/oauth",
            "email public_profile",
        ),
    ] {
        let upstream = upstream_of(Settings {
            issuer: None,
            allow_private_addresses: false,
            ..settings(preset, "https://unused.example")
        });
        let (found, query) = sent(&upstream, &ask()).await;
        assert_eq!(found, place);
        assert_eq!(query["scope"], scope);
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(!query.contains_key("nonce"));
    }
}

#[tokio::test]
async fn a_session_is_ended_where_the_metadata_say() {
    let provider = OpenId::start().await;
    let hint = Secret::new(provider.key.sign(&provider.claims()));
    let back = "https://id.example/logout/done";
    let none = provider
        .upstream()
        .end_session_url(back, "s", Some(&hint), now())
        .await
        .expect("no error");
    assert_eq!(none, None);
    let mut metadata = provider.metadata();
    metadata["end_session_endpoint"] = json!(format!("{}/logout", provider.stand.url));
    provider.publish(metadata);
    let url = provider
        .upstream()
        .end_session_url(back, "s", Some(&hint), now())
        .await
        .expect("no error")
        .expect("an address");
    let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["post_logout_redirect_uri"], back);
    assert_eq!(query["state"], "s");
    assert_eq!(query["client_id"], "client");
    assert_eq!(query["id_token_hint"], hint.expose());
}
