//! The configuration: a TOML file, overridden by environment variables, checked once as a whole; afterwards
//! plain typed values that nobody checks again. One struct a section. `config/signet.toml` explains every
//! key to the operator, and a test holds it against what is read here.
//!
//! Nothing below the wiring reads it: `server.rs` maps each section to the settings of its owner.

mod accounts;
mod better_auth;
mod branding;
mod clients;
mod cors;
mod database;
mod error;
mod issuer;
mod keys;
mod log;
mod mail;
mod passwords;
mod pkcs11;
mod providers;
mod rate_limit;
mod reader;
mod sessions;
mod setting;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use toml::Table;

pub use accounts::Accounts;
pub use better_auth::{BetterAuth, JwtClaim, Links};
pub use branding::{Branding, Colour};
pub use clients::Clients;
pub use cors::Cors;
pub use database::{Database, Statements};
pub use error::{ConfigError, Problem};
pub use keys::{Keys, MasterKeySource};
pub use log::{Log, LogFormat};
pub use mail::Mail;
pub use passwords::Passwords;
pub use pkcs11::{KeyLocation, Pkcs11};
pub use providers::{Linking, Preset, Provider};
pub use rate_limit::RateLimit;
pub use reader::Key;
pub use sessions::Sessions;
pub use tokens::Tokens;

use reader::Reader;

/// Where the file is looked for when nobody names one.
pub const DEFAULT_FILE: &str = "config/signet.toml";

/// The variable that names the file.
const FILE_VARIABLE: &str = "SIGNET_CONFIG";

/// The whole configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// The public URL of this provider, the `iss` of everything that it says: no query, fragment or slash at
    /// the end, spelled as URLs are normalised, https outside loopback.
    pub issuer: String,
    /// Where HTTP is listened for.
    pub listen: SocketAddr,
    /// A second listener, for `/metrics`, `/healthz` and `/readyz`.
    pub listen_ops: Option<SocketAddr>,
    /// The networks whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// `[database]`
    pub database: Database,
    /// `[keys]`
    pub keys: Keys,
    /// `[tokens]`
    pub tokens: Tokens,
    /// `[sessions]`
    pub sessions: Sessions,
    /// `[accounts]`
    pub accounts: Accounts,
    /// `[passwords]`
    pub passwords: Passwords,
    /// `[mail]`
    pub mail: Mail,
    /// `[clients]`
    pub clients: Clients,
    /// `[cors]`
    pub cors: Cors,
    /// `[rate_limit]`
    pub rate_limit: RateLimit,
    /// `[better_auth]`
    pub better_auth: BetterAuth,
    /// `[[providers]]`, in the order of the file.
    pub providers: Vec<Provider>,
    /// `[branding]`
    pub branding: Branding,
    /// `[log]`
    pub log: Log,
}

/// A configuration with what the operator should hear about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The values.
    pub config: Config,
    /// The file that was read; `None` when there is none.
    pub file: Option<PathBuf>,
    /// What is odd but no error, one sentence each: variables that nobody knows, weak parameters.
    pub warnings: Vec<String>,
    /// The keys that the file or a variable gives a value; all others have their default.
    pub given: BTreeSet<String>,
}

impl Config {
    /// Reads the configuration: from `file`, else from the file that `SIGNET_CONFIG` names, else from
    /// `config/signet.toml` if there is one; then from the other variables of `environment`.
    ///
    /// # Errors
    /// When a file that was named cannot be read, is not TOML, or any value cannot be; all such values are
    /// told at once.
    pub fn load(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let mut environment: BTreeMap<String, String> = environment
            .into_iter()
            .filter(|(name, _)| name.starts_with("SIGNET_") || name == "DATABASE_URL")
            .collect();
        let named = environment.remove(FILE_VARIABLE).filter(|name| !name.is_empty());
        let file = match (file, named) {
            (Some(file), _) => Some(file.to_owned()),
            (None, Some(named)) => Some(PathBuf::from(named)),
            (None, None) => Some(PathBuf::from(DEFAULT_FILE)).filter(|file| file.exists()),
        };
        let table = match &file {
            Some(path) => read_file(path)?,
            None => Table::new(),
        };
        let mut reader = Reader::new(table, environment);
        let config = Self::read(&mut reader);
        let given = reader.take_given();
        let (_, mut warnings, problems) = reader.finish();
        if !problems.is_empty() {
            return Err(ConfigError::Invalid(problems));
        }
        warnings.extend(config.passwords.weakness());
        warnings.extend(config.keys.cut_partition());
        Ok(Loaded {
            config,
            file,
            warnings,
            given,
        })
    }

    /// Every key outside `[[providers]]`, in the order in which sections are read.
    pub fn known_keys() -> Vec<Key> {
        let mut reader = Reader::default();
        Self::read(&mut reader);
        reader.finish().0
    }

    /// Every key of a `[[providers]]` entry.
    pub fn known_provider_keys() -> Vec<Key> {
        let mut reader = Reader::default();
        Provider::read(&mut reader);
        reader.finish().0
    }

    fn read(reader: &mut Reader) -> Self {
        let issuer = issuer::read(reader);
        let listen: SocketAddr = reader.value("listen", "127.0.0.1:8080");
        let listen_ops = reader.optional("listen_ops");
        reader.check(
            "listen_ops",
            listen_ops != Some(listen) || listen.port() == 0,
            "is the address of `listen`; choose another port, or leave it out to serve both on one",
        );
        Self {
            listen,
            listen_ops,
            trusted_proxies: reader.list("trusted_proxies"),
            database: Database::read(reader),
            keys: Keys::read(reader),
            tokens: Tokens::read(reader),
            sessions: Sessions::read(reader, &issuer),
            accounts: Accounts::read(reader),
            passwords: Passwords::read(reader),
            mail: Mail::read(reader),
            clients: Clients::read(reader),
            cors: Cors::read(reader),
            rate_limit: RateLimit::read(reader),
            better_auth: BetterAuth::read(reader),
            providers: providers::read_all(reader),
            branding: Branding::read(reader),
            log: Log::read(reader),
            issuer,
        }
    }
}

/// The environment of this process. A variable that is not Unicode cannot be one of ours.
pub fn process_environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn read_file(path: &Path) -> Result<Table, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    text.parse::<Table>().map_err(|error| ConfigError::Syntax {
        path: path.to_owned(),
        line: error
            .span()
            .map_or(1, |span| 1 + text[..span.start].matches('\n').count()),
        reason: error.message().to_owned(),
    })
}
