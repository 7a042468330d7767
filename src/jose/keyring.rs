//! All keys of the issuer, unwrapped and ready. Made from the stored rows in one go and never changed: who
//! signs and what is published follows from the stored times, so that all nodes agree.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use josekit::jws::JwsVerifier;

use super::pkcs11::{self, InvalidPkcs11Uri, Pkcs11Signer, Pkcs11Token, Pkcs11Uri};
use super::signer::{LocalSigner, signer};
use super::verifier::{InvalidPublicKey, verifier};
use super::wrap::{self, MasterKey, WrapError};
use super::{JwksViews, PublicJwk, PublishedJwks, SignError, SigningKey};
use crate::domain::key_schedule::{KeyPolicy, KeySet};
use crate::domain::key_state::{KeyState, KeyTimes, in_charge};
use crate::domain::signing_choice::signing_algorithms;
use crate::domain::signing_key::StoredSigningKey;
use crate::oauth::signing_algorithm::{AlgorithmSet, SigningAlgorithm};

/// The place that a signing key is wrapped for.
pub fn signing_key_place(kid: &str) -> String {
    format!("signing_key/{kid}")
}

/// The keys of the issuer.
pub struct KeyRing {
    keys: HashMap<String, RingKey>,
    /// The JWKS and from when it holds; the first holds before its time too.
    published: Vec<(DateTime<Utc>, JwksViews)>,
    policy: KeyPolicy,
    /// When the next published key may leave.
    next_departure: Option<DateTime<Utc>>,
    /// Whether a key lacks its master key.
    locked: bool,
}

/// One key of the ring, to verify with.
pub struct RingKey {
    stored: StoredSigningKey,
    times: KeyTimes,
    verifier: Box<dyn JwsVerifier>,
    signing: Option<Arc<SigningKey>>,
}

impl RingKey {
    /// The one algorithm of the key.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.stored.algorithm
    }

    /// Where the key stands at `now`.
    pub fn state(&self, now: DateTime<Utc>) -> KeyState {
        self.times.state(now)
    }

    /// Whether `signature` is this key's over `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify(message, signature).is_ok()
    }
}

impl KeyRing {
    /// Opens all keys. The private part is opened of those alone that sign at `now` or may sign later, so
    /// that a key whose work is done needs no master key any more. Those that rest in a token are opened
    /// whether or not the token is there: see [`unusable`](Self::unusable).
    ///
    /// # Errors
    /// When a private key cannot be opened, is not the one of its public key, or a public key is none.
    pub fn open(
        keys: Vec<StoredSigningKey>,
        masters: &[MasterKey],
        token: Option<&Pkcs11Token>,
        policy: &KeyPolicy,
        now: DateTime<Utc>,
    ) -> Result<Self, KeyringError> {
        Self::open_all(keys, masters, token, policy, None, now)
    }

    /// Opens the keys of a later revision. What `before` has opened stays open, and what no master key opens is
    /// [unusable](Self::unusable): a node that lacks a new master key goes on publishing and verifying.
    ///
    /// # Errors
    /// When a private key is not the one of its public key, or a public key is none.
    pub fn reopen(
        &self,
        keys: Vec<StoredSigningKey>,
        masters: &[MasterKey],
        token: Option<&Pkcs11Token>,
        now: DateTime<Utc>,
    ) -> Result<Self, KeyringError> {
        Self::open_all(keys, masters, token, &self.policy, Some(self), now)
    }

    fn open_all(
        keys: Vec<StoredSigningKey>,
        masters: &[MasterKey],
        token: Option<&Pkcs11Token>,
        policy: &KeyPolicy,
        before: Option<&Self>,
        now: DateTime<Utc>,
    ) -> Result<Self, KeyringError> {
        let mut opened = HashMap::with_capacity(keys.len());
        let mut public = Vec::with_capacity(keys.len());
        let mut is_locked = false;
        for stored in keys {
            let kid = stored.kid.clone();
            let (key, jwk) =
                open_key(stored, masters, token, before, now).map_err(|reason| KeyringError {
                    kid: kid.clone(),
                    reason,
                })?;
            is_locked |= key.signing.as_ref().is_some_and(|signing| signing.is_locked());
            public.push((key.stored.clone(), jwk));
            opened.insert(kid, key);
        }
        let times = opened.values().map(|key: &RingKey| key.times.clone()).collect();
        Ok(Self {
            keys: opened,
            published: timeline(public, now),
            policy: *policy,
            next_departure: KeySet::new(times).next_departure(policy),
            locked: is_locked,
        })
    }

    /// The key that signs with `algorithm` at `now`, by the stored times alone: see [`in_charge`].
    pub fn signing_key(&self, algorithm: SigningAlgorithm, now: DateTime<Utc>) -> Option<&SigningKey> {
        let candidates = self.keys.values().filter_map(|key| {
            let state = key.state(now);
            let signs = matches!(state, KeyState::Announced | KeyState::Signing);
            let signing_at = key.stored.signing_at?;
            (signs && key.algorithm() == algorithm).then_some((signing_at, &*key.stored.kid))
        });
        self.keys[in_charge(candidates, self.policy.clock_skew, now)?]
            .signing
            .as_deref()
    }

    /// The algorithms of which a key signs at `now`: what a client or an audience may choose. Stricter than
    /// [`signing_key`](Self::signing_key), which has patience with a clock that is behind; see
    /// [`signing_algorithms`].
    pub fn signing_algorithms(&self, now: DateTime<Utc>) -> AlgorithmSet {
        signing_algorithms(self.keys(), now)
    }

    /// The key with exactly this `kid`, whatever its state.
    pub fn verifier(&self, kid: &str) -> Option<&RingKey> {
        self.keys.get(kid)
    }

    /// The private part of the key with this `kid`, if it signs or may sign later.
    pub fn private_key(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.get(kid)?.signing.as_deref()
    }

    /// The JWKS at `now`.
    pub fn jwks(&self, now: DateTime<Utc>) -> &PublishedJwks {
        self.views(now).whole()
    }

    /// The keys of `algorithms` alone out of the JWKS at `now`, for a verifier that stops at keys of a kind that
    /// it does not know.
    pub fn jwks_view(&self, algorithms: AlgorithmSet, now: DateTime<Utc>) -> &PublishedJwks {
        self.views(now).of(algorithms)
    }

    fn views(&self, now: DateTime<Utc>) -> &JwksViews {
        let later = self.published.partition_point(|(from, _)| *from <= now);
        &self.published[later.saturating_sub(1)].1
    }

    /// For how long a cache may keep the JWKS that it gets at `now`: `keys.jwks_max_age`, or until the next key may
    /// leave if that is earlier.
    pub fn jwks_max_age(&self, now: DateTime<Utc>) -> TimeDelta {
        let until = self.next_departure.map(|time| time - now);
        let coming = until.filter(|until| *until > TimeDelta::zero());
        coming.map_or(self.policy.jwks_max_age, |until| {
            until.min(self.policy.jwks_max_age)
        })
    }

    /// Whether a key that is to sign lacks its master key: reading those again may help.
    pub const fn is_locked(&self) -> bool {
        self.locked
    }

    /// The private part of the very key that is stored, if it is open here.
    fn opened(&self, stored: &StoredSigningKey) -> Option<Arc<SigningKey>> {
        let key = self.keys.get(&stored.kid)?;
        (key.stored.public_jwk == stored.public_jwk)
            .then(|| key.signing.clone())
            .flatten()
    }

    /// The keys that sign, or may sign later, and that cannot at present: the token that has them is away or has
    /// them no more, or their master key is not here. Asks the token.
    pub async fn unusable(&self) -> Vec<UnusableKey> {
        let asked = self.keys.values().filter_map(|key| {
            let signing = key.signing.as_ref()?;
            Some(async move {
                let reason = signing.check().await.err()?;
                Some(UnusableKey {
                    kid: signing.kid().to_owned(),
                    reason,
                })
            })
        });
        // At once: a token that does not answer is waited for one time.
        let mut unusable: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        unusable.sort_by(|a, b| a.kid.cmp(&b.kid));
        unusable
    }

    /// Every key, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &StoredSigningKey> {
        self.keys.values().map(|key| &key.stored)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

fn open_key(
    stored: StoredSigningKey,
    masters: &[MasterKey],
    token: Option<&Pkcs11Token>,
    before: Option<&KeyRing>,
    now: DateTime<Utc>,
) -> Result<(RingKey, PublicJwk), KeyFault> {
    let key = serde_json::from_value(stored.public_jwk.clone()).map_err(|_| InvalidPublicKey)?;
    let jwk = PublicJwk::named(stored.kid.clone(), key, stored.algorithm);
    let verifier = verifier(stored.algorithm, &jwk.key)?;
    let signs = matches!(stored.state(now), KeyState::Announced | KeyState::Signing);
    let signing = if signs {
        Some(match open(&stored, masters, token, &*verifier) {
            Ok(key) => Arc::new(key),
            Err(KeyFault::Wrap(WrapError::MasterKey { needed, .. })) if before.is_some() => before
                .and_then(|before| before.opened(&stored))
                .unwrap_or_else(|| Arc::new(locked(&stored, needed))),
            Err(fault) => return Err(fault),
        })
    } else {
        None
    };
    let key = RingKey {
        times: stored.times(),
        stored,
        verifier,
        signing,
    };
    Ok((key, jwk))
}

fn open(
    stored: &StoredSigningKey,
    masters: &[MasterKey],
    token: Option<&Pkcs11Token>,
    verifier: &dyn JwsVerifier,
) -> Result<SigningKey, KeyFault> {
    if stored.location.starts_with(pkcs11::SCHEME) {
        open_in_token(stored, token, verifier)
    } else {
        open_private(stored, masters, verifier)
    }
}

fn locked(stored: &StoredSigningKey, needed: String) -> SigningKey {
    SigningKey::locked(&stored.kid, stored.algorithm, needed)
}

/// Opens the private part and tries it: a private key beside another's public key would make tokens that
/// everyone refuses.
fn open_private(
    stored: &StoredSigningKey,
    masters: &[MasterKey],
    verifier: &dyn JwsVerifier,
) -> Result<SigningKey, KeyFault> {
    let wrapped = stored.wrapped.as_deref().ok_or(KeyFault::NoPrivateKey)?;
    let place = signing_key_place(&stored.kid);
    let private = wrap::unwrap(masters, &stored.master_key, wrapped, &place)?;
    let signer = signer(stored.algorithm, &private).map_err(|_| KeyFault::PrivateKey)?;
    let probe = b"signet: does the private key belong to the public one?";
    let signature = signer.sign(probe).map_err(|_| KeyFault::PrivateKey)?;
    verifier
        .verify(probe, &signature)
        .map_err(|_| KeyFault::PrivateKey)?;
    let signer = Box::new(LocalSigner(signer));
    Ok(SigningKey::new(&stored.kid, stored.algorithm, signer))
}

/// A key that rests in a token. It is not tried here, since the token may be away; its signatures are.
fn open_in_token(
    stored: &StoredSigningKey,
    token: Option<&Pkcs11Token>,
    verifier: &dyn JwsVerifier,
) -> Result<SigningKey, KeyFault> {
    let uri = Pkcs11Uri::parse(&stored.location)?;
    let signer = Pkcs11Signer::new(token.cloned(), uri, stored.algorithm, verifier.box_clone());
    Ok(SigningKey::new(&stored.kid, stored.algorithm, Box::new(signer)))
}

/// The JWKS for every stretch of time from `now` on: it changes when a key retires, and at no other time
/// without a change of the rows. Keys stand in the order of their publication.
fn timeline(
    mut keys: Vec<(StoredSigningKey, PublicJwk)>,
    now: DateTime<Utc>,
) -> Vec<(DateTime<Utc>, JwksViews)> {
    keys.sort_by(|(a, _), (b, _)| (a.published_at, &a.kid).cmp(&(b.published_at, &b.kid)));
    let mut changes: Vec<_> = keys
        .iter()
        .filter_map(|(key, _)| key.retired_at)
        .filter(|time| *time > now)
        .chain([now])
        .collect();
    changes.sort_unstable();
    changes.dedup();
    let document = |time| {
        let published = keys
            .iter()
            .filter(|(key, _)| key.state(time).is_published())
            .map(|(_, jwk)| jwk.clone())
            .collect();
        (time, JwksViews::new(published))
    };
    changes.into_iter().map(document).collect()
}

/// A key of the ring could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("the signing key {kid} cannot be used: {reason}")]
pub struct KeyringError {
    /// The key.
    pub kid: String,
    /// Why not.
    #[source]
    pub reason: KeyFault,
}

/// A key that cannot sign at present.
#[derive(Debug, thiserror::Error)]
#[error("the signing key {kid} cannot sign: {reason}")]
pub struct UnusableKey {
    /// The key.
    pub kid: String,
    /// Why not.
    pub reason: SignError,
}

/// Why a key could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The private key cannot be decrypted; [`WrapError::MasterKey`] names the master key that is needed.
    #[error(transparent)]
    Wrap(#[from] WrapError),
    /// The public key is none of its algorithm.
    #[error(transparent)]
    PublicKey(#[from] InvalidPublicKey),
    /// The row of a key that is to sign has no private key.
    #[error("its private key is not in the database")]
    NoPrivateKey,
    /// The stored location names no key in a token.
    #[error("its location is of no use: {0}")]
    Location(#[from] InvalidPkcs11Uri),
    /// The private key is not the one of the public key.
    #[error("its private key is not the one of its public key")]
    PrivateKey,
}

#[cfg(test)]
pub(super) mod tests;
