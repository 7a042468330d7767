//! `signet keys`: a file a subcommand, or two that show the same thing.

mod compromise;
mod list;
mod rotate;

use super::{CommandError, Shell};

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
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: KeysCommand) -> Result<(), CommandError> {
    match command {
        KeysCommand::List(which) => list::list(shell, which).await,
        KeysCommand::Plan(which) => list::plan(shell, which).await,
        KeysCommand::Rotate(options) => rotate::run(shell, &options).await,
        KeysCommand::Compromise(options) => compromise::run(shell, options).await,
    }
}
