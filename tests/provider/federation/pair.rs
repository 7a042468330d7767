//! A provider, and one that lets people come by it.

use std::io::Write;

use reqwest::Url;
use serde_json::{Value, json};
use signet::config::Config;
use signet::flows::federation::Federation;

use crate::support::app::{Options, TestApp};
use crate::support::browser::{Answer, Browser};
use crate::support::jar::Jar;

/// Who we are at the other provider.
pub const CLIENT: &str = "signet-below";
const SECRET: &str = "a-secret-of-more-than-thirty-two-characters";

/// The two.
pub struct Pair {
    /// The provider that vouches.
    pub above: TestApp,
    /// The one that believes it, where the other is called `above`.
    pub below: TestApp,
}

impl Pair {
    pub async fn start() -> Self {
        Self::with("", |_| {}).await
    }

    /// With more in the entry, and other options of the one below.
    pub async fn with(entry: &str, change: impl FnOnce(&mut Options)) -> Self {
        let above = TestApp::start().await;
        let federation = federation(&format!("{}\n{entry}", entry_of(&above, "above")));
        let below = TestApp::with(|options| {
            options.federation = federation;
            change(options);
        })
        .await;
        register(&above, &below, "above").await;
        Self { above, below }
    }

    /// Somebody who is logged in above, whose address is verified there.
    pub async fn person(&self, email: &str) -> Browser {
        self.above
            .user(email, json!({"picture": "https://pictures.example/ada.png"}))
            .await;
        let browser = Browser::new(&self.above);
        let page = browser.open("/login").await;
        let account = browser.log_in(&page, email).await;
        assert_eq!(account.url.path(), "/account", "{account:#?}");
        browser
    }
}

/// The entry for a provider of the tests.
pub fn entry_of(above: &TestApp, id: &str) -> String {
    format!(
        "[[providers]]\nid = \"{id}\"\npreset = \"oidc\"\nissuer = \"{}\"\nclient_id = \"{CLIENT}\"\n\
         client_secret = \"{SECRET}\"\nallow_private_addresses = true\nlabel = \"Above\"",
        above.issuer
    )
}

/// Makes `below` known to `above`, where it is called `id` below.
pub async fn register(above: &TestApp, below: &TestApp, id: &str) {
    register_issuer(above, &below.issuer, id).await;
}

/// [`register`] for one that is known by its issuer alone.
pub async fn register_issuer(above: &TestApp, below: &str, id: &str) {
    above
        .client(json!({
            "client_id": CLIENT, "client_secret": SECRET, "client_name": "Below", "first_party": true,
            "token_endpoint_auth_method": "client_secret_basic",
            "redirect_uris": [format!("{below}/api/auth/callback/{id}")],
            "post_logout_redirect_uris": [format!("{below}/logout/returned")],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid profile email offline_access",
        }))
        .await;
}

/// The providers of a configuration.
pub fn federation(entries: &str) -> Federation {
    let mut file = tempfile(entries);
    file.1.flush().expect("written");
    let loaded = Config::load(Some(&file.0), []).expect("the test's configuration is right");
    std::fs::remove_file(&file.0).expect("removed");
    signet::server::federation::federation(&loaded.config).expect("the test's entries are right")
}

fn tempfile(text: &str) -> (std::path::PathBuf, std::fs::File) {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("signet-providers-{}-{number}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let mut file = std::fs::File::create(&path).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    (path, file)
}

/// The way of somebody who is logged in above, from the address that the one below sent them to, to that which leads
/// back.
pub async fn through(browser: &Browser, url: &Url) -> Url {
    let answer = browser.open(url.as_str()).await;
    assert!(answer.status.is_redirection(), "{answer:#?}");
    answer.location()
}

/// Presses the button of a page below that leads above.
pub async fn set_out(jar: &mut Jar, page: &Answer) -> Url {
    let answer = jar.submit_to(page, "/login/with/above", &[]).await;
    assert_eq!(answer.status, 303, "{answer:#?}");
    answer.location()
}

/// Signs somebody in below who is logged in above.
pub async fn sign_in(jar: &mut Jar, browser: &Browser) -> Answer {
    let page = jar.get("/login").await;
    let url = set_out(jar, &page).await;
    let back = through(browser, &url).await;
    jar.get(back.as_str()).await
}

/// What `/api/auth/get-session` says.
pub async fn session_of(jar: &mut Jar) -> Value {
    let answer = jar.get("/api/auth/get-session").await;
    serde_json::from_str(&answer.body).expect("JSON")
}
