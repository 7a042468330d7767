//! The ports: everything that a flow needs from below, in one struct. `server.rs` makes one a process, a test
//! one a test; nothing is global.

mod held_keys;

use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Instant;

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::breaches::BreachCheck;
use super::federation::Federation;
use super::keys::first::ensure_first_keys;
use super::keys::{self, KeySettings, KeysError, LoadedKeys};
use super::limits::Limits;
use super::masters::Masters;
use super::registry::Registry;
use super::status_indexes::StatusIndexes;
use super::status_lists::{self, StatusLists};
use super::user_token::UserTokenSettings;
use crate::clock::Clock;
use crate::domain::browser_session::SessionPolicy;
use crate::domain::mac::MacKey;
use crate::domain::refresh_token::RefreshPolicy;
use crate::jose::pkcs11::Pkcs11Token;
use crate::password::Hasher;
use crate::random::Random;
use crate::storage::Db;
use crate::storage::nodes::Node;

pub use held_keys::{KeysUnread, ReloadError};

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
    /// Who knows which passwords have leaked.
    pub breaches: Option<BreachCheck>,
    /// Whether anybody is ever told to wait.
    pub rate_limits: bool,
    /// What the JWTs of a session say.
    pub user_tokens: UserTokenSettings,
    /// What the Better Auth server before us signed its cookies with, if sessions of its moved in.
    pub better_auth_secret: Option<MacKey>,
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
    /// Whether a client of the Better Auth protocol may link identities of other addresses than the account's.
    pub links_other_addresses: bool,
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
            links_other_addresses: false,
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
    /// The other providers that people may come by.
    pub federation: Federation,
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
    pub mail_wanted: Arc<Notify>,
    keys: ArcSwap<LoadedKeys>,
    /// Until when the keys are believed that the database last confirmed, in microseconds since the epoch.
    keys_served_until: AtomicI64,
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
    /// The other providers that people may come by.
    pub federation: Federation,
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
            federation,
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
        held_keys::tell_unusable(&loaded).await;
        let served_until = settings.keys.policy.serves_until(now);
        let provider = Self {
            settings,
            db,
            registry,
            federation,
            passwords,
            clock,
            random,
            limits: Limits::default(),
            node,
            status_lists: StatusLists::default(),
            status_indexes: StatusIndexes::default(),
            mail_wanted: Arc::default(),
            keys: ArcSwap::from_pointee(loaded),
            keys_served_until: AtomicI64::new(served_until.timestamp_micros()),
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
}
