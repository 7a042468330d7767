//! The only place that wires: configuration → database, keys, hasher, clock, randomness → [`Provider`] → jobs,
//! listeners, shutdown. Maps each section of the configuration to the settings of its owner, and decides nothing
//! else.
//!
//! 1. The listeners are bound, so that a port that is taken is told before anything is started.
//! 2. [`Database::open`], which for a server waits a while for a database that is not there yet.
//! 3. [`Database::prepare`]: the schema.
//! 4. [`open_provider`]: master key, keys, clients and resources.
//! 5. Jobs and listeners run until SIGTERM or SIGINT.
//! 6. What is in flight is finished, for ten seconds at most; then jobs, pool and private PostgreSQL stop.

mod database;
mod error;
pub mod federation;
mod pictures;
mod settings;

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::flows::clients::Clients;
use crate::flows::provider::Provider;
use crate::flows::{breaches, demo, health};
use crate::http::dev::DevSite;
use crate::http::ops::{self, OpsState, RenderMetrics};
use crate::http::{Site, SiteSettings, listen};
use crate::jobs::send_mail::Post;
use crate::jobs::{JobSettings, Jobs};
use crate::mail::mailbox::Mailbox;
use crate::random::{Random, SystemRandom};
use crate::storage;
use crate::telemetry::Metrics;

pub use database::{Database, Role};
pub use error::ServerError;
pub use settings::{
    breach_check, key_settings, mail_templates, master_keys, open_provider, pkcs11_token, provider_settings,
    smtp, start_hasher,
};

/// How often measurements are sorted into their buckets.
const METRICS_INTERVAL: Duration = Duration::from_secs(5);

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
    /// The private PostgreSQL, as release and directory.
    pub embedded: Option<(String, PathBuf)>,
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
    let site = settings::site_settings(&config)?;
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
    let mailbox = (mode != Mode::Serve).then(|| Arc::new(Mailbox::new(Arc::new(SystemClock))));
    let post = settings::post(&config, mailbox.clone())?;
    let database = Database::open(&config, Role::Serve).await?;
    let served = async {
        database
            .prepare(config.database.auto_migrate, SystemClock.now())
            .await?;
        let mut provider = open_provider(&config, &database.db).await?;
        provider.settings.mail = post.mailer.is_some();
        let provider = Arc::new(provider);
        provider.join().await?;
        if mode != Mode::Serve {
            prepare_demo(&provider).await?;
        }
        let ready = Ready {
            issuer: config.issuer.clone(),
            embedded: database
                .embedded()
                .map(|embedded| (embedded.version().to_owned(), embedded.data_dir().to_owned())),
        };
        let served = serve(
            &config,
            site,
            Mailing { post, mailbox },
            &provider,
            metrics,
            Listeners {
                main: listener,
                ops: ops_listener,
            },
            || on_ready(&ready),
        )
        .await;
        provider.close_token().await;
        served
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

/// The sockets, bound before anything is started.
struct Listeners {
    main: TcpListener,
    ops: Option<TcpListener>,
}

/// How mail leaves.
struct Mailing {
    post: Post,
    /// What `signet dev` shows.
    mailbox: Option<Arc<Mailbox>>,
}

/// What `signet dev` serves beside the provider. The demo API knows nothing of us but the published keys.
fn development(provider: &Arc<Provider>, mailbox: Arc<Mailbox>) -> DevSite {
    let keys = Arc::clone(provider);
    DevSite {
        issuer: provider.settings.issuer.clone(),
        jwks: Arc::new(move || keys.keys().ring.jwks(keys.now()).body.clone()),
        mailbox,
        clock: Arc::clone(&provider.clock),
    }
}

/// Runs listeners and jobs until a signal comes or a listener fails.
async fn serve(
    config: &Config,
    site: SiteSettings,
    mail: Mailing,
    provider: &Arc<Provider>,
    metrics: Metrics,
    listeners: Listeners,
    on_ready: impl FnOnce(),
) -> Result<(), ServerError> {
    health::describe_metrics();
    breaches::describe_metrics();
    let outbound = settings::to_clients(config);
    let address = listeners.main.local_addr().map_err(ServerError::Run)?;
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
        metrics: listeners.ops.is_none().then(|| Arc::clone(&render)),
    };
    let development = mail.mailbox.map(|mailbox| development(provider, mailbox));
    let site = Site::new(Arc::clone(provider), site);
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let main =
        listen::listen(listeners.main, site, on_main, development, workers).map_err(ServerError::Run)?;
    let ops = listeners.ops.map(|listener| {
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
            clock_skew: settings::delta(config.keys.clock_skew),
            outbound,
            post: mail.post,
        },
    );
    let tidying = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(METRICS_INTERVAL);
        loop {
            ticks.tick().await;
            metrics.tidy();
        }
    });
    tracing::info!(issuer = config.issuer, listen = %address, "ready");
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
    if let Err(error) = provider.say_goodbye().await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "nobody could be told of the end"
        );
    }
    match ended {
        None => Ok(()),
        Some(Ok(result)) => result.map_err(ServerError::Run),
        Some(Err(error)) => Err(ServerError::Run(std::io::Error::other(error))),
    }
}

/// Lets requests in flight end, for ten seconds at most, or until a second signal.
async fn shut_down(handles: Vec<ServerHandle>, stop: &mut StopSignals) {
    let graceful = futures_util::future::join_all(handles.iter().map(|handle| handle.stop(true)));
    tokio::select! {
        _ = graceful => return,
        () = tokio::time::sleep(listen::SHUTDOWN_PATIENCE) => tracing::warn!("some requests took too long and are cut off"),
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
