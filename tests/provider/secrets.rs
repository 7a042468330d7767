//! What may be printed of secrets: no type that derives `Debug` holds one as plain text, so that neither a log
//! line nor a failed assertion can show it.

use std::path::Path;

/// The names under which secrets go, and those that only end like one.
const SECRET: [&str; 12] = [
    "password",
    "passphrase",
    "secret",
    "client_secret",
    "token",
    "access_token",
    "refresh_token",
    "id_token_hint",
    "code",
    "code_verifier",
    "client_assertion",
    "private_key",
];

/// Types whose values are printed as they are.
const PLAIN: [&str; 4] = ["String", "&'a str", "Vec<u8>", "[u8; 32]"];

/// The fields of every struct and variant that derives `Debug`, as `(type, field, its type)`.
fn printed_fields(source: &str) -> Vec<(String, String, String)> {
    let mut found = Vec::new();
    let mut derives = false;
    let mut within: Option<String> = None;
    for line in source.lines() {
        if line.starts_with("#[derive(") {
            derives = line.contains("Debug");
        }
        let item = [
            "pub struct ",
            "struct ",
            "pub enum ",
            "enum ",
            "pub(super) struct ",
            "pub(crate) struct ",
        ]
        .iter()
        .find_map(|start| line.strip_prefix(start));
        if let Some(rest) = item {
            within = derives.then(|| {
                rest.split(['<', ' ', '(', '{'])
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            });
            derives = false;
        }
        if line == "}" {
            within = None;
        }
        let field = line.trim().trim_start_matches("pub ");
        if let (Some(name), true, Some((field, kind))) =
            (&within, line.starts_with("    "), field.split_once(": "))
        {
            found.push((
                name.clone(),
                field.to_owned(),
                kind.trim_end_matches(',').to_owned(),
            ));
        }
    }
    found
}

#[test]
fn no_secret_is_a_plain_text_in_a_type_that_is_printed() {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    let mut seen = 0;
    let mut wrong = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("the sources are there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(source) = std::fs::read_to_string(&path) else {
                continue;
            };
            // In PKCS#11 a token is a device, called by its label, and a code what its library returns.
            let device = path.components().any(|part| part.as_os_str() == "pkcs11")
                || path.ends_with("config/pkcs11.rs");
            for (owner, field, kind) in printed_fields(&source) {
                seen += 1;
                if device && matches!(&*field, "token" | "code") {
                    continue;
                }
                let value = kind.trim_start_matches("Option<").trim_end_matches('>');
                if SECRET.contains(&&*field) && PLAIN.contains(&value) {
                    wrong.push(format!("{}: {owner}.{field}: {kind}", path.display()));
                }
            }
        }
    }
    assert!(seen > 300, "{seen}");
    assert_eq!(wrong, [""; 0]);
}
