//! The metadata document as bytes, made once a revision of the registry.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::flows::discovery;
use crate::flows::provider::Provider;

/// The document as it is sent.
#[derive(Debug)]
pub struct Document {
    revision: i64,
    /// The JSON.
    pub body: Bytes,
    /// Its strong entity tag, quotes included (RFC 9110 §8.8.3).
    pub etag: String,
}

/// The last document that was made.
#[derive(Debug, Default)]
pub struct MetadataCache(ArcSwapOption<Document>);

impl MetadataCache {
    /// The document of the present revision.
    pub fn present(&self, provider: &Provider) -> Arc<Document> {
        let revision = provider.registry.revision();
        if let Some(known) = self.0.load_full().filter(|known| known.revision == revision) {
            return known;
        }
        let body = Bytes::from(discovery::document(provider));
        let etag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(Sha256::digest(&body)));
        let made = Arc::new(Document { revision, body, etag });
        self.0.store(Some(made.clone()));
        made
    }
}
