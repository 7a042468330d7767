//! The copies of the JWKS that caches may hold.
//!
//! Whatever a node gave out at any moment may be used until its freshness ends (RFC 9111 §4.2), behind two caches
//! that stack: one takes it from the node, and another takes it from that one just before it expires there, without
//! minding its `Age`. A cache that obeys `Cache-Control` holds one of these copies or asks a node; so what holds for
//! every copy holds for every cache, however many there are, whenever they ask and whichever node answers.

use super::history::Ticks;

/// Keys by their numbers.
pub type Keys = u128;

/// One JWKS, until when some cache may use it.
#[derive(Debug, Clone, Copy)]
struct Copy {
    keys: Keys,
    /// Two caches, of which the second does not mind `Age`.
    until: Ticks,
    /// Any number of caches that pass on `Age`.
    aged_until: Ticks,
}

/// All copies that may still be in use.
#[derive(Debug, Default)]
pub struct Copies(Vec<Copy>);

impl Copies {
    /// A node gives `keys` to whoever asks now, for `max_age`.
    pub fn give(&mut self, keys: Keys, max_age: Ticks, now: Ticks) {
        let (until, aged_until) = (now + 2 * max_age, now + max_age);
        match self.0.iter_mut().find(|copy| copy.keys == keys) {
            Some(copy) => {
                copy.until = copy.until.max(until);
                copy.aged_until = copy.aged_until.max(aged_until);
            }
            None => self.0.push(Copy {
                keys,
                until,
                aged_until,
            }),
        }
    }

    /// The keys that every copy has.
    pub fn known_to_all(&self, now: Ticks) -> Keys {
        let fresh = self.0.iter().filter(|copy| now < copy.until);
        fresh.fold(Keys::MAX, |known, copy| known & copy.keys)
    }

    /// The keys that some copy has, in caches that pass on `Age`.
    pub fn known_to_any(&self, now: Ticks) -> Keys {
        let fresh = self.0.iter().filter(|copy| now < copy.aged_until);
        fresh.fold(0, |known, copy| known | copy.keys)
    }

    /// Forgets what nobody uses any more.
    pub fn expire(&mut self, now: Ticks) {
        self.0.retain(|copy| now < copy.until);
    }
}
