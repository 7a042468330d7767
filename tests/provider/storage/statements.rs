use std::path::Path;

use signet::storage::{
    access_tokens, authorization_codes, authorization_requests, client_assertion_jtis, clients, consents,
    events, keys, logins, resources, revisions, server_time, sessions, token_families, users,
};

use crate::support::database;

/// Every file of `src/storage` that holds statements.
const FILES: &[(&str, &[&str])] = &[
    ("authorization_requests", authorization_requests::STATEMENTS),
    ("client_assertion_jtis", client_assertion_jtis::STATEMENTS),
    ("access_tokens", access_tokens::STATEMENTS),
    ("authorization_codes", authorization_codes::STATEMENTS),
    ("clients", clients::STATEMENTS),
    ("consents", consents::STATEMENTS),
    ("events", events::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("logins", logins::STATEMENTS),
    ("resources", resources::STATEMENTS),
    ("revisions", revisions::STATEMENTS),
    ("server_time", server_time::STATEMENTS),
    ("sessions", sessions::STATEMENTS),
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
