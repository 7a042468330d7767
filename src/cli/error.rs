//! Why a command failed, as people and programs are told.

use serde::Serialize;

use crate::config::ConfigError;
use crate::domain::signing_choice::NotChoosable;
use crate::flows::clients::{ClientsError, InvalidRegistration};
use crate::flows::demo::PrepareError;
use crate::flows::keys::KeysError;
use crate::flows::keys::rotation::RotationError;
use crate::flows::keys::transfer::TransferError;
use crate::flows::resources::ResourcesError;
use crate::flows::users::UsersError;
use crate::jose::MasterKeyFileError;
use crate::jose::pkcs11::Pkcs11Error;
use crate::password::StartError;
use crate::server::ServerError;
use crate::storage::DatabaseUrlError;
use crate::storage::StorageError;
use crate::storage::embedded::EmbeddedError;
use crate::storage::migrate::MigrateError;
use crate::telemetry::TelemetryError;

/// A failed command: exit status 1. `code` and the JSON shape are stable; the texts may change.
#[derive(Debug, Serialize)]
pub struct CommandError {
    /// A stable word for programs.
    #[serde(rename = "error")]
    pub code: &'static str,
    /// What went wrong, naming the thing that it went wrong with.
    pub message: String,
    /// What to do about it, if we know.
    pub hint: Option<String>,
}

impl CommandError {
    /// A failure without advice.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            hint: None,
        }
    }

    /// A failure whose text is that of `error` and of everything that caused it.
    pub fn caused(code: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(code, chain(error))
    }

    /// Adds advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Says what the failure is about, in front of it.
    #[must_use]
    pub fn about(mut self, subject: impl std::fmt::Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// `kind` with this key does not exist.
    pub fn not_found(kind: &str, key: impl std::fmt::Display) -> Self {
        Self::new("not_found", format!("there is no {kind} {key}"))
    }

    /// `kind` with this key exists already.
    pub fn exists(kind: &str, key: impl std::fmt::Display) -> Self {
        Self::new("already_exists", format!("{kind} {key} exists already"))
    }
}

impl From<StorageError> for CommandError {
    fn from(error: StorageError) -> Self {
        if error.is_unavailable() {
            Self::caused("database_unavailable", &error).hint(
                "check that the database runs and that database.url is right; `signet doctor` tells more",
            )
        } else {
            Self::caused("database_error", &error)
        }
    }
}

impl From<ConfigError> for CommandError {
    fn from(error: ConfigError) -> Self {
        Self::caused("configuration", &error)
    }
}

impl From<TelemetryError> for CommandError {
    fn from(error: TelemetryError) -> Self {
        Self::caused("configuration", &error)
    }
}

impl From<InvalidRegistration> for CommandError {
    fn from(error: InvalidRegistration) -> Self {
        Self::new(error.code.as_str(), error.reason)
    }
}

impl From<ClientsError> for CommandError {
    fn from(error: ClientsError) -> Self {
        match error {
            ClientsError::Invalid(invalid) => invalid.into(),
            ClientsError::Exists(id) => Self::exists("client", id).hint(
                "`signet clients update` changes it, `signet clients rotate-secret` gives it a new secret",
            ),
            ClientsError::Algorithm(error) => error.into(),
            ClientsError::NamesResource(_) => Self::caused("already_exists", &error),
            ClientsError::Unknown(id) => Self::not_found("client", id),
            ClientsError::NoSecret(_) => Self::caused("no_secret", &error)
                .hint("only clients with client_secret_basic or client_secret_post have one"),
            ClientsError::Changed(_) => Self::caused("conflict", &error).hint("look at it and try again"),
            ClientsError::Storage(storage) => storage.into(),
        }
    }
}

impl From<NotChoosable> for CommandError {
    fn from(error: NotChoosable) -> Self {
        Self::caused("algorithm_not_ready", &error)
    }
}

impl From<ResourcesError> for CommandError {
    fn from(error: ResourcesError) -> Self {
        match error {
            ResourcesError::Exists(identifier) => {
                Self::exists("resource", identifier).hint("`signet resources update` changes it")
            }
            ResourcesError::Algorithm(error) => error.into(),
            ResourcesError::NamesClient(_) => Self::caused("already_exists", &error),
            ResourcesError::Storage(storage) => storage.into(),
            _ => Self::caused("invalid_resource", &error),
        }
    }
}

impl From<UsersError> for CommandError {
    fn from(error: UsersError) -> Self {
        match error {
            UsersError::EmailTaken => Self::caused("already_exists", &error),
            UsersError::Unknown => Self::caused("not_found", &error),
            UsersError::Email(_) => Self::caused("invalid_email", &error),
            UsersError::Name => Self::caused("invalid_name", &error),
            UsersError::Password(_) => Self::caused("invalid_password", &error),
            UsersError::Leaked => Self::new("password_leaked", "the password is known from a leak")
                .hint("others have used it, and whoever guesses tries it first: take another"),
            UsersError::Guessable(strength) => {
                let advice: Vec<String> = strength.warning.into_iter().chain(strength.suggestions).collect();
                let error = Self::new("password_too_weak", "the password is too easy to guess");
                error.hint(if advice.is_empty() {
                    "take more words, and less common ones".to_owned()
                } else {
                    advice.join(" ")
                })
            }
            UsersError::Busy(busy) => Self::caused("busy", &busy),
            UsersError::Storage(storage) => storage.into(),
        }
    }
}

impl From<RotationError> for CommandError {
    fn from(error: RotationError) -> Self {
        match error {
            RotationError::BeforeGate { .. } => {
                Self::caused("too_early", &error).hint("without --now it is rotated at that time, by itself")
            }
            RotationError::NothingAnnounced => Self::caused("nothing_announced", &error)
                .hint("a running server announces keys; its log says if it cannot"),
            RotationError::NoSuchKey(kid) => {
                Self::not_found("key", kid).hint("`signet keys list` shows them, with --mac the MAC keys")
            }
            RotationError::Compromised(_) => Self::caused("already_compromised", &error),
            RotationError::Keys(error) => error.into(),
            RotationError::Storage(error) => error.into(),
        }
    }
}

impl From<TransferError> for CommandError {
    fn from(error: TransferError) -> Self {
        match error {
            TransferError::Exists(kid) => Self::exists("key", kid),
            TransferError::NoSuchKey(kid) => {
                Self::not_found("key", kid).hint("`signet keys list` shows them")
            }
            TransferError::PublishedInFuture => Self::caused("published_in_future", &error),
            TransferError::NoPrivateKey(_) => Self::caused("no_private_key", &error)
                .hint("it rests in a PKCS#11 token, or was destroyed when the key retired"),
            TransferError::Keys(error) => error.into(),
            TransferError::Rotation(error) => error.into(),
            TransferError::Storage(error) => error.into(),
        }
    }
}

impl From<KeysError> for CommandError {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Storage(storage) => storage.into(),
            KeysError::Signing(_) | KeysError::Mac { .. } => Self::caused("master_key", &error).hint(
                "the database's keys were made with another master key: set keys.master_key_file to that one",
            ),
            KeysError::NoMasterKey => Self::caused("master_key", &error).hint("`signet init` makes one"),
            KeysError::Pkcs11(error) => error.into(),
            _ => Self::caused("keys", &error),
        }
    }
}

impl From<Pkcs11Error> for CommandError {
    fn from(error: Pkcs11Error) -> Self {
        let told = Self::caused("pkcs11", &error);
        match error {
            Pkcs11Error::NotConfigured => {
                told.hint("set keys.pkcs11_module, pkcs11_token and pkcs11_pin_file")
            }
            Pkcs11Error::Module { .. } => {
                told.hint("keys.pkcs11_module is the shared library of the token's maker")
            }
            Pkcs11Error::NoToken { .. } | Pkcs11Error::SeveralTokens(_) => {
                told.hint("keys.pkcs11_token is the label of one token; the token's own tool lists them")
            }
            Pkcs11Error::PinRefused => told.hint("correct keys.pkcs11_pin before anything tries it again"),
            _ => told.hint("see whether the token's own tool can log in and sign, as this user"),
        }
    }
}

impl From<MasterKeyFileError> for CommandError {
    fn from(error: MasterKeyFileError) -> Self {
        let missing = error.is_missing();
        let told = Self::caused("master_key", &error);
        if missing {
            told.hint("`signet init` makes one; if this issuer has had one, put that in its place")
        } else {
            told.hint("it holds 32 bytes in standard base64, and this user must be able to read it")
        }
    }
}

impl From<EmbeddedError> for CommandError {
    fn from(error: EmbeddedError) -> Self {
        let told = Self::caused("embedded_database", &error);
        match error {
            EmbeddedError::NoBinaries { hint, .. } | EmbeddedError::WrongMajor { hint, .. } => {
                told.hint(hint)
            }
            _ => told,
        }
    }
}

impl From<MigrateError> for CommandError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Unreachable(_) => Self::caused("database_unavailable", &error)
                .hint("check database.url, and database.direct_url if there is one"),
            MigrateError::Divergent(_) | MigrateError::OutOfOrder { .. } => Self::caused("migration", &error)
                .hint("run the version of Signet that migrated this database"),
            _ => Self::caused("migration", &error),
        }
    }
}

impl From<DatabaseUrlError> for CommandError {
    fn from(error: DatabaseUrlError) -> Self {
        Self::caused("configuration", &error)
    }
}

impl From<StartError> for CommandError {
    fn from(error: StartError) -> Self {
        Self::caused("configuration", &error)
    }
}

impl From<ServerError> for CommandError {
    fn from(error: ServerError) -> Self {
        match error {
            ServerError::Embedded(error) => error.into(),
            ServerError::Storage(error) => error.into(),
            ServerError::Migrate(error) => error.into(),
            ServerError::MasterKeyFile(error) => error.into(),
            ServerError::Keys(error) => error.into(),
            ServerError::Hasher(error) => error.into(),
            ServerError::Demo(PrepareError::Client(error)) => error.into(),
            ServerError::Demo(PrepareError::Resource(error)) => error.into(),
            ServerError::DatabaseUrl { .. }
            | ServerError::MasterKey(_)
            | ServerError::Logo { .. }
            | ServerError::ProviderKey { .. }
            | ServerError::Smtp(_)
            | ServerError::Templates(_) => Self::caused("configuration", &error),
            ServerError::SchemaPending(_) => Self::caused("schema_pending", &error)
                .hint("`signet migrate` applies them; database.auto_migrate = true does it at every start"),
            ServerError::Listen { ref source, .. } => {
                let taken = source.kind() == std::io::ErrorKind::AddrInUse;
                let told = Self::caused("listen", &error);
                if taken {
                    told.hint("something else listens there; stop it, or set `listen` (SIGNET_LISTEN) to another port")
                } else {
                    told.hint("`listen` must be an address of this machine")
                }
            }
            ServerError::Run(_) | ServerError::Pkcs11(_) => Self::caused("internal", &error),
        }
    }
}

/// The text of an error and its causes, each once.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
