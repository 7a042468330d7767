//! Looks at an operator's templates before the first mail is sent: whatever is wrong with one is told with its file, its
//! line and what is unknown there.

use std::fmt;
use std::path::{Path, PathBuf};

use super::language::Language;
use super::{RenderError, Templates, files, variables};
use crate::domain::mail::Letter;

/// The largest template in bytes.
const MAX_TEMPLATE: u64 = 256 * 1024;
/// The most entries of a folder that are looked at.
const MAX_ENTRIES: usize = 1000;

/// A template of the operator's is of no use.
#[derive(Debug, thiserror::Error)]
#[error("{}{}{wrong}", file.display(), line.map(|line| format!(", line {line}: ")).unwrap_or_else(|| ": ".to_owned()))]
pub struct TemplatesError {
    /// The folder or file, below `mail.templates_dir` where it is one.
    pub file: PathBuf,
    /// The line, counted from one.
    pub line: Option<usize>,
    /// What is wrong there.
    pub wrong: Wrong,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// The system does not let us read it.
    Unreadable(String),
    /// There is no template of this name to be replaced.
    UnknownFile,
    /// Nobody knows this name in the template.
    UnknownVariable {
        /// The name.
        name: String,
        /// What might be named.
        known: Vec<&'static str>,
    },
    /// The template engine does not understand it.
    Syntax(String),
    /// A letter cannot be rendered with it.
    Render(String),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "cannot be read: {reason}"),
            Self::UnknownFile => {
                let letters: Vec<&str> = Letter::ALL.into_iter().map(Letter::as_str).collect();
                write!(
                    f,
                    "replaces no template; there are frame.html, button.html, digits.html, and in the folders en, de, fr and es \
                     as .txt and .html footer, {}",
                    letters.join(", ")
                )
            }
            Self::UnknownVariable { name, known } => {
                write!(f, "unknown variable `{name}`; known are {}", known.join(", "))
            }
            Self::Syntax(reason) | Self::Render(reason) => f.write_str(reason),
        }
    }
}

impl TemplatesError {
    fn new(file: impl Into<PathBuf>, wrong: Wrong) -> Self {
        Self {
            file: file.into(),
            line: None,
            wrong,
        }
    }

    pub(super) fn syntax(name: &str, error: &minijinja::Error) -> Self {
        let detail = error.detail().map(|detail| format!(": {detail}"));
        Self {
            line: error.line(),
            ..Self::new(
                name,
                Wrong::Syntax(format!("{}{}", error.kind(), detail.unwrap_or_default())),
            )
        }
    }
}

/// Reads all templates of `directory`, by their names.
pub(super) fn read(directory: &Path) -> Result<Vec<(String, String)>, TemplatesError> {
    let mut found = Vec::new();
    for path in entries(directory)? {
        let name = name(&path, directory)?;
        if path.is_dir() {
            if !Language::ALL.iter().any(|language| language.tag() == name) {
                return Err(TemplatesError::new(name, Wrong::UnknownFile));
            }
            for path in entries(&path)? {
                found.push(source(&path, directory)?);
            }
        } else {
            found.push(source(&path, directory)?);
        }
    }
    found.sort();
    Ok(found)
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>, TemplatesError> {
    let unreadable =
        |error: std::io::Error| TemplatesError::new(directory, Wrong::Unreadable(error.to_string()));
    let entries: Result<Vec<PathBuf>, _> = std::fs::read_dir(directory)
        .map_err(unreadable)?
        .take(MAX_ENTRIES)
        .map(|entry| entry.map(|entry| entry.path()))
        .collect();
    let mut entries = entries.map_err(unreadable)?;
    // Editors and mounted volumes keep what is theirs under such names.
    entries.retain(|path| {
        !path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
    });
    Ok(entries)
}

/// The name of a template, as `de/code.txt`.
fn name(path: &Path, directory: &Path) -> Result<String, TemplatesError> {
    let below = path.strip_prefix(directory).unwrap_or(path);
    let name = below.to_str().map(str::to_owned);
    name.ok_or_else(|| TemplatesError::new(below, Wrong::UnknownFile))
}

fn source(path: &Path, directory: &Path) -> Result<(String, String), TemplatesError> {
    let name = name(path, directory)?;
    if files::ours(&name).is_none() {
        return Err(TemplatesError::new(name, Wrong::UnknownFile));
    }
    let unreadable = |reason: String| TemplatesError::new(&name, Wrong::Unreadable(reason));
    let size = path
        .metadata()
        .map_err(|error| unreadable(error.to_string()))?
        .len();
    if size > MAX_TEMPLATE {
        return Err(unreadable(format!(
            "it is larger than {} KiB",
            MAX_TEMPLATE / 1024
        )));
    }
    let source = std::fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    Ok((name, source))
}

/// Looks for unknown names in the operator's templates, then renders every letter with them.
pub(super) fn check(templates: &Templates, theirs: &[String]) -> Result<(), TemplatesError> {
    for name in theirs {
        let template = templates
            .environment
            .get_template(name)
            .map_err(|error| TemplatesError::syntax(name, &error))?;
        let known = variables::names(letter(name));
        let mut unknown: Vec<(usize, String)> = template
            .undeclared_variables(false)
            .into_iter()
            .filter(|variable| !known.contains(&variable.as_str()) && !is_global(templates, variable))
            .map(|variable| (line_of(template.source(), &variable), variable))
            .collect();
        unknown.sort();
        if let Some((line, variable)) = unknown.into_iter().next() {
            return Err(TemplatesError {
                line: Some(line),
                ..TemplatesError::new(
                    name,
                    Wrong::UnknownVariable {
                        name: variable,
                        known,
                    },
                )
            });
        }
    }
    for (language, letter) in every() {
        for everything in [true, false] {
            let context = variables::sample(letter, everything);
            templates
                .render_in(letter, language, &context)
                .map_err(wrong_rendering)?;
        }
    }
    Ok(())
}

/// Every letter in every language.
pub(super) fn every() -> impl Iterator<Item = (Language, Letter)> {
    Language::ALL
        .into_iter()
        .flat_map(|language| Letter::ALL.into_iter().map(move |letter| (language, letter)))
}

fn wrong_rendering(error: RenderError) -> TemplatesError {
    match error {
        RenderError::Template { name, line, kind } => TemplatesError {
            line: Some(line),
            ..TemplatesError::new(name, Wrong::Render(kind))
        },
        RenderError::NoSubject { name } => TemplatesError {
            line: Some(1),
            ..TemplatesError::new(name, Wrong::Render("must be `Subject: ...`".to_owned()))
        },
    }
}

/// Which letter a template is for.
fn letter(name: &str) -> Option<Letter> {
    let (_, file) = name.split_once('/')?;
    let stem = file.split('.').next()?;
    Letter::ALL.into_iter().find(|letter| letter.as_str() == stem)
}

/// Functions of the engine, such as `range`.
fn is_global(templates: &Templates, name: &str) -> bool {
    templates.environment.globals().any(|(known, _)| known == name)
}

/// The first line that has `word` as a whole word.
fn line_of(source: &str, word: &str) -> usize {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    let has = |line: &str| {
        line.match_indices(word).any(|(at, _)| {
            !line[..at].chars().next_back().is_some_and(is_part)
                && !line[at + word.len()..].chars().next().is_some_and(is_part)
        })
    };
    source.lines().position(has).map_or(1, |index| index + 1)
}
