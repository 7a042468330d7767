//! What was signed, what an operator was told, and until when what must hold.

use super::copies::Keys;
use super::history::{NODES, Ticks};

/// `domain::key_schedule::VERIFIER_LEEWAY`: a verifier may be so much too late, by a slow clock or on purpose.
pub const LEEWAY: Ticks = 30;

/// A key that was declared compromised, until all nodes have confirmed and the operator is told a time.
#[derive(Debug)]
pub struct Exposure {
    pub keys: Keys,
    pub revision: u64,
    /// By its own clock, when each node that runs had loaded the revision; a node that does not run need not.
    pub confirmed: [Option<Ticks>; NODES],
    /// "A verifier that obeys our Cache-Control accepts forged tokens until then at the latest", by any clock.
    pub bound: Option<Ticks>,
}

/// Time by key number.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Until when some verifier may accept a token of each key.
    accepted_until: Vec<Ticks>,
    /// Since when each key is no more the one that the rows name, by the fastest clock.
    superseded_at: Vec<Option<Ticks>>,
    /// Until when a cache may not know a key, as an operator was told.
    unknown_until: Vec<(Keys, Ticks)>,
    pub compromised: Keys,
    pub exposures: Vec<Exposure>,
}

impl Ledger {
    /// There is a new key.
    pub fn add_key(&mut self) {
        self.accepted_until.push(0);
        self.superseded_at.push(None);
    }

    /// A token of `key` is made now, and lives for `ttl` by the clock of its node.
    pub fn sign(&mut self, key: usize, ttl: Ticks, now: Ticks) {
        let until = &mut self.accepted_until[key];
        *until = (*until).max(now + ttl + LEEWAY);
    }

    /// An operator hears that caches may not know `keys` before `until`.
    pub fn excuse(&mut self, keys: Keys, until: Ticks) {
        self.unknown_until.push((keys, until));
    }

    /// The keys of which a verifier may hold a correct token.
    pub fn needed(&self, now: Ticks) -> Keys {
        let alive = self.accepted_until.iter().enumerate();
        let alive = alive.filter(|(_, until)| now < **until);
        let alive: Keys = alive.fold(0, |keys, (key, _)| keys | 1 << key);
        let excused = self.unknown_until.iter().filter(|(_, until)| now < *until);
        let excused = excused.fold(self.compromised, |keys, (excused, _)| keys | excused);
        alive & !excused
    }

    /// `key` is the one that the rows name, and `before` was.
    pub fn supersede(&mut self, before: Option<usize>, key: Option<usize>, now: Ticks) {
        if before == key {
            return;
        }
        if let Some(before) = before {
            self.superseded_at[before] = Some(now);
        }
        if let Some(key) = key {
            self.superseded_at[key] = None;
        }
    }

    /// A compromise may call back the key before the lost one, until another one's time has come: a change of its own.
    pub fn count_anew(&mut self, now: Ticks) {
        for since in self.superseded_at.iter_mut().flatten() {
            *since = now;
        }
    }

    /// For how long `key` should sign no more.
    pub fn late(&self, key: usize, now: Ticks) -> Ticks {
        self.superseded_at[key].map_or(0, |since| now - since)
    }
}
