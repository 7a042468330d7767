//! Why the provider does not run.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::flows::demo;
use crate::flows::keys::KeysError;
use crate::flows::provider::ReloadError;
use crate::jose::MasterKeyFileError;
use crate::jose::apple_client_secret::InvalidAppleKey;
use crate::jose::wrap::InvalidMasterKey;
use crate::mail::smtp::InvalidSmtp;
use crate::mail::templates::TemplatesError;
use crate::password::StartError;
use crate::storage::DatabaseUrlError;
use crate::storage::StorageError;
use crate::storage::embedded::EmbeddedError;
use crate::storage::migrate::MigrateError;

/// Why the provider does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address is taken, or not ours.
    #[error("{address} cannot be listened on")]
    Listen {
        /// `listen` or `listen_ops`.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key that signs for a provider is none.
    #[error("providers: client_secret of {id:?}: {source}")]
    ProviderKey {
        /// The entry.
        id: String,
        /// What is wrong with it.
        source: InvalidAppleKey,
    },
    /// The private PostgreSQL does not run.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
    /// A database URL is of no use.
    #[error("{key}: {source}")]
    DatabaseUrl {
        /// Its key.
        key: &'static str,
        /// What is wrong with it.
        source: DatabaseUrlError,
    },
    /// The database does not do what was asked.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The schema cannot be compared or brought up to date.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The schema is older than this version needs, and is not to be migrated by itself.
    #[error("the database's schema lacks {} of this version: {}", count(.0), .0.join(", "))]
    SchemaPending(Vec<String>),
    /// There is no master key to be had from its file.
    #[error(transparent)]
    MasterKeyFile(#[from] MasterKeyFileError),
    /// The configured master key is none.
    #[error("keys.master_key: {0}")]
    MasterKey(#[from] InvalidMasterKey),
    /// The keys cannot be made or opened.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The token gets no thread.
    #[error("the system gives no thread for the PKCS#11 token")]
    Pkcs11(#[source] std::io::Error),
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hasher(#[from] StartError),
    /// The operator's logo cannot be shown.
    #[error("branding.logo: {} {reason}", path.display())]
    Logo {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Mail server or sender are of no use.
    #[error(transparent)]
    Smtp(#[from] InvalidSmtp),
    /// A mail template is of no use.
    #[error("mail.templates_dir: {0}")]
    Templates(#[from] TemplatesError),
    /// The demo cannot be prepared.
    #[error(transparent)]
    Demo(#[from] demo::PrepareError),
    /// The system does not let us run.
    #[error("the server cannot run")]
    Run(#[source] std::io::Error),
}

impl From<ReloadError> for ServerError {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Storage(error) => error.into(),
            ReloadError::Keys(error) => error.into(),
        }
    }
}

fn count(pending: &[String]) -> String {
    match pending.len() {
        1 => "a migration".to_owned(),
        many => format!("{many} migrations"),
    }
}
