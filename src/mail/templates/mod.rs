//! What letters look like: a text and an HTML template a letter and language, of which an operator may replace any.
//! Knows neither who is written to nor how a mail leaves.
//!
//! What users and browsers made up is cleaned before it is shown (`clean`), and escaped where it is HTML. The text
//! template begins with the subject, and says all that the HTML says.

mod check;
mod clean;
mod colours;
mod context;
mod files;
mod language;
mod variables;

use std::path::PathBuf;

use minijinja::{Environment, UndefinedBehavior, Value};

use self::variables::Variables;
use crate::domain::mail::Letter;

pub use check::{TemplatesError, Wrong};
pub use context::LetterContext;
pub use language::Language;

/// What the first line of a text template begins with.
const SUBJECT: &str = "Subject:";
/// The longest line of a text in characters.
const LINE: usize = 76;
/// The longest subject in characters.
const MAX_SUBJECT: usize = 150;

/// Who writes.
#[derive(Debug, Clone)]
pub struct Brand {
    /// What the provider calls itself.
    pub name: String,
    /// Its address: the issuer.
    pub site: String,
    /// The colour beside black and white.
    pub accent: [u8; 3],
}

/// The templates, ready to be rendered.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    brand: Brand,
}

/// A letter as it is read.
#[derive(Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What it is about, in one line.
    pub subject: String,
    /// The body as plain text.
    pub text: String,
    /// The same body as HTML.
    pub html: String,
}

impl std::fmt::Debug for Rendered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rendered")
    }
}

/// A letter cannot be rendered: what it needs is missing, or a template went wrong on it.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The template failed. Its text names templates and variables, never what a variable holds.
    #[error("{name}, line {line}: {kind}")]
    Template {
        /// Which.
        name: String,
        /// Where.
        line: usize,
        /// How.
        kind: String,
    },
    /// The first line is no subject.
    #[error("{name}, line 1: must be `Subject: ...`")]
    NoSubject {
        /// Which template.
        name: String,
    },
}

impl RenderError {
    fn of(template: &str, error: &minijinja::Error) -> Self {
        Self::Template {
            name: error.name().unwrap_or(template).to_owned(),
            line: error.line().unwrap_or(1),
            kind: error.kind().to_string(),
        }
    }
}

impl Templates {
    /// Our templates, or those of `directory` where it has any, all of which are checked.
    ///
    /// # Errors
    /// When one of the operator's is of no use.
    pub fn open(brand: Brand, directory: Option<PathBuf>) -> Result<Self, TemplatesError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        let theirs = match &directory {
            Some(directory) => check::read(directory)?,
            None => Vec::new(),
        };
        let names: Vec<String> = theirs.iter().map(|(name, _)| name.clone()).collect();
        // Ours are parsed when they are needed first.
        environment.set_loader(|name| Ok(files::ours(name).map(str::to_owned)));
        for (name, source) in theirs {
            environment
                .add_template_owned(name.clone(), source)
                .map_err(|error| TemplatesError::syntax(&name, &error))?;
        }
        let templates = Self { environment, brand };
        if !names.is_empty() {
            check::check(&templates, &names)?;
        }
        Ok(templates)
    }

    /// Renders `letter` in the first of the preferred `languages` that we know, else in English.
    ///
    /// # Errors
    /// When something that the letter cannot do without is missing, or an operator's template fails.
    pub fn render(
        &self,
        letter: Letter,
        languages: &[String],
        context: &LetterContext,
    ) -> Result<Rendered, RenderError> {
        self.render_in(letter, Language::choose(languages), context)
    }

    fn render_in(
        &self,
        letter: Letter,
        language: Language,
        context: &LetterContext,
    ) -> Result<Rendered, RenderError> {
        let mut variables = variables::of(&self.brand, letter, language, context);
        let name = format!("{}/{}.txt", language.tag(), letter.as_str());
        let text = self.fill(&name, &variables)?;
        let (subject, text) = split(&text).ok_or(RenderError::NoSubject { name })?;
        variables.insert("subject", Value::from(subject.clone()));
        let name = format!("{}/{}.html", language.tag(), letter.as_str());
        let html = self.fill(&name, &variables)?;
        Ok(Rendered { subject, text, html })
    }

    fn fill(&self, name: &str, variables: &Variables) -> Result<String, RenderError> {
        let named = variables.iter().map(|(name, value)| (*name, value.clone()));
        self.environment
            .get_template(name)
            .and_then(|template| template.render(Value::from_pairs(named)))
            .map_err(|error| RenderError::of(name, &error))
    }
}

/// The subject and the body of a rendered text template. Lines lose the white space at their ends, and what conditions
/// leave of empty lines becomes one.
fn split(rendered: &str) -> Option<(String, String)> {
    let (first, rest) = rendered.split_once('\n')?;
    let subject = first.trim().strip_prefix(SUBJECT)?;
    let subject = clean::line(subject, MAX_SUBJECT);
    if subject.is_empty() {
        return None;
    }
    let mut text = String::with_capacity(rest.len());
    let mut empty = 2;
    for line in rest.lines() {
        // What stands below is a signature (RFC 3676 §4.3), whose mark ends with a space.
        let line = if line == "-- " { line } else { line.trim_end() };
        empty = if line.is_empty() { empty + 1 } else { 0 };
        if empty < 2 {
            wrap(line, &mut text);
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    Some((subject, text))
}

/// Appends `line`, broken at spaces where it is longer than mail should have it (RFC 5322 §2.1.1). A link has no spaces
/// and stays whole.
fn wrap(line: &str, text: &mut String) {
    let mut width = 0;
    for word in line.split(' ') {
        let length = word.chars().count();
        if width > 0 && width + length > LINE {
            text.pop();
            text.push('\n');
            width = 0;
        }
        text.push_str(word);
        text.push(' ');
        width += length + 1;
    }
    // The space behind the last word is not the line's, but that behind the mark of a signature is.
    text.pop();
    text.push('\n');
}

#[cfg(test)]
mod tests;
