//! The keys that tokens are made with, and everything together that checks make tokens of.

use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::CommandError;
use super::super::output::time;
use super::super::shell::Workplace;
use super::material::{Keys, Material, NotPossible, with};
use super::parties::Parties;
use crate::config;
use crate::domain::key_state::KeyState;
use crate::domain::signing_key::StoredSigningKey;
use crate::flows::keys::LoadedKeys;
use crate::jose::forge::{self, Hand, Parts};
use crate::jose::{KeyRing, SigningKey};
use crate::oauth::signing_algorithm::SigningAlgorithm;

/// The keys of the issuer that a trial uses.
pub struct IssuersKeys<'a> {
    signing: &'a SigningKey,
    public_jwk: Value,
    algorithm: SigningAlgorithm,
    announced: Result<&'a SigningKey, NotPossible>,
    withdrawn: Result<SigningKey, NotPossible>,
    other: Option<&'a SigningKey>,
}

impl<'a> IssuersKeys<'a> {
    /// Those beside the key that signed the token of these parts.
    ///
    /// # Errors
    /// When there is no such key any more, or `withdrawn_key` is no file with a private JWK of its algorithm.
    pub fn around(
        good: &Parts,
        loaded: &'a LoadedKeys,
        withdrawn_key: Option<&Path>,
        settings: &config::Keys,
        now: DateTime<Utc>,
    ) -> Result<Self, CommandError> {
        let ring = &loaded.ring;
        let kid = good.header["kid"].as_str().unwrap_or_default();
        let unknown = || {
            CommandError::new(
                "keys",
                "the key that signs was replaced in this moment: try again",
            )
        };
        let stored = ring.keys().find(|key| key.kid == kid).ok_or_else(unknown)?;
        // Caches stack: one may have fetched the JWKS just before a change, from another that did so too.
        let cached =
            TimeDelta::from_std(2 * settings.jwks_max_age + settings.clock_skew).unwrap_or(TimeDelta::MAX);
        let withdrawn_key = withdrawn_key
            .map(|file| read_key(file, stored.algorithm))
            .transpose()?;
        Ok(Self {
            signing: ring.private_key(kid).ok_or_else(unknown)?,
            public_jwk: stored.public_jwk.clone(),
            algorithm: stored.algorithm,
            announced: announced(ring, stored, cached, now),
            withdrawn: withdrawn(ring, withdrawn_key, cached, now),
            other: ring
                .keys()
                .filter(|key| key.public_jwk["kty"] != stored.public_jwk["kty"])
                .filter(|key| key.state(now) == KeyState::Signing)
                .find_map(|key| ring.private_key(&key.kid)),
        })
    }
}

/// The key that signs next, if every cache that knows `signing` must know it too.
fn announced<'a>(
    ring: &'a KeyRing,
    signing: &StoredSigningKey,
    cached: TimeDelta,
    now: DateTime<Utc>,
) -> Result<&'a SigningKey, NotPossible> {
    let next = ring
        .keys()
        .filter(|key| key.algorithm == signing.algorithm && key.state(now) == KeyState::Announced)
        .min_by_key(|key| (key.published_at, &key.kid))
        .ok_or_else(|| NotPossible("no key is announced".to_owned()))?;
    let known_from = next.published_at + cached;
    if next.published_at > signing.published_at && now < known_from {
        return Err(NotPossible(format!(
            "the announced key is new: caches may not know it before {}",
            time(known_from)
        )));
    }
    ring.private_key(&next.kid)
        .ok_or_else(|| NotPossible("the announced key cannot be used here".to_owned()))
}

/// The key of a file, if no cache may believe it any more.
fn withdrawn(
    ring: &KeyRing,
    key: Option<SigningKey>,
    cached: TimeDelta,
    now: DateTime<Utc>,
) -> Result<SigningKey, NotPossible> {
    let Some(key) = key else {
        // The private part of a key that left the JWKS is deleted with it.
        return Err(NotPossible(
            "name the private JWK of a key that left the JWKS: --withdrawn-key FILE".to_owned(),
        ));
    };
    let Some(stored) = ring.keys().find(|stored| stored.kid == key.kid()) else {
        return Ok(key);
    };
    if stored.state(now).is_published() {
        return Err(NotPossible(
            "the key of --withdrawn-key stands in the JWKS".to_owned(),
        ));
    }
    match stored
        .compromised_at
        .or(stored.retired_at)
        .map(|left| left + cached)
    {
        Some(forgotten) if now < forgotten => Err(NotPossible(format!(
            "the key of --withdrawn-key has only left the JWKS: caches may believe it until {}",
            time(forgotten)
        ))),
        _ => Ok(key),
    }
}

/// The private JWK of a file.
fn read_key(file: &Path, algorithm: SigningAlgorithm) -> Result<SigningKey, CommandError> {
    let wrong = |reason: String| {
        CommandError::new("invalid_key", format!("{}: {reason}", file.display())).hint(format!(
            "it is the private JWK of an {} key, as the API's tokens are signed with",
            algorithm.as_str()
        ))
    };
    let json = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    forge::read_key(&Zeroizing::new(json), algorithm).map_err(|error| wrong(error.to_string()))
}

/// What a trial needs of the stranger.
pub struct Stranger {
    /// The private key.
    pub key: SigningKey,
    /// The public key.
    pub jwk: Value,
    /// A certificate that the stranger made out to itself, as `x5c` has it.
    certificate: String,
}

impl Stranger {
    /// Somebody whom the issuer does not know.
    ///
    /// # Errors
    /// When OpenSSL fails.
    pub fn new(keys: &IssuersKeys<'_>, place: &Workplace, now: DateTime<Utc>) -> Result<Self, CommandError> {
        let (new, key) = forge::stranger(keys.algorithm, place.random)
            .map_err(|error| CommandError::caused("internal", &error))?;
        let jwk = serde_json::to_value(&new.public_jwk).expect("texts alone always serialise");
        let certificate =
            forge::certificate(&new, now).map_err(|error| CommandError::caused("internal", &error))?;
        Ok(Self {
            key,
            jwk,
            certificate,
        })
    }
}

/// Everything together. `good` is what the token endpoint gives; a user who was named is put into it.
///
/// # Errors
/// When something cannot be signed.
pub async fn material<'a>(
    place: &'a Workplace,
    parties: Parties,
    good: Parts,
    issuers: IssuersKeys<'a>,
    stranger: Stranger,
    lure: &str,
    now: DateTime<Utc>,
) -> Result<(Material<'a>, Keys<'a>), CommandError> {
    let internal = |error: &(dyn std::error::Error + 'static)| CommandError::caused("internal", error);
    let payload = with(&good.payload, parties.about_the_user());
    let hand = Hand::Key(issuers.signing);
    let (head, body) = (good.header.to_string(), payload.to_string());
    let good_text = forge::write(head.as_bytes(), body.as_bytes(), hand)
        .await
        .map_err(|error| internal(&error))?;
    let signature = forge::read(&good_text)
        .map_err(|error| internal(&error))?
        .signature;
    let encodings = forge::encodings(&issuers.public_jwk).map_err(|error| internal(&error))?;
    let material = Material {
        now,
        issuer: place.config.issuer.clone(),
        audiences: parties.audiences,
        header: good.header,
        payload,
        good_text,
        signature,
        public_key_encodings: encodings,
        announced: issuers
            .announced
            .as_ref()
            .map(|key| key.kid().to_owned())
            .map_err(Clone::clone),
        withdrawn: issuers
            .withdrawn
            .as_ref()
            .map(|key| key.kid().to_owned())
            .map_err(Clone::clone),
        other_kid: issuers.other.map(|key| key.kid().to_owned()),
        stranger_jwk: stranger.jwk,
        stranger_certificate: stranger.certificate,
        lure: lure.to_owned(),
        random: place.random,
    };
    let keys = Keys {
        signing: issuers.signing,
        announced: issuers.announced.ok(),
        withdrawn: issuers.withdrawn.ok(),
        other: issuers.other,
        stranger: stranger.key,
    };
    Ok((material, keys))
}
