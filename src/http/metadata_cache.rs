//! The metadata document as bytes, made once a revision of the registry and set of algorithms that sign.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::flows::discovery;
use crate::flows::provider::Provider;
use crate::oauth::signing_algorithm::AlgorithmSet;

/// The document as it is sent.
#[derive(Debug)]
pub struct Document {
    revision: i64,
    signing: AlgorithmSet,
    /// The JSON.
    pub body: Bytes,
    /// Its strong entity tag, quotes included (RFC 9110 §8.8.3).
    pub etag: String,
}

/// The last document that was made.
#[derive(Debug, Default)]
pub struct MetadataCache(ArcSwapOption<Document>);

impl MetadataCache {
    /// The document of the present revision and the keys of this moment.
    pub fn present(&self, provider: &Provider) -> Arc<Document> {
        let revision = provider.registry.revision();
        let signing = provider.keys().ring.signing_algorithms(provider.now());
        let present = |known: &Arc<Document>| (known.revision, known.signing) == (revision, signing);
        if let Some(known) = self.0.load_full().filter(present) {
            return known;
        }
        let body = Bytes::from(discovery::document(provider, signing));
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        let made = Arc::new(Document {
            revision,
            signing,
            body,
            etag,
        });
        self.0.store(Some(made.clone()));
        made
    }
}
