//! `signet init`: a configuration with every key explained, and a master key. Never touches what is there.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use serde::Serialize;

use super::output::{Record, or_dash};
use super::{CommandError, Shell};
use crate::config::{Config, MasterKeySource, process_environment};
use crate::jose::create_master_key;
use crate::server;

/// The file of the repository, in which every key stands with its default.
const CONFIGURATION: &str = include_str!("../../config/signet.toml");

/// What to make.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Make only the master key, beside a configuration that is there.
    #[arg(long)]
    key_only: bool,
}

#[derive(Debug, Serialize)]
struct Initialised {
    config: Option<String>,
    master_key_file: Option<String>,
    master_key: Option<String>,
}

impl Record for Initialised {
    const COLUMNS: &'static [&'static str] = &["configuration", "master key file", "fingerprint"];

    fn cells(&self) -> Vec<String> {
        vec![
            or_dash(self.config.as_ref()),
            or_dash(self.master_key_file.as_ref()),
            or_dash(self.master_key.as_ref()),
        ]
    }
}

/// Writes the files.
pub fn run(shell: &Shell, arguments: Arguments) -> Result<(), CommandError> {
    let config_file = shell.config_file();
    let key_file = if arguments.key_only {
        match shell.load()?.config.keys.master_key {
            MasterKeySource::File(file) => Some(file),
            MasterKeySource::Value(_) => {
                return Err(CommandError::new(
                    "already_exists",
                    "keys.master_key holds the master key already",
                ));
            }
        }
    } else {
        refuse_existing("configuration file", &config_file)?;
        // The file that is to be read does not exist yet, but variables may say where the key goes.
        let environment = process_environment().filter(|(name, _)| name != "SIGNET_CONFIG");
        match Config::load(None, environment)?.config.keys.master_key {
            MasterKeySource::File(file) => Some(file),
            MasterKeySource::Value(_) => None,
        }
    };
    if let Some(file) = &key_file {
        refuse_existing("master key", file)?;
        make_folder(file, 0o700)?;
    }
    if !arguments.key_only {
        make_folder(&config_file, 0o755)?;
        write_new(&config_file)?;
    }
    let key = match &key_file {
        Some(file) => Some(create_master_key(file, server::random())?),
        None => None,
    };
    shell.output.one(&Initialised {
        config: (!arguments.key_only).then(|| config_file.display().to_string()),
        master_key_file: key_file.as_ref().map(|file| file.display().to_string()),
        master_key: key.as_ref().map(crate::jose::wrap::MasterKey::fingerprint),
    })?;
    if let Some(file) = &key_file {
        shell.output.message(&format!(
            "Keep a copy of {} in a safe place, apart from the database's backups: without it nobody can open the \
             signing keys.",
            file.display()
        ));
    }
    Ok(())
}

fn refuse_existing(kind: &str, path: &Path) -> Result<(), CommandError> {
    if !path.exists() {
        return Ok(());
    }
    let error = CommandError::exists(kind, path.display());
    Err(if kind == "master key" {
        error.hint("it is never overwritten: it may be the only one that opens the keys in the database")
    } else {
        error.hint("`signet init --key-only` makes a master key beside it; --config names another file")
    })
}

fn make_folder(file: &Path, mode: u32) -> Result<(), CommandError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Some(folder) = folder else { return Ok(()) };
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(mode)
        .create(folder)
        .map_err(|error| unwritable(folder, &error))
}

fn write_new(path: &Path) -> Result<(), CommandError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut file| file.write_all(CONFIGURATION.as_bytes()))
        .map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::new("file", format!("{} cannot be made: {error}", path.display()))
}
