//! `signet keys rewrap`.

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::output::Record;
use crate::cli::{CommandError, Shell};
use crate::flows::keys::rewrap::rewrap;
use crate::jose::{create_master_key, read_master_keys};
use crate::server;

/// With what.
#[derive(Debug, clap::Args)]
pub struct Options {
    /// The file of the new master key; it is made if it is not there.
    #[arg(long, value_name = "FILE")]
    new_master_key: PathBuf,
}

#[derive(Debug, Serialize)]
struct Outcome {
    master_key: String,
    rewrapped: usize,
    already: usize,
    left: Vec<Left>,
}

#[derive(Debug, Serialize)]
struct Left {
    kid: String,
    master_key: String,
}

impl Record for Outcome {
    const COLUMNS: &'static [&'static str] = &["master key", "encrypted anew", "had been before", "left"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.master_key.clone(),
            self.rewrapped.to_string(),
            self.already.to_string(),
            self.left.len().to_string(),
        ]
    }
}

/// Encrypts everything anew. What cannot be opened is named, and the command fails then, with the rest done.
pub async fn run(shell: &Shell, options: &Options) -> Result<(), CommandError> {
    let (output, path) = (shell.output, &options.new_master_key);
    let new = match read_master_keys(path) {
        Ok(mut keys) => keys.swap_remove(0),
        Err(error) if error.is_missing() => {
            let new = create_master_key(path, server::random())?;
            output.message(&format!("made a new master key in {}", path.display()));
            new
        }
        Err(error) => return Err(error.into()),
    };
    let fingerprint = new.fingerprint();
    let done = shell
        .with_database(async |place| {
            let mut known = server::master_keys(&place.config.keys)?;
            known.push(new.clone());
            Ok(rewrap(&place.db, &known, &new).await?)
        })
        .await?;
    let left: Vec<_> = done
        .left
        .into_iter()
        .map(|(kid, master_key)| Left { kid, master_key })
        .collect();
    output.message(&format!(
        "put the key of {} first into keys.master_key_file of every server, and take the old one out once \
         this command leaves nothing to encrypt anew",
        path.display()
    ));
    let failed = left.first().map(|first| {
        CommandError::new(
            "master_key",
            format!(
                "{} keys are left: {} is encrypted with {}",
                left.len(),
                first.kid,
                first.master_key
            ),
        )
        .hint("put that master key into keys.master_key_file beside the others, and run this again")
    });
    output.one(&Outcome {
        master_key: fingerprint,
        rewrapped: done.rewrapped,
        already: done.already,
        left,
    })?;
    failed.map_or(Ok(()), Err)
}
