//! The real browser comes by every kind of provider, a second Signet among them, to `signet dev` as an operator
//! configures it.

use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::federation::pair;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::database::{TestDatabase, database};
use crate::support::node::{Folder, Node, signet};
use crate::support::programs::{Program, checkout, free_port};
use crate::support::upstream::{KINDS, Kind, Upstream};

const RESOURCE: &str = "https://notes.example";
const CLIENT: &str = "planner";

/// What people know a provider by, the address of `ada` there, and whether that needs no proof.
fn known_as(kind: Kind) -> (&'static str, &'static str, bool) {
    match kind {
        Kind::Google(_) => ("Google", "ada@gmail.com", true),
        Kind::Apple(_) => ("Apple", "ada@icloud.com", true),
        Kind::GitLab(_) => ("GitLab", "gitlab@example.org", true),
        Kind::Microsoft(_) => ("Microsoft", "microsoft@example.org", false),
        Kind::GitHub => ("GitHub", "github@example.org", false),
        Kind::Discord => ("Discord", "discord@example.org", false),
        Kind::Facebook => ("Facebook", "facebook@example.org", false),
        Kind::Oidc(_) => ("Campus", "campus@example.org", false),
        Kind::OAuth2 => ("Rowing Club", "club@example.org", false),
    }
}

/// The people whom browser_kinds.mjs is told of.
fn people(kind: Kind) -> Value {
    let (_, email, _) = known_as(kind);
    let mut people = json!({"ada": kind.account(1, email, true, "Ada Lovelace")});
    match kind {
        Kind::GitLab(_) | Kind::Microsoft(_) => {
            people["other"] = kind.account(2, "ada.at.work@example.org", true, "Ada Lovelace");
        }
        Kind::Oidc(_) => {
            let (_, taken, _) = known_as(Kind::Discord);
            people["twin"] = kind.account(3, taken, true, "Ada Lovelace");
        }
        Kind::Facebook => {
            people["shy"] = kind.account(4, "", true, "Ada Lovelace");
            people["shy"]["user"]["email"].take();
        }
        _ => {}
    }
    people
}

/// What an entry says beyond what its kind needs.
fn further(kind: Kind) -> String {
    let (label, _, vouched) = known_as(kind);
    match kind {
        // One's own, which is believed.
        Kind::GitLab(_) if vouched => "authoritative_domains = [\"example.org\"]".to_owned(),
        Kind::Oidc(_) | Kind::OAuth2 => format!("label = \"{label}\""),
        _ => String::new(),
    }
}

/// Registers the application and its API, as an operator does.
async fn register(folder: &Folder, database: &TestDatabase, node: &Node, issuer: &str, port: u16) {
    let metadata = json!({
        "client_id": CLIENT, "client_name": "Holiday Planner", "token_endpoint_auth_method": "none",
        "redirect_uris": [format!("http://localhost:{port}/callback")], "first_party": true,
        "grant_types": ["authorization_code"], "scope": "openid profile email notes:read",
    });
    let file = folder.path().join("client.json");
    std::fs::write(&file, metadata.to_string()).expect("our own folder");
    let file = file.to_str().expect("a plain path");
    for arguments in [
        [
            "resources",
            "create",
            "--identifier",
            RESOURCE,
            "--name",
            "Notes",
            "--scope",
            "notes:read",
        ]
        .as_slice(),
        &["clients", "create", "--metadata", file],
    ] {
        let output = Command::from(signet(folder, Some(database.url.expose())))
            .args(arguments)
            .env("SIGNET_ISSUER", issuer)
            .env("SIGNET_LISTEN", node.address())
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
    }
}

#[tokio::test]
async fn a_browser_comes_by_every_kind_for_an_application_whose_api_believes_us() {
    let mut upstreams = Vec::new();
    for kind in KINDS {
        upstreams.push(Upstream::start(kind, people(kind)).await);
    }
    let above = TestApp::with(|options| {
        options.settings.rate_limits = false;
        // No job confirms the application there, and a browser takes its time.
        options.max_unconfirmed = Duration::from_secs(600);
    })
    .await;
    above.user("above@example.org", json!({})).await;

    let folder = Folder::new();
    let mut config = "[accounts]\nrequire_verified_email = true\n".to_owned();
    for upstream in &upstreams {
        config += &upstream.entry(&further(upstream.kind));
    }
    config += &format!(
        "{}\nauthoritative_domains = [\"example.org\"]\n",
        pair::entry_of(&above, "above")
    );
    std::fs::create_dir(folder.path().join("config")).expect("our own folder");
    std::fs::write(folder.path().join("config/signet.toml"), config).expect("our own folder");
    let database = database().await;
    let node = Node::develop(&folder, database.url.expose()).await;
    let (issuer, port) = (node.url.replace("127.0.0.1", "localhost"), free_port());
    for upstream in &upstreams {
        upstream.sends_back_to(&issuer).await;
    }
    pair::register_issuer(&above, &issuer, "above").await;
    register(&folder, &database, &node, &issuer, port).await;

    let mut providers: Vec<Value> = Vec::new();
    for upstream in &upstreams {
        let (label, email, vouched) = known_as(upstream.kind);
        let control = format!("{}/control", upstream.url);
        providers.push(json!({"label": label, "email": email, "vouched": vouched, "control": control}));
    }
    providers.push(json!({"label": "Above", "email": "above@example.org", "vouched": true, "is": "signet"}));
    let pictures = checkout("target/pages");
    Program::node("browser_kinds.mjs")
        .setting("ISSUER", &issuer)
        .setting("MAILBOX", &format!("{}/dev/mailbox.json", node.url))
        .setting("CLIENT_ID", CLIENT)
        .setting("RESOURCE", RESOURCE)
        .setting("PORT", &port.to_string())
        .setting("PROVIDERS", &Value::from(providers).to_string())
        .setting("PASSWORD", PASSWORD)
        .setting("SHOTS", pictures.to_str().expect("a path of text"))
        .run("")
        .await
        .unwrap_or_else(|error| panic!("{error}\n{}", node.log()));
}
