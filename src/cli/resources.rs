//! `signet resources`: the APIs that tokens are for.

use serde::Serialize;

use super::output::{Deleted, Record, or_dash};
use super::shell::Workplace;
use super::{CommandError, Shell, scopes};
use crate::domain::resource::Resource;
use crate::flows::resources as flow;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::storage::resources::{self, ResourceChange};

/// What to do with resources.
#[derive(Debug, clap::Subcommand)]
pub enum ResourcesCommand {
    /// Register an API.
    Create {
        /// The URI that clients ask for, and the `aud` of the API's tokens.
        #[arg(long, value_name = "URI")]
        identifier: String,
        /// What people call it; the consent page shows it.
        #[arg(long)]
        name: String,
        /// A scope that means something there.
        #[arg(long, num_args = 1..)]
        scope: Vec<String>,
        /// What its access tokens are signed with; without this EdDSA.
        #[arg(long, value_enum, value_name = "ALG")]
        signing_alg: Option<SigningAlgorithm>,
    },
    /// List all APIs.
    List,
    /// Change an API; what is not named stays.
    Update {
        /// The URI of the API.
        identifier: String,
        /// The new name.
        #[arg(long)]
        name: Option<String>,
        /// The new scopes, in place of all old ones.
        #[arg(long, num_args = 1..)]
        scope: Option<Vec<String>>,
        /// What its access tokens are signed with from now on.
        #[arg(long, value_enum, value_name = "ALG")]
        signing_alg: Option<SigningAlgorithm>,
    },
    /// Delete an API: no more tokens for it.
    Delete {
        /// The URI of the API.
        identifier: String,
    },
}

#[derive(Debug, Serialize)]
struct ListedResource {
    identifier: String,
    name: String,
    scopes: Vec<String>,
    /// Absent where it does not care, and gets `EdDSA`.
    signing_alg: Option<SigningAlgorithm>,
}

impl From<Resource> for ListedResource {
    fn from(resource: Resource) -> Self {
        Self {
            scopes: resource.scopes.iter().map(str::to_owned).collect(),
            signing_alg: resource.access_token_signing_alg,
            identifier: resource.identifier,
            name: resource.name,
        }
    }
}

impl Record for ListedResource {
    const COLUMNS: &'static [&'static str] = &["identifier", "name", "scopes", "signed with"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.identifier.clone(),
            self.name.clone(),
            self.scopes.join(" "),
            or_dash(self.signing_alg.map(SigningAlgorithm::as_str)),
        ]
    }
}

/// Does what the subcommand says.
pub async fn run(shell: &Shell, command: ResourcesCommand) -> Result<(), CommandError> {
    match command {
        ResourcesCommand::Create {
            identifier,
            name,
            scope,
            signing_alg,
        } => {
            let resource = Resource {
                identifier,
                name,
                scopes: scopes(&scope)?,
                access_token_signing_alg: signing_alg,
            };
            shell
                .with_database(async |place| {
                    first_keys(place, signing_alg).await?;
                    flow::create(&place.db, &resource, &place.config.issuer, place.now()).await?;
                    Ok(())
                })
                .await?;
            shell.output.one(&ListedResource::from(resource))
        }
        ResourcesCommand::List => {
            let rows = shell
                .with_database(async |place| Ok(resources::list(&place.db).await?))
                .await?;
            let resources = shell.output.readable(rows).into_iter();
            let listed: Vec<ListedResource> = resources.map(ListedResource::from).collect();
            shell.output.list(&listed)
        }
        ResourcesCommand::Update {
            identifier,
            name,
            scope,
            signing_alg,
        } => {
            let change = ResourceChange {
                name,
                scopes: scope.as_deref().map(scopes).transpose()?,
                access_token_signing_alg: signing_alg,
            };
            let updated = shell
                .with_database(async |place| {
                    first_keys(place, signing_alg).await?;
                    Ok(flow::update(&place.db, &identifier, &change, place.now()).await?)
                })
                .await?;
            match updated {
                Some(resource) => shell.output.one(&ListedResource::from(resource)),
                None => Err(CommandError::not_found("resource", identifier)),
            }
        }
        ResourcesCommand::Delete { identifier } => {
            shell.output.confirm(&format!(
                "Delete the resource {identifier}? Clients get no more tokens for it."
            ))?;
            let deleted = shell
                .with_database(async |place| Ok(resources::delete(&place.db, &identifier).await?))
                .await?;
            if !deleted {
                return Err(CommandError::not_found("resource", identifier));
            }
            shell.output.one(&Deleted::new("identifier", identifier))
        }
    }
}

/// What can be chosen follows from the keys; a new issuer gets them here if the choice comes before its servers.
async fn first_keys(place: &Workplace, chosen: Option<SigningAlgorithm>) -> Result<(), CommandError> {
    match chosen {
        Some(algorithm) if !SigningAlgorithm::ALWAYS.contains(&algorithm) => {
            place.ensure_first_keys().await.map(drop)
        }
        _ => Ok(()),
    }
}
