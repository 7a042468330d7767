//! Refresh tokens: their form, and the life of their family as a pure function.
//!
//! A token is a MAC over family and serial, so it rests nowhere and a retry gives the same bytes. A family is
//! one row however often it refreshes; `storage/token_families.rs` does in one statement what
//! [`FamilyState::present`] says here, and a test compares the two over random histories.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::ids::FamilyId;
use super::mac::{MAC_LENGTH, MacKeys};
use super::secret::Secret;

/// What every refresh token starts with.
pub const REFRESH_TOKEN_PREFIX: &str = "signet_rt_";
const PURPOSE: &str = "signet/rt/v1";
const PAYLOAD: usize = 16 + 8 + 4;
const LENGTH: usize = PAYLOAD + MAC_LENGTH;
const ENCODED: usize = LENGTH * 4 / 3;

/// What a genuine refresh token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RefreshToken {
    /// The family that it belongs to.
    pub family: FamilyId,
    /// Its place in the family; grows at every mint.
    pub serial: i64,
    /// The version of the MAC key that made it.
    pub key_version: i32,
}

/// Why a text is no refresh token of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARefreshToken {
    /// Another length or alphabet, or a MAC that does not verify. Costs no query.
    #[error("the refresh token is malformed or forged")]
    Forged,
    /// Made under a key that this node has not loaded: reload the keys once, then refuse.
    #[error("the refresh token names a key version that is not loaded")]
    UnknownKeyVersion,
}

impl RefreshToken {
    /// Writes the token for its owner. `None` if its key version is not loaded.
    pub fn write(&self, issuer: &str, keys: &MacKeys) -> Option<Secret> {
        let key = keys.version(self.key_version)?;
        let payload = self.payload();
        let mut bytes = Zeroizing::new([0; LENGTH]);
        bytes[..PAYLOAD].copy_from_slice(&payload);
        bytes[PAYLOAD..].copy_from_slice(&key.mac(PURPOSE, &[issuer.as_bytes(), &payload]));
        Some(Secret::new(format!(
            "{REFRESH_TOKEN_PREFIX}{}",
            URL_SAFE_NO_PAD.encode(&bytes[..])
        )))
    }

    /// Reads what a client presented.
    ///
    /// # Errors
    /// See [`NotARefreshToken`].
    pub fn read(text: &str, issuer: &str, keys: &MacKeys) -> Result<Self, NotARefreshToken> {
        let encoded = text
            .strip_prefix(REFRESH_TOKEN_PREFIX)
            .ok_or(NotARefreshToken::Forged)?;
        let mut bytes = Zeroizing::new([0; LENGTH]);
        if encoded.len() != ENCODED || URL_SAFE_NO_PAD.decode_slice(encoded, &mut bytes[..]) != Ok(LENGTH) {
            return Err(NotARefreshToken::Forged);
        }
        let (payload, mac) = bytes.split_at(PAYLOAD);
        let (family, rest) = payload
            .split_first_chunk::<16>()
            .ok_or(NotARefreshToken::Forged)?;
        let (serial, rest) = rest.split_first_chunk::<8>().ok_or(NotARefreshToken::Forged)?;
        let (key_version, _) = rest.split_first_chunk::<4>().ok_or(NotARefreshToken::Forged)?;
        let key_version = i32::from_be_bytes(*key_version);
        let key = keys
            .version(key_version)
            .ok_or(NotARefreshToken::UnknownKeyVersion)?;
        if !key.verifies(PURPOSE, &[issuer.as_bytes(), payload], mac) {
            return Err(NotARefreshToken::Forged);
        }
        Ok(Self {
            family: FamilyId::from(Uuid::from_bytes(*family)),
            serial: i64::from_be_bytes(*serial),
            key_version,
        })
    }

    fn payload(&self) -> [u8; PAYLOAD] {
        let mut payload = [0; PAYLOAD];
        payload[..16].copy_from_slice(self.family.as_uuid().as_bytes());
        payload[16..24].copy_from_slice(&self.serial.to_be_bytes());
        payload[24..].copy_from_slice(&self.key_version.to_be_bytes());
        payload
    }
}

/// How long what lasts, for refresh tokens.
#[derive(Debug, Clone, Copy)]
pub struct RefreshPolicy {
    /// `tokens.refresh_retry_window`: how long a used token still answers with its successor.
    pub retry_window: TimeDelta,
    /// `tokens.refresh_recovery_window`: how long a token whose successor was never used may branch.
    pub recovery_window: TimeDelta,
    /// `tokens.refresh_token_idle_ttl`, since the last use.
    pub idle_ttl: TimeDelta,
    /// `tokens.refresh_token_ttl`, since the login.
    pub ttl: TimeDelta,
}

/// The columns of a family that a refresh reads or changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FamilyState {
    /// Whether a refresh makes a new token.
    pub rotates: bool,
    /// The serial of the newest token.
    pub head: i64,
    /// The serial that `head` replaced.
    pub prev: Option<i64>,
    /// Since when `prev` is replaced; a branch moves it.
    pub prev_at: Option<DateTime<Utc>>,
    /// When the head last advanced by its own use.
    pub advanced_at: Option<DateTime<Utc>>,
    /// The serial that `prev` replaced.
    pub prev2: Option<i64>,
    /// Since when `prev2` is replaced.
    pub prev2_at: Option<DateTime<Utc>>,
    /// When it ends for want of use.
    pub idle_expires_at: DateTime<Utc>,
    /// When it ends in any case.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
}

/// What became of a presented refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Row 0: no live family. `invalid_grant`.
    Refused,
    /// Row 1: the family does not rotate; the same token again.
    Same,
    /// Row 2: the successor.
    Advanced,
    /// Row 3: newer than the head: a failover lost a commit. `invalid_grant`, and someone must look.
    Ahead,
    /// Row 4: within the retry window; the head again.
    Retried,
    /// Row 5: the head was never used, so its answer was lost; a second branch, and the lost one is dead.
    Branched,
    /// Row 6: theft. The family has ended.
    Theft,
}

impl Rotation {
    /// The outcome as metrics and logs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Same => "same",
            Self::Advanced => "advanced",
            Self::Ahead => "ahead",
            Self::Retried => "retried",
            Self::Branched => "branched",
            Self::Theft => "theft",
        }
    }
}

impl FamilyState {
    /// What becomes of the family when `serial` is presented at `now`, its rows tried in the order of the
    /// table. `owned` says whether client, user, session and epoch still stand behind it (row 0).
    #[must_use]
    pub fn present(
        self,
        serial: i64,
        owned: bool,
        now: DateTime<Utc>,
        policy: &RefreshPolicy,
    ) -> (Self, Rotation) {
        let mut next = self;
        let within = |since: Option<DateTime<Utc>>, window| since.is_some_and(|since| now < since + window);
        let outcome =
            if !owned || self.ended_at.is_some() || self.expires_at <= now || self.idle_expires_at <= now {
                Rotation::Refused
            } else if serial == self.head && !self.rotates {
                Rotation::Same
            } else if serial == self.head {
                Rotation::Advanced
            } else if serial > self.head {
                Rotation::Ahead
            } else if Some(serial) == self.prev && within(self.prev_at, policy.retry_window)
                || Some(serial) == self.prev2 && within(self.prev2_at, policy.retry_window)
            {
                Rotation::Retried
            } else if Some(serial) == self.prev && within(self.advanced_at, policy.recovery_window) {
                Rotation::Branched
            } else {
                Rotation::Theft
            };
        // A clock that was set back must not shorten what another node already granted.
        let no_earlier = |stored: Option<DateTime<Utc>>| Some(stored.map_or(now, |stored| stored.max(now)));
        match outcome {
            Rotation::Advanced => {
                next.head = self.head + 1;
                next.prev = Some(self.head);
                next.prev_at = no_earlier(self.prev_at);
                next.advanced_at = Some(now);
                next.prev2 = self.prev;
                next.prev2_at = self.prev_at;
            }
            Rotation::Branched => {
                next.head = self.head + 1;
                next.prev_at = no_earlier(self.prev_at);
            }
            Rotation::Theft => next.ended_at = Some(now),
            Rotation::Refused | Rotation::Same | Rotation::Ahead | Rotation::Retried => {}
        }
        if matches!(outcome, Rotation::Advanced | Rotation::Same) {
            next.idle_expires_at = self.idle_expires_at.max(now + policy.idle_ttl);
        }
        (next, outcome)
    }
}

#[cfg(test)]
mod tests;
