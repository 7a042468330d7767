//! The ports: everything that a flow needs from below, in one struct. `server.rs` makes one a process, a test
//! one a test; nothing is global.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::keys::confirmation::HEARTBEAT;
use super::keys::first::ensure_first_keys;
use super::keys::rotation::Rotation;
use super::keys::{self, KeySettings, KeysError, LoadedKeys};
use super::limits::Limits;
use super::masters::Masters;
use super::registry::Registry;
use super::status_indexes::StatusIndexes;
use super::status_lists::{self, StatusLists};
use crate::clock::Clock;
use crate::domain::browser_session::SessionPolicy;
use crate::domain::refresh_token::RefreshPolicy;
use crate::jose::pkcs11::Pkcs11Token;
use crate::jose::wrap::MasterKey;
use crate::password::Hasher;
use crate::random::Random;
use crate::storage::nodes::Node;
use crate::storage::{self, Db, StorageError};

/// What the operator decided, as the flows need it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `iss` of everything.
    pub issuer: String,
    /// What the provider calls itself; nobody should have it as a password.
    pub brand: String,
    /// What rules the keys.
    pub keys: KeySettings,
    /// The life of an access token, in whole seconds.
    pub access_token_ttl: TimeDelta,
    /// The life of an ID token, in whole seconds.
    pub id_token_ttl: TimeDelta,
    /// The life of an authorization code.
    pub authorization_code_ttl: TimeDelta,
    /// The lives of refresh tokens.
    pub refresh: RefreshPolicy,
    /// The lives of browser sessions.
    pub sessions: SessionPolicy,
    /// What people may do with accounts.
    pub accounts: AccountSettings,
    /// Whether mail leaves: without it nothing that needs a mailed link is offered.
    pub mail: bool,
    /// The least zxcvbn score of a new password, 0 to 4.
    pub min_strength: u8,
    /// Whether anybody is ever told to wait.
    pub rate_limits: bool,
}

/// What people may do with accounts.
#[derive(Debug, Clone, Copy)]
pub struct AccountSettings {
    /// Whether strangers may sign up.
    pub signup: bool,
    /// Whether an account must have proven its address before it is of use.
    pub require_verified_email: bool,
    /// Whether a password reset ends every session.
    pub reset_ends_sessions: bool,
    /// Whether whoever signs up is mailed a link that proves the address.
    pub verify_on_signup: bool,
    /// Whether whoever logs in and must prove the address first is mailed another link.
    pub verify_on_login: bool,
    /// Whether a link that proves the address logs its reader in.
    pub login_after_verification: bool,
    /// Whether users may change their address.
    pub change_email: bool,
    /// Whether an address that is proven must agree to its change.
    pub confirm_email_change: bool,
    /// Whether users may delete their account.
    pub deletion: bool,
    /// Whether a deletion is confirmed by mail.
    pub confirm_deletion: bool,
    /// How long after the login an account can be changed without another one; zero: always.
    pub fresh_age: TimeDelta,
}

impl Default for AccountSettings {
    fn default() -> Self {
        Self {
            signup: true,
            require_verified_email: false,
            reset_ends_sessions: true,
            verify_on_signup: true,
            verify_on_login: true,
            login_after_verification: false,
            change_email: true,
            confirm_email_change: true,
            deletion: true,
            confirm_deletion: false,
            fresh_age: TimeDelta::days(1),
        }
    }
}

impl Settings {
    /// An address of ours: the issuer and `path`, which begins with a slash.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.issuer)
    }
}

/// The provider, as the flows see it.
#[derive(Debug)]
pub struct Provider {
    /// What the operator decided.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// Clients and resources.
    pub registry: Registry,
    /// What hashes passwords.
    pub passwords: Hasher,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// What one address may do, as far as this node has seen.
    pub limits: Limits,
    node: NodeIdentity,
    /// The status lists as last signed.
    pub status_lists: StatusLists,
    /// The places in them that this node may give.
    pub status_indexes: StatusIndexes,
    /// Told when a mail is asked for, so that it leaves at once.
    pub mail_wanted: Notify,
    keys: ArcSwap<LoadedKeys>,
    /// When the database last confirmed the keys, in microseconds since the epoch.
    keys_read_at: AtomicI64,
    /// What this node last told of itself.
    told: Mutex<Option<Node>>,
    masters: Masters,
    pkcs11: Option<Pkcs11Token>,
    /// One reload at a time.
    reloading: Mutex<()>,
    /// When the last reload for an unknown key ended, and how.
    unknown_key: Mutex<Option<(Instant, Result<(), KeysUnread>)>>,
}

/// What a provider is made of, with the keys still in the database.
#[derive(Debug)]
pub struct Parts {
    /// What the operator decided.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// Clients and resources.
    pub registry: Registry,
    /// What hashes passwords.
    pub passwords: Hasher,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub random: Arc<dyn Random>,
    /// The keys that open the others.
    pub masters: Masters,
    /// The token that has signing keys, or is to have.
    pub pkcs11: Option<Pkcs11Token>,
    /// Who this node is among the others.
    pub node: NodeIdentity,
}

/// Who a node is: what an operator who waits for all nodes is told.
#[derive(Debug, Clone)]
pub struct NodeIdentity {
    /// Chosen at its start.
    pub id: Uuid,
    /// The name of its machine, or whatever its operator knows it by.
    pub name: String,
}

impl Provider {
    /// A provider with its keys loaded; those of a new issuer are made.
    ///
    /// # Errors
    /// When the keys cannot be made, read or opened.
    pub async fn open(parts: Parts) -> Result<Self, KeysError> {
        let Parts {
            settings,
            db,
            registry,
            passwords,
            clock,
            random,
            masters,
            pkcs11,
            node,
        } = parts;
        let known = masters.known();
        ensure_first_keys(&db, &known, pkcs11.as_ref(), &settings.keys, &*clock, &*random).await?;
        let now = clock.now();
        let loaded = keys::load(&db, &known, pkcs11.as_ref(), &settings.keys, None, now).await?;
        tell_unusable(&loaded).await;
        let provider = Self {
            settings,
            db,
            registry,
            passwords,
            clock,
            random,
            limits: Limits::default(),
            node,
            status_lists: StatusLists::default(),
            status_indexes: StatusIndexes::default(),
            mail_wanted: Notify::new(),
            keys: ArcSwap::from_pointee(loaded),
            keys_read_at: AtomicI64::new(now.timestamp_micros()),
            told: Mutex::new(None),
            masters,
            pkcs11,
            reloading: Mutex::new(()),
            unknown_key: Mutex::new(None),
        };
        status_lists::start(&provider).await?;
        Ok(provider)
    }

    /// Lets go of the token, once what it is at is done. For the end of the process.
    pub async fn close_token(&self) {
        if let Some(token) = &self.pkcs11 {
            token.close().await;
        }
    }

    /// The present moment. Read once a request and passed on.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

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
        let read_at = DateTime::from_timestamp_micros(self.keys_read_at.load(Ordering::Relaxed));
        let until = self
            .settings
            .keys
            .policy
            .serves_until(read_at.unwrap_or_default());
        if now < until {
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
        self.keys_read_at.store(now.timestamp_micros(), Ordering::Relaxed);
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
async fn tell_unusable(loaded: &LoadedKeys) {
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
