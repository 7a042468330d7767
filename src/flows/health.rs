//! Whether this node can serve, and the gauges that tell how it stands. Knows nothing of who asks.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::provider::Provider;
use super::registry::RegistryError;
use super::status_lists;
use crate::domain::key_schedule::KeySet;
use crate::domain::key_state::KeyState;
use crate::domain::signing_key::StoredSigningKey;
use crate::flows::keys::SetName;
use crate::jose::UnusableKey;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::storage::StorageError;

/// How long the database may take to answer whoever asks whether it does.
const PATIENCE: Duration = Duration::from_secs(1);

/// Why this node cannot serve now.
#[derive(Debug, thiserror::Error)]
pub enum NotReady {
    /// The database does not answer.
    #[error("the database does not answer")]
    Database(#[source] StorageError),
    /// Clients and resources are too old to be believed.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The keys could not be read for longer than `keys.max_partition`.
    #[error("the keys could not be read for too long: they may be past a change")]
    KeysUnread,
    /// The key in charge rests in a token, which is away or has it no more.
    #[error(transparent)]
    Key(UnusableKey),
    /// No key of this algorithm signs.
    #[error("no {0} key signs at present")]
    Keys(&'static str),
}

/// Whether everything that a login needs is there: keys, clients, the database.
///
/// # Errors
/// With the first thing that is missing.
pub async fn check(provider: &Provider) -> Result<KeyOutlook, NotReady> {
    let now = provider.now();
    let keys = provider.believable_keys(now).await;
    let keys = keys.map_err(|_| NotReady::KeysUnread)?;
    let keys = Arc::clone(&keys);
    for algorithm in SigningAlgorithm::ALWAYS {
        let key = keys.ring.signing_key(algorithm, now);
        let key = key.ok_or(NotReady::Keys(algorithm.as_str()))?;
        key.check().await.map_err(|reason| {
            NotReady::Key(UnusableKey {
                kid: key.kid().to_owned(),
                reason,
            })
        })?;
    }
    provider
        .db
        .with_limit(PATIENCE)
        .ping()
        .await
        .map_err(NotReady::Database)?;
    provider.registry.fresh()?;
    Ok(outlook(provider, now))
}

/// What is to come of the signing keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOutlook {
    /// When the next key changes its state, if nobody does anything.
    pub next_change_at: Option<DateTime<Utc>>,
    /// The algorithms of which no key is announced: were the signing one compromised, verifiers would meet an
    /// unknown one.
    pub without_announced: Vec<&'static str>,
}

fn outlook(provider: &Provider, now: DateTime<Utc>) -> KeyOutlook {
    let policy = &provider.settings.keys.policy;
    let keys = provider.keys();
    let signing = || {
        keys.sets
            .iter()
            .filter(|(name, _)| matches!(name, SetName::Signing(_)))
    };
    let announced = |set: &KeySet| set.keys().iter().any(|key| key.state(now) == KeyState::Announced);
    KeyOutlook {
        next_change_at: signing()
            .filter_map(|(_, set)| Some(set.plan(policy, now).first()?.at))
            .min(),
        without_announced: signing()
            .filter(|(_, set)| !announced(set))
            .map(|(name, _)| name.as_str())
            .collect(),
    }
}

/// Sets the gauges of the signing keys and of the pool.
pub fn record_metrics(provider: &Provider) {
    provider.db.record_metrics();
    status_lists::record_metrics(provider);
    let now = provider.now();
    let keys = provider.keys();
    let policy = &provider.settings.keys.policy;
    for (name, set) in &keys.sets {
        if let (SetName::Signing(algorithm), Some(next)) = (name, set.plan(policy, now).first()) {
            #[expect(
                clippy::cast_precision_loss,
                reason = "2^52 seconds are longer than keys live"
            )]
            metrics::gauge!("signet_signing_key_next_change_seconds", "alg" => algorithm.as_str())
                .set((next.at - now).num_seconds() as f64);
        }
    }
    for algorithm in SigningAlgorithm::ALL {
        for state in KeyState::ALL {
            let of_state = || {
                keys.ring
                    .keys()
                    .filter(|key| key.algorithm == algorithm && key.state(now) == state)
            };
            let oldest = of_state().map(|key| seconds_in_state(key, state, now)).max();
            let labels = [("alg", algorithm.as_str()), ("state", state.as_str())];
            #[expect(
                clippy::cast_precision_loss,
                reason = "2^52 seconds are longer than keys live"
            )]
            metrics::gauge!("signet_signing_key_age_seconds", &labels).set(oldest.unwrap_or(0) as f64);
            #[expect(clippy::cast_precision_loss, reason = "there are less than 2^52 keys")]
            metrics::gauge!("signet_signing_keys", &labels).set(of_state().count() as f64);
        }
    }
}

/// Tells what the metrics of the flows mean.
pub fn describe_metrics() {
    status_lists::describe_metrics();
    metrics::describe_counter!("signet_logins_total", "Logins that succeeded");
    metrics::describe_counter!("signet_signups_total", "Accounts that people made for themselves");
    metrics::describe_counter!(
        "signet_tokens_issued_total",
        "Successful token responses, by grant"
    );
    metrics::describe_counter!(
        "signet_refreshes_total",
        "Refresh tokens that were presented, by outcome"
    );
    metrics::describe_gauge!(
        "signet_signing_key_age_seconds",
        metrics::Unit::Seconds,
        "How long the oldest signing key of this state has been in it; 0 if there is none"
    );
    metrics::describe_gauge!(
        "signet_signing_key_next_change_seconds",
        metrics::Unit::Seconds,
        "How long until a signing key of this algorithm changes its state by itself"
    );
    metrics::describe_gauge!("signet_signing_keys", "Signing keys, by algorithm and state");
    metrics::describe_gauge!("signet_database_connections", "Connections of the pool, by state");
    metrics::describe_gauge!(
        "signet_database_waiting",
        "Requests that wait for a connection of the pool"
    );
}

/// How long `key` has been in `state`, which is its state at `now`.
fn seconds_in_state(key: &StoredSigningKey, state: KeyState, now: DateTime<Utc>) -> i64 {
    let since = match state {
        KeyState::Announced => Some(key.published_at),
        KeyState::Signing => key.signing_at,
        KeyState::Draining => key.draining_at,
        KeyState::Retired => key.retired_at,
        KeyState::Compromised => key.compromised_at,
    };
    (now - since.unwrap_or(key.published_at)).num_seconds().max(0)
}
