use std::path::{Path, PathBuf};

use signet::storage::{
    access_tokens, accounts, authorization_codes, authorization_requests, client_assertion_jtis, clients,
    consents, events, exports, federation_attempts, identities, imports, keys, limit_counters, logins,
    logout_deliveries, mailed_links, nodes, one_time_tokens, outgoing_mails, resources, revisions,
    server_time, sessions, status_blocks, status_lists, token_families, users,
};

use crate::support::database;

/// Every file of `src/storage` that holds statements.
const FILES: &[(&str, &[&str])] = &[
    ("authorization_requests", authorization_requests::STATEMENTS),
    ("client_assertion_jtis", client_assertion_jtis::STATEMENTS),
    ("access_tokens", access_tokens::STATEMENTS),
    ("accounts", accounts::STATEMENTS),
    ("authorization_codes", authorization_codes::STATEMENTS),
    ("clients", clients::STATEMENTS),
    ("consents", consents::STATEMENTS),
    ("events", events::STATEMENTS),
    ("exports", exports::STATEMENTS),
    ("mailed_links", mailed_links::STATEMENTS),
    ("outgoing_mails", outgoing_mails::STATEMENTS),
    ("federation_attempts", federation_attempts::STATEMENTS),
    ("identities", identities::STATEMENTS),
    ("imports", imports::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("limit_counters", limit_counters::STATEMENTS),
    ("logins", logins::STATEMENTS),
    ("logout_deliveries", logout_deliveries::STATEMENTS),
    ("nodes", nodes::STATEMENTS),
    ("one_time_tokens", one_time_tokens::STATEMENTS),
    ("resources", resources::STATEMENTS),
    ("revisions", revisions::STATEMENTS),
    ("server_time", server_time::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
    ("status_blocks", status_blocks::STATEMENTS),
    ("status_lists", status_lists::STATEMENTS),
    ("users", users::STATEMENTS),
    ("token_families", token_families::STATEMENTS),
];

#[tokio::test]
async fn every_statement_prepares_on_the_migrated_schema() {
    let database = database().await;
    let client = database.client().await;
    let mut wrong = Vec::new();
    for (file, statements) in FILES {
        for statement in *statements {
            if let Err(error) = client.prepare(statement).await {
                let told = error
                    .as_db_error()
                    .map_or_else(|| error.to_string(), ToString::to_string);
                wrong.push(format!("{file}: {told}: {statement}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_list_above_leaves_no_file_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/storage");
    let modules = std::fs::read_to_string(folder.join("mod.rs")).expect("the sources are there");
    let unlisted: Vec<_> = modules
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .filter(|name| {
            std::fs::read_to_string(folder.join(format!("{name}.rs")))
                .is_ok_and(|source| source.contains("pub const STATEMENTS"))
        })
        .filter(|name| !FILES.iter().any(|(file, _)| file == name))
        .collect();
    assert!(
        unlisted.is_empty(),
        "add these to FILES in this file: {unlisted:?}"
    );
}

/// Every file below `src` whose path satisfies `wanted`, and its source without the unit tests.
fn sources(wanted: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders: Vec<PathBuf> = vec![root.clone()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(&root).expect("below the root");
            let name = name.to_string_lossy().into_owned();
            if wanted(&name) {
                let source = std::fs::read_to_string(&path).expect("text");
                let source = source.split("#[cfg(test)]").next().unwrap_or_default();
                found.push((name, source.to_owned()));
            }
        }
    }
    found
}

/// The lines of these files that hold one of these words.
fn lines_with(files: &[(String, String)], words: &[&str]) -> Vec<String> {
    let lines = files
        .iter()
        .flat_map(|(name, source)| source.lines().map(move |line| (name, line.trim())));
    lines
        .filter(|(_, line)| !line.starts_with("//") && words.iter().any(|word| line.contains(word)))
        .map(|(name, line)| format!("{name}: {line}"))
        .collect()
}

#[test]
fn no_statement_is_put_together_at_run_time() {
    // A statement is a `&'static str` (`Execute::query`), so no text of a peer can become one, unless it is leaked.
    assert_eq!(
        lines_with(&sources(|name| name.ends_with(".rs")), &[".leak()", "::leak("]),
        [""; 0]
    );
    // Where statements stand, nothing makes texts.
    let with_statements = sources(|name| {
        let file = name
            .strip_prefix("storage/")
            .and_then(|name| name.strip_suffix(".rs"));
        file.is_some_and(|file| file == "grants" || FILES.iter().any(|(known, _)| *known == file))
    });
    assert_eq!(with_statements.len(), FILES.len() + 1);
    let making = [
        "format!",
        "push_str",
        "write!",
        ".replace(",
        ".join(",
        ".concat()",
        "+ \"",
    ];
    assert_eq!(lines_with(&with_statements, &making), [""; 0]);
    // And elsewhere stands none, nor any way past `Execute`.
    // rs-check sends one to others, as their attackers do.
    let elsewhere = sources(|name| !name.starts_with("storage/") && name != "cli/rs_check/checks/keys.rs");
    let statements = [
        "SELECT ",
        "INSERT INTO",
        "DELETE FROM",
        "SET epoch",
        "tokio_postgres::",
        "deadpool_postgres::",
    ];
    assert_eq!(lines_with(&elsewhere, &statements), [""; 0]);
    let past = ["batch_execute(", "simple_query(", "query_raw(", "query_typed("];
    let owners = ["storage/execute.rs", "storage/lease.rs", "storage/migrate.rs"];
    let others = sources(|name| !owners.contains(&name) && !name.starts_with("storage/embedded"));
    assert_eq!(lines_with(&others, &past), [""; 0]);
}
