//! No container engine and no bare machine runs here: that what surrounds the server names only what exists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use signet::config::Config;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines without comments, those that end in a backslash joined with the next.
fn statements(path: &str) -> Vec<String> {
    let text = read(path).replace("\\\n", " ");
    let code = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    code.filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// What is written after a word, once for each time that it stands there.
fn after<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = &'a str> {
    let end = |c: char| c.is_whitespace() || "\"'`;,)".contains(c);
    text.split(word)
        .skip(1)
        .map(move |rest| rest.split(end).next().unwrap_or(rest))
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn sources() -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    files_below(&root().join("src"), &mut found);
    found.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a source is text");
        (path, text)
    };
    found.into_iter().map(read).collect()
}

/// The arguments of an instruction in exec form: `CMD ["serve"]` has `serve`.
fn exec_form(statement: &str) -> Vec<String> {
    let list = &statement[statement.find('[').expect("the exec form, which needs no shell")..];
    serde_json::from_str(list).expect("the exec form is JSON")
}

fn assert_is_a_subcommand(name: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_signet"))
        .args([name, "--help"])
        .output()
        .expect("signet starts");
    let help = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && help.contains(&format!("Usage: signet {name}")),
        "`signet {name}` is no command"
    );
}

fn copied_sources() -> Vec<String> {
    let mut copied = Vec::new();
    for statement in statements("Dockerfile") {
        if let Some(arguments) = statement.strip_prefix("COPY ")
            && !arguments.starts_with("--from")
        {
            let mut arguments: Vec<_> = arguments.split_whitespace().map(str::to_owned).collect();
            arguments.pop().expect("a destination");
            copied.extend(arguments);
        }
    }
    assert!(copied.len() > 3, "{copied:?}");
    copied
}

#[test]
fn the_image_copies_what_exists_and_what_reaches_the_builder() {
    let sent = statements(".dockerignore");
    for source in copied_sources() {
        assert!(root().join(&source).exists(), "the Dockerfile copies {source}");
        assert!(
            sent.contains(&format!("!{source}")),
            ".dockerignore keeps {source} back"
        );
    }
}

#[test]
fn the_image_is_built_with_every_file_that_the_sources_include() {
    let copied = copied_sources();
    let mut outside = 0;
    for (path, text) in sources() {
        let included = after(&text, "include_str!(\"").chain(after(&text, "include_bytes!(\""));
        let embedded = after(&text, "embed_migrations!(\"").chain(after(&text, "#[folder = \""));
        let from_root = embedded.map(|name| root().join(name));
        for file in included.map(|name| path.with_file_name(name)).chain(from_root) {
            let file = file
                .canonicalize()
                .unwrap_or_else(|_| panic!("{} includes {}", path.display(), file.display()));
            let file = file.strip_prefix(root()).expect("in the repository");
            assert!(
                copied.iter().any(|source| file.starts_with(source)),
                "{} includes {}, which the Dockerfile does not copy",
                path.display(),
                file.display()
            );
            outside += usize::from(!file.starts_with("src"));
        }
    }
    assert!(
        outside > 0,
        "the migrations and the reference configuration are not found any more"
    );
}

#[test]
fn the_image_runs_the_binary_that_it_built_and_a_command_that_it_has() {
    let dockerfile = statements("Dockerfile");
    let starting = |word: &str| {
        let found = dockerfile.iter().find(|line| line.starts_with(word));
        found.unwrap_or_else(|| panic!("the Dockerfile has no {word}"))
    };
    let binary = env!("CARGO_BIN_EXE_signet")
        .rsplit('/')
        .next()
        .expect("a file name");
    let build = dockerfile
        .iter()
        .find(|line| line.contains("cargo build"))
        .expect("it builds");
    assert_eq!(after(build, "--bin ").collect::<Vec<_>>(), [binary]);
    assert!(
        starting("COPY --from=build").ends_with(&format!("/target/release/{binary} /usr/local/bin/{binary}"))
    );
    assert_eq!(exec_form(starting("ENTRYPOINT")), [binary]);
    assert_is_a_subcommand(&exec_form(starting("CMD"))[0]);
    assert!(
        dockerfile.iter().any(|line| line == "USER signet"),
        "the server runs as root"
    );
}

#[test]
fn the_health_check_asks_what_listens_with_what_is_installed() {
    let dockerfile = statements("Dockerfile");
    let check = exec_form(
        dockerfile
            .iter()
            .find(|line| line.starts_with("HEALTHCHECK"))
            .expect("a health check"),
    );
    let mut installed = dockerfile.iter().filter(|line| line.contains("apt-get install"));
    let final_stage = installed.next_back().expect("packages are installed");
    assert!(
        final_stage.split_whitespace().any(|package| package == check[0]),
        "{check:?}"
    );
    let url = url::Url::parse(check.last().expect("arguments")).expect("a URL");
    let port = url.port().expect("a port").to_string();
    assert!(dockerfile.contains(&format!("ENV SIGNET_LISTEN=0.0.0.0:{port}")));
    assert!(dockerfile.contains(&format!("EXPOSE {port}")));
    assert!(
        read("compose.yaml").contains(&format!(":{port}\"]")),
        "compose publishes another port"
    );
    let route = format!("\"{}\"", url.path());
    assert!(
        sources()
            .iter()
            .any(|(path, text)| path.starts_with(root().join("src/http")) && text.contains(&route)),
        "nothing serves {route}"
    );
}

#[test]
fn every_variable_that_is_set_around_the_server_is_one_of_its_own() {
    let mut known: BTreeSet<_> = Config::known_keys().iter().map(|key| key.variable()).collect();
    known.extend(["SIGNET_CONFIG".to_owned(), "DATABASE_URL".to_owned()]);
    let mut met = 0;
    for path in ["Dockerfile", "compose.yaml", "Makefile", ".ci/run", ".ci/install"] {
        let text = read(path);
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        for word in words.filter(|word| word.starts_with("SIGNET_") || *word == "DATABASE_URL") {
            assert!(known.contains(word), "{path} sets {word}, which nobody reads");
            met += 1;
        }
    }
    assert!(met >= 5, "only {met} variables");
}

#[test]
fn compose_mounts_a_secret_that_has_a_home_and_waits_for_its_database() {
    let compose = read("compose.yaml");
    let secret = after(&compose, "file: ").next().expect("a file secret");
    let (folder, _) = secret.rsplit_once('/').expect("a folder");
    assert!(
        root().join(folder).join("README.md").exists(),
        "{folder} explains nothing"
    );
    let mounted = after(&compose, "/run/secrets/")
        .next()
        .expect("the secret is used");
    assert!(
        compose.contains(&format!("\n  {mounted}:\n")),
        "no secret {mounted}"
    );
    assert!(
        compose.contains(&format!("secrets: [{mounted}]")),
        "{mounted} is not mounted"
    );
    assert!(compose.contains("build: .") && compose.contains("healthcheck:"));
    assert!(compose.contains("condition: service_healthy"));
}

#[test]
fn make_has_the_promised_targets_and_calls_what_exists() {
    let makefile = statements("Makefile");
    let targets: BTreeSet<_> = makefile
        .iter()
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        .map(|(name, _)| name)
        .collect();
    for promised in ["run", "test", "bench", "lint", "image"] {
        assert!(targets.contains(promised), "make {promised}");
    }
    let text = makefile.join("\n");
    for manifest in after(&text, "--manifest-path ") {
        assert!(root().join(manifest).is_file(), "make calls cargo in {manifest}");
    }
    for command in after(&text, "cargo run -- ") {
        assert_is_a_subcommand(command);
    }
    let run = read(".ci/run");
    let called: Vec<_> = after(&run, "\nmake ").collect();
    assert_eq!(called, ["test"]);
    let install = read(".ci/install");
    for purpose in after(&text, ".ci/install ").chain(after(&run, "\n.ci/install ")) {
        assert!(
            ["run", "test"].contains(&purpose),
            "the set-up knows no {purpose}"
        );
    }
    assert!(install.contains("run | test) ;;"));
    for script in [".ci/run", ".ci/install"] {
        let mode = fs::metadata(root().join(script))
            .expect("a script")
            .permissions()
            .mode();
        assert!(mode & 0o111 != 0, "{script} is not executable");
        let syntax = Command::new("bash").arg("-n").arg(root().join(script)).status();
        assert!(syntax.expect("bash runs").success(), "{script} is no bash");
    }
}

/// The pinned versions of a list of Python's packages.
fn requirements(path: &str) -> BTreeMap<String, String> {
    let pin = |line: &String| {
        let (name, version) = line
            .split_once("==")
            .unwrap_or_else(|| panic!("{path}: {line} is not pinned"));
        (name.to_ascii_lowercase(), version.to_owned())
    };
    statements(path).iter().map(pin).collect()
}

#[test]
fn packages_are_pinned_alike_everywhere_and_locked_without_a_registry() {
    let install = read(".ci/install");
    for list in [
        "tests/clients/requirements.txt",
        "examples/python-fastapi/requirements.txt",
    ] {
        assert!(install.contains(list), "the set-up installs no {list}");
    }
    assert!(install.contains("tests/clients/requirements-node.txt"));
    requirements("tests/clients/requirements-node.txt");
    let example = requirements("examples/python-fastapi/requirements.txt");
    for (name, version) in requirements("tests/clients/requirements.txt") {
        let other = example.get(&name).unwrap_or(&version);
        assert_eq!(other, &version, "{name}");
    }

    let mut jose = BTreeSet::new();
    for folder in ["tests/clients", "examples/node-express"] {
        assert!(install.contains(folder), "the set-up installs no {folder}");
        let lock = read(&format!("{folder}/package-lock.json"));
        assert!(!lock.contains("\"resolved\""), "{folder} names a registry");
        let lock: serde_json::Value = serde_json::from_str(&lock).expect("JSON");
        let manifest: serde_json::Value =
            serde_json::from_str(&read(&format!("{folder}/package.json"))).expect("JSON");
        for kind in ["dependencies", "devDependencies"] {
            let named = manifest[kind].as_object().into_iter().flatten();
            for (name, version) in named {
                assert_eq!(
                    &lock["packages"][format!("node_modules/{name}")]["version"],
                    version,
                    "{name}"
                );
            }
        }
        jose.insert(lock["packages"]["node_modules/jose"]["version"].to_string());
    }
    assert_eq!(jose.len(), 1, "{jose:?}");
}

#[test]
fn each_example_stays_a_page_long() {
    for program in [
        "python-fastapi/notes.py",
        "node-express/server.js",
        "rust-actix/src/main.rs",
    ] {
        let lines = read(&format!("examples/{program}")).lines().count();
        assert!(lines < 100, "{program} has {lines} lines");
    }
}

#[test]
fn the_documented_snippets_are_parts_of_the_examples() {
    let document = read("docs/resource-servers.md");
    for (language, program) in [
        ("python", "python-fastapi/notes.py"),
        ("js", "node-express/server.js"),
        ("rust", "rust-actix/src/main.rs"),
    ] {
        let fence = format!("```{language}\n");
        let example = read(&format!("examples/{program}"));
        let snippets = document.split(&fence).skip(1);
        assert!(snippets.clone().count() > 0, "{language}");
        for snippet in snippets {
            let (snippet, _) = snippet.split_once("```").expect("its end");
            assert!(
                example.contains(snippet),
                "a {language} snippet is not in {program}: {snippet}"
            );
        }
    }
}
