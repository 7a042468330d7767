use std::path::Path;

use signet::storage::{clients, keys, resources, revisions};

use crate::support::database;

/// Every file of `src/storage` that holds statements.
const FILES: &[(&str, &[&str])] = &[
    ("clients", clients::STATEMENTS),
    ("keys", keys::STATEMENTS),
    ("resources", resources::STATEMENTS),
    ("revisions", revisions::STATEMENTS),
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
    let mut unlisted = Vec::new();
    for entry in std::fs::read_dir(folder).expect("the sources are there") {
        let path = entry.expect("readable").path();
        let name = path
            .file_stem()
            .and_then(|name| name.to_str())
            .expect("a name")
            .to_owned();
        let holds = path.is_file()
            && std::fs::read_to_string(&path)
                .expect("readable")
                .contains("pub const STATEMENTS");
        if holds && !FILES.iter().any(|(file, _)| *file == name) {
            unlisted.push(name);
        }
    }
    assert!(
        unlisted.is_empty(),
        "add these to FILES in this file: {unlisted:?}"
    );
}
