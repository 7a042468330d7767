//! Reads keys from the file and the environment. A section asks for its keys by name, type and default; from
//! what was asked, the reader knows which keys exist, so that no second list can differ.
//!
//! An empty text is the same as no value, in the file and in a variable: orchestrators pass empty variables
//! for what is not set.

mod problems;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use toml::{Table, Value};

use super::error::Problem;
use super::setting::Setting;
use crate::domain::secret::Secret;

/// What every variable of ours starts with.
const PREFIX: &str = "SIGNET_";

/// Far more than any secret is long; the file of a typo may be a large one.
const MAX_SECRET: u64 = 64 * 1024;

/// A key that may be set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Its full name, as `tokens.access_token_ttl`.
    pub name: String,
    /// Its default as it would be written; empty if there is none.
    pub default: &'static str,
}

impl Key {
    /// The variable that overrides it, as `SIGNET_TOKENS__ACCESS_TOKEN_TTL`.
    pub fn variable(&self) -> String {
        variable(&self.name)
    }
}

/// The sources, and what has been learned from them.
#[derive(Debug, Default)]
pub(super) struct Reader {
    file: BTreeMap<String, Value>,
    environment: BTreeMap<String, String>,
    keys: Vec<Key>,
    variables: BTreeMap<String, String>,
    /// The keys that have a value of their own.
    given: BTreeSet<String>,
    problems: Vec<Problem>,
    empty_sections: Vec<String>,
    /// Set before keys in messages, for an entry of an array.
    place: String,
}

impl Reader {
    /// A reader of a parsed file and of the variables, of which it takes those that may be ours.
    pub(super) fn new(file: Table, environment: BTreeMap<String, String>) -> Self {
        let mut flat = BTreeMap::new();
        let mut empty_sections = Vec::new();
        for (name, value) in file {
            match value {
                Value::Table(section) if section.is_empty() => empty_sections.push(name),
                Value::Table(section) => {
                    flat.extend(
                        section
                            .into_iter()
                            .map(|(key, value)| (format!("{name}.{key}"), value)),
                    );
                }
                other => {
                    flat.insert(name, other);
                }
            }
        }
        Self {
            file: flat,
            environment,
            empty_sections,
            ..Self::default()
        }
    }

    /// A reader of one entry of an array, which no variable reaches.
    pub(super) fn entry(place: String, entry: Table) -> Self {
        Self {
            file: entry.into_iter().collect(),
            place,
            ..Self::default()
        }
    }

    /// A value that has a default.
    pub(super) fn value<T: Setting>(&mut self, name: &str, default: &'static str) -> T {
        let given = self.take(name, default);
        given
            .and_then(|given| self.one(name, given))
            .unwrap_or_else(|| T::parse(default).expect("the default of a key has its type"))
    }

    /// A value that may be absent.
    pub(super) fn optional<T: Setting>(&mut self, name: &str) -> Option<T> {
        self.optional_over(name, "")
    }

    /// A value whose absence means something to the caller, which then takes `default`.
    pub(super) fn optional_over<T: Setting>(&mut self, name: &str, default: &'static str) -> Option<T> {
        let given = self.take(name, default)?;
        self.one(name, given)
    }

    /// A value that must be there.
    pub(super) fn required<T: Setting>(&mut self, name: &str) -> Option<T> {
        match self.take(name, "") {
            Some(given) => self.one(name, given),
            None => {
                self.problem(name, format!("is missing; it must be {}", T::EXPECTED));
                None
            }
        }
    }

    /// Many values: an array in the file, separated by commas in a variable.
    pub(super) fn list<T: Setting>(&mut self, name: &str) -> Vec<T> {
        self.list_over(name, "[]")
    }

    /// Many values whose absence means something to the caller, which then takes `default`.
    pub(super) fn list_over<T: Setting>(&mut self, name: &str, default: &'static str) -> Vec<T> {
        let texts = match self.take(name, default) {
            None => return Vec::new(),
            Some(Given::Many(texts)) => texts,
            Some(Given::One(text)) => text.split(',').map(|part| part.trim().to_owned()).collect(),
        };
        let mut values = Vec::with_capacity(texts.len());
        for text in texts.iter().filter(|text| !text.is_empty()) {
            match T::parse(text) {
                Some(value) => values.push(value),
                None => self.problem(name, format!("{text:?} must be {}", T::EXPECTED)),
            }
        }
        values
    }

    /// A secret, given as a value or, under `NAME_file`, as the file that holds it.
    pub(super) fn secret(&mut self, name: &str) -> Option<Secret> {
        let value = self.secret_text(name);
        let file_name = format!("{name}_file");
        let file = self.optional::<std::path::PathBuf>(&file_name);
        self.not_both(name, value.is_some() && file.is_some());
        match (value, file) {
            (Some(value), _) => Some(value),
            (None, Some(path)) => match read_secret(&path) {
                Ok(secret) => Some(secret),
                Err(reason) => {
                    self.problem(&file_name, format!("the file {} {reason}", path.display()));
                    None
                }
            },
            (None, None) => None,
        }
    }

    /// A secret that is given as a value. Its text stands in no error.
    pub(super) fn secret_text(&mut self, name: &str) -> Option<Secret> {
        match self.take(name, "")? {
            Given::One(text) => Some(Secret::new(text)),
            Given::Many(_) => {
                self.problem(name, "must be one text");
                None
            }
        }
    }

    /// The entries of an array of tables. Only the file has them.
    pub(super) fn entries(&mut self, name: &str) -> Vec<Table> {
        self.know(name, "[]");
        match self.file.remove(name) {
            None => Vec::new(),
            Some(Value::Array(entries)) => {
                let mut tables = Vec::with_capacity(entries.len());
                for entry in entries {
                    match entry {
                        Value::Table(table) => tables.push(table),
                        _ => self.problem(name, format!("must be tables, each under [[{name}]]")),
                    }
                }
                tables
            }
            Some(_) => {
                self.problem(name, format!("must be tables, each under [[{name}]]"));
                Vec::new()
            }
        }
    }

    /// A table of texts, inside an entry.
    pub(super) fn texts(&mut self, name: &str) -> BTreeMap<String, String> {
        self.know(name, "{}");
        let Some(value) = self.file.remove(name) else {
            return BTreeMap::new();
        };
        let texts = value.as_table().and_then(|table| {
            let text = |(key, value): (&String, &Value)| Some((key.clone(), value.as_str()?.to_owned()));
            table.iter().map(text).collect()
        });
        texts.unwrap_or_else(|| {
            self.problem(name, "must be a table of texts, as { name = \"display_name\" }");
            BTreeMap::new()
        })
    }

    /// The value of a key, out of both sources; the environment wins.
    fn take(&mut self, name: &str, default: &'static str) -> Option<Given> {
        self.know(name, default);
        let from_file = self.file.remove(name).and_then(|value| self.given(name, value));
        // `DATABASE_URL` is what platforms call it; our own name is the more deliberate one.
        let candidates = [variable(name), "DATABASE_URL".to_owned()];
        let candidates = &candidates[..if name == "database.url" { 2 } else { 1 }];
        let mut from_variable = None;
        for candidate in candidates.iter().filter(|_| self.place.is_empty()) {
            let text = self.environment.remove(candidate);
            if let Some(text) = text.filter(|text| !text.is_empty() && from_variable.is_none()) {
                from_variable = Some(Given::One(text));
                self.variables.insert(name.to_owned(), candidate.clone());
            }
        }
        let given = from_variable.or(from_file);
        if given.is_some() {
            self.given.insert(name.to_owned());
        }
        given
    }

    /// The keys that have had a value of their own so far.
    pub(super) fn take_given(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.given)
    }

    fn know(&mut self, name: &str, default: &'static str) {
        self.keys.push(Key {
            name: name.to_owned(),
            default,
        });
    }

    fn given(&mut self, name: &str, value: Value) -> Option<Given> {
        let given = match value {
            Value::Array(values) => values
                .into_iter()
                .map(scalar)
                .collect::<Option<_>>()
                .map(Given::Many),
            value => scalar(value).map(Given::One),
        };
        match given {
            None => {
                self.problem(name, "must be a plain value");
                None
            }
            Some(Given::One(text)) if text.is_empty() => None,
            given => given,
        }
    }

    fn one<T: Setting>(&mut self, name: &str, given: Given) -> Option<T> {
        let text = match given {
            Given::One(text) => text,
            Given::Many(_) => {
                self.problem(name, format!("must be {}, not an array", T::EXPECTED));
                return None;
            }
        };
        let value = T::parse(&text);
        if value.is_none() {
            self.problem(name, format!("{text:?} must be {}", T::EXPECTED));
        }
        value
    }
}

/// A value as a source gave it.
enum Given {
    One(String),
    Many(Vec<String>),
}

fn scalar(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    }
}

fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.replace('.', "__").to_uppercase())
}

/// Reads a secret's file without the line ending that editors leave behind.
fn read_secret(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(MAX_SECRET + 1).read_to_string(&mut text))
        .map_err(|error| format!("cannot be read ({error}); create it or correct the path"))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() || text.len() as u64 > MAX_SECRET {
        return Err("is empty or too long; it must hold the secret and nothing else".to_owned());
    }
    Ok(Secret::new(secret))
}
