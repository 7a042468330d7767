//! What holds for every command line.

use super::binary::Bench;

#[test]
fn a_wrong_line_is_status_two_with_nothing_on_standard_output() {
    let bench = Bench::embedded();
    for line in [
        &["clients"][..],
        &["clients", "create"],
        &["clients", "create", "--name", "N"],
        &["clients", "create", "--metadata", "-", "--name", "N"],
        &[
            "clients",
            "create",
            "--metadata",
            "-",
            "--redirect-uri",
            "https://a.example/cb",
        ],
        &["clients", "create", "--name", "N", "--type", "secret"],
        &[
            "clients",
            "create",
            "--name",
            "N",
            "--type",
            "public",
            "--grant-type",
            "password",
        ],
        &["clients", "show"],
        &["clients", "update", "id", "--enable", "--disable"],
        &["users", "create", "--email", "ada@example.org", "--name", "Ada"],
        &["users", "show"],
        &["sessions", "revoke"],
        &["sessions", "revoke", "not-an-id"],
        &["sessions", "revoke", "--all", "--user", "ada@example.org"],
        &[
            "sessions",
            "revoke",
            "--user",
            "ada@example.org",
            "--issued-before",
            "2026-01-01T00:00:00Z",
        ],
        &["sessions", "revoke", "--all", "--issued-before", "yesterday"],
        &["keys", "list", "--format", "yaml"],
        &["nonsense"],
    ] {
        let run = bench.run(line);
        assert_eq!((run.status, &*run.stdout), (2, ""), "{line:?}: {run:?}");
        let failure = bench.run(&[line, &["--format", "json"]].concat());
        if !line.contains(&"yaml") {
            assert_eq!(failure.failure(2)["error"], "usage", "{line:?}");
        }
    }
    assert!(!bench.path(".signet").exists(), "a wrong line starts nothing");
}

#[test]
fn help_and_version_are_answers() {
    let bench = Bench::embedded();
    for line in [&["--help"][..], &["--version"], &["clients", "create", "--help"]] {
        let run = bench.run(line);
        assert_eq!((run.status, &*run.stderr), (0, ""), "{line:?}");
        assert!(run.stdout.contains("signet"), "{run:?}");
    }
}

#[tokio::test]
async fn the_format_may_stand_anywhere_and_tables_are_for_people() {
    let bench = Bench::new().await;
    for line in [
        ["--format", "json", "users", "list"],
        ["users", "--format", "json", "list"],
        ["users", "list", "--format", "json"],
    ] {
        assert_eq!(bench.run(&line).json(), serde_json::json!([]));
    }
    let run = bench.run(&["users", "list"]);
    assert_eq!(
        run.stdout,
        "ID  EMAIL  NAME  VERIFIED  STATUS  CREATED  LAST LOGIN\n"
    );
    let run = bench.run(&["users", "show", "ada@example.org"]);
    assert_eq!((run.status, &*run.stdout), (1, ""));
    assert_eq!(
        run.stderr,
        "error: there is no user ada@example.org\nhint: USER is an e-mail address or an id\n"
    );
}

#[tokio::test]
async fn a_wrong_configuration_and_a_missing_database_are_told_without_secrets() {
    let bench = Bench::embedded();
    let failure = bench
        .json(&["--config", "missing.toml", "users", "list"])
        .failure(1);
    assert_eq!(failure["error"], "configuration");
    let file = bench.write("wrong.toml", "[databse]\nurl = \"postgres://u:hunter2@db/x\"\n");
    let run = bench.json(&["--config", file.to_str().expect("a path"), "users", "list"]);
    assert_eq!(run.failure(1)["error"], "configuration");
    assert!(
        run.stderr.contains("database.url") && !run.stderr.contains("hunter2"),
        "{run:?}"
    );

    let mut command = bench.command(&["--format", "json", "users", "list"]);
    command.env("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x");
    let run = super::binary::run(&mut command, "");
    let failure = run.failure(1);
    assert_eq!(failure["error"], "database_unavailable");
    assert!(failure["hint"].is_string());
    assert!(!run.stderr.contains("hunter2"), "{run:?}");
}
