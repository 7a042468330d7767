//! The private PostgreSQL that Signet runs when no database is configured: real server, own directory, own
//! Unix socket, no port and no password.
//!
//! One *server* ([`Embedded::serve`]) may use a directory; commands ([`Embedded::attach`]) join it, or run
//! PostgreSQL for as long as they work. All agree through locked files, which the kernel lets go of when a
//! process dies in whatever way:
//!
//! - `serving` is held by the server for life;
//! - `users` is held, shared, by every process that uses the database; whoever leaves last stops it;
//! - `starting` is held while a process joins or leaves, and starts or stops PostgreSQL for that;
//! - `spawning` is held from seeing that no PostgreSQL runs until one does.
//!
//! A PostgreSQL that outlived its Signet is adopted. One that dies under a server is started again.

mod binaries;
mod cluster;
mod process;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use self::binaries::Binaries;
use self::cluster::Cluster;
use self::process::{Lifetime, Postmaster};
use super::database_url::DatabaseUrl;
use crate::domain::secret::Secret;

/// How long a server that stops waits for commands that still work.
const COMMANDS_PATIENCE: Duration = Duration::from_secs(5);

/// Where the private PostgreSQL lives.
#[derive(Debug, Clone)]
pub struct EmbeddedSettings {
    /// `database.data_dir`. For root, if the user that PostgreSQL runs as cannot reach it, it is
    /// `/var/lib/signet/postgres` instead.
    pub data_dir: PathBuf,
    /// `database.bin_dir`: where `postgres` and `initdb` are; searched for without it.
    pub bin_dir: Option<PathBuf>,
}

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No PostgreSQL is installed, or not where `database.bin_dir` says.
    #[error("no PostgreSQL server found in {searched}; {hint}, or set database.url")]
    NoBinaries {
        /// Where it was looked for.
        searched: String,
        /// The exact command that installs it.
        hint: &'static str,
    },
    /// The data were made by a release of PostgreSQL that is not installed.
    #[error("{} was made by PostgreSQL {wanted}, but installed is only {found}; {hint} of version {wanted}, or move the data with pg_dump", data.display())]
    WrongMajor {
        /// The directory of the data.
        data: PathBuf,
        /// The release that made them.
        wanted: u32,
        /// The releases that are there.
        found: String,
        /// The command that installs PostgreSQL.
        hint: &'static str,
    },
    /// Another server works on the same directory.
    #[error("another Signet server uses {}; give this one its own database.data_dir, or set database.url for both", .0.display())]
    AlreadyServing(PathBuf),
    /// PostgreSQL refuses to run as root, and there is nobody else.
    #[error(
        "PostgreSQL does not run as root and there is no user signet or postgres; create one: useradd --system signet"
    )]
    NoServant,
    /// Someone else owns the directory of the socket.
    #[error("{} is not a directory that belongs to PostgreSQL's user alone", .0.display())]
    NotPrivate(PathBuf),
    /// A program of PostgreSQL failed.
    #[error("{program} failed: {said}")]
    Program {
        /// Its name.
        program: &'static str,
        /// The last that it said.
        said: String,
    },
    /// It runs, and yet accepts no connection.
    #[error("PostgreSQL in {} does not accept connections", data.display())]
    Silent {
        /// The directory of the data.
        data: PathBuf,
        /// What it answered last.
        #[source]
        source: Option<tokio_postgres::Error>,
    },
    /// A file or directory cannot be used.
    #[error("{} cannot be used", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
}

impl EmbeddedError {
    fn file(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}

/// A running private PostgreSQL.
#[derive(Debug)]
pub struct Embedded {
    cluster: Cluster,
    url: Secret,
    version: String,
    postmaster: Option<Postmaster>,
    users: File,
    /// Only a server has it.
    serving: Option<File>,
}

impl Embedded {
    /// Runs PostgreSQL for a server: exclusively, and started again whenever it dies.
    ///
    /// # Errors
    /// When another server is there, or PostgreSQL cannot be run.
    pub async fn serve(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        Self::open(settings, Lifetime::Server).await
    }

    /// Joins the running PostgreSQL for a command, or runs it until [`stop`](Self::stop).
    ///
    /// # Errors
    /// When PostgreSQL cannot be run.
    pub async fn attach(settings: &EmbeddedSettings) -> Result<Self, EmbeddedError> {
        Self::open(settings, Lifetime::Command).await
    }

    async fn open(settings: &EmbeddedSettings, lifetime: Lifetime) -> Result<Self, EmbeddedError> {
        let settings = settings.clone();
        let (cluster, binaries, serving, users, starting) = blocking(move || {
            let cluster = Cluster::locate(&settings.data_dir)?;
            let serving = match lifetime {
                Lifetime::Server => Some(serve_alone(&cluster)?),
                Lifetime::Command => None,
            };
            let starting = lock(&cluster.lock_file("starting"))?;
            let users = open(&cluster.lock_file("users"))?;
            users
                .lock_shared()
                .map_err(EmbeddedError::file(cluster.lock_file("users")))?;
            let binaries = Binaries::find(settings.bin_dir.as_deref(), cluster.major()?, cluster.data())?;
            cluster.create(&binaries)?;
            Ok((cluster, binaries, serving, users, starting))
        })
        .await?;
        let url = cluster.url();
        let parsed = DatabaseUrl::parse(&url).expect("a URL of ours is understood");
        let postmaster = Postmaster::run(&cluster, &binaries, lifetime, &parsed).await?;
        drop(starting);
        tracing::info!(
            version = binaries.version(),
            data = %cluster.data().display(),
            "the private PostgreSQL is ready"
        );
        Ok(Self {
            cluster,
            url,
            version: binaries.version().to_owned(),
            postmaster: Some(postmaster),
            users,
            serving,
        })
    }

    /// The URL of the database. It leads to a socket that only this user and root may open.
    pub const fn url(&self) -> &Secret {
        &self.url
    }

    /// Where the data are.
    pub fn data_dir(&self) -> &Path {
        self.cluster.data()
    }

    /// The release of PostgreSQL, such as `17.2`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Stops PostgreSQL cleanly; a command leaves it to the others if any are there.
    ///
    /// # Errors
    /// When the lock cannot be used. PostgreSQL then ends on its own, or is adopted by whoever comes next.
    pub async fn stop(mut self) -> Result<(), EmbeddedError> {
        let Some(postmaster) = self.postmaster.take() else {
            return Ok(());
        };
        blocking(move || {
            let path = self.cluster.lock_file("starting");
            let starting = lock(&path)?;
            self.users.unlock().map_err(EmbeddedError::file(&path))?;
            let deadline = Instant::now()
                + if self.serving.is_some() {
                    COMMANDS_PATIENCE
                } else {
                    Duration::ZERO
                };
            loop {
                let alone = self.users.try_lock().is_ok();
                if alone || Instant::now() >= deadline {
                    if alone || self.serving.is_some() {
                        postmaster.stop();
                    } else {
                        postmaster.leave();
                    }
                    break;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(starting);
            Ok(())
        })
        .await
    }
}

fn serve_alone(cluster: &Cluster) -> Result<File, EmbeddedError> {
    let path = cluster.lock_file("serving");
    let serving = open(&path)?;
    match serving.try_lock() {
        Ok(()) => Ok(serving),
        Err(TryLockError::WouldBlock) => Err(EmbeddedError::AlreadyServing(cluster.root().to_owned())),
        Err(TryLockError::Error(source)) => Err(EmbeddedError::File { path, source }),
    }
}

fn open(path: &Path) -> Result<File, EmbeddedError> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(EmbeddedError::file(path))
}

fn lock(path: &Path) -> Result<File, EmbeddedError> {
    let file = open(path)?;
    file.lock().map_err(EmbeddedError::file(path))?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
