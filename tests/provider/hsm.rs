//! Signing keys in a PKCS#11 token: real servers, SoftHSM, and strangers who verify.

use std::io::Write;
use std::process::{Output, Stdio};
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::crash::visitor::Visitor;
use crate::support::app::CALLBACK;
use crate::support::browser::{Answer, header};
use crate::support::database::{TestDatabase, database};
use crate::support::node::{Folder, Node, signet};
use crate::support::programs::{Program, free_port};
use crate::support::softhsm::{self, PIN, TOKEN, TokenStore};

const ALGORITHMS: [&str; 5] = ["EdDSA", "Ed25519", "ES256", "RS256", "PS256"];

/// A folder whose processes are told of a token, and a database.
struct Site {
    store: TokenStore,
    folder: Folder,
    database: TestDatabase,
}

impl Site {
    async fn new() -> Self {
        let (store, mut folder) = (TokenStore::new(), Folder::new());
        let pin = folder.path().join("pin");
        std::fs::write(&pin, PIN).expect("our own folder");
        folder.set("SOFTHSM2_CONF", store.configuration());
        folder.set("SIGNET_KEYS__PKCS11_MODULE", softhsm::module());
        folder.set("SIGNET_KEYS__PKCS11_TOKEN", TOKEN);
        folder.set("SIGNET_KEYS__PKCS11_PIN_FILE", pin);
        Self {
            store,
            folder,
            database: database().await,
        }
    }

    /// One whose keys are made in the token.
    async fn in_token() -> Self {
        let mut site = Self::new().await;
        site.folder.set("SIGNET_KEYS__LOCATION", "pkcs11");
        site
    }

    async fn start(&self) -> Node {
        Node::start(&self.folder, Some(self.database.url.expose()), None).await
    }

    /// Runs a command beside `node`.
    fn command(&self, node: &Node, arguments: &[&str], input: &str) -> Output {
        let mut child = signet(&self.folder, Some(self.database.url.expose()))
            .args(arguments)
            .args(["--format", "json"])
            .env("SIGNET_ISSUER", &node.url)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut stdin = child.stdin.take().expect("piped");
        // One that reads nothing may have ended.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("our own child")
    }

    fn json(&self, node: &Node, arguments: &[&str], input: &str) -> Value {
        let output = self.command(node, arguments, input);
        assert!(output.status.success(), "{output:?}");
        serde_json::from_slice(&output.stdout).expect("JSON alone on stdout")
    }

    /// Registers the browser's client, a program's, and an API for each algorithm.
    fn register(&self, node: &Node, algorithms: &[&str]) -> String {
        let clients = json!([
            {"client_id": "spa", "client_name": "Example SPA", "first_party": true,
             "token_endpoint_auth_method": "none", "redirect_uris": [CALLBACK],
             "grant_types": ["authorization_code", "refresh_token"], "scope": "openid offline_access"},
            {"client_id": "program", "client_name": "Program", "token_endpoint_auth_method": "client_secret_post",
             "redirect_uris": [], "grant_types": ["client_credentials"], "scope": "read"},
        ]);
        let made = self.json(
            node,
            &["clients", "create", "--metadata", "-"],
            &clients.to_string(),
        );
        for algorithm in algorithms {
            let api = api(algorithm);
            let arguments = [
                "resources",
                "create",
                "--identifier",
                &api,
                "--name",
                algorithm,
                "--scope",
                "read",
            ];
            self.json(
                node,
                &[&arguments[..], &["--signing-alg", algorithm]].concat(),
                "",
            );
        }
        made[1]["client_secret"].as_str().expect("a secret").to_owned()
    }
}

fn api(algorithm: &str) -> String {
    format!("https://{}.example", algorithm.to_lowercase())
}

/// The answer to a program that asks for a token for the API of `algorithm`.
async fn ask(node: &Node, secret: &str, algorithm: &str) -> Answer {
    let api = api(algorithm);
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", "program"),
        ("client_secret", secret),
        ("resource", &api),
    ];
    Visitor::new(node)
        .post("/oauth2/token", &fields)
        .await
        .expect("an answer")
}

/// What becomes of asking until the node has heard of what was registered.
async fn token_for(node: &Node, secret: &str, algorithm: &str) -> String {
    let asked = async {
        loop {
            let answer = ask(node, secret, algorithm).await;
            if answer.status == StatusCode::OK {
                return answer.json()["access_token"]
                    .as_str()
                    .expect("a token")
                    .to_owned();
            }
            let error = answer.json()["error"].clone();
            assert!(
                error == "invalid_client" || error == "invalid_target",
                "{answer:#?}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .expect("it hears of it")
}

/// A stranger's verdict, who has nothing but the published keys.
async fn verify(program: Program, node: &Node, audience: &str, algorithm: &str, typ: &str, token: &str) {
    let program = program
        .setting("ISSUER", &node.url)
        .setting("AUDIENCE", audience)
        .setting("ALG", algorithm)
        .setting("TYP", typ);
    let found = program.run(token).await.expect("a good token");
    assert_eq!(found["header"], header(token));
    assert_eq!(found["header"]["alg"], algorithm);
}

#[tokio::test]
async fn strangers_verify_what_a_token_signs_with_every_algorithm() {
    let mut site = Site::in_token().await;
    site.folder.set("SIGNET_KEYS__ALGORITHMS", ALGORITHMS.join(","));
    let node = site.start().await;
    let secret = site.register(&node, &ALGORITHMS);

    for algorithm in ALGORITHMS {
        let token = token_for(&node, &secret, algorithm).await;
        let program = if algorithm == "Ed25519" {
            // PyJWT does not know the name.
            Program::node("verify_jose.mjs")
        } else {
            Program::python("verify_pyjwt.py")
        };
        verify(program, &node, &api(algorithm), algorithm, "at+jwt", &token).await;
    }
    let visitor = Visitor::new(&node);
    let code = visitor.sign_up("ada@example.org").await.expect("a code");
    let tokens = visitor.redeem(&code).await.expect("an answer").json();
    let id_token = tokens["id_token"].as_str().expect("an ID token");
    verify(
        Program::python("verify_pyjwt.py"),
        &node,
        "spa",
        "RS256",
        "JWT",
        id_token,
    )
    .await;

    let keys = site.json(&node, &["keys", "list"], "");
    let keys = keys.as_array().expect("a list");
    assert_eq!(keys.len(), 3 * ALGORITHMS.len());
    for key in keys {
        let location = key["location"].as_str().expect("a text");
        assert!(location.starts_with("pkcs11:token=signet%20test;id=%"), "{key}");
    }
    let client = site.database.client().await;
    let wrapped = client
        .query("SELECT FROM signing_keys WHERE wrapped IS NOT NULL", &[])
        .await;
    assert_eq!(
        wrapped.expect("asked").len(),
        0,
        "no private key is in the database"
    );
    let doctor = site.command(&node, &["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("logged in to the token"), "{said}");
    for text in [&*said, &node.log()] {
        assert!(!text.contains(PIN), "{text}");
    }
}

#[tokio::test]
async fn while_the_token_is_away_all_but_signing_goes_on_and_nothing_is_spent() {
    let site = Site::in_token().await;
    let mut node = site.start().await;
    let secret = site.register(&node, &["EdDSA"]);
    token_for(&node, &secret, "EdDSA").await;
    let visitor = Visitor::new(&node);
    let code = visitor.sign_up("ada@example.org").await.expect("a code");
    let tokens = visitor.redeem(&code).await.expect("an answer").json();
    let access_token = tokens["access_token"].as_str().expect("a token").to_owned();
    let refresh_token = tokens["refresh_token"].as_str().expect("a token").to_owned();
    let code = visitor.log_in("ada@example.org").await.expect("another code");
    let keys = site.json(&node, &["keys", "list"], "");
    let kid = keys[0]["kid"].as_str().expect("a kid");

    site.store.unplug();
    let get = async |node: &Node, path: &str| {
        let http = reqwest::Client::new();
        let request = http.get(format!("{}{path}", node.url)).bearer_auth(&access_token);
        let answer = request.send().await.expect("an answer");
        (answer.status(), answer.text().await.expect("a body"))
    };
    let away = async |node: &Node| {
        let visitor = Visitor::new(node);
        for answer in [
            ask(node, &secret, "EdDSA").await,
            visitor.redeem(&code).await.expect("an answer"),
            visitor.refresh(&refresh_token).await.expect("an answer"),
        ] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:#?}");
            assert_eq!(answer.json()["error"], "temporarily_unavailable");
            assert!(answer.headers.contains_key("retry-after"));
        }
        let (_, jwks) = get(node, "/.well-known/jwks.json").await;
        assert!(jwks.contains(kid), "{jwks}");
        assert_eq!(
            get(node, "/oauth2/userinfo").await.0,
            StatusCode::OK,
            "tokens are verified"
        );
        let (ready, reason) = get(node, "/readyz").await;
        assert_eq!(ready, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            reason.contains("the signing key") && reason.contains("PKCS#11"),
            "{reason}"
        );
    };
    away(&node).await;
    let doctor = site.command(&node, &["doctor"], "");
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(!doctor.status.success() && said.contains(kid), "{said}");

    // A node that starts meanwhile does no less.
    let address = node.address().to_owned();
    node.kill();
    let mut node = Node::launch(&site.folder, Some(site.database.url.expose()), None, &address);
    let url = format!("{}/healthz", node.url);
    let lives = async {
        while reqwest::get(&url).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), lives)
        .await
        .expect("it starts");
    away(&node).await;
    assert!(node.log().contains(kid), "{}", node.log());

    site.store.plug_in();
    node.until_ready().await;
    let visitor = Visitor::new(&node);
    for answer in [
        ask(&node, &secret, "EdDSA").await,
        visitor.redeem(&code).await.expect("an answer"),
        visitor.refresh(&refresh_token).await.expect("an answer"),
    ] {
        assert_eq!(answer.status, StatusCode::OK, "{answer:#?}");
    }
}

#[tokio::test]
async fn keys_move_into_a_token_as_they_rotate() {
    let mut site = Site::new().await;
    let mut node = site.start().await;
    let secret = site.register(&node, &["EdDSA"]);
    token_for(&node, &secret, "EdDSA").await;
    let address = node.address().to_owned();
    node.kill();

    site.folder.set("SIGNET_KEYS__LOCATION", "pkcs11");
    site.folder.set("SIGNET_KEYS__ALGORITHMS", "EdDSA,RS256,ES256");
    let node = Node::start_at(&site.folder, Some(site.database.url.expose()), None, &address).await;
    let token = token_for(&node, &secret, "EdDSA").await;
    let jwks = async {
        loop {
            let jwks = reqwest::get(format!("{}/.well-known/jwks.json", node.url))
                .await
                .expect("an answer");
            let jwks = jwks.text().await.expect("a body");
            if jwks.contains("ES256") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), jwks)
        .await
        .expect("the new keys are announced");
    let keys = site.json(&node, &["keys", "list"], "");
    for key in keys.as_array().expect("a list") {
        let location = key["location"].as_str().expect("a text");
        assert_eq!(location.starts_with("pkcs11:"), key["alg"] == "ES256", "{key}");
    }
    verify(
        Program::python("verify_pyjwt.py"),
        &node,
        &api("EdDSA"),
        "EdDSA",
        "at+jwt",
        &token,
    )
    .await;
}

/// How many objects the token holds: two for each pair of keys.
fn objects(store: &TokenStore) -> usize {
    let tokens = std::fs::read_dir(store.folder.join("tokens")).expect("it is plugged in");
    let files =
        tokens.flat_map(|token| std::fs::read_dir(token.expect("an entry").path()).expect("a folder"));
    files
        .filter(|file| {
            let name = file.as_ref().expect("an entry").file_name();
            name != "token.object" && name.to_string_lossy().ends_with(".object")
        })
        .count()
}

#[tokio::test]
async fn a_node_that_was_not_the_first_leaves_no_keys_behind() {
    const WAITING: &str =
        "SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let site = Site::in_token().await;
    let gate = site.database.client().await;
    gate.batch_execute("BEGIN; SELECT FROM revisions WHERE name = 'keys' FOR UPDATE")
        .await
        .expect("the row is held");
    let url = Some(site.database.url.expose());
    let launch = || {
        let address = format!("127.0.0.1:{}", free_port());
        Node::launch(&site.folder, url, Some("http://127.0.0.1:1"), &address)
    };
    let (mut one, mut other) = (launch(), launch());
    let asking = site.database.client().await;
    let both = async {
        while asking.query(WAITING, &[]).await.expect("asked").len() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), both)
        .await
        .expect("both have made theirs");
    assert_eq!(objects(&site.store), 2 * 2 * 6);
    gate.batch_execute("COMMIT").await.expect("the row is free");
    one.until_ready().await;
    other.until_ready().await;
    assert_eq!(objects(&site.store), 2 * 6);
}

#[tokio::test]
async fn a_key_that_a_command_makes_in_the_token_signs_on_a_running_server() {
    let site = Site::in_token().await;
    let node = site.start().await;
    let secret = site.register(&node, &["EdDSA"]);
    let before = token_for(&node, &secret, "EdDSA").await;
    let kids = |keys: &Value| -> Vec<String> {
        let keys = keys.as_array().expect("a list").iter();
        keys.filter(|key| key["alg"] == "EdDSA" && key["state"] != "compromised")
            .map(|key| key["kid"].as_str().expect("a kid").to_owned())
            .collect()
    };
    let first = kids(&site.json(&node, &["keys", "list"], ""));
    for kid in &first {
        let output = site.command(&node, &["keys", "compromise", kid], "");
        assert!(output.status.success(), "{output:?}");
    }

    let listed = site.json(&node, &["keys", "list"], "");
    let second = kids(&listed);
    assert!(
        second.len() == 3 && second.iter().all(|kid| !first.contains(kid)),
        "{listed}"
    );
    let after = token_for(&node, &secret, "EdDSA").await;
    assert!(first.iter().any(|kid| header(&before)["kid"] == **kid));
    assert!(
        second.iter().any(|kid| header(&after)["kid"] == **kid),
        "{}",
        header(&after)
    );
    verify(
        Program::python("verify_pyjwt.py"),
        &node,
        &api("EdDSA"),
        "EdDSA",
        "at+jwt",
        &after,
    )
    .await;
}
