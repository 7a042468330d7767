//! New MAC keys, wrapped and ready to be stored. Signing keys are made in `location`.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use super::KeysError;
use crate::domain::mac::MacPurpose;
use crate::domain::signing_key::StoredMacKey;
use crate::jose::wrap::MasterKey;
use crate::random::Random;

/// The row of a new MAC key, published at `now`: 256 random bits. The cookie's key is their base64url, because
/// the cookie's format takes its key as text.
pub(super) fn mac_key_row(
    purpose: MacPurpose,
    version: i32,
    master: &MasterKey,
    max_lifetime: Option<TimeDelta>,
    random: &dyn Random,
    now: DateTime<Utc>,
) -> Result<StoredMacKey, KeysError> {
    let mut bytes = Zeroizing::new(vec![0; 32]);
    random.fill(&mut bytes);
    if purpose == MacPurpose::Cookie {
        bytes = Zeroizing::new(URL_SAFE_NO_PAD.encode(&*bytes).into_bytes());
    }
    let wrapped = master.wrap(&bytes, &mac_key_place(purpose, version));
    Ok(StoredMacKey {
        purpose,
        version,
        wrapped: wrapped.map_err(KeysError::Wrap)?,
        master_key: master.fingerprint(),
        max_lifetime,
        published_at: now,
        signing_at: None,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
    })
}

/// The place that a MAC key is wrapped for.
pub(super) fn mac_key_place(purpose: MacPurpose, version: i32) -> String {
    format!("mac_key/{}/{version}", purpose.as_str())
}
