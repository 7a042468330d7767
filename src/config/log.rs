//! `[log]`

use super::reader::Reader;
use super::setting::words;

/// How the log is written.
#[derive(Debug, Clone)]
pub struct Log {
    /// `None` is text on a terminal, JSON elsewhere.
    pub format: Option<LogFormat>,
    /// A level, or directives as `info,signet::flows=debug`.
    pub level: String,
}

words! {
    /// The form of a line.
    LogFormat: "\"text\" or \"json\"" {
        /// For people.
        Text = "text",
        /// For programs: one object a line.
        Json = "json",
    }
}

impl Log {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            format: reader.optional("log.format"),
            level: reader.value("log.level", "info"),
        }
    }
}
