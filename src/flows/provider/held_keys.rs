//! The keys that a node holds, and how it follows the database: what it serves is what was confirmed not long ago.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use arc_swap::Guard;
use chrono::{DateTime, Utc};

use super::Provider;
use crate::flows::keys::confirmation::HEARTBEAT;
use crate::flows::keys::rotation::Rotation;
use crate::flows::keys::{self, KeysError, LoadedKeys};
use crate::jose::wrap::MasterKey;
use crate::storage::nodes::Node;
use crate::storage::{self, StorageError};

impl Provider {
    /// The keys as last loaded.
    pub fn keys(&self) -> Guard<Arc<LoadedKeys>> {
        self.keys.load()
    }

    /// The keys, if they are still to be believed: a set that could not be read again for too long may be past a
    /// change (see [`KeyPolicy::serves_until`](crate::domain::key_schedule::KeyPolicy::serves_until)).
    ///
    /// # Errors
    /// When they are not.
    pub fn believed_keys(&self, now: DateTime<Utc>) -> Result<Guard<Arc<LoadedKeys>>, KeysUnread> {
        if now.timestamp_micros() < self.keys_served_until.load(Ordering::Relaxed) {
            Ok(self.keys())
        } else {
            Err(KeysUnread)
        }
    }

    /// The master keys that are known.
    pub fn masters(&self) -> Arc<Vec<MasterKey>> {
        self.masters.known()
    }

    /// [`believed_keys`](Self::believed_keys), read again if they are too old: the database may be back, or this
    /// machine awake, since the last poll. Who asks meanwhile waits for the one read; one that failed is not tried
    /// again within a second.
    ///
    /// # Errors
    /// When they could not be read.
    pub async fn believable_keys(&self, now: DateTime<Utc>) -> Result<Guard<Arc<LoadedKeys>>, KeysUnread> {
        if let Ok(keys) = self.believed_keys(now) {
            return Ok(keys);
        }
        // Boxed, so that the state of a reload, kilobytes of it, is no part of every request for the keys.
        Box::pin(self.keys_read_again(now)).await
    }

    async fn keys_read_again(&self, now: DateTime<Utc>) -> Result<Guard<Arc<LoadedKeys>>, KeysUnread> {
        let mut last = self.unknown_key.lock().await;
        if let Ok(keys) = self.believed_keys(now) {
            return Ok(keys);
        }
        if let Some((at, Err(unread))) = *last
            && at.elapsed() < UNKNOWN_KEY_INTERVAL
        {
            return Err(unread);
        }
        let outcome = self.reload_now().await;
        *last = Some((Instant::now(), outcome));
        outcome?;
        self.believed_keys(now)
    }

    /// What changes of keys need.
    pub fn rotation<'a>(&'a self, masters: &'a [MasterKey]) -> Rotation<'a> {
        Rotation {
            db: &self.db,
            masters,
            pkcs11: self.pkcs11.as_ref(),
            settings: &self.settings.keys,
            clock: &*self.clock,
            random: &*self.random,
        }
    }

    /// Follows the database: keys, clients and resources are read again if they have changed. The keys come first:
    /// a node that cannot follow them must not go on issuing by a registry that is confirmed.
    ///
    /// # Errors
    /// When the database does not answer, or its keys cannot be opened; what was loaded stays.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let _one = self.reloading.lock().await;
        let (asked, now) = (Instant::now(), self.now());
        let revisions = storage::revisions::find(&self.db).await?;
        let before = self.keys.load_full();
        if !before.is_current(revisions.keys, now) || self.finds_master_key(&before).await {
            let (masters, pkcs11) = (self.masters(), self.pkcs11.as_ref());
            let loaded = keys::load(
                &self.db,
                &masters,
                pkcs11,
                &self.settings.keys,
                Some(&before),
                now,
            )
            .await?;
            tell_unusable(&loaded).await;
            tracing::info!(keys.revision = loaded.revision, "the keys were read again");
            self.keys.store(Arc::new(loaded));
        }
        let until = self.settings.keys.policy.serves_until(now);
        self.keys_served_until
            .store(until.timestamp_micros(), Ordering::Relaxed);
        Ok(self.registry.follow(&self.db, revisions.registry, asked).await?)
    }

    /// Whether the operator has added a master key since some keys could not be opened.
    async fn finds_master_key(&self, before: &LoadedKeys) -> bool {
        if !before.locked {
            return false;
        }
        let fingerprints = || -> Vec<_> { self.masters().iter().map(MasterKey::fingerprint).collect() };
        let known = fingerprints();
        self.masters.read_again().await;
        fingerprints() != known
    }

    /// Joins the others, before the first request: whoever declares a key compromised from now on waits for this node,
    /// and what was declared until then is read.
    ///
    /// # Errors
    /// When the database does not answer, or the keys cannot be opened.
    pub async fn join(&self) -> Result<(), ReloadError> {
        self.tell().await?;
        self.reload().await?;
        Ok(self.tell().await?)
    }

    /// Tells the others which keys this node serves: at once when they have changed, else now and then.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tell(&self) -> Result<(), StorageError> {
        let mut told = self.told.lock().await;
        let (revision, now) = (self.keys().revision, self.now());
        let known = told.as_ref().filter(|told| told.keys_revision == revision);
        if known.is_some_and(|told| now - told.seen_at < HEARTBEAT && told.seen_at <= now) {
            return Ok(());
        }
        let node = Node {
            id: self.node.id,
            name: self.node.name.clone(),
            keys_revision: revision,
            keys_loaded_at: known.map_or(now, |told| told.keys_loaded_at),
            seen_at: now,
        };
        storage::nodes::record(&self.db, &node).await?;
        *told = Some(node);
        Ok(())
    }

    /// Tells the others that this node serves no more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn say_goodbye(&self) -> Result<(), StorageError> {
        storage::nodes::delete(&self.db, self.node.id).await
    }

    /// [`reload`](Self::reload) because a peer named a key version that is not loaded: once a second at most,
    /// and whoever asks meanwhile waits for the one that is under way. Whether it helped shows when the key is
    /// looked for again.
    ///
    /// # Errors
    /// When the keys could not be read: then nobody can say that there is no such key.
    pub async fn reload_for_unknown_key(&self) -> Result<(), KeysUnread> {
        let mut last = self.unknown_key.lock().await;
        if let Some((at, outcome)) = *last
            && at.elapsed() < UNKNOWN_KEY_INTERVAL
        {
            return outcome;
        }
        let outcome = self.reload_now().await;
        *last = Some((Instant::now(), outcome));
        outcome
    }

    async fn reload_now(&self) -> Result<(), KeysUnread> {
        self.reload().await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the keys could not be read again"
            );
            KeysUnread
        })
    }
}

/// Names the keys that cannot sign at present: the node verifies and publishes all the same.
pub(super) async fn tell_unusable(loaded: &LoadedKeys) {
    for key in loaded.ring.unusable().await {
        tracing::error!(
            key.id = key.kid,
            error = &key.reason as &dyn std::error::Error,
            "a signing key is missing"
        );
    }
}

/// The keys could not be read from the database: a 503 for whoever needs one that is not loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that is not loaded was named, and the keys could not be read again")]
pub struct KeysUnread;

/// How often an unknown key version may cause a reload: anyone can write a token that names one.
const UNKNOWN_KEY_INTERVAL: std::time::Duration = std::time::Duration::from_secs(1);

/// Why a reload failed.
#[derive(Debug, thiserror::Error)]
pub enum ReloadError {
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
}
