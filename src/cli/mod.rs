//! The command line: one file a subcommand. Parses, asks, prints; what a command does is done by flows, and
//! `server.rs` opens what they need.

mod client_options;
mod client_record;
mod clients;
mod dev;
mod doctor;
mod error;
mod init;
mod keys;
mod migrate;
mod output;
mod resources;
mod rs_check;
mod serve;
mod sessions;
mod shell;
mod users;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::oauth::scope::ScopeSet;
use error::CommandError;
use output::{Format, Output};
use shell::Shell;

/// A standalone OpenID provider: signup, login, OAuth 2.1 and OpenID Connect.
#[derive(Debug, Parser)]
#[command(name = "signet", version, arg_required_else_help = true)]
struct CommandLine {
    /// The configuration file; else SIGNET_CONFIG, else config/signet.toml if there is one.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// How results are printed on standard output.
    #[arg(long, global = true, value_enum, default_value_t)]
    format: Format,

    /// Ask no questions.
    #[arg(long, short = 'y', global = true)]
    yes: bool,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the provider.
    Serve(serve::Arguments),
    /// Run a complete provider on this machine, with a demo application and no configuration.
    Dev(dev::Arguments),
    /// Write a configuration and a master key.
    Init(init::Arguments),
    /// Bring the database's schema up to date.
    Migrate(migrate::Arguments),
    /// Check configuration, database, clock, keys, mail and upstream providers, and say what to do.
    Doctor(doctor::Arguments),
    /// Look at the signing keys.
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Register applications.
    #[command(subcommand)]
    Clients(clients::ClientsCommand),
    /// Register APIs.
    #[command(subcommand)]
    Resources(resources::ResourcesCommand),
    /// Attack a resource server, to see whether it refuses bad tokens.
    RsCheck(rs_check::Arguments),
    /// Look after accounts.
    #[command(subcommand)]
    Users(users::UsersCommand),
    /// Look at browser sessions, and end them.
    #[command(subcommand)]
    Sessions(sessions::SessionsCommand),
}

/// Runs the command that the process was started with. Exit status 0: done, 1: failed, 2: wrong usage.
pub fn run() -> ExitCode {
    let line = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return wrong_usage(&error),
    };
    let output = Output::new(line.format, line.yes);
    let shell = Shell::new(line.config, output);
    match dispatch(&shell, line.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output.failure(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(shell: &Shell, command: Command) -> Result<(), CommandError> {
    match command {
        Command::Serve(arguments) => serve::run(shell, arguments),
        Command::Dev(arguments) => dev::run(shell, arguments),
        Command::Init(arguments) => init::run(shell, arguments),
        Command::Migrate(arguments) => shell.wait(migrate::run(shell, arguments)),
        Command::Doctor(arguments) => shell.wait(doctor::run(shell, arguments)),
        Command::Keys(command) => shell.wait(keys::run(shell, command)),
        Command::Clients(command) => shell.wait(clients::run(shell, command)),
        Command::Resources(command) => shell.wait(resources::run(shell, command)),
        Command::RsCheck(arguments) => shell.wait(rs_check::run(shell, arguments)),
        Command::Users(command) => shell.wait(users::run(shell, command)),
        Command::Sessions(command) => shell.wait(sessions::run(shell, command)),
    }
}

/// Help and version are answers on standard output; all else is status 2, as JSON where that was asked for.
fn wrong_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // A closed pipe (`signet --help | head`) is no failure.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if asks_for_json(std::env::args()) {
        let text = error.render().to_string();
        let message = text.trim().trim_start_matches("error: ").to_owned();
        let error = CommandError::new("usage", message).hint("`signet help` lists commands and options");
        Output::new(Format::Json, true).failure(&error);
    } else {
        let _ = error.print();
    }
    ExitCode::from(2)
}

/// A line that does not parse may still say how its failure is to be printed.
fn asks_for_json(arguments: impl Iterator<Item = String>) -> bool {
    let arguments: Vec<String> = arguments.collect();
    arguments.iter().any(|argument| argument == "--format=json")
        || arguments.windows(2).any(|pair| pair == ["--format", "json"])
}

/// The scopes of an option that may be repeated, take several values, or hold several in one text.
fn scopes(given: &[String]) -> Result<ScopeSet, CommandError> {
    let tokens = given.iter().flat_map(|text| text.split_whitespace());
    ScopeSet::from_tokens(tokens).map_err(|error| CommandError::caused("invalid_scope", &error))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn global_options_stand_before_and_after_the_subcommand() {
        for line in [
            ["signet", "--format", "json", "clients", "list"],
            ["signet", "clients", "--format", "json", "list"],
            ["signet", "clients", "list", "--format", "json"],
        ] {
            let parsed = CommandLine::try_parse_from(line).expect("the line parses");
            assert_eq!(parsed.format, Format::Json, "{line:?}");
        }
    }
}
