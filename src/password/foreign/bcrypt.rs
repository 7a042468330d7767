//! bcrypt, in the form that every implementation writes: `$2b$12$` and 53 characters.

use base64::Engine;
use base64::alphabet;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::UnusableHash;

/// The greatest cost: each step doubles the time, and this one takes some seconds.
const MAX_COST: u32 = 15;
const MIN_COST: u32 = 4;
/// The bytes of a password that bcrypt looks at, its closing zero included.
const LOOKED_AT: usize = 72;

const BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// A hash.
#[derive(Debug, PartialEq, Eq)]
pub struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    hash: [u8; 23],
}

impl Bcrypt {
    /// Reads a hash. `2a`, `2b` and `2y` are names of the same thing; `2x` is that of an error that was made once.
    pub fn parse(text: &str) -> Result<Self, UnusableHash> {
        Self::read(text)
            .ok_or(UnusableHash::Malformed("bcrypt"))
            .and_then(|hash| {
                if hash.cost > MAX_COST {
                    return Err(UnusableHash::TooDear("bcrypt"));
                }
                Ok(hash)
            })
    }

    fn read(text: &str) -> Option<Self> {
        let text = ["$2a$", "$2b$", "$2y$"]
            .into_iter()
            .find_map(|prefix| text.strip_prefix(prefix))?;
        let (cost, rest) = text.split_once('$')?;
        let digits = cost.len() == 2 && cost.bytes().all(|byte| byte.is_ascii_digit());
        let cost = cost.parse().ok().filter(|cost| digits && *cost >= MIN_COST)?;
        let (salt, hash) = rest.split_at_checked(22)?;
        let (salt, hash) = (BASE64.decode(salt).ok()?, BASE64.decode(hash).ok()?);
        Some(Self {
            cost,
            salt: salt.try_into().ok()?,
            hash: hash.try_into().ok()?,
        })
    }

    /// Whether it is that of a password. A long password is cut, as everybody does.
    pub fn is_of(&self, password: &str) -> bool {
        let mut text = Zeroizing::new([0; LOOKED_AT]);
        let length = password.len().min(LOOKED_AT);
        text[..length].copy_from_slice(&password.as_bytes()[..length]);
        let used = (length + 1).min(LOOKED_AT);
        let made = ::bcrypt::bcrypt(self.cost, self.salt, &text[..used]);
        made[..23].ct_eq(&self.hash).into()
    }
}
