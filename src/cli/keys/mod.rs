//! `signet keys`: a file a subcommand, or two that show the same thing.

mod compromise;
mod export;
mod import;
mod list;
mod rewrap;
mod rotate;

use super::rs_check::{self, Drill};
use super::{CommandError, Shell};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// What to do with keys.
#[derive(Debug, clap::Subcommand)]
pub enum KeysCommand {
    /// List all keys with their states and times.
    List(list::Which),
    /// Show the changes that are to come, with the reason for each time.
    Plan(list::Which),
    /// Let the next signing keys sign, as soon as every verifier can know them.
    Rotate(rotate::Options),
    /// Take a key out of everything, at once.
    Compromise(compromise::Options),
    /// Encrypt all private keys anew with another master key, while the servers serve.
    Rewrap(rewrap::Options),
    /// Show whether a resource server accepts a token of the announced key, before that key signs.
    Drill(Drill),
    /// Announce a signing key that another issuer has made, under its own kid.
    Import(import::Options),
    /// Print a signing key.
    Export(export::Options),
}

/// An algorithm by its name, for clap.
fn algorithm(text: &str) -> Result<SigningAlgorithm, String> {
    SigningAlgorithm::parse(text).ok_or_else(|| {
        let known = SigningAlgorithm::ALL.map(SigningAlgorithm::as_str);
        format!("is none of {}", known.join(", "))
    })
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: KeysCommand) -> Result<(), CommandError> {
    match command {
        KeysCommand::List(which) => list::list(shell, which).await,
        KeysCommand::Plan(which) => list::plan(shell, which).await,
        KeysCommand::Rotate(options) => rotate::run(shell, &options).await,
        KeysCommand::Compromise(options) => compromise::run(shell, options).await,
        KeysCommand::Rewrap(options) => rewrap::run(shell, &options).await,
        KeysCommand::Drill(drill) => rs_check::drill(shell, drill).await,
        KeysCommand::Import(options) => import::run(shell, options).await,
        KeysCommand::Export(options) => export::run(shell, &options).await,
    }
}
