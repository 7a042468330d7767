//! What every command stands on: the configuration, a runtime, the database, and the keys where they are needed.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{CommandError, Output};
use crate::clock::Clock;
use crate::config::{Config, DEFAULT_FILE, Loaded, MasterKeySource, process_environment};
use crate::domain::mac::MacKeys;
use crate::flows::keys::first::ensure_first_keys;
use crate::flows::keys::rotation::Rotation;
use crate::flows::keys::{self, KeySettings};
use crate::jose::pkcs11::Pkcs11Token;
use crate::jose::wrap::MasterKey;
use crate::random::Random;
use crate::server::{self, Database, Role};
use crate::storage::Db;
use crate::telemetry::{self, LineFormat};

/// Where `signet dev` keeps its master key.
pub const DEV_MASTER_KEY: &str = ".signet/master.key";

/// The surroundings of a command.
#[derive(Debug)]
pub struct Shell {
    config: Option<PathBuf>,
    /// Where it prints.
    pub output: Output,
}

impl Shell {
    /// The surroundings of one command line; `config` is `--config`.
    pub const fn new(config: Option<PathBuf>, output: Output) -> Self {
        Self { config, output }
    }

    /// Reads the configuration. What is odd about it is the caller's to say.
    ///
    /// A master key that nobody configured is the one of `signet dev` where that has been and the usual file is
    /// not, so that commands work beside it.
    ///
    /// # Errors
    /// When it cannot be read, or is wrong.
    pub fn load(&self) -> Result<Loaded, CommandError> {
        let mut loaded = Config::load(self.config.as_deref(), process_environment())?;
        if let MasterKeySource::File(file) = &loaded.config.keys.master_key
            && !loaded.given.contains("keys.master_key_file")
            && !file.exists()
            && Path::new(DEV_MASTER_KEY).exists()
        {
            loaded.config.keys.master_key = MasterKeySource::File(DEV_MASTER_KEY.into());
        }
        Ok(loaded)
    }

    /// The file that a configuration is read from, or would be written to.
    pub fn config_file(&self) -> PathBuf {
        let named =
            || process_environment().find(|(name, value)| name == "SIGNET_CONFIG" && !value.is_empty());
        self.config
            .clone()
            .or_else(|| named().map(|(_, file)| file.into()))
            .unwrap_or_else(|| DEFAULT_FILE.into())
    }

    /// Runs a command that needs no runtime of its own kind to its end.
    ///
    /// # Errors
    /// With what the command ends with.
    pub fn wait<T>(&self, command: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
        let _log = telemetry::start_log(LineFormat::Text, "warn");
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| CommandError::caused("internal", &error))?
            .block_on(command)
    }

    /// Says what is odd about the configuration.
    pub fn warn_about(&self, loaded: &Loaded) {
        for warning in &loaded.warnings {
            self.output.warning(warning);
        }
    }

    /// Does `work` on the database, brought up to date, and closes it whatever comes of that.
    ///
    /// # Errors
    /// When the database cannot be opened, the work fails, or ^C cuts it off.
    pub async fn with_database<T>(
        &self,
        work: impl AsyncFnOnce(&Workplace) -> Result<T, CommandError>,
    ) -> Result<T, CommandError> {
        let loaded = self.load()?;
        self.warn_about(&loaded);
        let config = loaded.config;
        let pkcs11 = server::pkcs11_token(&config.keys)?;
        let database = Database::open(&config, Role::Command).await?;
        let workplace = Workplace {
            db: database.db.clone(),
            pkcs11,
            config,
            clock: server::clock(),
            random: server::random(),
        };
        let done = async {
            database
                .prepare(workplace.config.database.auto_migrate, workplace.now())
                .await?;
            work(&workplace).await
        };
        let result = tokio::select! {
            result = done => result,
            _ = tokio::signal::ctrl_c() => Err(CommandError::new("interrupted", "interrupted")),
        };
        if let Some(token) = &workplace.pkcs11 {
            token.close().await;
        }
        database.close().await;
        result
    }
}

/// Where a command works.
#[derive(Debug)]
pub struct Workplace {
    /// The database.
    pub db: Db,
    /// The token that has signing keys, or is to have.
    pub pkcs11: Option<Pkcs11Token>,
    /// The configuration.
    pub config: Config,
    /// The time.
    pub clock: &'static dyn Clock,
    /// Randomness.
    pub random: &'static dyn Random,
}

impl Workplace {
    /// The present moment.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// A new issuer gets its keys here, whatever comes first: a server or a command. The master keys.
    ///
    /// # Errors
    /// When there is no master key, or the keys cannot be made.
    pub async fn ensure_first_keys(&self) -> Result<Vec<MasterKey>, CommandError> {
        let masters = server::master_keys(&self.config.keys)?;
        let settings = server::key_settings(&self.config);
        let pkcs11 = self.pkcs11.as_ref();
        ensure_first_keys(&self.db, &masters, pkcs11, &settings, self.clock, self.random).await?;
        Ok(masters)
    }

    /// What changes of keys need.
    pub fn rotation<'a>(&'a self, masters: &'a [MasterKey], settings: &'a KeySettings) -> Rotation<'a> {
        Rotation {
            db: &self.db,
            masters,
            pkcs11: self.pkcs11.as_ref(),
            settings,
            clock: self.clock,
            random: self.random,
        }
    }

    /// The keys under which client secrets are kept; those of a new issuer are made.
    ///
    /// # Errors
    /// When there is no master key, or another one.
    pub async fn client_secret_keys(&self) -> Result<MacKeys, CommandError> {
        let masters = self.ensure_first_keys().await?;
        let settings = server::key_settings(&self.config);
        let loaded = keys::load(
            &self.db,
            &masters,
            self.pkcs11.as_ref(),
            &settings,
            None,
            self.now(),
        )
        .await?;
        Ok(loaded.mac.client_secret)
    }
}
