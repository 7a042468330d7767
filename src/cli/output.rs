//! What commands print: a table for people, or JSON for programs, alone on standard output.

use std::io::{IsTerminal, Write};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Serialize, Serializer};

use super::CommandError;

/// `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Columns for people.
    #[default]
    Table,
    /// JSON for programs: stable, and alone on standard output.
    Json,
}

/// Something that a command prints: JSON through `Serialize`, a line of a table through this.
pub trait Record: Serialize {
    /// The heads of the columns.
    const COLUMNS: &'static [&'static str];

    /// One text a column.
    fn cells(&self) -> Vec<String>;
}

/// Prints results on standard output and messages on standard error.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
    assume_yes: bool,
}

impl Output {
    /// Output in `format`; `assume_yes` answers every question.
    pub const fn new(format: Format, assume_yes: bool) -> Self {
        Self { format, assume_yes }
    }

    /// Prints one thing: an object, or a line for each column.
    pub fn one<R: Record>(&self, record: &R) -> Result<(), CommandError> {
        match self.format {
            Format::Json => json(record),
            Format::Table => {
                let width = R::COLUMNS.iter().map(|name| name.len()).max().unwrap_or(0);
                let lines = R::COLUMNS
                    .iter()
                    .zip(record.cells())
                    .map(|(name, cell)| format!("{name:width$}  {}\n", printable(&cell)));
                write(&lines.collect::<String>())
            }
        }
    }

    /// Prints many things: a bare array, or a table.
    pub fn list<R: Record>(&self, records: &[R]) -> Result<(), CommandError> {
        match self.format {
            Format::Json => json(&records),
            Format::Table => {
                let head = R::COLUMNS.iter().map(|name| name.to_uppercase()).collect();
                let rows = std::iter::once(head).chain(records.iter().map(Record::cells));
                write(&table(rows.collect(), &mut Vec::new()))
            }
        }
    }

    /// Prints many things: a bare array, or what `sheet` makes of them for people.
    pub fn array<T: Serialize>(
        &self,
        things: &[T],
        sheet: impl FnOnce(&[T]) -> String,
    ) -> Result<(), CommandError> {
        match self.format {
            Format::Json => json(&things),
            Format::Table => write(&sheet(things)),
        }
    }

    /// Prints many things that come a page at a time: `next` is given the last of the page before. Ends with the
    /// first page that is empty.
    ///
    /// # Errors
    /// When a page cannot be had, or not be printed.
    pub async fn pages<R: Record>(
        &self,
        mut next: impl AsyncFnMut(Option<&R>) -> Result<Vec<R>, CommandError>,
    ) -> Result<(), CommandError> {
        let mut widths = Vec::new();
        let mut page = next(None).await?;
        match self.format {
            Format::Json if page.is_empty() => return write("[]\n"),
            Format::Json => write("[")?,
            Format::Table => {
                let head = R::COLUMNS.iter().map(|name| name.to_uppercase()).collect();
                let rows = std::iter::once(head).chain(page.iter().map(Record::cells));
                write(&table(rows.collect(), &mut widths))?;
            }
        }
        let mut first = true;
        while !page.is_empty() {
            let text = match self.format {
                Format::Json => elements(&page, first)?,
                Format::Table if first => String::new(),
                Format::Table => table(page.iter().map(Record::cells).collect(), &mut widths),
            };
            write(&text)?;
            first = false;
            page = next(page.last()).await?;
        }
        match self.format {
            Format::Json => write("\n]\n"),
            Format::Table => Ok(()),
        }
    }

    /// Says something that is no result.
    pub fn message(&self, text: &str) {
        eprintln!("{text}");
    }

    /// Says something that the operator should look at, and that is no failure.
    pub fn warning(&self, text: &str) {
        eprintln!("warning: {text}");
    }

    /// The rows that this version can read, with a warning for each that it cannot: a newer one may have written it.
    pub fn readable<T, E: std::error::Error>(&self, rows: Vec<Result<T, E>>) -> Vec<T> {
        let warn = |error: &E| self.warning(&format!("left out: {error}"));
        rows.into_iter()
            .filter_map(|row| row.inspect_err(warn).ok())
            .collect()
    }

    /// Whether people read the results.
    pub fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Reports a failure.
    pub fn failure(&self, error: &CommandError) {
        match self.format {
            Format::Json => {
                let text = serde_json::to_string(error).expect("an error of three texts is JSON");
                eprintln!("{text}");
            }
            Format::Table => {
                eprintln!("error: {}", error.message);
                if let Some(hint) = &error.hint {
                    eprintln!("hint: {hint}");
                }
            }
        }
    }

    /// Asks before something that cannot be undone. Without a terminal nobody can be asked, and whoever runs
    /// the command from a script has decided already.
    ///
    /// # Errors
    /// When the answer is not yes.
    pub fn confirm(&self, question: &str) -> Result<(), CommandError> {
        if self.assume_yes || !std::io::stdin().is_terminal() || !std::io::stderr().is_terminal() {
            return Ok(());
        }
        eprint!("{question} [y/N] ");
        let mut answer = String::new();
        std::io::stdin()
            .read_line(&mut answer)
            .map_err(|error| CommandError::caused("no_answer", &error))?;
        if matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            Ok(())
        } else {
            Err(CommandError::new("not_confirmed", "nothing was changed").hint("`--yes` skips the question"))
        }
    }
}

/// What is left to say of something that was deleted: how it was called.
#[derive(Debug)]
pub struct Deleted {
    key: &'static str,
    value: String,
}

impl Deleted {
    /// Of what was called `value` in its member `key`.
    pub const fn new(key: &'static str, value: String) -> Self {
        Self { key, value }
    }
}

impl Serialize for Deleted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry(self.key, &self.value)?;
        map.serialize_entry("deleted", &true)?;
        map.end()
    }
}

impl Record for Deleted {
    const COLUMNS: &'static [&'static str] = &["deleted"];

    fn cells(&self) -> Vec<String> {
        vec![self.value.clone()]
    }
}

/// A time as commands print it: RFC 3339 in UTC with milliseconds.
pub fn time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// [`time`] for `#[serde(serialize_with)]`.
pub fn serialize_time<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time(*at))
}

/// [`serialize_time`] for a time that may be absent, which is `null`.
#[expect(clippy::ref_option, reason = "serde passes a reference to the field")]
pub fn serialize_time_option<S: Serializer>(
    at: &Option<DateTime<Utc>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serialize_time(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// A cell for something that may be absent.
pub fn or_dash<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn json<T: Serialize>(value: &T) -> Result<(), CommandError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|error| CommandError::caused("internal", &error))?;
    text.push('\n');
    write(&text)
}

/// The elements of an array as they stand inside its brackets.
fn elements<R: Serialize>(records: &[R], first: bool) -> Result<String, CommandError> {
    let mut text = String::new();
    for (position, record) in records.iter().enumerate() {
        if !(first && position == 0) {
            text.push(',');
        }
        let element =
            serde_json::to_string_pretty(record).map_err(|error| CommandError::caused("internal", &error))?;
        for line in element.lines() {
            text.push_str("\n  ");
            text.push_str(line);
        }
    }
    Ok(text)
}

/// Lines with aligned columns. `widths` are the least of the columns, and grow with what stands in them.
fn table(rows: Vec<Vec<String>>, widths: &mut Vec<usize>) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell)).collect())
        .collect();
    for row in &rows {
        widths.resize(row.len().max(widths.len()), 0);
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(&*widths);
        let line: String = cells.map(|(cell, width)| format!("{cell:width$}  ")).collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Names and user agents come from strangers: no control character of theirs may reach the terminal.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| {
            if character.is_control() {
                '\u{fffd}'
            } else {
                character
            }
        })
        .collect()
}

/// A reader that closes early (`| head`) is no failure.
fn write(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(CommandError::caused("output", &error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_milliseconds_and_a_z() {
        let at = DateTime::from_timestamp(1_790_000_000, 120_456_000).expect("a time");
        assert_eq!(time(at), "2026-09-21T14:13:20.120Z");
    }

    #[test]
    fn columns_align_and_control_characters_are_shown_as_such() {
        let rows = vec![
            vec!["ID".to_owned(), "NAME".to_owned()],
            vec!["a".to_owned(), "b\u{1b}[31m".to_owned()],
            vec!["long".to_owned(), String::new()],
        ];
        let text = table(rows, &mut Vec::new());
        assert_eq!(text, "ID    NAME\na     b\u{fffd}[31m\nlong\n");
    }
}
