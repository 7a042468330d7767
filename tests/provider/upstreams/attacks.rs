//! Providers that lie, or in whose name somebody lies: nobody comes in.

use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::{Value, json};

use super::{ada, app_of, is_turned_away, sign_in, visit};
use crate::support::app::TestApp;
use crate::support::jar::Jar;
use crate::support::upstream::{CLIENT_ID, KINDS, Kind, TENANT, Upstream, federation};

const OTHER_TENANT: &str = "4d3c2b1a-6c67-4c5b-b112-36a304b66dad";

/// Every one of these ID tokens is refused; then the honest one is believed.
async fn none_is_believed(kind: Kind, forged: &[Value]) {
    let upstream = Upstream::start(kind, ada(kind)).await;
    let app = app_of(&upstream, "").await;
    for token in forged {
        upstream.told(json!({"id_token": token})).await;
        let mut jar = Jar::new(&app);
        let answer = sign_in(&mut jar, &upstream, "ada").await;
        is_turned_away(&mut jar, &answer, "profile", token).await;
    }
    assert_eq!(app.count("users").await, 0);
    upstream.heals().await;
    let mut jar = Jar::new(&app);
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.is_in().await, "{kind:?}");
}

#[tokio::test]
async fn an_id_token_that_is_not_what_it_must_be_signs_nobody_in() {
    let forged = [
        json!({"claims": {"aud": "another-client"}}),
        json!({"claims": {"aud": [CLIENT_ID, "another-client"]}}),
        json!({"claims": {"aud": null}}),
        json!({"claims": {"iss": "https://accounts.evil.example"}}),
        json!({"claims": {"iss": null}}),
        json!({"claims": {"sub": null}}),
        json!({"claims": {"nonce": "of another login"}}),
        json!({"claims": {"nonce": null}}),
        json!({"claims": {"exp": 946_684_800}}),
        json!({"claims": {"iat": 946_684_800}}),
        json!({"alg": "none"}),
        json!({"alg": "HS256"}),
        json!({"key": "unknown"}),
    ];
    none_is_believed(Kind::Google("RS256"), &forged).await;
}

#[tokio::test]
async fn a_signature_counts_by_every_algorithm() {
    for algorithm in ["ES256", "PS256", "EdDSA"] {
        let forged = [json!({"key": "unknown"}), json!({"alg": "none"})];
        none_is_believed(Kind::Google(algorithm), &forged).await;
    }
}

#[tokio::test]
async fn a_key_that_has_just_been_published_is_found() {
    let kind = Kind::Google("ES256");
    let upstream = Upstream::start(kind, ada(kind)).await;
    let app = app_of(&upstream, "").await;
    sign_in(&mut Jar::new(&app), &upstream, "ada").await;
    let read = upstream.asked("jwks").await;
    upstream.told(json!({"id_token": {"key": "new"}})).await;
    let mut jar = Jar::new(&app);
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.is_in().await);
    assert_eq!(upstream.asked("jwks").await, read + 1);
}

#[tokio::test]
async fn tenants_of_microsoft_do_not_speak_for_each_other() {
    let kind = Kind::Microsoft("RS256");
    let forged = [
        json!({"claims": {"tid": OTHER_TENANT}}),
        json!({"claims": {"tid": null}}),
        json!({"claims": {"oid": null}}),
    ];
    none_is_believed(kind, &forged).await;

    // A tenant can give its users what `oid` and what address it likes.
    let upstream = Upstream::start(kind, ada(kind)).await;
    let further = "linking = \"verified-email\"\nauthoritative_domains = [\"*\"]";
    let app = app_of(&upstream, further).await;
    sign_in(&mut Jar::new(&app), &upstream, "ada").await;
    let template = upstream.url.clone() + "/{tenantid}/v2.0";
    let hole = json!({"claims": {"tid": "{tenantid}", "iss": template}});
    upstream.told(json!({"id_token": hole})).await;
    let mut jar = Jar::new(&app);
    let answer = sign_in(&mut jar, &upstream, "ada").await;
    is_turned_away(&mut jar, &answer, "profile", &hole).await;
    let issuer = format!("{}/{OTHER_TENANT}/v2.0", upstream.url);
    let other = json!({"claims": {"tid": OTHER_TENANT, "iss": issuer}});
    upstream.told(json!({"id_token": other})).await;
    let answer = sign_in(&mut jar, &upstream, "ada").await;
    is_turned_away(&mut jar, &answer, "taken", &other).await;
    assert_eq!(app.count("identities").await, 1);
    upstream.heals().await;
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.is_in().await, "the tenant is {TENANT}");
}

#[tokio::test]
async fn what_is_said_of_another_subject_is_not_believed() {
    let kind = Kind::Google("RS256");
    let accounts = json!({"accounts": ada(kind), "userinfo_only": true});
    let upstream = Upstream::with(kind, accounts).await;
    let app = app_of(&upstream, "").await;
    for said in [json!({"sub": "another"}), json!({"sub": null})] {
        upstream.told(json!({"userinfo": said})).await;
        let mut jar = Jar::new(&app);
        let answer = sign_in(&mut jar, &upstream, "ada").await;
        is_turned_away(&mut jar, &answer, "profile", &said).await;
    }
    upstream.heals().await;
    let mut jar = Jar::new(&app);
    sign_in(&mut jar, &upstream, "ada").await;
    assert!(jar.get("/account").await.body.contains("ada@example.org"));
}

#[tokio::test]
async fn a_code_that_somebody_else_was_given_is_of_no_use() {
    for kind in [Kind::Google("RS256"), Kind::GitHub] {
        let upstream = Upstream::start(kind, ada(kind)).await;
        let app = app_of(&upstream, "").await;
        let stolen = visit(&mut Jar::new(&app), &upstream, "ada").await;
        let code = stolen.parameter("code").expect("a code");
        let mut jar = Jar::new(&app);
        let own = visit(&mut jar, &upstream, "ada").await;
        let answer = own.with("code", Some(&code)).follow(&mut jar, &upstream).await;
        is_turned_away(&mut jar, &answer, "refused", &kind).await;
    }
}

/// A provider that may join accounts of any domain; whether Ada, who has an account with its address here, comes in.
async fn joins(kind: Kind, verified: bool) -> bool {
    let accounts = json!({"ada": kind.account(1, "ada@example.org", verified, "Ada Lovelace")});
    let upstream = Upstream::start(kind, accounts).await;
    let further = "linking = \"verified-email\"\nauthoritative_domains = [\"*\"]";
    let app = app_of(&upstream, further).await;
    app.user("ada@example.org", json!({})).await;
    let mut jar = Jar::new(&app);
    let answer = sign_in(&mut jar, &upstream, "ada").await;
    if !jar.is_in().await {
        is_turned_away(&mut jar, &answer, "taken", &kind).await;
        assert_eq!(app.count("identities").await, 0, "{kind:?}");
        return false;
    }
    assert_eq!(app.count("identities").await, 1, "{kind:?}");
    true
}

#[tokio::test]
async fn an_address_that_the_provider_did_not_verify_opens_no_account() {
    for kind in KINDS {
        assert!(!joins(kind, false).await, "{kind:?}");
        // Microsoft's tenants and Facebook never prove one.
        let proves = !matches!(kind, Kind::Microsoft(_) | Kind::Facebook);
        assert_eq!(joins(kind, true).await, proves, "{kind:?}");
    }
}

#[tokio::test]
async fn no_redirect_of_a_provider_is_followed() {
    let inside = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    inside.set_nonblocking(true).expect("a socket can be asked");
    let to = format!("http://{}/latest/meta-data", inside.local_addr().expect("bound"));
    for (kind, places) in [
        (Kind::Google("RS256"), ["discovery", "jwks", "token"]),
        (Kind::GitHub, ["token", "user", "emails"]),
    ] {
        let upstream = Upstream::start(kind, ada(kind)).await;
        for place in places {
            let app = app_of(&upstream, "").await;
            let mut jar = Jar::new(&app);
            upstream.fails(place, json!({"redirect": to})).await;
            let sent = super::set_out(&mut jar, kind.preset()).await;
            let answer = if sent.location().as_str().starts_with(&upstream.url) {
                let back = upstream.log_in(&mut jar, &sent.location(), "ada").await;
                back.follow(&mut jar, &upstream).await
            } else {
                sent
            };
            is_turned_away(&mut jar, &answer, "unavailable", &place).await;
            upstream.heals().await;
        }
    }
    let asked = inside.accept().expect_err("nobody came there");
    assert_eq!(asked.kind(), ErrorKind::WouldBlock);
}

#[tokio::test]
async fn a_provider_at_a_private_address_is_asked_only_where_its_entry_allows_that() {
    let kind = Kind::GitHub;
    let upstream = Upstream::start(kind, ada(kind)).await;
    let entry = upstream
        .entry("")
        .replace("allow_private_addresses = true\n", "")
        .replace("http://", "https://");
    let app = TestApp::with(|options| options.federation = federation(&[entry])).await;
    let mut jar = Jar::new(&app);
    let sent = super::set_out(&mut jar, "github").await.location();
    let state = sent.query_pairs().find(|(name, _)| name == "state");
    let state = state.expect("a state").1.into_owned();
    let answer = jar
        .get(&format!("/api/auth/callback/github?code=x&state={state}"))
        .await;
    is_turned_away(&mut jar, &answer, "refused", &kind).await;
    assert_eq!(upstream.asked("token").await, 0);
}
