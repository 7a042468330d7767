//! The forms of files, read a record at a time: lines of JSON, a JSON document with an array of users in it, a table of
//! CSV. No more of a file than one record is ever in memory, and a record that is larger than any of a user ends it.

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::flows::import::reason::Reason;

/// The most bytes of a record.
pub const MAX_RECORD: u64 = 1024 * 1024;

/// How a file is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A JSON object a line.
    Lines,
    /// A JSON array, or an object whose member `users` is one.
    Document,
    /// CSV with a line of names.
    Table,
}

/// Takes a record and its size; `false` to hear no more.
pub type Take<'a> = dyn FnMut(Result<Value, Reason>, u64) -> bool + 'a;

/// Why a file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// The system says so.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no JSON, or a record is too large.
    #[error("it is no JSON document with users in it")]
    Json(#[source] serde_json::Error),
    /// It is no CSV, or a record is too large.
    #[error("it is no table in CSV")]
    Csv(#[source] csv::Error),
    /// Nothing in it could be users.
    #[error("it has no array of users: neither is it one, nor has it a member \"users\"")]
    NoUsers,
}

/// The first character of a file that is no white space.
pub fn first_character(reader: &mut impl BufRead) -> io::Result<Option<u8>> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(None);
        }
        let skip = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
        match buffer.iter().position(|byte| !skip(byte)) {
            Some(at) => {
                let first = buffer[at];
                reader.consume(at);
                return Ok(Some(first));
            }
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    }
}

/// Reads a file.
///
/// # Errors
/// When it ends before its end, or what is wrong cannot be stepped over.
pub fn read(form: Form, reader: impl BufRead, take: &mut Take<'_>) -> Result<(), DocumentError> {
    match form {
        Form::Lines => read_lines(reader, take),
        Form::Document => read_document(reader, take),
        Form::Table => read_table(reader, take),
    }
}

fn read_lines(mut reader: impl BufRead, take: &mut Take<'_>) -> Result<(), DocumentError> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut reader).take(MAX_RECORD).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let whole = line.ends_with(b"\n") || (read as u64) < MAX_RECORD;
        let record = if whole {
            let text = line.trim_ascii();
            if text.is_empty() {
                continue;
            }
            serde_json::from_slice(text).map_err(|_| Reason::Malformed)
        } else {
            skip_line(&mut reader)?;
            Err(Reason::TooLarge)
        };
        if !take(record, read as u64) {
            return Ok(());
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let (length, done) = match end {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(length);
        if done {
            return Ok(());
        }
    }
}

/// How much was read since the last record.
#[derive(Clone, Default)]
struct Meter(Rc<Cell<u64>>);

/// A reader that ends in an error where a record does not end.
struct Metered<R> {
    reader: R,
    meter: Meter,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        let since = self.meter.0.get() + read as u64;
        self.meter.0.set(since);
        if since > MAX_RECORD {
            return Err(io::Error::other("a record is larger than 1 MiB"));
        }
        Ok(read)
    }
}

fn read_document(reader: impl BufRead, take: &mut Take<'_>) -> Result<(), DocumentError> {
    let meter = Meter::default();
    let metered = Metered {
        reader,
        meter: meter.clone(),
    };
    let mut found = false;
    let mut users = Users {
        meter,
        take,
        found: &mut found,
    };
    let mut document = serde_json::Deserializer::from_reader(metered);
    let read = document.deserialize_any(Top(&mut users));
    match read {
        Ok(()) if found => Ok(()),
        Ok(()) => Err(DocumentError::NoUsers),
        // Who takes the records wanted no more.
        Err(error) if error.is_data() && error.to_string().starts_with(ENOUGH) => Ok(()),
        Err(error) => Err(DocumentError::Json(error)),
    }
}

const ENOUGH: &str = "enough";

struct Users<'a, 'b> {
    meter: Meter,
    take: &'a mut Take<'b>,
    found: &'a mut bool,
}

/// The whole document.
struct Top<'a, 'b, 'c>(&'a mut Users<'b, 'c>);

impl<'de> Visitor<'de> for Top<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of users, or an object with one")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key::<String>()? {
            if name == "users" {
                map.next_value_seed(Array(self.0))?;
            } else {
                // What else a realm has may be long, and is passed over without being kept.
                map.next_value_seed(Passed(&self.0.meter))?;
            }
            self.0.meter.0.set(0);
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<(), A::Error> {
        Array(self.0).visit_seq(seq)
    }
}

/// An array of users.
struct Array<'a, 'b, 'c>(&'a mut Users<'b, 'c>);

impl<'de> DeserializeSeed<'de> for Array<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Array<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of users")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let users = self.0;
        *users.found = true;
        users.meter.0.set(0);
        while let Some(user) = seq.next_element::<Value>()? {
            let size = users.meter.0.replace(0);
            if !(users.take)(Ok(user), size) {
                return Err(serde::de::Error::custom(ENOUGH));
            }
        }
        Ok(())
    }
}

/// A member that nobody wants: its parts are metered one by one.
struct Passed<'a>(&'a Meter);

impl<'de> DeserializeSeed<'de> for Passed<'_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.0.set(0);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Passed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(Passed(self.0))?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while seq.next_element_seed(Passed(self.0))?.is_some() {}
        Ok(())
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

fn read_table(reader: impl BufRead, take: &mut Take<'_>) -> Result<(), DocumentError> {
    let meter = Meter::default();
    let metered = BufReader::new(Metered {
        reader,
        meter: meter.clone(),
    });
    let mut table = csv::ReaderBuilder::new().flexible(true).from_reader(metered);
    let names = table.headers().map_err(DocumentError::Csv)?.clone();
    let mut record = csv::StringRecord::new();
    loop {
        meter.0.set(0);
        match table.read_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) if matches!(error.kind(), csv::ErrorKind::Utf8 { .. }) => {
                if !take(Err(Reason::Malformed), 0) {
                    return Ok(());
                }
                continue;
            }
            Err(error) => return Err(DocumentError::Csv(error)),
        }
        let fields = names.iter().zip(&record).filter(|(_, value)| !value.is_empty());
        let user: Map<String, Value> = fields
            .map(|(name, value)| (name.to_owned(), Value::String(value.to_owned())))
            .collect();
        let size = record.as_slice().len() as u64;
        let user = if record.len() == names.len() {
            Ok(Value::Object(user))
        } else {
            Err(Reason::Malformed)
        };
        if !take(user, size) {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests;
