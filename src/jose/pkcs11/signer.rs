//! A [`Signer`] whose private key is in a token. Every signature is verified with the stored public key before
//! it is used: a token that holds another key under the name, or errs in a computation that would betray the
//! key, must not be believed.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::Either;
use josekit::jws::JwsVerifier;
use tokio::sync::Mutex;

use super::{Pkcs11Error, Pkcs11Token, Pkcs11Uri};
use crate::jose::signer::{Answer, Signer};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// How long what was learned of a key holds: anyone may ask whether we are ready, as often as they like.
const HOLDS: Duration = Duration::from_secs(1);

/// Signs in a token.
pub struct Pkcs11Signer {
    /// `None` on a node that was told of no token.
    token: Option<Pkcs11Token>,
    uri: Arc<Pkcs11Uri>,
    algorithm: SigningAlgorithm,
    verifier: Box<dyn JwsVerifier>,
    /// When the key was last looked for, and how that ended.
    checked: Mutex<Option<(Instant, Result<(), Pkcs11Error>)>>,
}

impl Pkcs11Signer {
    /// A signer of the private key that `uri` names. Nothing is asked of the token yet.
    pub fn new(
        token: Option<Pkcs11Token>,
        uri: Pkcs11Uri,
        algorithm: SigningAlgorithm,
        verifier: Box<dyn JwsVerifier>,
    ) -> Self {
        Self {
            token,
            uri: Arc::new(uri),
            algorithm,
            verifier,
            checked: Mutex::new(None),
        }
    }

    fn token(&self) -> Result<&Pkcs11Token, Pkcs11Error> {
        self.token.as_ref().ok_or(Pkcs11Error::NotConfigured)
    }

    async fn signed(&self, message: &[u8]) -> Result<Vec<u8>, Pkcs11Error> {
        let signed = self.token()?.sign(&self.uri, self.algorithm, message).await;
        if let Err(error) = &signed
            && (error.is_away() || error.is_lost())
            && let Ok(mut checked) = self.checked.try_lock()
        {
            // What was found well a moment ago is not. Who looks at this moment finds that too.
            *checked = Some((Instant::now(), Err(error.clone())));
        }
        let signature = signed?;
        match self.verifier.verify(message, &signature) {
            Ok(()) => Ok(signature),
            Err(_) => Err(Pkcs11Error::WrongKey),
        }
    }

    async fn is_there(&self) -> Result<(), Pkcs11Error> {
        let token = self.token()?;
        // Whoever asks meanwhile waits for the answer to the first.
        let mut checked = self.checked.lock().await;
        if let Some((at, outcome)) = &*checked
            && at.elapsed() < HOLDS
        {
            return outcome.clone();
        }
        let outcome = token.check_key(&self.uri).await;
        *checked = Some((Instant::now(), outcome.clone()));
        outcome
    }
}

impl Signer for Pkcs11Signer {
    fn signature_len(&self) -> usize {
        match self.algorithm {
            SigningAlgorithm::EdDsa | SigningAlgorithm::Ed25519 | SigningAlgorithm::Es256 => 64,
            SigningAlgorithm::Rs256 | SigningAlgorithm::Ps256 => 256,
        }
    }

    fn sign<'a>(&'a self, message: &'a [u8]) -> Answer<'a, Vec<u8>> {
        Either::Right(self.signed(message).map(|signed| Ok(signed?)).boxed())
    }

    fn check(&self) -> Answer<'_, ()> {
        Either::Right(self.is_there().map(|there| Ok(there?)).boxed())
    }
}

impl fmt::Debug for Pkcs11Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pkcs11Signer({})", self.uri)
    }
}
