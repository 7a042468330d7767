//! A database that the real Better Auth server made moves in, and Signet takes over its address: old passwords, live
//! cookies and tokens go on to work.

use reqwest::header::{COOKIE, ORIGIN};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::process::Command;

use super::{Home, opens};
use crate::support::app::CALLBACK;
use crate::support::browser::{Answer, VERIFIER, challenge, payload};
use crate::support::database::{TestDatabase, bare_database};
use crate::support::node::Node;
use crate::support::programs::{Program, Server, checkout, installed};

const SECRET: &str = "the secret of the server before us, long enough";
/// A ligature, which both servers take for two letters.
const PASSWORD: &str = "correct horse ﬁsh battery";

/// The server before us, with its database.
struct Before {
    database: TestDatabase,
    server: Server,
    http: Client,
}

/// An account there, with a live session.
struct Account {
    id: String,
    cookie: String,
    jwt: String,
}

impl Before {
    async fn start() -> Self {
        let database = bare_database().await;
        let url = url_for_node(database.url.expose());
        let server = Server::start(|port| {
            let mut command = Command::new(installed(".venv/bin/node"));
            installed("tests/clients/node_modules/better-auth");
            command
                .arg(checkout("tests/clients/better_auth_server.mjs"))
                .env("DATABASE_URL", &url)
                .env("SECRET", SECRET)
                .env("PORT", port.to_string());
            command
        })
        .await;
        Self {
            database,
            server,
            http: Client::builder().no_proxy().build().expect("a client"),
        }
    }

    async fn sign_up(&self, name: &str, email: &str) -> Account {
        let body = json!({"name": name, "email": email, "password": PASSWORD});
        let request = self
            .http
            .post(format!("{}/api/auth/sign-up/email", self.server.url));
        let request = request.header(ORIGIN, &self.server.url).json(&body);
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
        let cookies = answer.set_cookies();
        let cookie = cookies
            .iter()
            .find(|line| line.starts_with("better-auth.session_token="));
        let cookie = cookie.and_then(|line| line.split(';').next()).expect("a session");
        let request = self.http.get(format!("{}/api/auth/token", self.server.url));
        let token = request.header(COOKIE, cookie).send().await.expect("an answer");
        let token: Value = token.json().await.expect("JSON");
        Account {
            id: answer.json()["user"]["id"].as_str().expect("an id").to_owned(),
            cookie: cookie.to_owned(),
            jwt: token["token"].as_str().expect("a token").to_owned(),
        }
    }
}

/// The driver of Node takes no URL without a host.
fn url_for_node(url: &str) -> String {
    url.replace("postgres:///", "postgres://signet@localhost/")
}

/// A browser that follows nothing and keeps no cookies.
fn http() -> Client {
    let client = Client::builder().no_proxy().redirect(Policy::none());
    client.build().expect("a client")
}

async fn get(http: &Client, url: &str, cookie: &str) -> Answer {
    let request = http.get(url).header(COOKIE, cookie);
    Answer::of(request.send().await.expect("an answer")).await
}

/// The cookies that an answer sets, as they are sent back.
fn cookies(answer: &Answer) -> String {
    let pairs = answer.set_cookies();
    let pairs: Vec<&str> = pairs.iter().filter_map(|line| line.split(';').next()).collect();
    pairs.join("; ")
}

async fn log_in(http: &Client, base: &str, email: &str, password: &str) -> Answer {
    let page = Answer::of(http.get(format!("{base}/login")).send().await.expect("an answer")).await;
    let (action, hidden) = page.form();
    let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
    let fields: Vec<_> = hidden.chain([("email", email), ("password", password)]).collect();
    let request = http
        .post(action)
        .header(COOKIE, cookies(&page))
        .header(ORIGIN, base);
    Answer::of(request.form(&fields).send().await.expect("an answer")).await
}

/// Registers a client of its own.
fn register(home: &Home) {
    let metadata = json!({"client_id": "spa", "client_name": "SPA", "first_party": true,
        "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"], "scope": "openid email offline_access"});
    let file = home.write("client.json", &metadata.to_string());
    let made = home.command(&["clients", "create", "--metadata", &file]).output();
    let made = made.expect("the binary runs");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

#[tokio::test]
async fn users_log_in_with_their_old_passwords_cookies_and_tokens() {
    let before = Before::start().await;
    let ada = before.sign_up("Ada Lovelace", "ada@example.org").await;
    let grace = before.sign_up("Grace Hopper", "grace@example.org").await;
    let old = before.database.client().await;
    old.batch_execute(&format!(
        r#"UPDATE "user" SET "emailVerified" = true, image = 'https://p.example/a.png' WHERE id = '{ada}';
        INSERT INTO "account" (id, "accountId", "providerId", "userId", "accessToken", "createdAt", "updatedAt")
            VALUES ('g', '1098', 'google', '{ada}', 'a token of others', now(), now());
        CREATE TABLE "passkey" (id text PRIMARY KEY, name text, "publicKey" text NOT NULL, "userId" text NOT NULL,
            "credentialID" text NOT NULL, counter integer NOT NULL, "deviceType" text NOT NULL, "backedUp" boolean NOT NULL,
            transports text, "createdAt" timestamptz, aaguid text);
        INSERT INTO "passkey" VALUES ('p', 'Laptop', 'pQECAyYgASFYIA', '{ada}', 'AQIDBA', 3, 'multiDevice', true,
            'internal,hybrid', now(), '00000000-0000-0000-0000-000000000000');
        INSERT INTO "user" (id, name, email, "emailVerified", "createdAt", "updatedAt")
            VALUES ('broken', '', 'no address', false, now(), now()),
                   ('bare', '', 'bare@example.org', false, now(), now());
        INSERT INTO "session" (id, "expiresAt", token, "createdAt", "updatedAt", "userId")
            VALUES ('s', now() - interval '1 day', 'expired', now(), now(), '{ada}')"#,
        ada = ada.id
    ))
    .await
    .expect("rows as Better Auth and its plugins write them");
    let Before { database, server, .. } = before;
    let base = server.url.clone();
    drop(server);

    let mut home = Home::new().await;
    let source = home.write("source", &format!("{}\n", database.url.expose()));
    let secret = home.write("secret", &format!("{SECRET}\n"));
    let import = [
        "--from",
        "better-auth",
        "--secret-file",
        &*secret,
        "--report",
        "r",
        &*source,
    ];
    let empty = home.everything().await;
    let dry = home.import(&[&["--dry-run"], &import[..]].concat()).await;
    assert_eq!(home.everything().await, empty);
    let done = home.import(&import).await;
    for name in ["read", "imported", "refused", "keys"] {
        assert_eq!(dry[name], done[name], "{name}");
    }
    assert_eq!(
        done,
        json!({"from": "better-auth", "origin": "better-auth", "dry_run": false, "read": 4, "imported": 3,
            "already_there": 0, "refused": 1, "with_password": 2, "without_password": 1, "passwords_refused": 0,
            "passwords_added": 0, "identities": 1, "passkeys": 1, "sessions": 2, "keys": 1})
    );
    assert_eq!(home.report("r")[0]["reason"], "invalid_email");
    let stored = home.everything().await;
    assert!(
        !stored
            .iter()
            .any(|row| row.contains("a token of others") || row.contains(&ada.cookie[30..60])),
        "neither tokens of others nor of sessions rest"
    );
    let again = home.import(&import).await;
    assert_eq!(
        [
            &again["imported"],
            &again["already_there"],
            &again["sessions"],
            &again["keys"]
        ],
        [&json!(0), &json!(3), &json!(0), &json!(0)]
    );
    assert_eq!(home.everything().await, stored, "twice is once");

    let user = home.user("ada@example.org").await;
    assert_eq!([&user["subject"], &user["name"]], [&*ada.id, "Ada Lovelace"]);
    assert_eq!(user["email_verified"], true);
    assert_eq!(user["profile"], json!({"picture": "https://p.example/a.png"}));
    assert_eq!(user["identities"], json!(["google 1098"]));
    assert!(opens(&user, PASSWORD).await);
    let user = home.user("grace@example.org").await;
    assert_eq!(
        user["email_verified"], false,
        "what was not proven there is not proven here"
    );

    register(&home);
    home.folder.set("SIGNET_BETTER_AUTH__SECRET", SECRET);
    let url = home.database.url.expose().to_owned();
    let address = base.trim_start_matches("http://").to_owned();
    let node = Node::start_at(&home.folder, Some(&url), None, &address).await;
    assert_eq!(node.url, base, "clients notice nothing");
    let http = http();

    tokens_verify(&base, &ada).await;
    sessions_go_on(&http, &base, &ada, &grace).await;
    passwords_open(&http, &base, &home).await;
}

/// The token from before verifies at our JWKS.
async fn tokens_verify(base: &str, ada: &Account) {
    let verify = Program::python("verify_pyjwt.py");
    let verify = verify
        .setting("ISSUER", base)
        .setting("AUDIENCE", base)
        .setting("TYP", "none");
    let found = verify.run(&ada.jwt).await.expect("a token that was good before");
    assert_eq!(found["claims"]["sub"], *ada.id);
    assert_eq!(found["claims"]["email"], "ada@example.org");
}

/// The cookie from before is the session, at pages and at /oauth2, and is answered with ours.
async fn sessions_go_on(http: &Client, base: &str, ada: &Account, grace: &Account) {
    let account = get(http, &format!("{base}/account"), &ada.cookie).await;
    assert_eq!(account.status, StatusCode::OK, "{account:#?}");
    assert!(account.body.contains("ada@example.org"));
    let ours = cookies(&account);
    assert!(ours.contains("better-auth.session_token=signet_st_"), "{ours}");
    let account = get(http, &format!("{base}/account"), &ours).await;
    assert!(account.body.contains("ada@example.org"), "{account:#?}");

    let challenge = challenge();
    let query = [
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email"),
        ("code_challenge", &*challenge),
        ("code_challenge_method", "S256"),
        ("prompt", "none"),
    ];
    let authorize = format!("{base}/oauth2/authorize");
    let authorize = reqwest::Url::parse_with_params(&authorize, query).expect("an address");
    let callback = get(http, authorize.as_str(), &ada.cookie).await;
    assert!(cookies(&callback).contains("signet_st_"), "{callback:#?}");
    let callback = callback.callback();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", &*callback["code"]),
        ("redirect_uri", CALLBACK),
        ("code_verifier", VERIFIER),
    ];
    let tokens = http.post(format!("{base}/oauth2/token")).form(&form).send().await;
    let tokens = Answer::of(tokens.expect("an answer")).await.json();
    let access = tokens["access_token"].as_str().expect("a token");
    assert_eq!(payload(access)["sub"], *ada.id);

    let told = get(http, &format!("{base}/api/auth/get-session"), &ada.cookie).await;
    assert!(cookies(&told).contains("signet_st_"), "{told:#?}");
    assert_eq!(told.json()["user"]["email"], "ada@example.org");
    assert_eq!(
        told.json()["user"]["id"],
        *ada.id,
        "clients know their users by it"
    );

    // Forged, expired, unknown: nobody is logged in.
    let (name, value) = grace.cookie.split_once('=').expect("a pair");
    let mut forged = value.to_owned();
    forged.replace_range(0..1, if value.starts_with('x') { "y" } else { "x" });
    for cookie in [format!("{name}={forged}"), format!("{name}={}", &value[..32])] {
        let account = get(http, &format!("{base}/account"), &cookie).await;
        assert_eq!(account.status, StatusCode::SEE_OTHER, "{cookie}: {account:#?}");
    }
    // Who logs out here has logged out: the old cookie opens nothing any more.
    let logout = get(http, &format!("{base}/logout"), &grace.cookie).await;
    let (action, hidden) = logout.form();
    let hidden = hidden.iter().map(|(name, value)| (&**name, &**value));
    let fields: Vec<_> = hidden.chain([("logout", "yes")]).collect();
    let request = http
        .post(action)
        .header(COOKIE, cookies(&logout))
        .header(ORIGIN, base);
    let done = Answer::of(request.form(&fields).send().await.expect("an answer")).await;
    assert!(
        done.status.is_success() || done.status.is_redirection(),
        "{done:#?}"
    );
    let account = get(http, &format!("{base}/account"), &grace.cookie).await;
    assert_eq!(account.status, StatusCode::SEE_OTHER, "{account:#?}");
}

/// The passwords from before open the accounts, and are hashed anew by that.
async fn passwords_open(http: &Client, base: &str, home: &Home) {
    let wrong = log_in(http, base, "ada@example.org", "correct horse").await;
    assert_ne!(wrong.status, StatusCode::SEE_OTHER, "{wrong:#?}");
    let hash = async || {
        let user = home.user("ada@example.org").await;
        user["password_hash"].as_str().expect("a hash").to_owned()
    };
    assert!(hash().await.starts_with("$scrypt$"));
    for _ in 0..2 {
        let right = log_in(http, base, "ada@example.org", PASSWORD).await;
        assert_eq!(right.status, StatusCode::SEE_OTHER, "{right:#?}");
        assert!(hash().await.starts_with("$argon2id$"));
    }
}
