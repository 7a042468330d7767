//! What rests encrypted: a provider's answer, an arrival that waits, a provider's tokens. The key is made of one that
//! the master key wraps and that is never retired.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::domain::secret::PlainToken;
use crate::flows::provider::Provider;
use crate::jose::wrap::{MasterKey, WrapError, open};

/// Encrypts for `place`, which names where it rests.
///
/// # Errors
/// When OpenSSL fails.
pub fn seal(provider: &Provider, place: &str, value: &impl Serialize) -> Result<String, WrapError> {
    let keys = provider.keys();
    let (_, key) = keys.mac.client_secret.current();
    let plain = zeroize::Zeroizing::new(serde_json::to_vec(value).expect("it is made of texts"));
    MasterKey::from_bytes(key.mac(PURPOSE, &[])).wrap(&plain, place)
}

/// Decrypts what was sealed for `place`. `None`, with a line in the log, if it is none of ours.
pub fn unseal<T: DeserializeOwned>(provider: &Provider, place: &str, sealed: &str) -> Option<T> {
    let keys = provider.keys();
    let opened: Vec<_> = keys
        .mac
        .client_secret
        .all()
        .map(|key| MasterKey::from_bytes(key.mac(PURPOSE, &[])))
        .collect();
    let plain = open(&opened, sealed, place);
    let read = plain.map(|plain| serde_json::from_slice(&plain).ok());
    read.unwrap_or_else(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "what was encrypted cannot be read"
        );
        None
    })
}

/// Where something rests of the attempt that has this state.
pub fn attempt_place(state: &PlainToken, what: &str) -> String {
    let row = URL_SAFE_NO_PAD.encode(state.hash().as_bytes());
    format!("federation_attempt/{row}/{what}")
}

const PURPOSE: &str = "signet/sealed/v1";
