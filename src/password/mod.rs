//! All hashing of passwords: argon2id, the schemes of others ([`foreign`]), the judgement of new passwords, and the threads that both run on. What
//! a password is says [`crate::domain::password`]; who may log in with it, and how an overload is answered,
//! say others.
//!
//! A hash is made slow and large on purpose, so this is the dearest thing that a stranger can make the program
//! do. A [`Hasher`] therefore does it on a fixed number of threads of its own, each with its own memory that
//! is used again, and lets no more wait than it can serve in time. Nothing here blocks an async thread.

mod argon2id;
pub mod breach;
mod counters;
pub mod foreign;
mod memory;
mod pool;
mod strength;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use argon2id::Argon2id;
use foreign::Foreign;
use pool::Pool;
pub use strength::Strength;

use crate::domain::password::{Password, PasswordHash};

/// The bytes of salt that a new hash takes (RFC 9106 §3.1).
pub const SALT_LENGTH: usize = 16;

/// What a hash costs (RFC 9106 §3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashParams {
    /// Memory, in KiB; at least 8 for each lane.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes. They are filled one after the other, by one thread.
    pub parallelism: u32,
}

impl HashParams {
    /// The most that a hash may cost, a new one as well as a stored one: what the configuration allows.
    pub const MOST: Self = Self {
        memory_kib: 1024 * 1024,
        iterations: 64,
        parallelism: 16,
    };
}

/// How a [`Hasher`] works.
#[derive(Debug, Clone)]
pub struct HasherSettings {
    /// What new hashes cost.
    pub params: HashParams,
    /// How many threads hash; the memory in use is that of a hash for each.
    pub threads: usize,
    /// How long a job waits for a thread before it is refused.
    pub queue_timeout: Duration,
    /// How many jobs wait at most.
    pub queue_length: usize,
}

/// Hashes and judges passwords. Clones share the threads, which end after the last clone is dropped.
#[derive(Clone)]
pub struct Hasher {
    argon2id: Argon2id,
    pool: Arc<Pool>,
}

impl Hasher {
    /// Starts the threads. They take their memory when they first hash.
    ///
    /// # Errors
    /// When a setting is out of its bounds, or the system gives no thread.
    pub fn start(settings: &HasherSettings) -> Result<Self, StartError> {
        // They end by themselves, and nobody waits for that.
        Self::start_with_threads(settings).map(|(hasher, _)| hasher)
    }

    fn start_with_threads(settings: &HasherSettings) -> Result<(Self, Vec<JoinHandle<()>>), StartError> {
        if settings.threads == 0 {
            return Err(StartError::NoThreads);
        }
        if settings.queue_length == 0 {
            return Err(StartError::NoQueue);
        }
        let argon2id = Argon2id::new(settings.params).ok_or(StartError::Params(settings.params))?;
        describe_metrics();
        let (pool, threads) = Pool::start(settings, argon2id.block_count())?;
        let pool = Arc::new(pool);
        Ok((Self { argon2id, pool }, threads))
    }

    /// Makes what is stored of a password. The salt comes from the caller's
    /// [`Random`](crate::random::Random) and serves one hash only.
    ///
    /// # Errors
    /// [`Busy`] when no thread comes to it in time.
    pub async fn hash(&self, password: &Password, salt: [u8; SALT_LENGTH]) -> Result<PasswordHash, Busy> {
        let (argon2id, password) = (self.argon2id.clone(), password.clone());
        self.pool
            .ask(move |memory| argon2id.hash(memory, &password, &salt))
            .await
    }

    /// Whether a password is the one of which `stored` was made.
    ///
    /// Ask also for users who do not exist or have no password, with `None`: it takes the work of a present
    /// hash and is [`Wrong`](Verification::Wrong), as is a stored hash that cannot be read or costs more than
    /// [`HashParams::MOST`], which is also reported in the log.
    ///
    /// # Errors
    /// [`Busy`] when no thread comes to it in time.
    pub async fn verify(
        &self,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, Busy> {
        let (argon2id, password, stored) = (self.argon2id.clone(), password.clone(), stored.cloned());
        self.pool
            .ask(move |memory| {
                if let Some(foreign) = stored.as_ref().and_then(Foreign::read) {
                    return foreign.verify(memory, &password);
                }
                argon2id.verify(memory, &password, stored.as_ref())
            })
            .await
    }

    /// How guessable a new password is. `known` is what somebody who knows the user would try first: e-mail
    /// address, name, the name of this service; the words in them are tried too.
    ///
    /// # Errors
    /// [`Busy`] when no thread comes to it in time.
    pub async fn judge(&self, password: &Password, known: &[&str]) -> Result<Strength, Busy> {
        let password = password.clone();
        let known: Vec<String> = known.iter().map(ToString::to_string).collect();
        self.pool
            .ask(move |_| Ok(strength::judge(&password, &known)))
            .await
    }

    /// What has been done since the start.
    pub fn counts(&self) -> Counts {
        self.pool.counts()
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hasher").field(&self.counts()).finish()
    }
}

/// What came of verifying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// It is not the password, or there is none.
    Wrong,
    /// It is the password.
    Right {
        /// The hash is of another variant or cost than new ones: make a new one while the password is at hand.
        outdated: bool,
    },
}

/// No thread came to it in time: a 503 for whoever asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more passwords wait to be hashed than can be in time")]
pub struct Busy {
    /// When it is worth asking again; a second at least.
    pub retry_after: Duration,
}

/// What a [`Hasher`] has done since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that wait now.
    pub waiting: usize,
    /// Hashes made, for whatever purpose.
    pub hashes: u64,
    /// Memory filled by them, in KiB, counted again for every pass.
    pub filled_kib: u64,
    /// Jobs refused because the queue was full or they had waited too long.
    pub shed: u64,
    /// Jobs dropped because nobody waited for them any more.
    pub skipped: u64,
}

/// Why there is no [`Hasher`].
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Argon2 does not take these parameters, or they are beyond [`HashParams::MOST`].
    #[error("no password can be hashed with {0:?}")]
    Params(HashParams),
    /// Nobody would ever be answered.
    #[error("passwords need a thread to be hashed on")]
    NoThreads,
    /// Everybody would be refused.
    #[error("passwords need a queue to wait in")]
    NoQueue,
    /// The system gave no thread.
    #[error("no thread could be started to hash passwords on")]
    Thread(#[source] std::io::Error),
}

fn describe_metrics() {
    metrics::describe_gauge!(
        "signet_password_queue",
        "Passwords that wait to be hashed or judged"
    );
    metrics::describe_histogram!(
        "signet_password_hash_seconds",
        metrics::Unit::Seconds,
        "How long hashing one password took, without waiting"
    );
    metrics::describe_counter!(
        "signet_password_shed_total",
        "Passwords that were not hashed or judged, because too many waited"
    );
}
