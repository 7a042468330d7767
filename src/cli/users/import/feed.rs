//! Where batches of records come from: a thread that reads a file, or the database of a Better Auth server.

use std::fs::File;
use std::io::{self, BufRead, BufReader};

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::mpsc::{self, Receiver};

use super::documents::{self, DocumentError, Form};
use super::{Kind, Options};
use crate::cli::CommandError;
use crate::cli::clients::read_text;
use crate::domain::secret::Secret;
use crate::flows::import::better_auth::Sessions;
use crate::flows::import::candidate::{Candidate, Record};
use crate::flows::import::reason::Reason;
use crate::flows::import::{BATCH, auth0, better_auth, firebase, jsonl, keycloak, supabase};
use crate::password::foreign::FirebaseParams;
use crate::storage::better_auth_database::{BetterAuthDatabase, BetterAuthDatabaseError};

/// How many batches wait to be stored.
const AHEAD: usize = 2;
/// The bytes of a file that make a batch, if its records are large.
const BATCH_BYTES: u64 = 4 * 1024 * 1024;

/// A source that is open.
pub enum Feed {
    File(Receiver<Result<Vec<Record>, CommandError>>),
    Database {
        database: Box<BetterAuthDatabase>,
        sessions: Sessions,
        read: u64,
    },
}

impl Feed {
    /// Opens the source.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(
        options: &Options,
        hash_config: Option<FirebaseParams>,
        secrets: &[Secret],
        now: DateTime<Utc>,
    ) -> Result<Self, CommandError> {
        if options.from == Kind::BetterAuth {
            return Ok(Self::Database {
                database: Box::new(BetterAuthDatabase::open(&url(&options.source)?).await?),
                sessions: if secrets.is_empty() {
                    Sessions::Stay
                } else {
                    Sessions::Come
                },
                read: 0,
            });
        }
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (kind, source) = (options.from, options.source.clone());
        // A thread of its own: nobody waits for one that hangs on its standard input.
        std::thread::Builder::new()
            .name("signet-import".to_owned())
            .spawn(move || {
                let mut batch = Batch::default();
                let parse = |value| parse(kind, value, hash_config.as_ref(), now);
                let read = read(kind, &source, &mut |record, size| {
                    batch.push(record.and_then(parse), size);
                    !batch.is_full() || sender.blocking_send(Ok(batch.empty())).is_ok()
                });
                // Whoever does not listen any more has failed for a reason of their own.
                let _ = sender.blocking_send(Ok(batch.empty()));
                if let Err(error) = read {
                    let about = format!("{source}, after record {}", batch.read);
                    let error = CommandError::caused("unreadable", &error).about(about);
                    let _ = sender.blocking_send(Err(error));
                }
            })
            .map_err(|error| CommandError::caused("internal", &error))?;
        Ok(Self::File(receiver))
    }

    /// The next batch; `None` at the end.
    ///
    /// # Errors
    /// When the source cannot be read on.
    pub async fn next(&mut self) -> Result<Option<Vec<Record>>, CommandError> {
        match self {
            Self::File(receiver) => receiver.recv().await.transpose(),
            Self::Database {
                database,
                sessions,
                read,
            } => {
                let rows = database.next().await?;
                if rows.is_empty() {
                    return Ok(None);
                }
                let records = rows.into_iter().map(|row| {
                    *read += 1;
                    Record {
                        position: *read,
                        candidate: better_auth::read(row, *sessions),
                    }
                });
                Ok(Some(records.collect()))
            }
        }
    }

    /// The signing keys of the server before, as they rest.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn keys(&self) -> Result<Vec<Value>, CommandError> {
        match self {
            Self::File(_) => Ok(Vec::new()),
            Self::Database { database, .. } => Ok(database.keys().await?),
        }
    }
}

impl From<BetterAuthDatabaseError> for CommandError {
    fn from(error: BetterAuthDatabaseError) -> Self {
        match error {
            BetterAuthDatabaseError::Storage(error) => {
                Self::caused("source_unavailable", &error).about("the database to import from")
            }
            error => Self::caused("invalid_source", &error),
        }
    }
}

/// The URL itself, or what a file holds: a command line is everybody's to read.
fn url(source: &str) -> Result<Secret, CommandError> {
    if source.starts_with("postgres://") || source.starts_with("postgresql://") {
        return Ok(Secret::new(source));
    }
    let text = zeroize::Zeroizing::new(read_text(source.as_ref())?);
    Ok(Secret::new(text.trim()))
}

#[derive(Default)]
struct Batch {
    records: Vec<Record>,
    bytes: u64,
    read: u64,
}

impl Batch {
    fn push(&mut self, candidate: Result<Candidate, Reason>, size: u64) {
        self.read += 1;
        self.bytes += size;
        self.records.push(Record {
            position: self.read,
            candidate,
        });
    }

    fn is_full(&self) -> bool {
        self.records.len() >= BATCH || self.bytes >= BATCH_BYTES
    }

    fn empty(&mut self) -> Vec<Record> {
        self.bytes = 0;
        std::mem::take(&mut self.records)
    }
}

fn parse(
    kind: Kind,
    value: Value,
    hash_config: Option<&FirebaseParams>,
    now: DateTime<Utc>,
) -> Result<Candidate, Reason> {
    match kind {
        Kind::Auth0 => auth0::read(value),
        Kind::Firebase => firebase::read(value, hash_config),
        Kind::Keycloak => keycloak::read(value),
        Kind::Supabase => supabase::read(value, now),
        Kind::Jsonl => jsonl::read(value),
        Kind::BetterAuth => Err(Reason::Malformed),
    }
}

fn read(kind: Kind, source: &str, take: &mut documents::Take<'_>) -> Result<(), DocumentError> {
    if source == "-" {
        return read_from(kind, io::stdin().lock(), take);
    }
    read_from(
        kind,
        BufReader::with_capacity(64 * 1024, File::open(source)?),
        take,
    )
}

fn read_from(
    kind: Kind,
    mut reader: impl BufRead,
    take: &mut documents::Take<'_>,
) -> Result<(), DocumentError> {
    let first = documents::first_character(&mut reader)?;
    let form = match (kind, first) {
        (_, None) => return Ok(()),
        (Kind::Firebase | Kind::Keycloak, _) | (Kind::Auth0 | Kind::Supabase, Some(b'[')) => Form::Document,
        (Kind::Supabase, Some(first)) if first != b'{' => Form::Table,
        _ => Form::Lines,
    };
    documents::read(form, reader, take)
}
