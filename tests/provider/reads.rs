//! Reading an address, whichever: nothing changes by it, nothing personal is stored on the way, and nothing
//! that a proxy or an attacker writes into the headers comes back (cache deception and poisoning, RFC 9700 §4.2).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::challenge;
use crate::support::jar::{Jar, encode};

const ADA: &str = "ada@example.org";

/// What a request may say of its own address. The issuer alone says what ours is.
const ELSEWHERE: [(&str, &str); 13] = [
    ("x-forwarded-host", "evil.example"),
    ("x-forwarded-proto", "gopher"),
    ("x-forwarded-port", "evil"),
    ("x-forwarded-prefix", "/evil.example"),
    ("x-forwarded-server", "evil.example"),
    ("x-host", "evil.example"),
    ("x-original-url", "/evil.example"),
    ("x-rewrite-url", "/evil.example"),
    ("x-original-host", "evil.example"),
    ("x-http-method-override", "DELETE"),
    ("x-method-override", "DELETE"),
    ("referer", "https://evil.example/"),
    ("accept-language", "evil.example"),
];

/// The addresses that the table has from elsewhere.
const OTHERS: [&str; 5] = [
    "/.well-known/jwks.json",
    "/.well-known/openid-configuration",
    "/.well-known/oauth-authorization-server",
    "/healthz",
    "/readyz",
];

/// Every address of the table of routes, as it stands there.
fn routes() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/routes.rs");
    let source = std::fs::read_to_string(file).expect("the sources are there");
    let mut routes: Vec<_> = source
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .flat_map(|line| line.split('"').skip(1).step_by(2))
        .map(|text| text.trim_start_matches("{base}").trim_end_matches("{base}"))
        .filter(|text| text.starts_with('/'))
        .map(str::to_owned)
        .collect();
    routes.extend(OTHERS.map(str::to_owned));
    routes.sort_unstable();
    routes.dedup();
    routes
}

/// Every row of every table, as text.
async fn rows(app: &TestApp) -> BTreeMap<String, Vec<String>> {
    let client = app.database.client().await;
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    let mut all = BTreeMap::new();
    for row in client.query(tables, &[]).await.expect("listed") {
        let table: String = row.get(0);
        let statement = format!("SELECT t::text FROM {table} t ORDER BY 1");
        let rows = client.query(&statement, &[]).await.expect("listed");
        all.insert(table, rows.iter().map(|row| row.get(0)).collect());
    }
    assert!(all.len() > 10, "{:?}", all.keys());
    all
}

/// An authorization request of a client that is not trusted without asking.
fn authorize() -> String {
    let query = encode(&[
        ("client_id", "stranger"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", &challenge()),
        ("code_challenge_method", "S256"),
    ]);
    format!("/oauth2/authorize?{query}")
}

/// A browser that nobody is logged in at, and one with a session and a request that waits for consent, with the
/// addresses that each can read.
async fn readers(app: &TestApp) -> Vec<(Jar, Vec<String>)> {
    app.user(ADA, json!({})).await;
    let document = json!({
        "client_id": "stranger", "client_name": "Stranger", "redirect_uris": [CALLBACK], "scope": "openid",
        "token_endpoint_auth_method": "none", "grant_types": ["authorization_code"],
    });
    app.client(document).await;
    let mut readers = Vec::new();
    for logged_in in [false, true] {
        let mut jar = Jar::new(app);
        jar.get("/login").await;
        if logged_in {
            jar.enter(ADA).await;
        }
        let arrived = jar.get(&authorize()).await;
        let page = jar.follow(arrived).await;
        let request = page.url.query().expect("a request waits").to_owned();
        let id = request.trim_start_matches("request=").to_owned();
        let session = app
            .database
            .client()
            .await
            .query_opt("SELECT id FROM sessions", &[])
            .await;
        let session = session
            .expect("looked up")
            .map_or_else(uuid::Uuid::nil, |row| row.get(0));
        let style = page.body.split("href=\"/assets/").nth(1).expect("a style");
        let style = style.split('"').next().expect("an address").to_owned();
        let addresses = routes().into_iter().flat_map(|route| {
            let address = match &*route {
                "/oauth2/authorize/{id}" => route.replace("{id}", &id),
                "/account/sessions/{id}/revoke" => route.replace("{id}", &session.to_string()),
                "/assets/{file}" => route.replace("{file}", &style),
                "/.well-known/status-lists/{alg}/{shard}" => {
                    route.replace("{alg}", "EdDSA").replace("{shard}", "0")
                }
                _ if route.contains("/identities/{id}") => {
                    route.replace("{id}", &uuid::Uuid::nil().to_string())
                }
                _ => route.replace("{provider}", "nobody"),
            };
            assert!(
                !address.contains('{'),
                "say what stands for the parameter of {address}"
            );
            // Alone, and with what a form would say.
            let said = "logout=yes&decision=allow&email=ada@example.org&token=x&client_id=stranger";
            [address.clone(), format!("{address}?{request}&{said}")]
        });
        readers.push((jar, addresses.collect()));
    }
    readers
}

#[tokio::test]
async fn no_read_changes_anything() {
    // No job asks the database again, and on a busy machine this takes longer than the registry is believed.
    let app = TestApp::with(|options| {
        options.max_unconfirmed = Duration::from_secs(3600);
        // Links that are none are counted, which reading them must cost.
        options.settings.rate_limits = false;
    })
    .await;
    for (jar, addresses) in readers(&app).await {
        let before = rows(&app).await;
        assert!(!before["authorization_requests"].is_empty());
        for address in &addresses {
            for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE] {
                let answer = jar.clone().send(method.clone(), address, &[], None).await;
                assert!(answer.status.as_u16() < 500, "{method} {address}: {answer:#?}");
                assert_eq!(rows(&app).await, before, "{method} {address}");
            }
        }
        // What a GET does make: one request that waits, which is what it was sent for.
        jar.clone().get(&authorize()).await;
        let mut after = rows(&app).await;
        let waiting = after.remove("authorization_requests").expect("a table");
        assert_eq!(waiting.len(), before["authorization_requests"].len() + 1);
        assert!(after.iter().all(|(table, rows)| before[table] == *rows));
    }
}

#[tokio::test]
async fn only_what_is_the_same_for_everybody_may_be_stored() {
    let app = TestApp::start().await;
    let mut public = Vec::new();
    for (mut jar, addresses) in readers(&app).await {
        for address in addresses.iter().chain([&"/nothing".to_owned(), &authorize()]) {
            for method in [Method::GET, Method::POST] {
                let answer = jar.send(method, address, &[], None).await;
                let cached = answer
                    .header("cache-control")
                    .unwrap_or("nothing said")
                    .to_owned();
                if cached == "no-store" {
                    continue;
                }
                assert!(answer.set_cookies().is_empty(), "{answer:#?}");
                assert!(!answer.body.contains(ADA), "{answer:#?}");
                let path = address.split('?').next().expect("a path");
                // An asset's name holds the digest of its content.
                let path = path.strip_prefix("/assets/").map_or(path, |_| "/assets/…");
                public.push(format!("{path}: {cached}"));
            }
        }
    }
    public.sort_unstable();
    public.dedup();
    insta::assert_snapshot!(public.join("\n"), @r"
    /.well-known/jwks.json: public, max-age=300
    /.well-known/oauth-authorization-server: public, max-age=300
    /.well-known/openid-configuration: public, max-age=300
    /.well-known/status-lists/EdDSA/0: public, max-age=60
    /assets/…: public, max-age=31536000, immutable
    /favicon.ico: public, max-age=86400
    ");
}

#[tokio::test]
async fn nothing_that_headers_say_of_the_address_comes_back() {
    let app = TestApp::with(|options| options.settings.rate_limits = false).await;
    for (jar, addresses) in readers(&app).await {
        for address in addresses.iter().chain([&"/nothing".to_owned(), &authorize()]) {
            let usual = jar.clone().get(address).await;
            for host in ["evil.example", "127.0.0.1:1@evil.example", ""] {
                let mut headers = ELSEWHERE.to_vec();
                headers.push(("host", host));
                let answer = jar.clone().send(Method::GET, address, &headers, None).await;
                assert_eq!(answer.status, usual.status, "{address} {host}: {answer:#?}");
                let told = format!("{:?} {}", answer.headers, answer.body);
                for word in ["evil", "gopher"] {
                    assert!(!told.contains(word), "{address}: {told}");
                }
                if let (Some(location), Some(before)) = (answer.header("location"), usual.header("location"))
                {
                    // A request that waits has a name of its own each time.
                    let path = |text: &str| text.split('?').next().map(str::to_owned);
                    assert_eq!(path(location), path(before), "{address}");
                }
            }
        }
    }
}
