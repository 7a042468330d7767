//! Why a command failed, as people and programs are told.

use serde::Serialize;

use crate::storage::StorageError;

/// A failed command: exit status 1. `code` and the JSON shape are stable; the texts may change.
#[derive(Debug, Serialize)]
pub struct CommandError {
    /// A stable word for programs.
    #[serde(rename = "error")]
    pub code: &'static str,
    /// What went wrong, naming the thing that it went wrong with.
    pub message: String,
    /// What to do about it, if we know.
    pub hint: Option<String>,
}

impl CommandError {
    /// A failure without advice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// A failure whose text is that of `error` and of everything that caused it.
    pub fn caused(code: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(code, chain(error))
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// `kind` with this key does not exist.
    pub fn not_found(kind: &str, key: impl std::fmt::Display) -> Self {
        Self::new("not_found", format!("there is no {kind} {key}"))
    }

    /// `kind` with this key exists already.
    pub fn exists(kind: &str, key: impl std::fmt::Display) -> Self {
        Self::new("already_exists", format!("{kind} {key} exists already"))
    }
}

impl From<StorageError> for CommandError {
    fn from(error: StorageError) -> Self {
        if error.is_unavailable() {
            Self::caused("database_unavailable", &error)
                .hint("check that the database runs and that database.url is right; `signet doctor` tells more")
        } else {
            Self::caused("database_error", &error)
        }
    }
}

/// The text of an error and its causes, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
