//! Where the private part of a new signing key comes to rest: in the database, wrapped with a master key, or in a
//! PKCS#11 token, which never lets it out.

use chrono::{DateTime, TimeDelta, Utc};

use super::KeysError;
use crate::domain::signing_key::StoredSigningKey;
use crate::jose::pkcs11::{Pkcs11Error, Pkcs11Token, Pkcs11Uri};
use crate::jose::wrap::MasterKey;
use crate::jose::{self, PublicJwk, Seed};
use crate::oauth::signing_algorithm::SigningAlgorithm;
use crate::random::Random;

/// The `location` of a key that rests in the database.
pub(super) const DATABASE: &str = "database";

/// Where new signing keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KeyLocation {
    /// In this process; they rest in the database.
    #[default]
    Database,
    /// In the token.
    Pkcs11,
}

/// What makes signing keys.
#[derive(Debug, Clone, Copy)]
pub struct KeyMaker<'a> {
    /// Where they are made.
    pub location: KeyLocation,
    /// The master keys; those that rest in the database are wrapped with the first.
    pub masters: &'a [MasterKey],
    /// The token.
    pub pkcs11: Option<&'a Pkcs11Token>,
    /// Randomness.
    pub random: &'a dyn Random,
}

/// A signing key that is at its place, and that nobody knows of yet. Either its row is stored, or it is
/// [discarded](KeyMaker::discard).
#[derive(Debug)]
pub struct NewSigningKey {
    public_jwk: PublicJwk,
    wrapped: Option<String>,
    master_key: String,
    location: String,
}

impl NewSigningKey {
    /// What it signs with.
    pub const fn algorithm(&self) -> SigningAlgorithm {
        self.public_jwk.alg
    }

    /// Its name.
    pub fn kid(&self) -> &str {
        &self.public_jwk.kid
    }

    /// Its row, published at `now`.
    pub fn row(&self, max_lifetime: TimeDelta, now: DateTime<Utc>) -> StoredSigningKey {
        StoredSigningKey {
            kid: self.public_jwk.kid.clone(),
            algorithm: self.algorithm(),
            public_jwk: serde_json::to_value(&self.public_jwk).expect("texts alone always serialise"),
            wrapped: self.wrapped.clone(),
            master_key: self.master_key.clone(),
            location: self.location.clone(),
            max_lifetime,
            published_at: now,
            signing_at: None,
            draining_at: None,
            retired_at: None,
            compromised_at: None,
        }
    }
}

impl KeyMaker<'_> {
    /// New keys of these algorithms, in their order. Takes a good part of a second for an RSA key, and longer in
    /// a small device: do it outside transactions.
    ///
    /// # Errors
    /// When there is no master key, OpenSSL fails, or the token is away or cannot make such a key. Then none is
    /// left behind.
    pub async fn make(&self, wanted: Vec<SigningAlgorithm>) -> Result<Vec<NewSigningKey>, KeysError> {
        match self.location {
            KeyLocation::Database => self.make_here(wanted).await,
            KeyLocation::Pkcs11 => self.make_in_token(wanted).await,
        }
    }

    async fn make_here(&self, wanted: Vec<SigningAlgorithm>) -> Result<Vec<NewSigningKey>, KeysError> {
        let master = self.masters.first().ok_or(KeysError::NoMasterKey)?;
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|algorithm| (algorithm, Seed::draw(self.random)))
            .collect();
        let made = tokio::task::spawn_blocking(move || {
            let made = wanted
                .iter()
                .map(|(algorithm, seed)| jose::generate(*algorithm, seed));
            made.collect::<Result<Vec<_>, _>>()
        });
        let made = made.await.expect("making a key neither panics nor is aborted")?;
        let wrapped = made.into_iter().map(|new| {
            let place = jose::signing_key_place(&new.public_jwk.kid);
            let wrapped = master.wrap(&new.private_jwk, &place).map_err(KeysError::Wrap)?;
            Ok(NewSigningKey {
                public_jwk: new.public_jwk,
                wrapped: Some(wrapped),
                master_key: master.fingerprint(),
                location: DATABASE.to_owned(),
            })
        });
        wrapped.collect()
    }

    /// No master key opens such a key, so its row names none.
    async fn make_in_token(&self, wanted: Vec<SigningAlgorithm>) -> Result<Vec<NewSigningKey>, KeysError> {
        let token = self.pkcs11.ok_or(Pkcs11Error::NotConfigured)?;
        let mut made = Vec::with_capacity(wanted.len());
        for algorithm in wanted {
            match token.generate(algorithm, self.random).await {
                Ok((uri, key)) => made.push(NewSigningKey {
                    public_jwk: PublicJwk::new(key, algorithm),
                    wrapped: None,
                    master_key: String::new(),
                    location: uri.to_string(),
                }),
                Err(error) => {
                    self.discard(&made).await;
                    return Err(error.into());
                }
            }
        }
        Ok(made)
    }

    /// Destroys keys that no row will name: in a token they would stay for ever. One that cannot be destroyed is
    /// told, and harms nobody.
    pub async fn discard(&self, unused: &[NewSigningKey]) {
        let Some(token) = self.pkcs11 else {
            return;
        };
        for key in unused {
            let Ok(uri) = Pkcs11Uri::parse(&key.location) else {
                continue;
            };
            if let Err(error) = token.destroy(&uri).await {
                tracing::warn!(error = %error, key.location = key.location, "an unused key stays in the PKCS#11 token");
            }
        }
    }
}
