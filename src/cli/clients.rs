//! `signet clients`: the applications that may use this provider.

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use super::client_options::{ChangeOptions, CreateOptions};
use super::client_record::ClientRecord;
use super::output::Deleted;
use super::shell::Workplace;
use super::{CommandError, Shell};
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::mac::MacKeys;
use crate::flows::clients::{self, Clients, InvalidRegistration, Registered, Registration, metadata};
use crate::storage;

/// What to do with clients.
#[derive(Debug, clap::Subcommand)]
pub enum ClientsCommand {
    /// Register an application; its secret is shown this once.
    Create(Box<CreateOptions>),
    /// List all applications.
    List,
    /// Show an application.
    Show {
        /// Its `client_id`.
        client_id: ClientId,
    },
    /// Change an application; what is not named stays.
    Update(Box<ChangeOptions>),
    /// Give an application a new secret, shown this once; the old one is dead at once.
    RotateSecret {
        /// Its `client_id`.
        client_id: ClientId,
    },
    /// Delete an application with everything that users let it have.
    Delete {
        /// Its `client_id`.
        client_id: ClientId,
    },
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: ClientsCommand) -> Result<(), CommandError> {
    match command {
        ClientsCommand::Create(options) => create(shell, *options).await,
        ClientsCommand::List => list(shell).await,
        ClientsCommand::Show { client_id } => show(shell, client_id).await,
        ClientsCommand::Update(options) => {
            let options = *options;
            let id = options.client_id.clone();
            changed(shell, async |clients, now| {
                clients
                    .update(&id, now, |client| options.apply_to(client, now))
                    .await
            })
            .await
        }
        ClientsCommand::RotateSecret { client_id } => {
            shell.output.confirm(&format!(
                "Give the client {client_id} a new secret? The old one is dead at once."
            ))?;
            changed(shell, async |clients, now| {
                clients.rotate_secret(&client_id, now).await
            })
            .await
        }
        ClientsCommand::Delete { client_id } => delete(shell, client_id).await,
    }
}

async fn create(shell: &Shell, options: CreateOptions) -> Result<(), CommandError> {
    let (registrations, many) = match &options.metadata {
        Some(file) => read_metadata(shell, file)?,
        None => (vec![options.registration()?], false),
    };
    names_differ(&registrations)?;
    let registered = shell
        .with_database(async |place| {
            warn_about_unknown_resources(shell, place, &registrations).await?;
            let keys = place.client_secret_keys().await?;
            Ok(flow(place, &keys).create(registrations, place.now()).await?)
        })
        .await?;
    let records: Vec<ClientRecord> = registered.into_iter().map(ClientRecord::from).collect();
    match records.as_slice() {
        [one] if !many => shell.output.one(one),
        records => shell.output.list(records),
    }
}

/// The registrations of a file, and whether it is an array.
fn read_metadata(shell: &Shell, file: &Path) -> Result<(Vec<Registration>, bool), CommandError> {
    let document: Value = serde_json::from_str(&read_text(file)?).map_err(|error| {
        CommandError::new(
            "invalid_client_metadata",
            format!("{} is not JSON: {error}", file.display()),
        )
    })?;
    let (documents, many) = match document {
        Value::Array(documents) => (documents, true),
        one => (vec![one], false),
    };
    let mut registrations = Vec::with_capacity(documents.len());
    for (position, document) in documents.iter().enumerate() {
        let place = |error: InvalidRegistration| {
            let error = CommandError::from(error);
            match document.get("client_id").and_then(Value::as_str) {
                Some(id) => error.about(format_args!("client {id}")),
                None if many => error.about(format_args!("number {}", position + 1)),
                None => error,
            }
        };
        let (registration, warnings) = metadata::parse(document).map_err(place)?;
        for warning in warnings {
            shell.output.warning(&warning);
        }
        registrations.push(registration);
    }
    Ok((registrations, many))
}

/// The text of a file, or of standard input for `-`.
pub fn read_text(file: &Path) -> Result<String, CommandError> {
    let read = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| CommandError::new("file", format!("{} cannot be read: {error}", file.display())))
}

/// Two with one id would only be noticed after the first is stored.
fn names_differ(registrations: &[Registration]) -> Result<(), CommandError> {
    let mut seen = BTreeSet::new();
    let ids = registrations
        .iter()
        .filter_map(|registration| registration.client_id.as_deref());
    for id in ids {
        if !seen.insert(id) {
            return Err(CommandError::new(
                "invalid_client_metadata",
                format!("client {id} stands there twice"),
            ));
        }
    }
    Ok(())
}

/// A resource may be registered later, but more often its name is a typo.
async fn warn_about_unknown_resources(
    shell: &Shell,
    place: &Workplace,
    registrations: &[Registration],
) -> Result<(), CommandError> {
    let named: BTreeSet<&str> = registrations
        .iter()
        .filter_map(|registration| registration.metadata.resources.as_ref())
        .flatten()
        .map(String::as_str)
        .collect();
    if named.is_empty() {
        return Ok(());
    }
    let known = storage::resources::list(&place.db).await?;
    let known: BTreeSet<String> = known
        .into_iter()
        .filter_map(|resource| Some(resource.ok()?.identifier))
        .collect();
    for name in named.into_iter().filter(|name| !known.contains(*name)) {
        shell.output.warning(&format!(
            "there is no resource {name} yet; `signet resources create` registers it"
        ));
    }
    Ok(())
}

async fn list(shell: &Shell) -> Result<(), CommandError> {
    let rows = shell
        .with_database(async |place| Ok(storage::clients::list(&place.db).await?))
        .await?;
    let clients = shell.output.readable(rows).into_iter();
    let records: Vec<ClientRecord> = clients.map(|client: Client| client.into()).collect();
    shell.output.list(&records)
}

async fn show(shell: &Shell, id: ClientId) -> Result<(), CommandError> {
    let found = shell
        .with_database(async |place| Ok(storage::clients::find(&place.db, &id).await?))
        .await?;
    match found {
        Some(client) => shell.output.one(&ClientRecord::from(client)),
        None => Err(CommandError::not_found("client", id)),
    }
}

async fn changed(
    shell: &Shell,
    change: impl AsyncFnOnce(
        &Clients<'_>,
        chrono::DateTime<chrono::Utc>,
    ) -> Result<Registered, clients::ClientsError>,
) -> Result<(), CommandError> {
    let registered = shell
        .with_database(async |place| {
            let keys = place.client_secret_keys().await?;
            Ok(change(&flow(place, &keys), place.now()).await?)
        })
        .await?;
    shell.output.one(&ClientRecord::from(registered))
}

async fn delete(shell: &Shell, id: ClientId) -> Result<(), CommandError> {
    shell.output.confirm(&format!(
        "Delete the client {id}? Its users' tokens and consents go with it."
    ))?;
    shell
        .with_database(async |place| Ok(clients::delete(&place.db, &id, place.now()).await?))
        .await?;
    shell.output.one(&Deleted::new("client_id", id.to_string()))
}

fn flow<'a>(place: &'a Workplace, secret_keys: &'a MacKeys) -> Clients<'a> {
    Clients {
        db: &place.db,
        secret_keys,
        issuer: &place.config.issuer,
        random: place.random,
    }
}
