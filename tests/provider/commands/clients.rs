//! `clients` and `resources`.

use serde_json::{Value, json};

use super::binary::{Bench, redacted};

const CREATE: [&str; 8] = [
    "clients",
    "create",
    "--name",
    "Shop",
    "--type",
    "confidential",
    "--redirect-uri",
    "https://shop.example/callback",
];

#[tokio::test]
async fn a_client_is_made_shown_changed_given_a_secret_and_deleted() {
    let bench = Bench::new().await;
    let made = bench.json(&CREATE).json();
    insta::assert_snapshot!(redacted(made.clone()), @r#"
    {
      "client_id": "client_[20]",
      "client_secret": "signet_cs_[48]",
      "client_id_issued_at": "[seconds]",
      "client_secret_expires_at": 0,
      "client_name": "Shop",
      "application_type": "web",
      "token_endpoint_auth_method": "client_secret_basic",
      "grant_types": [
        "authorization_code",
        "refresh_token"
      ],
      "response_types": [
        "code"
      ],
      "redirect_uris": [
        "https://shop.example/callback"
      ],
      "post_logout_redirect_uris": [],
      "backchannel_logout_uri": null,
      "backchannel_logout_session_required": false,
      "scope": "openid profile email address phone offline_access",
      "resources": null,
      "first_party": false,
      "require_pkce": true,
      "refresh_token_rotation": true,
      "id_token_signed_response_alg": "EdDSA",
      "jwks": null,
      "default_max_age": null,
      "client_uri": null,
      "policy_uri": null,
      "tos_uri": null,
      "disabled_at": null
    }
    "#);
    let id = made["client_id"].as_str().expect("a client_id");
    let secret = made["client_secret"].as_str().expect("a secret").to_owned();

    let mut without_secret = made.clone();
    without_secret["client_secret"] = Value::Null;
    assert_eq!(bench.json(&["clients", "show", id]).json(), without_secret);
    assert_eq!(bench.json(&["clients", "list"]).json(), json!([without_secret]));

    let changed = bench
        .json(&[
            "clients",
            "update",
            id,
            "--name",
            "Store",
            "--first-party",
            "--scope",
            "openid email",
            "--pkce",
            "optional",
            "--resource",
            "https://api.example",
            "--disable",
        ])
        .json();
    assert_eq!(changed["client_name"], "Store");
    assert_eq!(changed["first_party"], true);
    assert_eq!(changed["scope"], "openid email");
    assert_eq!(changed["require_pkce"], false);
    assert_eq!(changed["resources"], json!(["https://api.example"]));
    assert_eq!(changed["redirect_uris"], made["redirect_uris"]);
    assert_eq!(changed["client_secret"], Value::Null);
    assert!(changed["disabled_at"].is_string());
    let again = bench
        .json(&[
            "clients",
            "update",
            id,
            "--enable",
            "--any-resource",
            "--first-party=false",
        ])
        .json();
    assert_eq!(
        (&again["disabled_at"], &again["resources"], &again["first_party"]),
        (&Value::Null, &Value::Null, &json!(false))
    );

    let rotated = bench.json(&["clients", "rotate-secret", id]).json();
    assert_ne!(rotated["client_secret"], secret);
    assert!(rotated["client_secret"].is_string());

    let deleted = bench.json(&["clients", "delete", id]).json();
    assert_eq!(deleted, json!({"client_id": id, "deleted": true}));
    assert_eq!(bench.json(&["clients", "list"]).json(), json!([]));
    for verb in ["show", "rotate-secret", "delete", "update"] {
        let failure = bench.json(&["clients", verb, id]).failure(1);
        assert_eq!(failure["error"], "not_found", "{verb}");
        assert_eq!(failure["message"], format!("there is no client {id}"));
    }
}

#[tokio::test]
async fn metadata_comes_as_one_object_or_as_an_array_and_goes_as_it_came() {
    let bench = Bench::new().await;
    let one = json!({"client_id": "moved", "client_secret": "s".repeat(32), "client_name": "Moved",
        "redirect_uris": ["https://moved.example/cb"], "first_party": true, "require_pkce": false,
        "subject_type": "pairwise", "logo_uri": "https://moved.example/logo"});
    let file = bench.write("client.json", &one.to_string());
    let run = bench.json(&["clients", "create", "--metadata", file.to_str().expect("a path")]);
    let made = run.json();
    assert_eq!(made["client_id"], "moved");
    assert_eq!(made["client_secret"], "s".repeat(32));
    assert_eq!(made["id_token_signed_response_alg"], "RS256");
    assert_eq!(made["require_pkce"], false);
    assert_eq!(
        run.stderr,
        "warning: client moved: subject_type: \"pairwise\" was dropped: it is not supported\n\
         warning: client moved: logo_uri was dropped: it is not supported\n"
    );

    let many = json!([
        {"client_name": "A", "redirect_uris": ["https://a.example/cb"], "token_endpoint_auth_method": "none"},
        {"client_name": "B", "redirect_uris": [], "grant_types": ["client_credentials"]},
    ]);
    let made = bench
        .run_with_input(
            &["clients", "create", "--metadata", "-", "--format", "json"],
            &many.to_string(),
        )
        .json();
    assert_eq!(made.as_array().map(Vec::len), Some(2));
    assert_eq!(made[0]["client_secret"], Value::Null);
    assert_eq!(made[0]["client_secret_expires_at"], Value::Null);
    assert_eq!(made[1]["response_types"], json!([]));
    assert!(made[1]["client_secret"].is_string());
}

#[tokio::test]
async fn a_client_that_is_told_of_logouts() {
    let bench = Bench::new().await;
    let uri = "https://shop.example/backchannel_logout";
    let option = ["--backchannel-logout-uri", uri];
    let made = bench.json(&[&CREATE[..], &option].concat()).json();
    assert_eq!(made["backchannel_logout_uri"], uri);
    assert_eq!(made["backchannel_logout_session_required"], false);
    let id = made["client_id"].as_str().expect("a client_id");
    let update = |uri: &str| bench.json(&["clients", "update", id, "--backchannel-logout-uri", uri]);
    assert_eq!(update("").json()["backchannel_logout_uri"], Value::Null);
    assert_eq!(update(uri).json()["backchannel_logout_uri"], uri);
    for wrong in [
        "http://shop.example/logout",
        "https://shop.example/#",
        "app.example:/x",
    ] {
        let failure = update(wrong).failure(1);
        assert_eq!(failure["error"], "invalid_client_metadata", "{wrong}");
    }

    let moved = json!({"client_id": "moved", "redirect_uris": ["https://moved.example/cb"],
        "backchannel_logout_uri": uri, "backchannel_logout_session_required": true});
    let file = bench.write("client.json", &moved.to_string());
    let run = bench.json(&["clients", "create", "--metadata", file.to_str().expect("a path")]);
    let made = run.json();
    assert_eq!(run.stderr, "");
    assert_eq!(made["backchannel_logout_uri"], uri);
    assert_eq!(made["backchannel_logout_session_required"], true);
    let shown = bench.json(&["clients", "show", "moved"]).json();
    assert_eq!(shown["backchannel_logout_uri"], uri);
    assert_eq!(shown["backchannel_logout_session_required"], true);
}

#[tokio::test]
async fn of_an_array_all_are_made_or_none_and_what_exists_is_named() {
    let bench = Bench::new().await;
    let moved = |id: &str| json!({"client_id": id, "redirect_uris": ["https://a.example/cb"]});
    let create = |document: Value| {
        bench.run_with_input(
            &["--format", "json", "clients", "create", "--metadata", "-"],
            &document.to_string(),
        )
    };
    create(json!([moved("first")])).json();
    let failure = create(json!([moved("second"), moved("first")])).failure(1);
    assert_eq!(failure["error"], "already_exists");
    assert_eq!(failure["message"], "client first exists already");
    for (document, message) in [
        (
            json!([moved("second"), {"client_id": "third", "redirect_uris": "x"}]),
            "client third: redirect_uris is an array of strings",
        ),
        (
            json!([moved("second"), moved("second")]),
            "client second stands there twice",
        ),
        (
            json!([{"redirect_uris": []}]),
            "authorization_code needs a redirect URI",
        ),
        (json!("text"), "client metadata is a JSON object"),
    ] {
        assert_eq!(create(document).failure(1)["message"], message);
    }
    let list = bench.json(&["clients", "list"]).json();
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list}");
}

#[tokio::test]
async fn a_registration_that_breaks_a_rule_is_refused_with_the_standards_code() {
    let bench = Bench::new().await;
    let failure = bench
        .json(&[
            "clients",
            "create",
            "--name",
            "N",
            "--type",
            "public",
            "--redirect-uri",
            "http://shop.example/cb",
        ])
        .failure(1);
    assert_eq!(failure["error"], "invalid_redirect_uri");
    let failure = bench
        .json(&[&CREATE[..], &["--scope", "\"quoted\""]].concat())
        .failure(1);
    assert_eq!(failure["error"], "invalid_scope");
}

#[tokio::test]
async fn a_client_for_machines_needs_no_redirect_uri_and_an_unknown_resource_is_warned_of() {
    let bench = Bench::new().await;
    let run = bench.json(&[
        "clients",
        "create",
        "--name",
        "Batch",
        "--type",
        "confidential",
        "--grant-type",
        "client_credentials",
        "--scope",
        "read",
        "write",
        "--resource",
        "https://api.example",
    ]);
    let made = run.json();
    assert_eq!(made["grant_types"], json!(["client_credentials"]));
    assert_eq!(made["scope"], "read write");
    assert!(
        run.stderr
            .contains("there is no resource https://api.example yet"),
        "{run:?}"
    );
}

#[tokio::test]
async fn a_resource_is_made_listed_changed_and_deleted() {
    let bench = Bench::new().await;
    let create = [
        "resources",
        "create",
        "--identifier",
        "https://api.example",
        "--name",
        "API",
        "--scope",
        "read",
        "--scope",
        "write",
    ];
    let made = bench.json(&create).json();
    assert_eq!(
        made,
        json!({"identifier": "https://api.example", "name": "API", "scopes": ["read", "write"], "signing_alg": null})
    );
    assert_eq!(bench.json(&["resources", "list"]).json(), json!([made]));
    let failure = bench.json(&create).failure(1);
    assert_eq!(failure["error"], "already_exists");
    assert_eq!(failure["message"], "resource https://api.example exists already");

    let changed = bench
        .json(&["resources", "update", "https://api.example", "--scope", "read"])
        .json();
    assert_eq!(
        changed,
        json!({"identifier": "https://api.example", "name": "API", "scopes": ["read"], "signing_alg": null})
    );
    let failure = bench
        .json(&["resources", "update", "https://api.example", "--scope", "openid"])
        .failure(1);
    assert_eq!(failure["error"], "invalid_resource");

    bench.json(&["resources", "delete", "https://api.example"]).json();
    for line in [
        &["resources", "delete", "https://api.example"][..],
        &["resources", "update", "https://api.example", "--name", "N"],
    ] {
        assert_eq!(bench.json(line).failure(1)["error"], "not_found");
    }
}

#[tokio::test]
async fn an_api_and_a_client_choose_an_algorithm_that_keys_sign_with() {
    let bench = Bench::new().await;
    // What every issuer has needs no keys to be there yet.
    let resource = |algorithm: &'static str| {
        let identifier = format!("https://{}.example", algorithm.to_ascii_lowercase());
        [
            "resources",
            "create",
            "--identifier",
            &identifier,
            "--name",
            "API",
            "--signing-alg",
            algorithm,
        ]
        .map(str::to_owned)
    };
    let run = |line: &[String], algorithms: &str| {
        let line: Vec<&str> = ["--format", "json"]
            .into_iter()
            .chain(line.iter().map(String::as_str))
            .collect();
        let mut command = bench.command(&line);
        super::binary::run(command.env("SIGNET_KEYS__ALGORITHMS", algorithms), "")
    };
    let made = run(&resource("RS256"), "").json();
    assert_eq!(made["signing_alg"], "RS256");
    // The first command that needs keys makes those of every algorithm that is configured.
    let all = "EdDSA,RS256,ES256";
    assert_eq!(run(&resource("ES256"), all).json()["signing_alg"], "ES256");
    let failure = run(&resource("PS256"), all).failure(1);
    assert_eq!(failure["error"], "algorithm_not_ready");
    assert_eq!(
        failure["message"],
        "no key signs with PS256: add it to keys.algorithms, and the servers announce keys for it"
    );
    run(&resource("HS256"), all).failure(2);

    let update = |algorithm: &str| {
        bench.json(&[
            "resources",
            "update",
            "https://rs256.example",
            "--signing-alg",
            algorithm,
        ])
    };
    assert_eq!(update("ES256").json()["signing_alg"], "ES256");
    assert_eq!(update("Ed25519").failure(1)["error"], "algorithm_not_ready");
    let listed = bench.json(&["resources", "list"]).json();
    let listed: Vec<_> = listed
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| &one["signing_alg"])
        .collect();
    assert_eq!(listed, ["ES256", "ES256"]);

    let create = [
        "clients",
        "create",
        "--name",
        "N",
        "--type",
        "public",
        "--redirect-uri",
        "https://n.example/",
    ];
    let chosen =
        |algorithm: &'static str| [&create[..], &["--id-token-signed-response-alg", algorithm]].concat();
    let made = bench.json(&chosen("ES256")).json();
    assert_eq!(made["id_token_signed_response_alg"], "ES256");
    assert_eq!(
        bench.json(&chosen("PS256")).failure(1)["error"],
        "algorithm_not_ready"
    );
    let id = made["client_id"].as_str().expect("an id");
    let update = ["clients", "update", id, "--id-token-signed-response-alg", "RS256"];
    assert_eq!(
        bench.json(&update).json()["id_token_signed_response_alg"],
        "RS256"
    );

    let without = run(&["doctor".to_owned()], "ES256");
    assert!(without.stdout.contains("keys.algorithms"), "{without:?}");
}
