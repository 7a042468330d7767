//! New keys, wrapped and ready to be stored.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use zeroize::Zeroizing;

use super::KeysError;
use crate::domain::mac::MacPurpose;
use crate::domain::signing_key::{StoredMacKey, StoredSigningKey};
use crate::jose::wrap::MasterKey;
use crate::jose::{self, NewKey, Seed};
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;

const LOCATION: &str = "database";

/// New signing keys of these algorithms, in their order. An RSA key takes a good part of a second.
pub(super) async fn signing_keys(
    wanted: Vec<SigningAlgorithm>,
    random: &dyn Random,
) -> Result<Vec<NewKey>, KeysError> {
    let wanted: Vec<_> = wanted
        .into_iter()
        .map(|algorithm| (algorithm, Seed::draw(random)))
        .collect();
    let made = tokio::task::spawn_blocking(move || {
        let made = wanted
            .iter()
            .map(|(algorithm, seed)| jose::generate(*algorithm, seed));
        made.collect::<Result<Vec<_>, _>>()
    });
    Ok(made.await.expect("making a key neither panics nor is aborted")?)
}

/// The row of a new signing key, published at `now`.
pub(super) fn signing_key_row(
    new: &NewKey,
    master: &MasterKey,
    max_lifetime: TimeDelta,
    now: DateTime<Utc>,
) -> Result<StoredSigningKey, KeysError> {
    let kid = new.public_jwk.kid.clone();
    let wrapped = master.wrap(&new.private_jwk, &jose::signing_key_place(&kid));
    Ok(StoredSigningKey {
        algorithm: new.algorithm,
        public_jwk: serde_json::to_value(&new.public_jwk).expect("texts alone always serialise"),
        wrapped: Some(wrapped.map_err(KeysError::Wrap)?),
        master_key: master.fingerprint(),
        location: LOCATION.to_owned(),
        max_lifetime,
        published_at: now,
        signing_at: None,
        draining_at: None,
        retired_at: None,
        compromised_at: None,
        kid,
    })
}

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
