//! The status lists (draft-ietf-oauth-status-list): signed bytes that tell verifiers which access tokens are dead
//! though they have not expired. Made in the background, from a read of the database, and served from memory.
//!
//! 1. [`reference()`]: an access token names its place.
//! 2. [`round`]: reads what ended, and signs the lists that changed or are about to be old.
//! 3. [`StatusLists::find`]: what is served. Without the database that is the last list, until its `exp`.
//!
//! There is a list a shard and signing algorithm: a token names the list that is signed as it is, so that whoever can
//! verify the one can verify the other.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::keys::LoadedKeys;
use super::provider::Provider;
use crate::domain::status_blocks::Purpose;
use crate::domain::status_list::{LIFETIME, StatusBits, StatusIndex, TTL};
use crate::jose::claims::{Status, StatusList, StatusListClaims, StatusReference};
use crate::jose::{SignError, TokenType};
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};
use crate::storage::{StorageError, status_lists};

/// Where the lists are, below the issuer; the algorithm and the number of the shard follow.
pub const PATH: &str = "/.well-known/status-lists";

/// When a list that has not changed is signed again: whoever asks gets one that says how things stood a minute ago.
const RENEWAL: TimeDelta = TTL;

/// A hundred thousand that ended at once take a second or two to be read; nobody waits for it.
const LIMIT: Duration = Duration::from_secs(30);

/// A list as it is sent.
#[derive(Debug)]
pub struct Document {
    /// The signed JWT.
    pub body: Bytes,
    /// Its strong entity tag, quotes included (RFC 9110 §8.8.3).
    pub etag: String,
    /// What it was made of.
    lst: Arc<str>,
    kid: String,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
}

impl Document {
    /// For how long it may be kept: its `ttl`, and not beyond its `exp`.
    pub fn max_age(&self, now: DateTime<Utc>) -> TimeDelta {
        TTL.min(self.expires_at - now).max(TimeDelta::zero())
    }

    /// Whether it need not be signed anew: it says these bits, under this key, and is no older than a minute.
    fn still_says(&self, lst: &str, kid: &str, now: DateTime<Utc>) -> bool {
        let age = now - self.issued_at;
        &*self.lst == lst && self.kid == kid && age >= TimeDelta::zero() && age < RENEWAL
    }
}

/// What there is under an address.
#[derive(Debug, Clone)]
pub enum Found {
    /// A list.
    Document(Arc<Document>),
    /// A list that is over: the database has been away for too long to tell.
    Expired,
    /// No list.
    Unknown,
}

/// The bits of a shard, and what is made of them.
#[derive(Debug)]
struct Shard {
    bits: StatusBits,
    lst: Arc<str>,
    documents: HashMap<SigningAlgorithm, Arc<Document>>,
}

/// All lists of one round.
#[derive(Debug, Default)]
struct Signed {
    read_at: DateTime<Utc>,
    shards: HashMap<i64, Shard>,
}

/// The lists as last signed.
#[derive(Debug, Default)]
pub struct StatusLists(ArcSwap<Signed>);

impl StatusLists {
    /// The list of `shard` that is signed by `algorithm`.
    pub fn find(&self, algorithm: SigningAlgorithm, shard: i64, now: DateTime<Utc>) -> Found {
        let signed = self.0.load();
        let document = signed
            .shards
            .get(&shard)
            .and_then(|shard| shard.documents.get(&algorithm));
        match document {
            Some(document) if now < document.expires_at => Found::Document(document.clone()),
            Some(_) => Found::Expired,
            None => Found::Unknown,
        }
    }
}

/// The `status` claim of an access token that `algorithm` signs.
pub fn reference(provider: &Provider, algorithm: SigningAlgorithm, index: StatusIndex) -> Status {
    Status {
        status_list: StatusReference {
            idx: index.position(),
            uri: address(provider, algorithm, index.shard()),
        },
    }
}

/// The index that a claim of ours names. `None` if the claim is not one that this version makes.
pub fn index(provider: &Provider, reference: &StatusReference) -> Option<StatusIndex> {
    let below = reference.uri.strip_prefix(&provider.settings.url(PATH))?;
    let (algorithm, shard) = below.strip_prefix('/')?.split_once('/')?;
    SigningAlgorithm::parse(algorithm)?;
    StatusIndex::of(shard.parse().ok()?, reference.idx)
}

fn address(provider: &Provider, algorithm: SigningAlgorithm, shard: i64) -> String {
    format!(
        "{}{PATH}/{}/{shard}",
        provider.settings.issuer,
        algorithm.as_str()
    )
}

/// Why there are no new lists.
#[derive(Debug, thiserror::Error)]
pub enum StatusListError {
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A signature failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// The first [`round`], at the start of a node. A key that does not sign yet (its token is away, or its master key)
/// keeps no node from starting.
///
/// # Errors
/// When the database does not answer.
pub async fn start(provider: &Provider) -> Result<(), StorageError> {
    match round(provider).await {
        Err(StatusListError::Storage(error)) => Err(error),
        Err(StatusListError::Sign(error)) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "some status lists cannot be signed yet");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Leases indexes, reads what ended, and signs what is to be served from now on.
///
/// # Errors
/// When the database does not answer: the lists that there are stay. When some key does not sign: the other lists are
/// new.
pub async fn round(provider: &Provider) -> Result<(), StatusListError> {
    provider.status_indexes.maintain(provider).await?;
    // Before the read: what ended since may not be in it.
    let read_at = provider.now();
    let keys = Arc::clone(&provider.keys());
    let shards = status_lists::list_shards(&provider.db, read_at).await?;
    let token = longest_token(provider, &keys);
    let invalid = invalid(provider, token, read_at).await?;
    let before = provider.status_lists.0.load_full();
    let known = before.clone();
    // Compressing takes milliseconds a shard.
    let shards = tokio::task::spawn_blocking(move || compressed(&shards, &invalid, &known))
        .await
        .expect("compressing neither panics nor is aborted");
    let (signed, failed) = sign(provider, &keys, shards, &before, read_at).await;
    provider.status_lists.0.store(Arc::new(signed));
    failed.map_or(Ok(()), |error| Err(error.into()))
}

/// Signs what changed or is about to be old. Of an algorithm whose key does not sign at present the last lists stay,
/// until their `exp`: they are older than the read, and say so. Tells how the first of those failed.
async fn sign(
    provider: &Provider,
    keys: &LoadedKeys,
    shards: Vec<(i64, Shard)>,
    before: &Signed,
    read_at: DateTime<Utc>,
) -> (Signed, Option<SignError>) {
    let mut signed = Signed {
        read_at,
        shards: HashMap::with_capacity(shards.len()),
    };
    let mut failed: Option<SignError> = None;
    let mut failing = AlgorithmSet::default();
    for (number, mut shard) in shards {
        for algorithm in SigningAlgorithm::ALL {
            let Some(key) = keys.ring.signing_key(algorithm, read_at) else {
                continue;
            };
            let old = before.shards.get(&number);
            let old = old.and_then(|old| old.documents.get(&algorithm)).cloned();
            let is_good = |old: &Arc<Document>| old.still_says(&shard.lst, key.kid(), read_at);
            let document = if failing.contains(algorithm) || old.as_ref().is_some_and(is_good) {
                old
            } else {
                // A signature takes a millisecond: others run in between.
                tokio::task::yield_now().await;
                let address = address(provider, algorithm, number);
                let claims = claims(provider, &address, &shard.lst, read_at);
                match key.sign(TokenType::StatusList, &claims).await {
                    Ok(token) => Some(Arc::new(document(token, &shard.lst, key.kid(), read_at))),
                    Err(error) => {
                        failing.insert(algorithm);
                        failed.get_or_insert(error);
                        old
                    }
                }
            };
            if let Some(document) = document {
                shard.documents.insert(algorithm, document);
            }
        }
        signed.shards.insert(number, shard);
    }
    (signed, failed)
}

/// Every index whose tokens are dead, though a token that lives `token` may not have expired.
async fn invalid(
    provider: &Provider,
    token: TimeDelta,
    now: DateTime<Utc>,
) -> Result<Vec<Range<i64>>, StorageError> {
    let db = provider.db.with_limit(LIMIT);
    let mut invalid = status_lists::list_invalid(&db, token, now).await?;
    let ended = status_lists::list_ended_clients(&db, token, now).await?;
    if !ended.is_empty() {
        invalid.extend(status_lists::list_invalid_of_clients(&db, &ended, token, now).await?);
    }
    Ok(invalid)
}

/// The longest life of a token that some node may have signed with a key that is still published.
fn longest_token(provider: &Provider, keys: &LoadedKeys) -> TimeDelta {
    let signed = keys.ring.keys().map(|key| key.max_lifetime).max();
    provider.settings.access_token_ttl.max(signed.unwrap_or_default())
}

/// The bits of every shard, compressed unless they are the same as before.
fn compressed(shards: &[i64], invalid: &[Range<i64>], before: &Signed) -> Vec<(i64, Shard)> {
    let mut bits: HashMap<i64, StatusBits> = shards
        .iter()
        .map(|shard| (*shard, StatusBits::default()))
        .collect();
    for index in invalid.iter().cloned().flatten().filter_map(StatusIndex::new) {
        // A shard that is not listed has no block in use.
        if let Some(bits) = bits.get_mut(&index.shard()) {
            bits.set(index.position());
        }
    }
    let shard = |(number, bits): (i64, StatusBits)| {
        let same = before.shards.get(&number).filter(|old| old.bits == bits);
        let lst = match same {
            Some(old) => old.lst.clone(),
            None => URL_SAFE_NO_PAD.encode(bits.compressed()).into(),
        };
        let documents = HashMap::new();
        (number, Shard { bits, lst, documents })
    };
    bits.into_iter().map(shard).collect()
}

fn claims<'a>(
    provider: &'a Provider,
    address: &'a str,
    lst: &'a str,
    read_at: DateTime<Utc>,
) -> StatusListClaims<'a> {
    StatusListClaims {
        iss: &provider.settings.issuer,
        sub: address,
        iat: read_at.timestamp(),
        exp: (read_at + LIFETIME).timestamp(),
        ttl: TTL.num_seconds(),
        status_list: StatusList { bits: 1, lst },
    }
}

fn document(token: String, lst: &Arc<str>, kid: &str, read_at: DateTime<Utc>) -> Document {
    Document {
        lst: lst.clone(),
        etag: format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&token))),
        body: token.into(),
        kid: kid.to_owned(),
        issued_at: read_at,
        expires_at: read_at + LIFETIME,
    }
}

/// Sets the gauges of the lists and of the places that are left.
pub fn record_metrics(provider: &Provider) {
    let now = provider.now();
    let signed = provider.status_lists.0.load();
    let revoked: usize = signed.shards.values().map(|shard| shard.bits.count()).sum();
    let of = |algorithm| {
        let shards = signed.shards.values();
        shards.filter_map(move |shard| shard.documents.get(&algorithm))
    };
    #[expect(clippy::cast_precision_loss, reason = "all of them are less than 2^52")]
    {
        metrics::gauge!("signet_status_list_age_seconds").set((now - signed.read_at).num_seconds() as f64);
        metrics::gauge!("signet_status_lists").set(signed.shards.len() as f64);
        metrics::gauge!("signet_status_list_revoked").set(revoked as f64);
        for algorithm in SigningAlgorithm::ALL {
            let bytes: usize = of(algorithm).map(|document| document.body.len()).sum();
            metrics::gauge!("signet_status_list_bytes", "alg" => algorithm.as_str()).set(bytes as f64);
        }
        for purpose in Purpose::ALL {
            let free = provider.status_indexes.free(purpose, now);
            metrics::gauge!("signet_status_indexes_free", "purpose" => purpose.as_str()).set(free as f64);
        }
    }
}

/// Tells what the gauges mean.
pub fn describe_metrics() {
    metrics::describe_gauge!(
        "signet_status_list_age_seconds",
        metrics::Unit::Seconds,
        "How long ago the database was read for the status lists"
    );
    metrics::describe_gauge!("signet_status_lists", "Status lists, of 2^17 tokens each");
    metrics::describe_gauge!(
        "signet_status_list_revoked",
        "Indexes that the status lists call invalid at present"
    );
    metrics::describe_gauge!(
        "signet_status_list_bytes",
        metrics::Unit::Bytes,
        "All status lists that an algorithm signs, as they are sent"
    );
    metrics::describe_gauge!(
        "signet_status_indexes_free",
        "Status indexes that this node has leased and not given yet, by purpose"
    );
}
