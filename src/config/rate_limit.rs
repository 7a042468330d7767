//! `[rate_limit]`

use super::reader::Reader;

/// Whether anybody is ever told to wait.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// `false` turns every limit off, those of mail and accounts too.
    pub enabled: bool,
}

impl RateLimit {
    pub(super) fn read(reader: &mut Reader) -> Self {
        Self {
            enabled: reader.value("rate_limit.enabled", "true"),
        }
    }
}
