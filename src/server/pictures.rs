//! The operator's pictures: the logo, and those on the buttons of other providers.

use std::path::Path;

use bytes::Bytes;

use super::ServerError;
use crate::http::pages::assets::Logo;

/// The largest logo in bytes: every page loads it.
const MAX_LOGO: u64 = 512 * 1024;

/// A picture of the operator's.
///
/// # Errors
/// When it is none.
pub(super) fn read_logo(path: &Path) -> Result<Logo, ServerError> {
    let wrong = |reason: String| ServerError::Logo {
        path: path.to_owned(),
        reason,
    };
    let unreadable = |error| wrong(format!("cannot be read: {error}"));
    if path.metadata().map_err(unreadable)?.len() > MAX_LOGO {
        return Err(wrong(format!("is larger than {} KiB", MAX_LOGO / 1024)));
    }
    let bytes = std::fs::read(path).map_err(unreadable)?;
    Logo::recognise(Bytes::from(bytes)).ok_or_else(|| wrong("is no picture that browsers show".to_owned()))
}
