//! The real browser, and the unmodified Better Auth client, come by providers that strangers wrote.

mod kinds;

use std::time::Duration;

use serde_json::{Value, json};
use signet::clock::{Clock, SystemClock};

use crate::federation::pair;
use crate::support::app::{PASSWORD, TestApp};
use crate::support::programs::{Program, checkout, free_port};
use crate::support::upstream::{KINDS, Kind, Upstream, federation};

const RESOURCE: &str = "https://notes.example";
const GOOGLE: Kind = Kind::Google("RS256");
const APPLE: Kind = Kind::Apple("ES256");

/// An app with these providers, each entry with these lines more, and with these entries more.
async fn app_of(upstreams: &[&Upstream], further: &str, entries_more: &str) -> TestApp {
    let mut entries: Vec<String> = upstreams.iter().map(|upstream| upstream.entry(further)).collect();
    entries.push(entries_more.to_owned());
    let app = TestApp::with(|options| {
        options.federation = federation(&entries);
        options.settings.rate_limits = false;
        // No job confirms the application here, and a browser takes its time.
        options.max_unconfirmed = Duration::from_secs(600);
    })
    .await;
    for upstream in upstreams {
        upstream.knows(&app).await;
    }
    app
}

/// Runs a program while the app's clock goes as those of the providers do, whose ID tokens are of now: an app whose
/// clock stood still would take them for made in the future.
async fn run(program: Program, app: &TestApp) {
    let keep_time = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            app.advance(SystemClock.now() - app.clock.now());
        }
    };
    let said = tokio::select! {
        said = program.run("") => said,
        () = keep_time => unreachable!("it goes on for ever"),
    };
    said.unwrap_or_else(|error| panic!("{error}"));
}

fn person(kind: Kind, called: &str, email: &str, name: &str) -> Value {
    json!({called: kind.account(1, email, true, name)})
}

#[tokio::test]
async fn a_browser_signs_up_by_two_connects_a_third_and_signs_in_by_either() {
    let google = Upstream::start(GOOGLE, person(GOOGLE, "ada", "ada@gmail.com", "Ada Lovelace")).await;
    // On another site than ours, as Apple's page is.
    let accounts = person(APPLE, "grace", "grace@icloud.com", "Grace Hopper");
    let apple = Upstream::with(APPLE, json!({"host": "localhost", "accounts": accounts})).await;
    let accounts = person(Kind::GitHub, "octocat", "octocat@example.org", "Mona Lisa");
    let github = Upstream::start(Kind::GitHub, accounts).await;
    let app = app_of(&[&google, &apple, &github], "", "").await;
    app.resource(RESOURCE, "notes:read").await;
    let port = free_port();
    let (client, _) = app
        .client(json!({
            "client_name": "Holiday Planner", "token_endpoint_auth_method": "none", "first_party": true,
            "redirect_uris": [format!("http://localhost:{port}/callback")],
            "grant_types": ["authorization_code"], "scope": "openid profile email notes:read",
        }))
        .await;
    let program = Program::node("browser_federation.mjs")
        .setting("ISSUER", &app.issuer)
        .setting("CLIENT_ID", &client)
        .setting("RESOURCE", RESOURCE)
        .setting("PORT", &port.to_string())
        .setting(
            "SHOTS",
            checkout("target/pages").to_str().expect("a path of text"),
        );
    run(program, &app).await;
}

#[tokio::test]
async fn the_unmodified_better_auth_client_comes_by_every_kind_and_an_api_believes_its_jwt() {
    let mut upstreams = Vec::new();
    for kind in KINDS {
        let email = format!("{}@example.org", kind.preset());
        upstreams.push(Upstream::start(kind, person(kind, "ada", &email, "Ada Lovelace")).await);
    }
    let above = TestApp::start().await;
    above.user("above@example.org", json!({})).await;
    let further = pair::entry_of(&above, "above");
    let app = app_of(&upstreams.iter().collect::<Vec<_>>(), "", &further).await;
    pair::register(&above, &app, "above").await;
    let providers = upstreams.iter().map(|upstream| upstream.kind.preset());
    let providers = providers
        .chain(["above"])
        .map(|id| json!({"id": id, "email": format!("{id}@example.org")}));
    let program = Program::node("better_auth_kinds.mjs")
        .setting("ISSUER", &app.issuer)
        .setting("PROVIDERS", &Value::from_iter(providers).to_string())
        .setting("PASSWORD", PASSWORD);
    run(program, &app).await;
}

#[tokio::test]
async fn the_unmodified_better_auth_client_comes_by_two_and_goes_on_with_their_tokens() {
    let (mail, name) = ("ada@gmail.com", "Ada Lovelace");
    let google = Upstream::start(GOOGLE, person(GOOGLE, "ada", mail, name)).await;
    let github = Upstream::start(Kind::GitHub, person(Kind::GitHub, "ada", mail, name)).await;
    let app = app_of(&[&google, &github], "store_tokens = true", "").await;
    let program = Program::node("better_auth_social.mjs").setting("ISSUER", &app.issuer);
    run(program, &app).await;
}
