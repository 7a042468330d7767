//! Clients and resources in memory: a snapshot that follows a revision in the database, so that no request
//! reads them from there. Knows nothing of what they may do.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::resource::Resource;
use crate::oauth::redirect_uri;
use crate::storage::{self, Db, StorageError};

/// Why the registry does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The database has been away for so long that a client may have been disabled meanwhile: a 503.
    #[error("clients and resources are older than the database vouches for")]
    Stale,
}

/// Clients and resources as of one revision.
#[derive(Debug, Default)]
struct Snapshot {
    revision: i64,
    clients: HashMap<ClientId, Arc<Client>>,
    resources: HashMap<String, Arc<Resource>>,
    origins: HashSet<String>,
}

/// The snapshot, and how long ago the database vouched for it.
#[derive(Debug)]
pub struct Registry {
    snapshot: ArcSwap<Snapshot>,
    configured_origins: Vec<String>,
    /// Instants are counted in milliseconds from here: durations, not times, so no `Clock`.
    started: Instant,
    confirmed_at: AtomicU64,
    max_unconfirmed: Duration,
}

impl Registry {
    /// Reads clients and resources for the first time. `configured_origins` are allowed beside those of the
    /// redirect URIs; without the database's word the snapshot serves for `max_unconfirmed`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn open(
        db: &Db,
        configured_origins: Vec<String>,
        max_unconfirmed: Duration,
    ) -> Result<Self, StorageError> {
        let registry = Self {
            snapshot: ArcSwap::default(),
            configured_origins,
            started: Instant::now(),
            confirmed_at: AtomicU64::new(0),
            max_unconfirmed,
        };
        let asked = Instant::now();
        let revision = storage::revisions::find(db).await?.registry;
        registry.load(db, revision, asked).await?;
        Ok(registry)
    }

    /// Makes the snapshot that of `revision`, which the database named after `asked`. Reads only if it moved.
    ///
    /// # Errors
    /// When the database does not answer; the snapshot is then the old one.
    pub async fn follow(&self, db: &Db, revision: i64, asked: Instant) -> Result<(), StorageError> {
        if self.snapshot.load().revision == revision {
            self.confirm(asked);
            return Ok(());
        }
        self.load(db, revision, asked).await
    }

    /// The client of this id, disabled or not.
    ///
    /// # Errors
    /// When the snapshot is too old to be believed.
    pub fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, RegistryError> {
        self.fresh()?;
        Ok(self.snapshot.load().clients.get(id).cloned())
    }

    /// The clients that are told of logouts. What an old snapshot says is good enough to ask the queue for them.
    pub fn clients_told_of_logouts(&self) -> Vec<ClientId> {
        let snapshot = self.snapshot.load();
        let told = snapshot.clients.values().filter(|client| {
            client.disabled_at.is_none() && client.metadata.backchannel_logout_uri.is_some()
        });
        told.map(|client| client.id.clone()).collect()
    }

    /// The resource of this identifier.
    ///
    /// # Errors
    /// When the snapshot is too old to be believed.
    pub fn resource(&self, identifier: &str) -> Result<Option<Arc<Resource>>, RegistryError> {
        self.fresh()?;
        Ok(self.snapshot.load().resources.get(identifier).cloned())
    }

    /// Those of `identifiers` that are registered.
    ///
    /// # Errors
    /// When the snapshot is too old to be believed.
    pub fn resources(&self, identifiers: &[String]) -> Result<Vec<Arc<Resource>>, RegistryError> {
        let known = identifiers.iter().map(|identifier| self.resource(identifier));
        known.filter_map(Result::transpose).collect()
    }

    /// The revision of the snapshot: what was made of it is still right while this is the same.
    pub fn revision(&self) -> i64 {
        self.snapshot.load().revision
    }

    /// Every scope that some registered resource knows, for the metadata documents.
    pub fn resource_scopes(&self) -> Vec<String> {
        let snapshot = self.snapshot.load();
        let mut scopes: Vec<String> = snapshot
            .resources
            .values()
            .flat_map(|resource| resource.scopes.iter().map(str::to_owned))
            .collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }

    /// Whether scripts of `origin` may read protocol answers, never with credentials: it is configured, or
    /// that of a redirect URI. An old snapshot still says so, because an error answer must be readable too.
    pub fn allows_origin(&self, origin: &str) -> bool {
        origin != "null"
            && (self.snapshot.load().origins.contains(origin)
                || self.configured_origins.iter().any(|known| known == origin))
    }

    /// Whether the snapshot is fresh enough to serve.
    ///
    /// # Errors
    /// When it is not.
    pub fn fresh(&self) -> Result<(), RegistryError> {
        let confirmed = Duration::from_millis(self.confirmed_at.load(Ordering::Relaxed));
        if self.started.elapsed().saturating_sub(confirmed) <= self.max_unconfirmed {
            Ok(())
        } else {
            Err(RegistryError::Stale)
        }
    }

    async fn load(&self, db: &Db, revision: i64, asked: Instant) -> Result<(), StorageError> {
        let (clients, resources) =
            futures_util::try_join!(storage::clients::list(db), storage::resources::list(db))?;
        let clients: Vec<Client> = readable(clients);
        let resources: Vec<Resource> = readable(resources);
        tracing::debug!(
            registry.revision = revision,
            registry.clients = clients.len(),
            registry.resources = resources.len(),
            "clients and resources read"
        );
        self.snapshot
            .store(Arc::new(Snapshot::of(revision, clients, resources)));
        self.confirm(asked);
        Ok(())
    }

    /// The age counts from when the question was sent: the answer may have been long on its way.
    fn confirm(&self, asked: Instant) {
        let at = asked.saturating_duration_since(self.started).as_millis();
        self.confirmed_at
            .fetch_max(u64::try_from(at).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

impl Snapshot {
    fn of(revision: i64, clients: Vec<Client>, resources: Vec<Resource>) -> Self {
        let origins = clients
            .iter()
            .filter(|client| client.disabled_at.is_none())
            .flat_map(|client| &client.metadata.redirect_uris)
            .filter_map(|uri| redirect_uri::origin(uri))
            .collect();
        Self {
            revision,
            clients: clients
                .into_iter()
                .map(|client| (client.id.clone(), Arc::new(client)))
                .collect(),
            resources: resources
                .into_iter()
                .map(|resource| (resource.identifier.clone(), Arc::new(resource)))
                .collect(),
            origins,
        }
    }
}

/// Leaves out rows that a newer version wrote: one of them must not stop all clients.
fn readable<T>(rows: Vec<Result<T, StorageError>>) -> Vec<T> {
    let log = |error: &StorageError| tracing::error!(%error, "left out of the registry");
    rows.into_iter()
        .filter_map(|row| row.inspect_err(log).ok())
        .collect()
}
