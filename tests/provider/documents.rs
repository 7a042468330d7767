//! The documents say which test holds what: those tests must be there.

use std::path::{Path, PathBuf};

/// The files that a test named `modules` may stand in.
fn homes(root: &Path, modules: &[&str]) -> Vec<PathBuf> {
    // `tests` may be the module within a file, or a file of its own.
    let within_file = modules
        .split_last()
        .filter(|(last, _)| **last == "tests")
        .map(|(_, rest)| rest);
    [Some(modules), within_file]
        .into_iter()
        .flatten()
        .flat_map(|modules| {
            let path = modules.join("/");
            ["tests/provider", "src"].map(|floor| root.join(floor).join(&path))
        })
        .flat_map(|path| [path.with_extension("rs"), path.join("mod.rs")])
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/attacks.md")).expect("the document is there");
    let mut count = 0;
    let mut missing = Vec::new();
    for named in text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|text| text.contains("::"))
    {
        let modules: Vec<_> = named.split("::").collect();
        let (test, modules) = modules.split_last().expect("a name");
        if !test.contains('_') {
            continue;
        }
        count += 1;
        let begins = format!("fn {test}(");
        let found = homes(root, modules)
            .iter()
            .any(|home| std::fs::read_to_string(home).is_ok_and(|source| source.contains(&begins)));
        if !found {
            missing.push(named);
        }
    }
    assert!(count > 100, "{count}");
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_row_about_an_attack_names_a_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("docs/attacks.md")).expect("the document is there");
    let rows = text
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| attack "));
    let mut count = 0;
    for row in rows {
        count += 1;
        let cells: Vec<_> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells[2].contains("::"), "{row}");
    }
    assert!(count > 40, "{count}");
}
