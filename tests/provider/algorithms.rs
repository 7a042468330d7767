//! Algorithms per audience: an API chooses how its access tokens are signed, a client how its ID tokens are, and
//! verifiers of others judge what comes of it.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::StatusCode;
use serde_json::{Value, json};
use signet::domain::signing_key::StoredSigningKey;
use signet::jose::{self, Seed, signing_key_place};
use signet::oauth::signing_algorithm::SigningAlgorithm;
use signet::random::SeededRandom;
use signet::storage;

use crate::support::app::{TestApp, master_key};
use crate::support::browser::{header, payload};
use crate::support::programs::Program;
use crate::support::tokens::{Walk, refused, token};

use SigningAlgorithm::{Ed25519, EdDsa, Es256, Ps256, Rs256};

/// An app whose issuer had all algorithms from the first start on.
async fn with_all() -> Walk {
    let app = TestApp::with(|options| {
        options.settings.keys.algorithms = SigningAlgorithm::ALL.into_iter().collect();
    });
    Walk::on(app.await, json!({})).await
}

fn api(algorithm: SigningAlgorithm) -> String {
    format!("https://{}.example", algorithm.as_str().to_ascii_lowercase())
}

/// Tokens for an API and of a client that chose these algorithms.
async fn tokens(walk: &Walk, of_api: SigningAlgorithm, of_client: SigningAlgorithm) -> Value {
    walk_through(walk, of_api, of_client).await.1
}

/// The same, with the client's id and secret in front.
async fn walk_through(
    walk: &Walk,
    of_api: SigningAlgorithm,
    of_client: SigningAlgorithm,
) -> ((String, String), Value) {
    let api = api(of_api);
    let registered = walk.app.resource_signed_with(&api, "notes:read", Some(of_api));
    registered.await.expect("the algorithm can be chosen");
    let chosen = json!({"id_token_signed_response_alg": of_client});
    let client = walk.confidential(of_client.as_str(), chosen).await;
    let request = [("scope", "openid notes:read"), ("resource", &*api)];
    let tokens = walk.tokens_of(&client, &request).await;
    let access_token = header(token(&tokens, "access_token"));
    assert_eq!(
        (&access_token["alg"], &access_token["typ"]),
        (&json!(of_api), &json!("at+jwt"))
    );
    assert_eq!(
        payload(token(&tokens, "access_token"))["aud"],
        json!([api, walk.app.issuer])
    );
    assert_eq!(header(token(&tokens, "id_token"))["alg"], json!(of_client));
    (client, tokens)
}

/// A verifier that knows `algorithms` verifies an access token for an API and an ID token of a client for each
/// of them, and neither when it was told to expect another.
async fn verifies(program: fn() -> Program, algorithms: &[SigningAlgorithm]) {
    let walk = with_all().await;
    for (position, of_api) in algorithms.iter().copied().enumerate() {
        // Never the same for both, so that one choice cannot pass for the other.
        let of_client = algorithms[(position + 1) % algorithms.len()];
        let tokens = tokens(&walk, of_api, of_client).await;
        let access_token = token(&tokens, "access_token");
        for (kind, typ, algorithm, audience) in [
            ("access_token", "at+jwt", of_api, api(of_api)),
            ("id_token", "JWT", of_client, of_client.as_str().to_owned()),
        ] {
            let judge = |expected: SigningAlgorithm| {
                program()
                    .setting("ISSUER", &walk.app.issuer)
                    .setting("AUDIENCE", &audience)
                    .setting("ALG", expected.as_str())
                    .setting("TYP", typ)
                    .setting("ACCESS_TOKEN", access_token)
            };
            let shown = token(&tokens, kind);
            let found = judge(algorithm).run(shown).await;
            let found = found.unwrap_or_else(|error| panic!("{algorithm:?} {kind}: {error}"));
            assert_eq!(found["header"], header(shown));
            assert_eq!(found["claims"], payload(shown));
            let other = if algorithm == Rs256 { Es256 } else { Rs256 };
            let refusal = judge(other).run(shown).await;
            let refusal = refusal.expect_err("it was told to expect another algorithm");
            assert!(refusal.contains("verify"), "{refusal}");
        }
    }
}

#[tokio::test]
async fn jose_verifies_every_algorithm() {
    verifies(|| Program::node("verify_jose.mjs"), &SigningAlgorithm::ALL).await;
}

#[tokio::test]
async fn pyjwt_verifies_every_algorithm_that_it_knows() {
    verifies(
        || Program::python("verify_pyjwt.py"),
        &[EdDsa, Es256, Rs256, Ps256],
    )
    .await;
}

#[tokio::test]
async fn jsonwebtoken_verifies_what_an_api_chose_for_it() {
    let program = || Program::node("verify_jsonwebtoken.mjs");
    verifies(program, &[Es256, Rs256, Ps256]).await;
}

/// It checks `at_hash` too.
#[tokio::test]
async fn python_jose_verifies_what_an_api_chose_for_it_with_a_view_of_the_jwks() {
    verifies(|| Program::python("verify_python_jose.py"), &[Es256, Rs256]).await;
}

/// Why there are views at all.
#[tokio::test]
async fn python_jose_stops_at_the_whole_jwks() {
    let walk = with_all().await;
    let tokens = tokens(&walk, Rs256, EdDsa).await;
    let judge = |view: &str| {
        Program::python("verify_python_jose.py")
            .setting("ISSUER", &walk.app.issuer)
            .setting("AUDIENCE", &api(Rs256))
            .setting("ALG", "RS256")
            .setting("VIEW", view)
            .run(token(&tokens, "access_token"))
    };
    judge("alg=RS256").await.expect("it knows every key of the view");
    // An unknown parameter gives the whole set; and even a key of another kind that it does know stops it, unless the
    // key that fits happens to stand before all of those.
    let kid = header(token(&tokens, "access_token"))["kid"].clone();
    for view in ["all", "alg=RS256&alg=ES256"] {
        let jwks = walk
            .api
            .get(&format!("/.well-known/jwks.json?{view}"))
            .await
            .json();
        let keys = jwks["keys"].as_array().expect("keys");
        let other = keys.iter().position(|key| key["kty"] != "RSA");
        let fits = keys.iter().position(|key| key["kid"] == kid);
        assert!(other.is_some() && fits.is_some(), "{view}");
        let outcome = judge(view).await;
        assert_eq!(outcome.is_err(), other < fits, "{view}: {outcome:?}");
    }
}

#[tokio::test]
async fn our_own_endpoints_take_tokens_of_every_algorithm() {
    let walk = with_all().await;
    let reader = walk.confidential("reader", json!({})).await;
    for (of_api, of_client) in SigningAlgorithm::ALL
        .into_iter()
        .zip([Ps256, Es256, EdDsa, Ed25519, Rs256])
    {
        let (client, tokens) = walk_through(&walk, of_api, of_client).await;
        let (access_token, id_token) = (token(&tokens, "access_token"), token(&tokens, "id_token"));
        let userinfo = walk.api.userinfo(access_token).await;
        assert_eq!(userinfo.status, StatusCode::OK, "{of_api:?}: {userinfo:#?}");
        assert_eq!(userinfo.json()["sub"], payload(id_token)["sub"]);
        assert_eq!(
            walk.introspect(&reader, access_token).await["active"],
            true,
            "{of_api:?}"
        );
        // A hint of who the user is, whatever it is signed with.
        let hint = [("id_token_hint", id_token), ("prompt", "none")];
        walk.code(&client.0, &hint).await;

        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", token(&tokens, "refresh_token")),
        ];
        let answer = walk
            .api
            .post_as((&client.0, &client.1), "/oauth2/token", &fields)
            .await;
        let fresh = answer.json();
        assert_eq!(header(token(&fresh, "access_token"))["alg"], json!(of_api));
        assert_eq!(header(token(&fresh, "id_token"))["alg"], json!(of_client));
        let resource = api(of_api);
        let fields = [("grant_type", "client_credentials"), ("resource", &*resource)];
        let answer = walk
            .api
            .post_as((&client.0, &client.1), "/oauth2/token", &fields)
            .await;
        let own = answer.json();
        assert_eq!(header(token(&own, "access_token"))["alg"], json!(of_api));
        assert_eq!(
            walk.introspect(&reader, token(&own, "access_token")).await["active"],
            true
        );
    }
    let answer = walk.api.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        answer["id_token_signing_alg_values_supported"],
        json!(["EdDSA", "Ed25519", "ES256", "RS256", "PS256"])
    );
}

#[tokio::test]
async fn who_does_not_choose_gets_eddsa() {
    let walk = with_all().await;
    walk.app.resource("https://notes.example", "notes:read").await;
    let client = walk.app.spa().await;
    for further in [&[("resource", "https://notes.example")][..], &[]] {
        let request = [&[("scope", "openid")], further].concat();
        let tokens = walk.tokens(&client, &request).await;
        for kind in ["access_token", "id_token"] {
            assert_eq!(header(token(&tokens, kind))["alg"], "EdDSA", "{further:?}");
        }
    }
}

/// Announces a key as the rotation does for an algorithm that was added to a running issuer.
async fn announce(app: &TestApp, algorithm: SigningAlgorithm, signing_at: Option<DateTime<Utc>>) {
    let seed = Seed::draw(&SeededRandom::new(u64::from(signing_at.is_some())));
    let new = jose::generate(algorithm, &seed).expect("a key");
    let kid = new.public_jwk.kid.clone();
    let master = master_key();
    let key = StoredSigningKey {
        algorithm,
        public_jwk: json!(new.public_jwk),
        wrapped: Some(
            master
                .wrap(&new.private_jwk, &signing_key_place(&kid))
                .expect("wraps"),
        ),
        master_key: master.fingerprint(),
        location: "database".to_owned(),
        max_lifetime: TimeDelta::minutes(10),
        published_at: app.provider.now(),
        signing_at,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
        kid,
    };
    let tx = app.db().begin().await.expect("a transaction");
    storage::keys::insert_signing_key(&tx, &key)
        .await
        .expect("inserted");
    tx.commit().await.expect("committed");
    app.sql("UPDATE revisions SET revision = revision + 1 WHERE name = 'keys'")
        .await;
    app.provider.reload().await.expect("the keys are read again");
}

async fn listed(walk: &Walk) -> Value {
    let document = walk.api.get("/.well-known/openid-configuration").await.json();
    document["id_token_signing_alg_values_supported"].clone()
}

async fn published(walk: &Walk, algorithm: SigningAlgorithm) -> usize {
    let path = format!("/.well-known/jwks.json?alg={}", algorithm.as_str());
    let document = walk.api.get(&path).await.json();
    document["keys"].as_array().expect("a list").len()
}

#[tokio::test]
async fn an_algorithm_that_is_added_later_can_be_chosen_once_verifiers_know_its_keys() {
    let walk = Walk::start().await;
    let app = &walk.app;
    let api = api(Es256);
    let choose = async || {
        let chosen = app.resource_signed_with(&api, "notes:read", Some(Es256)).await;
        chosen.map_err(|error| error.to_string())
    };
    assert_eq!(
        (listed(&walk).await, published(&walk, Es256).await),
        (json!(["EdDSA", "RS256"]), 0)
    );
    let refusal = choose().await.expect_err("there is no key");
    assert!(refusal.contains("add it to keys.algorithms"), "{refusal}");

    announce(app, Es256, None).await;
    assert_eq!(
        (listed(&walk).await, published(&walk, Es256).await),
        (json!(["EdDSA", "RS256"]), 1)
    );
    let refusal = choose().await.expect_err("nobody knows when the key will sign");
    assert!(refusal.contains("`signet keys plan` shows when"), "{refusal}");

    let gate = app.provider.now() + TimeDelta::hours(25);
    announce(app, Es256, Some(gate)).await;
    app.advance(TimeDelta::hours(24));
    assert_eq!(
        (listed(&walk).await, published(&walk, Es256).await),
        (json!(["EdDSA", "RS256"]), 2)
    );
    let refusal = choose().await.expect_err("the key is before its gate");
    let told = gate.to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    assert!(refusal.contains(&told), "{refusal}");

    app.advance(TimeDelta::hours(1));
    assert_eq!(listed(&walk).await, json!(["EdDSA", "ES256", "RS256"]));
    choose().await.expect("the key is past its gate");
    let client = walk
        .confidential("web", json!({"id_token_signed_response_alg": "ES256"}))
        .await;
    let tokens = walk
        .tokens_of(&client, &[("scope", "openid notes:read"), ("resource", &api)])
        .await;
    for kind in ["access_token", "id_token"] {
        assert_eq!(header(token(&tokens, kind))["alg"], "ES256");
    }
}

#[tokio::test]
async fn a_client_cannot_choose_what_no_key_signs_with() {
    let app = TestApp::start().await;
    let keys = app.provider.keys();
    let clients = signet::flows::clients::Clients {
        db: app.db(),
        secret_keys: &keys.mac.client_secret,
        issuer: &app.issuer,
        random: &*app.provider.random,
    };
    for algorithm in SigningAlgorithm::ALL {
        let document = json!({
            "client_id": algorithm, "redirect_uris": ["https://app.example/callback"],
            "id_token_signed_response_alg": algorithm,
        });
        let (registration, warnings) = signet::flows::clients::metadata::parse(&document).expect("metadata");
        assert!(warnings.is_empty(), "{warnings:?}");
        let made = clients.create(vec![registration], app.provider.now()).await;
        if SigningAlgorithm::ALWAYS.contains(&algorithm) {
            made.expect("every issuer has keys for it");
        } else {
            let refusal = made.expect_err("no key signs with it").to_string();
            assert!(
                refusal.starts_with(&format!("no key signs with {}", algorithm.as_str())),
                "{refusal}"
            );
        }
    }
    // Nor later; while what was chosen once does not stand in the way of another change.
    let id = "RS256".parse().expect("an id");
    let change = async |algorithm: SigningAlgorithm, name: &'static str| {
        let change = |client: &mut signet::domain::client::Client| {
            client.metadata.id_token_signed_response_alg = algorithm;
            client.metadata.client_name = name.to_owned();
            Ok(())
        };
        clients.update(&id, app.provider.now(), change).await.map(drop)
    };
    change(Ps256, "Changed").await.expect_err("no key signs with it");
    app.sql("UPDATE clients SET metadata = metadata || '{\"id_token_signed_response_alg\": \"PS256\"}'")
        .await;
    change(Ps256, "Changed").await.expect("the name alone changes");
    change(EdDsa, "Changed")
        .await
        .expect("every issuer has keys for it");
}

#[tokio::test]
async fn a_choice_that_no_key_can_follow_is_an_error_and_never_another_algorithm() {
    let walk = Walk::start().await;
    let app = &walk.app;
    app.resource("https://notes.example", "notes:read").await;
    let client = walk.confidential("web", json!({})).await;
    let ask = async |resource: &str| {
        let fields = [("grant_type", "client_credentials"), ("resource", resource)];
        walk.api
            .post_as((&client.0, &client.1), "/oauth2/token", &fields)
            .await
    };
    // No command writes this; a restored backup may.
    app.sql("UPDATE resources SET access_token_signing_alg = 'ES256'; UPDATE revisions SET revision = revision + 1")
        .await;
    app.provider.reload().await.expect("the registry is read");
    refused(&ask("https://notes.example").await, 500, "server_error");
    let code = walk
        .code(
            &client.0,
            &[
                ("scope", "openid notes:read"),
                ("resource", "https://notes.example"),
            ],
        )
        .await;
    refused(&walk.redeem_as(&client, &code, &[]).await, 500, "server_error");

    app.sql(
        "UPDATE resources SET access_token_signing_alg = NULL;
         UPDATE clients SET metadata = metadata || '{\"id_token_signed_response_alg\": \"PS256\"}';
         UPDATE revisions SET revision = revision + 1",
    )
    .await;
    app.provider.reload().await.expect("the registry is read");
    let code = walk
        .code(
            &client.0,
            &[
                ("scope", "openid notes:read"),
                ("resource", "https://notes.example"),
            ],
        )
        .await;
    refused(&walk.redeem_as(&client, &code, &[]).await, 500, "server_error");
    // What asks for no ID token gets its access token.
    assert_eq!(ask("https://notes.example").await.status, StatusCode::OK);
}
