//! Signing keys in a PKCS#11 token: a hardware security module, or what behaves like one. cryptoki is named
//! here and nowhere else. Which keys there are, and which of them signs, is stored elsewhere; a token is asked
//! by the URI of a key (RFC 7512).
//!
//! Calls into a module block, sometimes for long and sometimes for ever. So one thread makes all of them, out of
//! a queue that is bounded, and whoever asks waits for a limited time without blocking a thread.

mod connection;
mod error;
mod objects;
mod signer;
#[cfg(test)]
mod tests;
mod uri;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use self::connection::{Connection, Opened};
use super::PublicKey;
use crate::domain::secret::Secret;
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;

pub use error::Pkcs11Error;
pub(super) use signer::Pkcs11Signer;
pub use uri::{InvalidPkcs11Uri, Pkcs11Uri, SCHEME};

/// How many requests may wait. At a millisecond a signature they are through in a quarter of a second.
const QUEUE: usize = 256;

/// How long a signature may take, its wait included.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the making of a key may take: RSA is slow in small devices.
const PATIENCE_FOR_NEW_KEYS: Duration = Duration::from_secs(60);

/// Bytes of the id of a new key.
const ID_LENGTH: usize = 16;

/// Where the token is and how to log in to it.
#[derive(Debug, Clone)]
pub struct Pkcs11Settings {
    /// The module: a shared library of the token's maker.
    pub module: PathBuf,
    /// The label of the token.
    pub token: String,
    /// The PIN of the user.
    pub pin: Secret,
}

/// A token, logged in to by the first request that needs it. Clones are the same token; with the last of them
/// its thread ends. There may be one in a process: modules are initialised once for all.
#[derive(Debug, Clone)]
pub struct Pkcs11Token(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    label: String,
    jobs: mpsc::Sender<Job>,
}

/// What the thread does next, unless nobody waits for it any more.
type Job = Box<dyn FnOnce(&mut Connection) + Send>;

impl Pkcs11Token {
    /// Starts the thread. The token is not asked for yet: it may be away, which stops nothing but signatures.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: Pkcs11Settings) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel(QUEUE);
        let label = settings.token.clone();
        std::thread::Builder::new()
            .name("signet-pkcs11".to_owned())
            .spawn(move || serve(queue, Connection::new(settings)))?;
        Ok(Self(Arc::new(Shared { label, jobs })))
    }

    /// The label of the token.
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Makes a key pair in the token, of which the private part never leaves it.
    ///
    /// # Errors
    /// When the token is away, or cannot make such a key.
    pub async fn generate(
        &self,
        algorithm: SigningAlgorithm,
        random: &dyn Random,
    ) -> Result<(Pkcs11Uri, PublicKey), Pkcs11Error> {
        let mut id = [0; ID_LENGTH];
        random.fill(&mut id);
        self.ask(PATIENCE_FOR_NEW_KEYS, move |opened| {
            opened.generate(algorithm, &id)
        })
        .await
    }

    /// The public part of a pair.
    ///
    /// # Errors
    /// When the token is away, or has not exactly one such key that we can sign with.
    pub async fn public_key(&self, uri: &Pkcs11Uri) -> Result<PublicKey, Pkcs11Error> {
        let uri = uri.clone();
        self.ask(PATIENCE, move |opened| opened.public_key(&uri)).await
    }

    /// Destroys a pair for good. One that is not there is no error.
    ///
    /// # Errors
    /// When the token is away, or keeps the key.
    pub async fn destroy(&self, uri: &Pkcs11Uri) -> Result<(), Pkcs11Error> {
        let uri = uri.clone();
        self.ask(PATIENCE, move |opened| opened.destroy(&uri)).await
    }

    /// Logs in, to see whether the token is there.
    ///
    /// # Errors
    /// When it is not.
    pub async fn check(&self) -> Result<(), Pkcs11Error> {
        self.ask(PATIENCE, |opened| {
            opened.session.get_session_info()?;
            Ok(())
        })
        .await
    }

    /// Whether the private key is there.
    async fn check_key(&self, uri: &Pkcs11Uri) -> Result<(), Pkcs11Error> {
        let uri = uri.clone();
        self.ask(PATIENCE, move |opened| opened.check(&uri)).await
    }

    async fn sign(
        &self,
        uri: &Arc<Pkcs11Uri>,
        algorithm: SigningAlgorithm,
        message: &[u8],
    ) -> Result<Vec<u8>, Pkcs11Error> {
        let (uri, message) = (Arc::clone(uri), message.to_vec());
        self.ask(PATIENCE, move |opened| opened.sign(&uri, algorithm, &message))
            .await
    }

    /// Ends the session, once what waits is done: a module that is still at work when the process exits may take
    /// the process down with it.
    pub async fn close(&self) {
        let (closed, is_closed) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            connection.close();
            let _ = closed.send(());
        });
        let asked = async {
            if self.0.jobs.send(job).await.is_ok() {
                let _ = is_closed.await;
            }
        };
        // A module that hangs must not keep the process.
        let _ = tokio::time::timeout(PATIENCE, asked).await;
    }

    async fn ask<T, W>(&self, patience: Duration, mut work: W) -> Result<T, Pkcs11Error>
    where
        T: Send + 'static,
        W: FnMut(&Opened) -> Result<T, Pkcs11Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Who has given up is not signed for.
            if !answer.is_closed() {
                let _ = answer.send(connection.with(&mut work));
            }
        });
        self.0.jobs.try_send(job).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Pkcs11Error::Busy,
            mpsc::error::TrySendError::Closed(_) => Pkcs11Error::NoAnswer,
        })?;
        match tokio::time::timeout(patience, answered).await {
            Ok(answer) => answer.unwrap_or(Err(Pkcs11Error::NoAnswer)),
            Err(_) => Err(Pkcs11Error::Timeout(patience)),
        }
    }
}

/// The life of the thread.
fn serve(mut queue: mpsc::Receiver<Job>, mut connection: Connection) {
    while let Some(job) = queue.blocking_recv() {
        if catch_unwind(AssertUnwindSafe(|| job(&mut connection))).is_err() {
            tracing::error!("work in a PKCS#11 token panicked");
        }
    }
}
