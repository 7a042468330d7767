//! `signet dev`: everything at once, on this machine, without a question.

use std::path::Path;

use serde::Serialize;

use super::output::{Output, Record};
use super::serve::run_server;
use super::shell::DEV_MASTER_KEY;
use super::{CommandError, Shell};
use crate::config::{Loaded, MasterKeySource};
use crate::flows::demo;
use crate::jose::create_master_key;
use crate::server::{self, Mode, Ready};

/// Nothing needs to be said; SIGNET_LISTEN changes the port.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// What a newcomer wants to know first.
#[derive(Debug, Serialize)]
struct Prepared {
    issuer: String,
    jwks_uri: String,
    open: String,
    client_id: &'static str,
    mailbox: String,
    database: Option<String>,
}

impl Prepared {
    fn of(ready: &Ready) -> Self {
        let issuer = &ready.issuer;
        let embedded = |(version, data): &(String, std::path::PathBuf)| {
            format!(
                "embedded PostgreSQL {version} in {}: one node; DATABASE_URL is for several",
                data.display()
            )
        };
        Self {
            jwks_uri: format!("{issuer}/.well-known/jwks.json"),
            open: format!("{issuer}/dev/"),
            client_id: demo::CLIENT_ID,
            mailbox: format!("{issuer}/dev/mailbox"),
            database: ready.embedded.as_ref().map(embedded),
            issuer: issuer.clone(),
        }
    }
}

impl Record for Prepared {
    const COLUMNS: &'static [&'static str] = &["Open", "Issuer", "JWKS", "Client", "Mailbox", "Database"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.open.clone(),
            self.issuer.clone(),
            self.jwks_uri.clone(),
            format!("{} (public, code + PKCE)", self.client_id),
            self.mailbox.clone(),
            self.database
                .clone()
                .unwrap_or_else(|| "as configured".to_owned()),
        ]
    }
}

/// Runs a complete provider until SIGTERM or SIGINT.
pub fn run(shell: &Shell, _arguments: Arguments) -> Result<(), CommandError> {
    let mut loaded = shell.load()?;
    ensure_master_key(&mut loaded)?;
    let mode = Mode::Dev {
        issuer_follows_listener: !loaded.given.contains("issuer"),
    };
    let output = shell.output;
    run_server(loaded, mode, |ready| announce(output, ready))
}

/// A master key that nobody configured and that is not there is made, where it is in nobody's way.
fn ensure_master_key(loaded: &mut Loaded) -> Result<(), CommandError> {
    let MasterKeySource::File(file) = &loaded.config.keys.master_key else {
        return Ok(());
    };
    if loaded.given.contains("keys.master_key_file") || file.exists() {
        return Ok(());
    }
    let path = Path::new(DEV_MASTER_KEY);
    let folder = path.parent().expect("our own path has a folder");
    std::fs::create_dir_all(folder).map_err(|error| CommandError::caused("master_key", &error))?;
    create_master_key(path, server::random())?;
    loaded.config.keys.master_key = MasterKeySource::File(path.to_owned());
    Ok(())
}

fn announce(output: Output, ready: &Ready) {
    if output.is_for_people() {
        println!("\nSignet is ready. Open the first address in a browser; ^C stops everything.\n");
    }
    // Nobody may be reading, and that is no reason to stop.
    let _ = output.one(&Prepared::of(ready));
    if output.is_for_people() {
        println!();
    }
}
