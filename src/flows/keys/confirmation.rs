//! Which nodes have let go of a compromised key, and until when a verifier may go on believing it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::domain::key_schedule::KeyPolicy;
use crate::storage::nodes::{self, Node};
use crate::storage::{Db, StorageError};

/// How often a node says that it is there when it has nothing new to tell.
pub const HEARTBEAT: TimeDelta = TimeDelta::seconds(10);

/// How long after its last word a node may still serve the keys that it had: it may have read them again since, until
/// just before the next word was due.
pub fn serves_after_its_word(policy: &KeyPolicy) -> TimeDelta {
    HEARTBEAT + policy.longest_partition() + policy.clock_skew
}

/// How often it is looked whether all nodes have confirmed.
const INTERVAL: Duration = Duration::from_millis(100);

/// The nodes that serve, by whether they have loaded a revision of the keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmations {
    /// They serve it, or a later one.
    pub confirmed: Vec<Node>,
    /// They were heard of, and may still serve an earlier one.
    pub unconfirmed: Vec<Node>,
}

impl Confirmations {
    /// Until when a verifier that obeys `Cache-Control` may have a JWKS of before: the last confirmation, or `at`,
    /// the time of the change, plus the life of a cached answer and the skew of clocks. `None` while a node has not
    /// confirmed: then nobody can say.
    pub fn believed_until(&self, policy: &KeyPolicy, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let last = self.confirmed.iter().map(|node| node.keys_loaded_at).max();
        let last = last.map_or(at, |last| last.max(at));
        self.unconfirmed
            .is_empty()
            .then(|| last + policy.jwks_max_age + policy.clock_skew)
    }
}

/// Waits until every node has loaded `revision`, for `patience` at most. A node that was not heard of for so long
/// that it serves no keys any more is passed over.
///
/// # Errors
/// When the database does not answer.
pub async fn wait(
    db: &Db,
    policy: &KeyPolicy,
    revision: i64,
    now: DateTime<Utc>,
    patience: Duration,
) -> Result<Confirmations, StorageError> {
    let serves_since = now - serves_after_its_word(policy);
    let deadline = tokio::time::Instant::now() + patience;
    loop {
        let nodes = nodes::list(db).await?;
        let serving = nodes.into_iter().filter(|node| node.seen_at >= serves_since);
        let (confirmed, unconfirmed) = serving.partition(|node| node.keys_revision >= revision);
        let confirmations = Confirmations {
            confirmed,
            unconfirmed,
        };
        if confirmations.unconfirmed.is_empty() || tokio::time::Instant::now() >= deadline {
            return Ok(confirmations);
        }
        tokio::time::sleep(INTERVAL).await;
    }
}
