//! What is in the log, with every level turned on: nothing secret and nothing personal (contract: the log holds
//! ids). A process of its own runs many flows with the real log and says what it used; the log must know none.

use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::json;
use signet::storage::users;
use signet::telemetry::{LineFormat, log_panics, start_log};

use crate::support::app::{CALLBACK, TestApp};
use crate::support::browser::{Answer, Api, VERIFIER, challenge};
use crate::support::jar::{Jar, encode};

const LOGGED: &str = "logs::many_flows_for_the_log";
/// The variable that names the form of the lines.
const FORMAT: &str = "SIGNET_TEST_LOG_FORMAT";
const EMAIL: &str = "Zaphod.Beeblebrox+1@Magrathea.example";
const NAME: &str = "Zaphod Beeblebrox";
const PASSWORD: &str = "vogon-Poetry 42 flotilla";
const WRONG: &str = "slartibartfast-fjord-9";

/// What must not be found, printed for the process that looks.
struct Used;

impl Used {
    fn note(&self, what: &str, text: &str) {
        assert!(text.len() >= 6 && !text.contains('\n'), "{what}: {text}");
        println!("\nUSED\t{what}\t{text}");
    }

    fn cookies(&self, jar: &Jar) {
        for (name, value) in &jar.cookies {
            self.note(name, value);
        }
    }

    fn code(&self, page: &Answer) -> String {
        let code = page.form().1.remove(0).1;
        self.note("csrf", &code);
        code
    }

    fn tokens(&self, answer: &Answer) -> [String; 3] {
        let tokens = answer.json();
        ["access_token", "id_token", "refresh_token"].map(|name| {
            let token = tokens[name].as_str().expect("a token").to_owned();
            self.note(name, &token);
            token
        })
    }
}

async fn code(jar: &mut Jar, used: &Used, further: &[(&str, &str)]) -> String {
    let mut fields = vec![
        ("client_id", "spa"),
        ("redirect_uri", CALLBACK),
        ("response_type", "code"),
        ("scope", "openid email offline_access"),
        ("state", "state-of-heart-of-gold"),
        ("nonce", "nonce-of-heart-of-gold"),
        ("login_hint", EMAIL),
        ("code_challenge_method", "S256"),
    ];
    let challenge = challenge();
    fields.push(("code_challenge", &challenge));
    fields.extend(further);
    let request = encode(&fields);
    let answer = jar.get(&format!("/oauth2/authorize?{request}")).await;
    let code = answer.callback()["code"].clone();
    used.note("code", &code);
    code
}

#[tokio::test]
#[ignore = "run by nothing_secret_or_personal_is_logged_at_any_level, in a process of its own"]
async fn many_flows_for_the_log() {
    // The test's own client would log what it sends; it is no part of the provider.
    let format = match std::env::var(FORMAT).as_deref() {
        Ok("text") => LineFormat::Text,
        _ => LineFormat::Json,
    };
    start_log(format, "trace,reqwest=off").expect("nothing logs yet");
    log_panics();
    let used = Used;
    for (what, text) in [
        ("email", EMAIL),
        ("email", &EMAIL.to_lowercase()),
        ("part of the email", "Beeblebrox"),
        ("name", NAME),
        ("password", PASSWORD),
        ("wrong password", WRONG),
        ("verifier", VERIFIER),
        ("challenge", &challenge()),
        ("state", "state-of-heart-of-gold"),
        ("nonce", "nonce-of-heart-of-gold"),
        ("parameter", "parameter-of-heart-of-gold"),
    ] {
        used.note(what, text);
    }
    let app = TestApp::start().await;
    app.spa().await;
    let (_, secret) = app
        .client(json!({
            "client_id": "api", "client_name": "API", "redirect_uris": [],
            "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_basic",
        }))
        .await;
    used.note("client secret", &secret);
    let mut jar = Jar::new(&app);
    jar.headers.push(("authorization", format!("Bearer {WRONG}")));

    // Signup and login, refused and not.
    jar.sign_up(NAME, "no-address-of-Beeblebrox", "Beeblebrox").await;
    assert_eq!(jar.sign_up(NAME, EMAIL, PASSWORD).await.status, 303);
    used.cookies(&jar);
    assert_eq!(Jar::new(&app).sign_up(NAME, EMAIL, PASSWORD).await.status, 422);
    let mut other = Jar::new(&app);
    let login = other.get("/login?x=parameter-of-heart-of-gold").await;
    let login_code = used.code(&login);
    for password in [WRONG, PASSWORD] {
        let fields = [("csrf", &*login_code), ("email", EMAIL), ("password", password)];
        other.post("/login", &fields).await;
        let foreign = [("origin", "https://parameter-of-heart-of-gold.example")];
        other.post_with("/login", &foreign, &fields).await;
    }
    used.cookies(&other);
    let form = [("content-type", "application/json")];
    let body = json!({"email": EMAIL, "password": PASSWORD}).to_string();
    other.send(Method::POST, "/login", &form, Some(body)).await;
    let mut guesser = Jar::from_address(&app, "198.51.100.1");
    for _ in 0..12 {
        guesser.log_in(EMAIL, WRONG).await;
    }

    // Codes and tokens, good and bad.
    let api = Api::new(&app);
    let first = code(&mut jar, &used, &[]).await;
    let wrong_verifier = [
        ("grant_type", "authorization_code"),
        ("client_id", "spa"),
        ("code", &*first),
        ("redirect_uri", CALLBACK),
        ("code_verifier", "wrong-verifier-of-heart-of-gold-000000000000000"),
    ];
    used.note("wrong verifier", wrong_verifier[4].1);
    assert_eq!(api.post("/oauth2/token", &wrong_verifier).await.status, 400);
    let [access, id_token, refresh] = used.tokens(&api.redeem("spa", &first).await);
    assert_eq!(api.userinfo(&access).await.status, 200);
    assert_eq!(api.userinfo(&access[1..]).await.status, 401);
    assert_eq!(api.userinfo(&id_token).await.status, 401);
    app.advance(chrono::TimeDelta::minutes(1));
    let [_, _, second] = used.tokens(&api.refresh("spa", &refresh).await);
    app.advance(chrono::TimeDelta::days(2));
    used.tokens(&api.refresh("spa", &second).await);
    assert_eq!(api.refresh("spa", &refresh).await.status, 400, "a theft");
    assert_eq!(api.redeem("spa", &first).await.status, 400, "a replay");
    for (client, token) in [
        (("api", &*secret), &access),
        (("api", WRONG), &second),
        (("nobody", &*secret), &id_token),
    ] {
        api.post_as(client, "/oauth2/introspect", &[("token", token)])
            .await;
        api.post_as(client, "/oauth2/revoke", &[("token", token)]).await;
        let query = format!("/oauth2/token?token={token}&x=parameter-of-heart-of-gold");
        api.post_as(client, &query, &[("grant_type", "client_credentials")])
            .await;
    }

    // What is refused at the authorization endpoint, and logout.
    jar.log_in(EMAIL, PASSWORD).await;
    used.cookies(&jar);
    for query in [
        "client_id=parameter-of-heart-of-gold",
        "client_id=spa&redirect_uri=https://parameter-of-heart-of-gold.example/",
        "client_id=spa&redirect_uri=https://app.example/callback&scope=parameter-of-heart-of-gold",
        "client_id=spa&redirect_uri=https://app.example/callback&response_type=code&scope=openid&prompt=parameter-of-heart-of-gold",
        "client_id=spa&redirect_uri=https://app.example/callback&response_type=code&scope=openid&claims=parameter-of-heart-of-gold",
        "client_id=spa&redirect_uri=https://app.example/callback&response_type=code&scope=openid&resource=parameter-of-heart-of-gold",
    ] {
        jar.get(&format!("/oauth2/authorize?{query}&state=state-of-heart-of-gold"))
            .await;
    }
    let last = code(&mut jar, &used, &[]).await;
    let [_, id_token, _] = used.tokens(&api.redeem("spa", &last).await);
    let logout = encode(&[
        ("id_token_hint", &*id_token),
        (
            "post_logout_redirect_uri",
            "https://parameter-of-heart-of-gold.example",
        ),
    ]);
    assert_eq!(jar.get(&format!("/oauth2/logout?{logout}")).await.status, 400);
    jar.get("/account").await;
    jar.get("/oauth2/authorize/parameter-of-heart-of-gold").await;
    jar.get("/assets/parameter-of-heart-of-gold").await;
    let page = jar.get("/logout").await;
    used.code(&page);
    jar.submit(&page, &[("logout", "yes")]).await;

    // A database that refuses says in its error which row it is about, and one that is gone.
    app.sql("ALTER TABLE users ADD CONSTRAINT none CHECK (email_key NOT LIKE 'marvin%') NOT VALID")
        .await;
    used.note("another email", "marvin.paranoid@magrathea.example");
    used.note("another name", "Marvin Paranoid");
    let answer = Jar::new(&app)
        .sign_up("Marvin Paranoid", "marvin.paranoid@magrathea.example", PASSWORD)
        .await;
    assert_eq!(answer.status, 500, "{answer:#?}");
    app.sql("UPDATE users SET profile = '{\"given_name\": 4711}'")
        .await;
    assert_eq!(Jar::new(&app).log_in(EMAIL, PASSWORD).await.status, 500);
    app.sql("UPDATE users SET profile = '{}', password_hash = 'no hash of Beeblebrox'")
        .await;
    assert_eq!(Jar::new(&app).log_in(EMAIL, PASSWORD).await.status, 422);
    let client = app.database.client().await;
    let id: uuid::Uuid = client
        .query_one("SELECT id FROM users", &[])
        .await
        .expect("one user")
        .get(0);
    users::disable(app.db(), id.into(), app.provider.now())
        .await
        .expect("disabled");
    app.provider.db.close();
    assert_eq!(Jar::new(&app).log_in(EMAIL, PASSWORD).await.status, 503);
    println!("\nDONE");
}

/// Runs the flows in a process of its own; its log and what it said.
fn logged(format: &str) -> (String, String) {
    let output = Command::new(std::env::current_exe().expect("a test knows its binary"))
        .args(["--exact", LOGGED, "--ignored", "--nocapture", "--test-threads=1"])
        .env(FORMAT, format)
        .stdin(Stdio::null())
        .output()
        .expect("the binary runs");
    let log = String::from_utf8(output.stderr).expect("a log of text");
    let said = String::from_utf8(output.stdout).expect("text");
    assert!(
        output.status.success() && said.contains("\nDONE"),
        "{said}\n{log}"
    );
    // It is the log, and it tells a lot.
    for message in [
        "a user signed up",
        "a login failed",
        "answered",
        "a page failed",
        "a user logged in",
        "the database refused a statement",
    ] {
        assert!(log.contains(message), "{message}: {log}");
    }
    (log, said)
}

#[test]
fn nothing_secret_or_personal_is_logged_at_any_level() {
    for format in ["json", "text"] {
        let (log, said) = logged(format);
        let used = said.lines().filter_map(|line| line.strip_prefix("USED\t"));
        let mut count = 0;
        for line in used {
            let (what, text) = line.split_once('\t').expect("what and which");
            count += 1;
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            // Of a long one no part either.
            let middle =
                (text.len() > 40 && text.is_ascii()).then(|| text[text.len() / 2..][..20].to_owned());
            for spelling in [Some(text.to_owned()), Some(encoded), middle]
                .into_iter()
                .flatten()
            {
                let found = log.lines().find(|line| line.contains(&spelling));
                assert_eq!(found, None, "{what} as {format}");
            }
        }
        assert!(count > 30, "{count}");
    }
}
