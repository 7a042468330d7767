//! What an operator can rely on, and `config/signet.toml` held against the code.

mod reference;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use super::*;

const REFERENCE: &str = include_str!("../../config/signet.toml");

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("signet-config-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file in our own folder");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

fn load(name: &str, text: &str, environment: &[(&str, &str)]) -> Result<Loaded, ConfigError> {
    let folder = Folder::new(name);
    let file = folder.file("signet.toml", text);
    Config::load(Some(&file), variables(environment))
}

fn refusal(name: &str, text: &str, environment: &[(&str, &str)]) -> String {
    load(name, text, environment)
        .expect_err("it cannot be used")
        .to_string()
}

#[test]
fn without_anything_the_defaults_of_the_contract_hold() {
    let loaded = load("defaults", "", &[]).expect("an empty file is a configuration");
    let config = loaded.config;
    assert_eq!(config.issuer, "http://localhost:8080");
    assert_eq!(config.listen.to_string(), "127.0.0.1:8080");
    assert!(config.database.url.is_none());
    assert_eq!(config.database.pool_size, 16);
    assert_eq!(config.database.statements, Statements::Prepared);
    assert!(config.database.auto_migrate);
    assert_eq!(config.tokens.access_token_ttl, Duration::from_secs(600));
    assert_eq!(
        config.tokens.refresh_token_ttl,
        Duration::from_secs(90 * 24 * 3600)
    );
    assert_eq!(config.sessions.cookie_prefix, "better-auth");
    let passwords = &config.passwords;
    assert_eq!(
        (passwords.memory_kib, passwords.iterations, passwords.parallelism),
        (19456, 2, 1)
    );
    assert_eq!(config.better_auth.links, Links::Confirm);
    assert_eq!(config.branding.accent.to_string(), "#1d4ed8");
    assert!(config.log.format.is_none());
    assert!(
        matches!(&config.keys.master_key, MasterKeySource::File(path) if path == &PathBuf::from("keys/master.key"))
    );
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_variable_overrides_the_file() {
    let loaded = load(
        "override",
        "issuer = \"https://a.example.org\"\n[database]\npool_size = 4\n[tokens]\nid_token_ttl = \"5m\"",
        &[
            ("SIGNET_ISSUER", "https://b.example.org"),
            ("SIGNET_DATABASE__POOL_SIZE", "8"),
            ("SIGNET_TOKENS__ID_TOKEN_TTL", ""),
            ("SIGNET_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1"),
            ("PATH", "/bin"),
        ],
    )
    .expect("all values are right");
    assert_eq!(loaded.config.issuer, "https://b.example.org");
    assert_eq!(loaded.config.database.pool_size, 8);
    assert_eq!(
        loaded.config.tokens.id_token_ttl,
        Duration::from_secs(300),
        "an empty variable is none"
    );
    assert_eq!(loaded.config.trusted_proxies.len(), 2);
    assert_eq!(loaded.warnings, Vec::<String>::new());
}

#[test]
fn a_token_is_told_whole_or_not_at_all() {
    let folder = Folder::new("pkcs11");
    let pin = folder.file("pin", "4711\n");
    let text = format!(
        "[keys]\nlocation = \"pkcs11\"\npkcs11_module = \"/m.so\"\npkcs11_token = \"t\"\npkcs11_pin_file = {pin:?}"
    );
    let keys = load("pkcs11-whole", &text, &[])
        .expect("a whole token")
        .config
        .keys;
    let token = keys.pkcs11.expect("a token");
    assert_eq!((keys.location, token.token.as_str()), (KeyLocation::Pkcs11, "t"));
    assert_eq!(token.pin.expose(), "4711");
    assert!(!format!("{token:?}").contains("4711"));

    let none = refusal("pkcs11-none", "[keys]\nlocation = \"pkcs11\"", &[]);
    for key in ["keys.pkcs11_module", "keys.pkcs11_token", "keys.pkcs11_pin"] {
        assert!(none.contains(key), "{none}");
    }
    let half = refusal("pkcs11-half", "", &[("SIGNET_KEYS__PKCS11_PIN", "4711")]);
    assert!(
        half.contains("keys.pkcs11_module") && !half.contains("4711"),
        "{half}"
    );
    let unreadable = text.replace("/pin", "/no-pin");
    let unreadable = refusal("pkcs11-unreadable", &unreadable, &[]);
    assert!(
        unreadable.contains("no-pin") && !unreadable.contains("is missing"),
        "{unreadable}"
    );
    let wrong = refusal("pkcs11-wrong", "[keys]\nlocation = \"hsm\"", &[]);
    assert!(wrong.contains("\"database\" or \"pkcs11\""), "{wrong}");
}

#[test]
fn algorithms_can_be_added_and_two_cannot_be_left_out() {
    use crate::oauth::signing_algorithm::SigningAlgorithm::{EdDsa, Es256, Ps256, Rs256};
    let named = |text: &str, environment: &[(&str, &str)]| {
        let loaded = load("algorithms", text, environment).expect("all values are right");
        loaded.config.keys.algorithms.iter().collect::<Vec<_>>()
    };
    assert_eq!(named("", &[]), [EdDsa, Rs256]);
    let file = "[keys]\nalgorithms = [\"PS256\", \"RS256\", \"EdDSA\"]";
    assert_eq!(named(file, &[]), [EdDsa, Rs256, Ps256]);
    let variable = [("SIGNET_KEYS__ALGORITHMS", "EdDSA, ES256, RS256")];
    assert_eq!(named(file, &variable), [EdDsa, Es256, Rs256]);

    let text = refusal("algorithms-without", "[keys]\nalgorithms = [\"ES256\"]", &[]);
    assert!(text.contains("keys.algorithms: must contain \"EdDSA\""), "{text}");
    assert!(text.contains("keys.algorithms: must contain \"RS256\""), "{text}");
    assert!(text.contains("OpenID Connect Discovery §3"), "{text}");
    let unknown = "[keys]\nalgorithms = [\"EdDSA\", \"RS256\", \"HS256\"]";
    let text = refusal("algorithms-unknown", unknown, &[]);
    assert!(
        text.contains("\"HS256\" must be EdDSA, Ed25519, ES256, RS256 or PS256"),
        "{text}"
    );
}

#[test]
fn the_database_url_comes_under_its_usual_name_too() {
    let url = |environment: &[(&str, &str)]| {
        let loaded = load(
            "database-url",
            "[database]\nurl = \"postgres://file\"",
            environment,
        );
        loaded
            .expect("all values are right")
            .config
            .database
            .url
            .expect("a URL")
            .expose()
            .to_owned()
    };
    assert_eq!(url(&[]), "postgres://file");
    assert_eq!(
        url(&[("DATABASE_URL", "postgres://platform")]),
        "postgres://platform"
    );
    let both = [
        ("DATABASE_URL", "postgres://platform"),
        ("SIGNET_DATABASE__URL", "postgres://ours"),
    ];
    assert_eq!(url(&both), "postgres://ours");
}

#[test]
fn a_secret_is_a_value_or_a_file_and_never_both() {
    let folder = Folder::new("secrets");
    let secret = folder.file("url", "postgres://from-a-file\n");
    let path = secret.to_str().expect("a path in Unicode");
    let file = folder.file("signet.toml", &format!("[database]\nurl_file = {path:?}"));
    let read = Config::load(Some(&file), []).expect("the file exists");
    assert_eq!(
        read.config.database.url.expect("a URL").expose(),
        "postgres://from-a-file"
    );

    let both = Config::load(
        Some(&file),
        variables(&[("SIGNET_DATABASE__URL", "postgres://hunter2")]),
    );
    let text = both.expect_err("a value and a file").to_string();
    assert!(
        text.contains("database.url (from SIGNET_DATABASE__URL)") && text.contains("database.url_file"),
        "{text}"
    );
    assert!(!text.contains("hunter2"));

    let keys = [
        ("SIGNET_KEYS__MASTER_KEY", "c2VjcmV0"),
        ("SIGNET_KEYS__MASTER_KEY_FILE", "keys/master.key"),
    ];
    assert!(refusal("both-keys", "", &keys).contains("SIGNET_KEYS__MASTER_KEY_FILE"));
    let missing = refusal(
        "missing",
        "",
        &[("SIGNET_MAIL__SMTP_URL_FILE", "/nowhere/at/all")],
    );
    assert!(
        missing.contains("/nowhere/at/all") && missing.contains("create it"),
        "{missing}"
    );
}

#[test]
fn an_unknown_key_is_an_error_that_names_the_nearest() {
    for (text, nearest) in [
        ("isuer = \"https://a.example.org\"", "issuer"),
        ("[tokens]\nacess_token_ttl = \"1m\"", "tokens.access_token_ttl"),
        ("[databse]\nurl = \"postgres://a\"", "database.url"),
        ("pool_size = 3", "database.pool_size"),
        ("[[provider]]\nid = \"a\"", "providers"),
        ("[sesions]", "sessions."),
        (
            "[[providers]]\nid = \"a\"\npreset = \"google\"\nclient_id = \"a\"\nclientsecret = \"b\"",
            "client_secret",
        ),
    ] {
        let error = refusal("unknown", text, &[]);
        assert!(
            error.contains("there is no such") && error.contains(nearest),
            "{text}: {error}"
        );
    }
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let environment = [
        ("SIGNET_PORT", "tcp://10.0.0.1:80"),
        ("SIGNET_TOKENS__ID_TOKEN_TLL", "1m"),
    ];
    let warnings = load("unknown-variable", "", &environment)
        .expect("no error")
        .warnings;
    assert_eq!(warnings.len(), 2);
    assert!(
        warnings[1].contains("SIGNET_TOKENS__ID_TOKEN_TTL"),
        "{warnings:?}"
    );
    assert!(!warnings[0].contains("tcp://"), "values are not repeated");
}

#[test]
fn everything_wrong_is_told_at_once_with_its_source() {
    let text = "issuer = \"http://id.example.org\"\n[tokens]\naccess_token_ttl = \"10\"\n[passwords]\nmin_strength = 5";
    let error = refusal("many", text, &[("SIGNET_DATABASE__POOL_SIZE", "0")]);
    assert_eq!(error.lines().count(), 5, "{error}");
    for part in [
        "issuer: ",
        "https://",
        "tokens.access_token_ttl: \"10\" must be a number with its unit",
        "passwords.min_strength: 5 must be from 0 to 4",
        "database.pool_size (from SIGNET_DATABASE__POOL_SIZE): 0 must be from 1 to 1000",
    ] {
        assert!(error.contains(part), "{part}: {error}");
    }
}

#[test]
fn values_out_of_bounds_are_refused() {
    for (name, value) in [
        ("SIGNET_TOKENS__ACCESS_TOKEN_TTL", "0s"),
        ("SIGNET_TOKENS__ACCESS_TOKEN_TTL", "1500ms"),
        ("SIGNET_TOKENS__AUTHORIZATION_CODE_TTL", "1h"),
        ("SIGNET_SESSIONS__IDLE_TTL", "0s"),
        ("SIGNET_SESSIONS__COOKIE_PREFIX", "a;b"),
        ("SIGNET_SESSIONS__COOKIE_DOMAIN", "example.org"),
        ("SIGNET_PASSWORDS__MEMORY_KIB", "4294967295"),
        ("SIGNET_PASSWORDS__MEMORY_KIB", "4"),
        ("SIGNET_PASSWORDS__HASH_THREADS", "0"),
        ("SIGNET_KEYS__POLL_INTERVAL", "0s"),
        ("SIGNET_LISTEN_OPS", "127.0.0.1:8080"),
        ("SIGNET_CORS__ALLOWED_ORIGINS", "https://app.example.org/path"),
        ("SIGNET_CORS__ALLOWED_ORIGINS", "*"),
        ("SIGNET_BETTER_AUTH__TRUSTED_ORIGINS", "null"),
        ("SIGNET_MAIL__SMTP_URL", "https://mail.example.org"),
        ("SIGNET_MAIL__SMTP_URL", "smtp://mail.example.org"),
        ("SIGNET_BRANDING__ACCENT", "red;}"),
        ("SIGNET_DATABASE__DIRECT_URL", "postgres://a"),
        ("SIGNET_LOG__FORMAT", "xml"),
    ] {
        let error = refusal("bounds", "", &[(name, value)]);
        assert!(
            error.contains("must be") || error.contains("is "),
            "{name}: {error}"
        );
    }
    for (name, value) in [
        ("SIGNET_KEYS__JWKS_MAX_AGE", "0s"),
        ("SIGNET_KEYS__CLOCK_SKEW", "0s"),
    ] {
        load("zero", "", &[(name, value)]).expect("may be 0");
    }
}

#[test]
fn weak_password_parameters_are_a_warning() {
    let loaded = load("weak", "", &[("SIGNET_PASSWORDS__MEMORY_KIB", "64")]).expect("no error");
    assert!(loaded.warnings.iter().any(|warning| warning.contains("OWASP")));
}

#[test]
fn a_short_announcement_that_leaves_no_partition_is_a_warning() {
    let warnings = |min_announce: &str| {
        let file = format!("[keys]\nmin_announce = \"{min_announce}\"\n");
        load("partition", &file, &[]).expect("no error").warnings
    };
    assert_eq!(warnings("12h 11m"), [""; 0]);
    let [told] = &warnings("1h")[..] else {
        panic!("one warning")
    };
    assert!(
        told.starts_with("keys.max_partition") && told.contains("49m"),
        "{told}"
    );
    let [told] = &warnings("1m")[..] else {
        panic!("one warning")
    };
    assert!(told.contains("1s"), "{told}");
}

#[test]
fn a_line_that_is_not_toml_is_named_and_not_quoted() {
    let error = refusal("syntax", "[database]\n\nurl = \"postgres://hunter2\n", &[]);
    assert!(error.contains("line 3") && !error.contains("hunter2"), "{error}");
}

#[test]
fn a_named_file_must_exist_and_the_command_line_wins() {
    let error = Config::load(None, variables(&[("SIGNET_CONFIG", "/nowhere/signet.toml")]));
    assert!(matches!(error, Err(ConfigError::Unreadable { .. })));
    let folder = Folder::new("named");
    let first = folder.file("first.toml", "[branding]\nname = \"First\"");
    let second = folder.file("second.toml", "[branding]\nname = \"Second\"");
    let environment = variables(&[("SIGNET_CONFIG", second.to_str().expect("Unicode"))]);
    let by_variable = Config::load(None, environment.clone()).expect("it exists");
    assert_eq!(by_variable.config.branding.name, "Second");
    let by_option = Config::load(Some(&first), environment).expect("it exists");
    assert_eq!(by_option.config.branding.name, "First");
    assert_eq!(by_option.file, Some(first.clone()));
}

#[test]
fn providers_are_read_and_checked_one_by_one() {
    let google =
        "[[providers]]\nid = \"google\"\npreset = \"google\"\nclient_id = \"a\"\nclient_secret = \"s\"\n";
    let own = "[[providers]]\nid = \"own\"\npreset = \"oidc\"\nclient_id = \"b\"\n";
    let issuer =
        "issuer = \"https://login.example.org\"\nclaims = { name = \"nick\" }\nlinking = \"never\"\n";
    let providers = load("providers", &format!("{google}{own}{issuer}"), &[])
        .expect("both are right")
        .config
        .providers;
    assert_eq!(providers[0].preset, Preset::Google);
    assert_eq!(providers[0].linking, Linking::Ask);
    assert_eq!(providers[1].linking, Linking::Never);
    assert_eq!(providers[1].claims["name"], "nick");

    let error = refusal("providers-wrong", &format!("{google}{google}{own}"), &[]);
    assert!(
        error.contains("providers[1].id: \"google\" is the id of an earlier entry"),
        "{error}"
    );
    assert!(error.contains("providers[2].issuer: is missing"), "{error}");
}

#[test]
fn apple_signs_with_a_key_and_nobody_else_does() {
    let entry = |preset: &str, more: &str| {
        format!("[[providers]]\nid = \"a\"\npreset = \"{preset}\"\nclient_id = \"b\"\n{more}")
    };
    let names = "team_id = \"T\"\nkey_id = \"K\"\n";
    let key = "client_secret = \"\"\"\n-----BEGIN PRIVATE KEY-----\nMIG\n-----END PRIVATE KEY-----\n\"\"\"\n";
    let loaded = load("apple", &entry("apple", &format!("{names}{key}")), &[]).expect("it is right");
    let provider = &loaded.config.providers[0];
    assert_eq!(provider.team_id.as_deref(), Some("T"));
    assert_eq!(provider.key_id.as_deref(), Some("K"));

    let error = refusal("apple-without", &entry("apple", ""), &[]);
    for name in ["team_id", "key_id", "client_secret"] {
        assert!(
            error.contains(&format!("providers[0].{name}: is missing")),
            "{error}"
        );
    }
    let error = refusal("google-with", &entry("google", names), &[]);
    assert!(error.contains("providers[0].team_id: is for preset"), "{error}");
}

#[test]
fn claims_of_a_provider_are_given_for_ours_alone() {
    let entry = |preset: &str, claims: &str| {
        format!(
            "[[providers]]\nid = \"a\"\npreset = \"{preset}\"\nclient_id = \"b\"\nissuer = \"https://a.example\"\n\
             claims = {{ {claims} }}\n"
        )
    };
    let error = refusal("claims-other", &entry("oidc", "nickname = \"nick\""), &[]);
    assert!(error.contains("\"nickname\" is none of sub"), "{error}");
    let error = refusal("claims-sub", &entry("oidc", "sub = \"email\""), &[]);
    assert!(error.contains("sub is for preset"), "{error}");
}

#[test]
fn plain_http_to_a_provider_needs_leave() {
    let entry =
        "[[providers]]\nid = \"a\"\npreset = \"oidc\"\nclient_id = \"b\"\nissuer = \"http://127.0.0.1:1\"\n";
    let error = refusal("provider-http", entry, &[]);
    assert!(error.contains("must start with https://"), "{error}");
    let allowed = format!("{entry}allow_private_addresses = true\n");
    load("provider-http-allowed", &allowed, &[]).expect("the operator says so");
    let error = refusal("provider-query", &allowed.replace(":1\"", ":1/?a=b\""), &[]);
    assert!(error.contains("must be without ?"), "{error}");
}

#[test]
fn no_secret_is_printed_with_the_configuration() {
    let environment = [
        ("SIGNET_DATABASE__URL", "postgres://hunter2"),
        ("SIGNET_KEYS__MASTER_KEY", "hunter2"),
        ("SIGNET_BETTER_AUTH__SECRET", "hunter2"),
        ("SIGNET_MAIL__SMTP_URL", "smtp://u:hunter2@mail.example.org"),
        ("SIGNET_MAIL__FROM", "id@example.org"),
    ];
    let loaded = load("printed", "", &environment).expect("all values are right");
    assert!(!format!("{loaded:?}").contains("hunter2"));
}
