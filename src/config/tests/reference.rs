//! `config/signet.toml` names every key.

use super::*;

/// The reference with the `#` taken away from every key.
fn uncommented() -> String {
    let setting = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
    let keep = |line: &str| {
        if setting(line) {
            line[1..].to_owned()
        } else {
            line.to_owned()
        }
    };
    REFERENCE.lines().map(|line| keep(line) + "\n").collect()
}

#[test]
fn the_reference_names_every_key_with_its_default() {
    let table: Table = uncommented().parse().expect("the reference is TOML");
    let mut named = BTreeSet::new();
    for (name, value) in &table {
        match value.as_table() {
            Some(section) => named.extend(section.keys().map(|key| format!("{name}.{key}"))),
            None => drop(named.insert(name.clone())),
        }
    }
    let known: BTreeSet<String> = Config::known_keys().into_iter().map(|key| key.name).collect();
    assert_eq!(named, known);

    let shipped = load("shipped", REFERENCE, &[])
        .expect("it can be used as it is")
        .config;
    let written = load("written", &uncommented(), &[])
        .expect("and with every key written out")
        .config;
    let default = load("none", "", &[])
        .expect("an empty file is a configuration")
        .config;
    assert_eq!(format!("{shipped:?}"), format!("{default:?}"));
    assert_eq!(format!("{written:?}"), format!("{default:?}"));
    for key in Config::known_keys() {
        let last = key.name.rsplit('.').next().unwrap_or_default();
        let plain = format!("\n#{last} = {}\n", key.default);
        let quoted = format!("\n#{last} = \"{}\"\n", key.default);
        assert!(
            REFERENCE.contains(&plain) || REFERENCE.contains(&quoted),
            "{key:?} is shown with its default"
        );
    }
}

#[test]
fn the_reference_names_every_key_of_a_provider() {
    let example: String = REFERENCE
        .lines()
        .filter_map(|line| line.strip_prefix("#     "))
        .map(|line| format!("{line}\n"))
        .collect();
    let loaded = load("provider-example", &example, &[]).expect("the example can be used");
    assert_eq!(loaded.config.providers.len(), 1);
    let table: Table = example.parse().expect("it was loaded");
    let named: BTreeSet<String> = table["providers"][0]
        .as_table()
        .expect("a table")
        .keys()
        .cloned()
        .collect();
    let known: BTreeSet<String> = Config::known_provider_keys()
        .into_iter()
        .map(|key| key.name)
        .collect();
    assert_eq!(named, known);
}
