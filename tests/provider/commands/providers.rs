//! `signet doctor` and the providers that people come by: here another Signet, and an address where nobody is.

use std::fmt::Write;

use serde_json::{Value, json};

use super::binary::Bench;
use crate::support::app::TestApp;

/// What the doctor says of each provider: its status, its message and its hint.
fn told(bench: &Bench) -> Vec<(String, String, String)> {
    let run = bench.json(&["doctor", "--config", "signet.toml"]);
    let findings: Vec<Value> = serde_json::from_str(&run.stdout).expect("findings");
    let text = |finding: &Value, name: &str| finding[name].as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .filter(|finding| finding["check"] == "provider")
        .map(|finding| {
            (
                text(finding, "status"),
                text(finding, "message"),
                text(finding, "hint"),
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_tries_every_provider_and_says_what_helps() {
    let upstream = TestApp::start().await;
    let document = json!({
        "client_id": "downstream", "client_name": "Downstream", "grant_types": ["authorization_code"],
        "redirect_uris": ["http://localhost:8080/api/auth/callback/right"], "scope": "openid profile email",
    });
    let (_, secret) = upstream.client(document).await;
    let issuer = &upstream.issuer;
    let bench = Bench::new().await;
    let mut configuration = String::new();
    for (id, issuer, secret) in [
        ("right", &**issuer, &*secret),
        ("wrong-secret", issuer, "signet_cs_no"),
        ("wrong-place", &format!("{issuer}/elsewhere"), &secret),
        ("nobody", "http://127.0.0.1:1", &secret),
    ] {
        let _ = write!(
            configuration,
            "[[providers]]\nid = \"{id}\"\npreset = \"oidc\"\nissuer = \"{issuer}\"\nclient_id = \"downstream\"\n\
             client_secret = \"{secret}\"\nallow_private_addresses = true\n",
        );
    }
    bench.write("signet.toml", &configuration);

    let [right, wrong_secret, wrong_place, nobody] = &told(&bench)[..] else {
        panic!("four providers")
    };
    assert_eq!((&*right.0, &*right.1), ("ok", "right: it answers, and knows us"));
    for (finding, message, hint) in [
        (
            wrong_secret,
            "wrong-secret: it refuses us with invalid_client",
            "client_secret",
        ),
        (wrong_place, "wrong-place: ", "[[providers]]"),
        (
            nobody,
            "nobody: the provider cannot be asked: it cannot be reached",
            "addresses",
        ),
    ] {
        assert_eq!(finding.0, "failed", "{finding:?}");
        assert!(finding.1.starts_with(message), "{finding:?}");
        assert!(finding.2.contains(hint), "{finding:?}");
        assert!(!finding.1.contains(&secret) && !finding.2.contains(&secret));
    }
}
