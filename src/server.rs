//! The only place that wires: configuration → database, keys, hasher, clock, randomness → [`Provider`] → jobs,
//! listeners, shutdown. Maps each section of the configuration to the settings of its owner, and decides nothing
//! else.
//!
//! 1. The listeners are bound, so that a port that is taken is told before anything is started.
//! 2. [`Database::open`], which for a server waits a while for a database that is not there yet.
//! 3. [`Database::prepare`]: the schema.
//! 4. [`open_provider`]: master key, keys, clients and resources.
//! 5. Jobs and listeners run until SIGTERM or SIGINT.
//! 6. What is in flight is finished, for [`SHUTDOWN`] at most; then jobs, pool and private PostgreSQL stop.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::{Clock, SystemClock};
use crate::config::{self, Config, MasterKeySource, Statements};
use crate::domain::browser_session::SessionPolicy;
use crate::domain::refresh_token::RefreshPolicy;
use crate::domain::secret::Secret;
use crate::flows::clients::Clients;
use crate::flows::keys::KeysError;
use crate::flows::provider::{Parts, Provider, Settings};
use crate::flows::registry::{MAX_UNCONFIRMED, Registry};
use crate::flows::{demo, health};
use crate::http::ops::{self, OpsState, RenderMetrics};
use crate::jobs::{JobSettings, Jobs};
use crate::jose::wrap::{InvalidMasterKey, MasterKey};
use crate::jose::{MasterKeyFileError, read_master_key};
use crate::password::{HashParams, Hasher, HasherSettings, StartError};
use crate::random::{Random, SystemRandom};
use crate::storage::DatabaseUrlError;
use crate::storage::database_url::DatabaseUrl;
use crate::storage::embedded::{Embedded, EmbeddedError, EmbeddedSettings};
use crate::storage::migrate::{self, MigrateError, Schema};
use crate::storage::pool::{self, PoolSettings};
use crate::storage::{self, Db, StorageError};
use crate::telemetry::Metrics;

/// How long a server that starts waits for its database.
const DATABASE_PATIENCE: Duration = Duration::from_secs(30);
/// How long requests that are in flight when the server is told to stop may take.
const SHUTDOWN: Duration = Duration::from_secs(10);
/// How many passwords may wait for each thread that hashes. The deadline sheds those that would wait too long.
const HASH_QUEUE_PER_THREAD: usize = 128;
/// How often measurements are sorted into their buckets.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

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
    /// Passwords cannot be hashed.
    #[error(transparent)]
    Hasher(#[from] StartError),
    /// The demo cannot be prepared.
    #[error(transparent)]
    Demo(#[from] demo::PrepareError),
    /// The system does not let us run.
    #[error("the server cannot run")]
    Run(#[source] std::io::Error),
}

fn count(pending: &[String]) -> String {
    match pending.len() {
        1 => "a migration".to_owned(),
        many => format!("{many} migrations"),
    }
}

/// Who opens the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server: it may wait, and with the private PostgreSQL there is one.
    Serve,
    /// A command: it works beside a server, or alone.
    Command,
}

/// The open database.
#[derive(Debug)]
pub struct Database {
    /// The pool.
    pub db: Db,
    direct: DatabaseUrl,
    overheard: bool,
    embedded: Option<Embedded>,
}

impl Database {
    /// Opens the configured database, or the private PostgreSQL if none is.
    ///
    /// # Errors
    /// When it cannot be reached: a command is told at once, a server after half a minute.
    pub async fn open(config: &Config, role: Role) -> Result<Self, ServerError> {
        let settings = &config.database;
        let embedded = match (&settings.url, role) {
            (Some(_), _) => None,
            (None, role) => Some(open_embedded(settings, role).await?),
        };
        let url = match &embedded {
            Some(embedded) => embedded.url(),
            None => settings.url.as_ref().expect("without a URL it is embedded"),
        };
        let opened = Self::connect(settings, url, role).await;
        match (opened, embedded) {
            (Ok((db, direct, overheard)), embedded) => Ok(Self {
                db,
                direct,
                overheard,
                embedded,
            }),
            (Err(error), Some(embedded)) => {
                stop_embedded(embedded).await;
                Err(error)
            }
            (Err(error), None) => Err(error),
        }
    }

    async fn connect(
        settings: &config::Database,
        url: &Secret,
        role: Role,
    ) -> Result<(Db, DatabaseUrl, bool), ServerError> {
        let wrong = |key| move |source| ServerError::DatabaseUrl { key, source };
        let db = pool::open(&PoolSettings {
            url: url.clone(),
            size: settings.pool_size,
            statements: match settings.statements {
                Statements::Prepared => storage::Statements::Prepared,
                Statements::Typed => storage::Statements::Typed,
            },
        })
        .map_err(wrong("database.url"))?;
        let overheard = DatabaseUrl::parse(url).is_ok_and(|url| url.may_be_overheard());
        let direct = match &settings.direct_url {
            Some(direct) => DatabaseUrl::parse(direct).map_err(wrong("database.direct_url"))?,
            None => DatabaseUrl::parse(url).map_err(wrong("database.url"))?,
        };
        match role {
            Role::Serve => until_reachable(&db).await?,
            Role::Command => db.ping().await?,
        }
        Ok((db, direct, overheard))
    }

    /// Brings the schema up to date, or with `auto_migrate = false` looks whether it is.
    ///
    /// # Errors
    /// When it cannot be, or migrations are pending that are not to be applied.
    pub async fn prepare(&self, auto_migrate: bool, now: DateTime<Utc>) -> Result<(), ServerError> {
        if auto_migrate {
            self.migrate(now).await?;
            return Ok(());
        }
        let pending = self.schema().await?.pending;
        if pending.is_empty() {
            Ok(())
        } else {
            Err(ServerError::SchemaPending(pending))
        }
    }

    /// How the schema stands to this version.
    ///
    /// # Errors
    /// When the database cannot be asked, or contradicts this version.
    pub async fn schema(&self) -> Result<Schema, ServerError> {
        Ok(migrate::check(&self.direct).await?)
    }

    /// Applies what is pending and returns its names, in order.
    ///
    /// # Errors
    /// When the database refuses; then nothing has changed.
    pub async fn migrate(&self, now: DateTime<Utc>) -> Result<Vec<String>, ServerError> {
        Ok(migrate::run(&self.direct, now).await?)
    }

    /// Whether somebody on the way can read what is said.
    pub const fn may_be_overheard(&self) -> bool {
        self.overheard
    }

    /// The private PostgreSQL, if it is one.
    pub const fn embedded(&self) -> Option<&Embedded> {
        self.embedded.as_ref()
    }

    /// Closes the pool, and stops the private PostgreSQL unless someone else uses it.
    pub async fn close(self) {
        self.db.close();
        if let Some(embedded) = self.embedded {
            stop_embedded(embedded).await;
        }
    }
}

async fn open_embedded(settings: &config::Database, role: Role) -> Result<Embedded, EmbeddedError> {
    let settings = EmbeddedSettings {
        data_dir: settings.data_dir.clone(),
        bin_dir: settings.bin_dir.clone(),
    };
    match role {
        Role::Command => Embedded::attach(&settings).await,
        Role::Serve => {
            let embedded = Embedded::serve(&settings).await?;
            tracing::info!(
                "embedded PostgreSQL {} in {}: for one node; set DATABASE_URL for several",
                embedded.version(),
                embedded.data_dir().display()
            );
            Ok(embedded)
        }
    }
}

async fn stop_embedded(embedded: Embedded) {
    if let Err(error) = embedded.stop().await {
        let error = &error as &dyn std::error::Error;
        tracing::error!(error, "the private PostgreSQL was not stopped");
    }
}

/// Waits for a database that is about to start. One that answers with a refusal will go on refusing.
async fn until_reachable(db: &Db) -> Result<(), StorageError> {
    const PAUSE: Duration = Duration::from_millis(250);
    const REMINDER: Duration = Duration::from_secs(5);
    let started = Instant::now();
    let mut told: Option<Instant> = None;
    loop {
        let error = match db.ping().await {
            Ok(()) => return Ok(()),
            Err(error) if error.is_unavailable() && started.elapsed() < DATABASE_PATIENCE => error,
            Err(error) => return Err(error),
        };
        if told.is_none_or(|told| told.elapsed() >= REMINDER) {
            told = Some(Instant::now());
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "waiting for the database, for 30 s at most");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The master keys: the first wraps new keys.
///
/// # Errors
/// When there is none.
pub fn master_keys(settings: &config::Keys) -> Result<Vec<MasterKey>, ServerError> {
    let key = match &settings.master_key {
        MasterKeySource::Value(text) => MasterKey::parse(text.expose())?,
        MasterKeySource::File(path) => read_master_key(path)?,
    };
    Ok(vec![key])
}

/// The threads that hash, `threads` of them, for whom waiting `queue_timeout` is not too long.
///
/// # Errors
/// When the settings are of no use, or the system gives no thread.
pub fn start_hasher(
    settings: &config::Passwords,
    threads: usize,
    queue_timeout: Duration,
) -> Result<Hasher, StartError> {
    Hasher::start(&HasherSettings {
        params: HashParams {
            memory_kib: settings.memory_kib,
            iterations: settings.iterations,
            parallelism: settings.parallelism,
        },
        threads,
        queue_timeout,
        queue_length: threads * HASH_QUEUE_PER_THREAD,
    })
}

/// The settings of the flows.
pub fn provider_settings(config: &Config) -> Settings {
    let tokens = &config.tokens;
    Settings {
        issuer: config.issuer.clone(),
        brand: config.branding.name.clone(),
        access_token_ttl: delta(tokens.access_token_ttl),
        id_token_ttl: delta(tokens.id_token_ttl),
        authorization_code_ttl: delta(tokens.authorization_code_ttl),
        refresh: RefreshPolicy {
            retry_window: delta(tokens.refresh_retry_window),
            recovery_window: delta(tokens.refresh_recovery_window),
            idle_ttl: delta(tokens.refresh_token_idle_ttl),
            ttl: delta(tokens.refresh_token_ttl),
        },
        sessions: SessionPolicy {
            ttl: delta(config.sessions.ttl),
            idle_ttl: delta(config.sessions.idle_ttl),
        },
        signup: config.accounts.signup,
        require_verified_email: config.accounts.require_verified_email,
        min_strength: config.passwords.min_strength,
        rate_limits: config.rate_limit.enabled,
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).expect("the configuration allows no longer duration than ten years")
}

/// The provider on a database whose schema is up to date.
///
/// # Errors
/// When keys, clients or resources cannot be read, or the master key is missing or another one.
pub async fn open_provider(config: &Config, db: &Db) -> Result<Provider, ServerError> {
    let passwords = &config.passwords;
    let parts = Parts {
        settings: provider_settings(config),
        db: db.clone(),
        registry: Registry::open(db, config.cors.allowed_origins.clone(), MAX_UNCONFIRMED).await?,
        passwords: start_hasher(passwords, passwords.hash_threads, passwords.hash_queue_timeout)?,
        clock: Arc::new(SystemClock),
        random: Arc::new(SystemRandom),
        masters: master_keys(&config.keys)?,
    };
    Ok(Provider::open(parts).await?)
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `signet serve`.
    Serve,
    /// `signet dev`, with the demo and the mailbox.
    Dev {
        /// Whether the issuer names the port that is listened on, since nobody said another.
        issuer_follows_listener: bool,
    },
}

/// What a server that is ready can say of itself.
#[derive(Debug)]
pub struct Ready {
    /// The issuer.
    pub issuer: String,
    /// Where it listens.
    pub address: SocketAddr,
    /// The private PostgreSQL, as release and directory.
    pub embedded: Option<(String, std::path::PathBuf)>,
}

/// Runs the provider until SIGTERM or SIGINT. `on_ready` is called once it answers.
///
/// # Errors
/// When it cannot start, or its listener fails.
pub async fn run(
    mut config: Config,
    mode: Mode,
    metrics: Metrics,
    on_ready: impl FnOnce(&Ready),
) -> Result<(), ServerError> {
    let listener = bind(config.listen)?;
    let address = listener.local_addr().map_err(ServerError::Run)?;
    let ops_listener = config.listen_ops.map(bind).transpose()?;
    if mode
        == (Mode::Dev {
            issuer_follows_listener: true,
        })
    {
        config.issuer = format!("http://localhost:{}", address.port());
    }
    let database = Database::open(&config, Role::Serve).await?;
    let served = async {
        database
            .prepare(config.database.auto_migrate, SystemClock.now())
            .await?;
        let provider = Arc::new(open_provider(&config, &database.db).await?);
        if mode != Mode::Serve {
            prepare_demo(&provider).await?;
        }
        let ready = Ready {
            issuer: config.issuer.clone(),
            address,
            embedded: database
                .embedded()
                .map(|embedded| (embedded.version().to_owned(), embedded.data_dir().to_owned())),
        };
        serve(
            &config,
            mode,
            &provider,
            metrics,
            (listener, ops_listener),
            || {
                on_ready(&ready);
            },
        )
        .await
    }
    .await;
    database.close().await;
    tracing::info!("stopped");
    served
}

fn bind(address: SocketAddr) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).map_err(|source| ServerError::Listen { address, source })
}

async fn prepare_demo(provider: &Provider) -> Result<(), ServerError> {
    let keys = provider.keys();
    let clients = Clients {
        db: &provider.db,
        secret_keys: &keys.mac.client_secret,
        issuer: &provider.settings.issuer,
        random: &*provider.random,
    };
    demo::prepare(&clients, provider.now()).await?;
    // The first request must find the client already.
    let revisions = storage::revisions::find(&provider.db).await?;
    Ok(provider
        .registry
        .follow(&provider.db, revisions.registry, Instant::now())
        .await?)
}

/// Runs listeners and jobs until a signal comes or a listener fails.
async fn serve(
    config: &Config,
    _mode: Mode,
    provider: &Arc<Provider>,
    metrics: Metrics,
    (listener, ops_listener): (TcpListener, Option<TcpListener>),
    on_ready: impl FnOnce(),
) -> Result<(), ServerError> {
    health::describe_metrics();
    let mut stop = StopSignals::listen().map_err(ServerError::Run)?;
    let render: RenderMetrics = {
        let (provider, metrics) = (Arc::clone(provider), metrics.clone());
        Arc::new(move || {
            health::record_metrics(&provider);
            metrics.render()
        })
    };
    let on_main = OpsState {
        provider: Arc::clone(provider),
        metrics: ops_listener.is_none().then(|| Arc::clone(&render)),
    };
    let main = ops::listen(listener, on_main).map_err(ServerError::Run)?;
    let ops = ops_listener.map(|listener| {
        let state = OpsState {
            provider: Arc::clone(provider),
            metrics: Some(render),
        };
        ops::listen(listener, state)
    });
    let ops = ops.transpose().map_err(ServerError::Run)?;
    let handles: Vec<ServerHandle> = std::iter::once(&main)
        .chain(&ops)
        .map(|server| server.handle())
        .collect();
    let mut running = tokio::spawn(main);
    let running_ops = ops.map(tokio::spawn);
    let jobs = Jobs::start(
        provider,
        &JobSettings {
            poll_interval: config.keys.poll_interval,
            clock_skew: delta(config.keys.clock_skew),
        },
    );
    let tidying = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_INTERVAL);
        loop {
            ticks.tick().await;
            metrics.tidy();
        }
    });
    tracing::info!(issuer = config.issuer, "ready");
    on_ready();

    let ended = tokio::select! {
        name = stop.next() => {
            tracing::info!(signal = name, "stopping: requests in flight are finished");
            None
        }
        ended = &mut running => Some(ended),
    };
    shut_down(handles, &mut stop).await;
    if let Some(ops) = running_ops {
        ops.abort();
    }
    tidying.abort();
    jobs.stop().await;
    match ended {
        None => Ok(()),
        Some(Ok(result)) => result.map_err(ServerError::Run),
        Some(Err(error)) => Err(ServerError::Run(std::io::Error::other(error))),
    }
}

/// Lets requests in flight end, for [`SHUTDOWN`] at most, or until a second signal.
async fn shut_down(handles: Vec<ServerHandle>, stop: &mut StopSignals) {
    let graceful = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
    tokio::select! {
        _ = graceful => return,
        () = tokio::time::sleep(SHUTDOWN) => tracing::warn!("some requests took too long and are cut off"),
        name = stop.next() => tracing::warn!(signal = name, "told twice: requests in flight are cut off"),
    }
    futures_util::future::join_all(handles.iter().map(|handle| handle.stop(false))).await;
}

/// What tells a server to stop.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The name of the next signal.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// The randomness of this process, for those who have no provider.
pub const fn random() -> &'static dyn Random {
    &SystemRandom
}

/// The time, for those who have no provider.
pub const fn clock() -> &'static dyn Clock {
    &SystemClock
}
