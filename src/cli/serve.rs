//! `signet serve`.

use super::{CommandError, Shell};

/// Nothing but the configuration decides how the provider runs.
#[derive(Debug, clap::Args)]
pub struct Arguments {}

/// Runs the provider until SIGTERM or SIGINT.
pub fn run(shell: &Shell, _arguments: Arguments) -> Result<(), CommandError> {
    todo!()
}
