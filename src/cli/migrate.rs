//! `signet migrate`.

use serde::Serialize;

use super::output::Record;
use super::{CommandError, Shell};
use crate::server::{self, Database, Role};

/// What to do about the schema.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Change nothing: say what is pending, and exit with 1 if anything is.
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Serialize)]
struct Migrated {
    applied: Vec<String>,
    pending: Vec<String>,
    newer: Vec<String>,
}

impl Record for Migrated {
    const COLUMNS: &'static [&'static str] = &["applied", "pending", "newer"];

    fn cells(&self) -> Vec<String> {
        [&self.applied, &self.pending, &self.newer]
            .into_iter()
            .map(|names| {
                if names.is_empty() {
                    "-".to_owned()
                } else {
                    names.join(", ")
                }
            })
            .collect()
    }
}

/// Applies what is pending, or says what is.
pub async fn run(shell: &Shell, arguments: Arguments) -> Result<(), CommandError> {
    let loaded = shell.load()?;
    shell.warn_about(&loaded);
    let database = Database::open(&loaded.config, Role::Command).await?;
    let migrated = migrate(&database, &arguments).await;
    database.close().await;
    let migrated = migrated?;
    shell.output.one(&migrated)?;
    if migrated.pending.is_empty() {
        return Ok(());
    }
    let text = format!("{} migrations are pending", migrated.pending.len());
    Err(CommandError::new("schema_pending", text).hint("`signet migrate` applies them"))
}

async fn migrate(database: &Database, arguments: &Arguments) -> Result<Migrated, CommandError> {
    let applied = if arguments.check {
        Vec::new()
    } else {
        database.migrate(server::clock().now()).await?
    };
    let schema = database.schema().await?;
    Ok(Migrated {
        applied,
        pending: schema.pending,
        newer: schema.newer,
    })
}
