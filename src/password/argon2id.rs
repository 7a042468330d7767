//! Argon2 (RFC 9106): new hashes are argon2id version 0x13, stored ones may be of any variant and version
//! within [`HashParams::MOST`].

use argon2::password_hash::phc::{self, Output, ParamsString, Salt};
use argon2::{ARGON2ID_IDENT, Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq;

use super::foreign::UnusableHash;
use super::memory::{Memory, OutOfMemory};
use super::{HashParams, Verification};
use crate::domain::password::{Password, PasswordHash};

/// The bytes of a new hash.
const OUTPUT: usize = 32;

/// How passwords are hashed at present.
#[derive(Clone)]
pub(super) struct Argon2id {
    present: Params,
}

impl Argon2id {
    /// `None` if the parameters are out of their bounds.
    pub(super) fn new(params: HashParams) -> Option<Self> {
        let HashParams {
            memory_kib,
            iterations,
            parallelism,
        } = params;
        let present = Params::new(memory_kib, iterations, parallelism, Some(OUTPUT)).ok()?;
        is_within_bounds(&present).then_some(Self { present })
    }

    /// The working memory that a present hash takes, in blocks of 1 KiB.
    pub(super) const fn block_count(&self) -> usize {
        self.present.block_count()
    }

    pub(super) fn hash(
        &self,
        memory: &mut Memory,
        password: &Password,
        salt: &[u8],
    ) -> Result<PasswordHash, OutOfMemory> {
        let mut output = [0; OUTPUT];
        memory.derive(&self.argon2(), password.expose(), salt, &mut output)?;
        let hash = phc::PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.present).expect("three numbers fit"),
            salt: Some(Salt::new(salt).expect("16 bytes are a salt")),
            hash: Some(Output::new(&output).expect("32 bytes are an output")),
        };
        Ok(PasswordHash::from_stored(hash.to_string()))
    }

    pub(super) fn verify(
        &self,
        memory: &mut Memory,
        password: &Password,
        stored: Option<&PasswordHash>,
    ) -> Result<Verification, OutOfMemory> {
        let stored = stored.and_then(|hash| {
            Stored::read(hash)
                .inspect_err(|error| tracing::error!(%error, "a stored password hash cannot be verified"))
                .ok()
        });
        let Some(stored) = stored else {
            // As much work as for a hash of today, so that the time does not tell who has an account.
            let mut output = [0; OUTPUT];
            memory.derive(&self.argon2(), password.expose(), &[0; 16], &mut output)?;
            return Ok(Verification::Wrong);
        };
        let outdated = stored.algorithm != Algorithm::Argon2id
            || stored.version != Version::V0x13
            || stored.params != self.present;
        let mut right = stored.is_of(memory, password.expose())?;
        // Others may have hashed what was typed.
        if let (false, true, Some(typed)) = (right, outdated, password.expose_typed()) {
            right = stored.is_of(memory, typed)?;
        }
        Ok(if right {
            Verification::Right { outdated }
        } else {
            Verification::Wrong
        })
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(Algorithm::Argon2id, Version::V0x13, self.present.clone())
    }
}

/// A stored hash that can be verified.
struct Stored {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Stored {
    fn read(hash: &PasswordHash) -> Result<Self, Unusable> {
        let hash = phc::PasswordHash::new(hash.as_str()).map_err(|_| Unusable::Foreign)?;
        let algorithm = Algorithm::new(hash.algorithm).map_err(|_| Unusable::Foreign)?;
        // The format had no version field before there was a second version.
        let version = hash.version.unwrap_or(Version::V0x10.into());
        let version = Version::try_from(version).map_err(|_| Unusable::Foreign)?;
        let params = Params::try_from(&hash).map_err(|_| Unusable::Foreign)?;
        if !is_within_bounds(&params) {
            return Err(Unusable::Unaffordable {
                memory_kib: params.m_cost(),
                iterations: params.t_cost(),
                parallelism: params.p_cost(),
            });
        }
        let (Some(salt), Some(output)) = (hash.salt, hash.hash) else {
            return Err(Unusable::Foreign);
        };
        Ok(Self {
            algorithm,
            version,
            params,
            salt,
            output,
        })
    }

    fn is_of(&self, memory: &mut Memory, password: &str) -> Result<bool, OutOfMemory> {
        let mut buffer = [0; Output::MAX_LENGTH];
        let output = &mut buffer[..self.output.len()];
        memory.derive(&self.argon2(), password, &self.salt, output)?;
        Ok(output.ct_eq(self.output.as_bytes()).into())
    }

    fn argon2(&self) -> Argon2<'static> {
        Argon2::new(self.algorithm, self.version, self.params.clone())
    }
}

/// Whether a hash of others can be taken over: with less than what the configuration allows, since nobody decided on
/// its cost here.
pub(super) fn is_acceptable(hash: &PasswordHash) -> Result<(), UnusableHash> {
    let stored = Stored::read(hash).map_err(|error| match error {
        Unusable::Foreign => UnusableHash::Malformed("argon2"),
        Unusable::Unaffordable { .. } => UnusableHash::TooDear("argon2"),
    })?;
    let (memory, passes) = (
        u64::from(stored.params.m_cost()),
        u64::from(stored.params.t_cost()),
    );
    if memory > MOST_IMPORTED_KIB || memory * passes > MOST_IMPORTED_FILLED_KIB {
        return Err(UnusableHash::TooDear("argon2"));
    }
    Ok(())
}

/// The most memory that an imported hash takes, in KiB.
const MOST_IMPORTED_KIB: u64 = 256 * 1024;
/// The most memory that an imported hash fills in all its passes, in KiB: a second's work or two.
const MOST_IMPORTED_FILLED_KIB: u64 = 1024 * 1024;

/// Why a stored hash is not verified. Nothing of the hash is in the text.
#[derive(Debug, thiserror::Error)]
enum Unusable {
    #[error("it is of no scheme that is known here, or malformed")]
    Foreign,
    #[error("m={memory_kib},t={iterations},p={parallelism} is beyond what is verified")]
    Unaffordable {
        memory_kib: u32,
        iterations: u32,
        parallelism: u32,
    },
}

/// A stored string names its own cost: `m=4194304` would take 4 GiB of whoever verifies it.
const fn is_within_bounds(params: &Params) -> bool {
    params.m_cost() <= HashParams::MOST.memory_kib
        && params.t_cost() <= HashParams::MOST.iterations
        && params.p_cost() <= HashParams::MOST.parallelism
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PHC: &str = "\\$argon2(i|d|id)(\\$v=(16|19|[0-9]{1,3}))?\\$m=[0-9]{1,11},t=[0-9]{1,11},p=[0-9]{1,9}\\$[A-Za-z0-9+/]{0,70}\\$[A-Za-z0-9+/]{0,90}";

    proptest! {
        /// What the database holds may have been written by others.
        #[test]
        fn a_stored_text_is_refused_or_affordable(text in prop_oneof!["\\PC{0,60}", PHC]) {
            if let Ok(stored) = Stored::read(&PasswordHash::from_stored(text)) {
                prop_assert!(is_within_bounds(&stored.params));
                prop_assert!(stored.salt.len() >= argon2::MIN_SALT_LEN);
                prop_assert!(stored.output.len() >= Params::MIN_OUTPUT_LEN);
            }
        }
    }

    #[test]
    fn why_a_hash_is_refused_tells_nothing_of_it() {
        let told = |text: &str| {
            Stored::read(&PasswordHash::from_stored(text))
                .err()
                .map(|error| error.to_string())
        };
        assert_eq!(
            told("$argon2id$v=19$m=1048577,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg").as_deref(),
            Some("m=1048577,t=1,p=1 is beyond what is verified")
        );
        assert_eq!(
            told("$2b$12$EixZaYVK1fsbw1ZfbX3OXe").as_deref(),
            Some("it is of no scheme that is known here, or malformed")
        );
        assert_eq!(
            told("$argon2id$v=19$m=1048576,t=64,p=16$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEg"),
            None
        );
    }
}
