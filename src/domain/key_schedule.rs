//! When keys change, as pure functions of their stored times: what may be done at `now`, what is due, what is to
//! come. One [`KeySet`] is the signing keys of one algorithm, or the MAC keys of one purpose. Knows no key, no
//! database and no clock.
//!
//! Three things must never happen to a verifier that obeys `Cache-Control`: that it meets a `kid` which its JWKS
//! could not have, that the key of a token which still lives is gone, or that two keys sign for longer than nodes
//! need to learn of a change. Each time below is there for one of them.

use chrono::{DateTime, TimeDelta, Utc};

use super::key_state::{KeyState, KeyTimes, in_charge};

/// How many keys are announced beside the one that signs: one of them is past its gate while the other waits.
pub const ANNOUNCED: usize = 2;

/// For how long after `exp` a verifier may still accept a token (RFC 7519 §4.1.4 speaks of "a few minutes").
pub const VERIFIER_LEEWAY: TimeDelta = TimeDelta::minutes(5);

/// The longest that a node issues without the database, unless it polls less often than twice in that time.
pub const MAX_UNCONFIRMED: TimeDelta = TimeDelta::seconds(30);

/// What the operator decided about the life of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyPolicy {
    /// `keys.rotation_interval`: how long a key signs.
    pub rotation_interval: TimeDelta,
    /// `keys.min_announce`: the least time between publishing a key and signing with it.
    pub min_announce: TimeDelta,
    /// `keys.poll_interval`: how long a node needs to see a change at most. It looks more often.
    pub poll_interval: TimeDelta,
    /// `keys.jwks_max_age`: how long one cache may keep the JWKS.
    pub jwks_max_age: TimeDelta,
    /// `keys.clock_skew`: how far the clocks of nodes and verifiers differ at most.
    pub clock_skew: TimeDelta,
    /// `keys.max_partition`: how long a node may serve a key set that it could not read again.
    pub max_partition: TimeDelta,
}

impl KeyPolicy {
    /// The earliest time at which a key may sign that was published at `published_at`. Caches stack: a CDN may
    /// take the JWKS just before a node learns of the key, and a client take that copy just before it expires.
    pub fn gate(&self, published_at: DateTime<Utc>) -> DateTime<Utc> {
        published_at + self.min_announce.max(self.poll_interval + self.cached())
    }

    /// The earliest time at which a key may leave the JWKS whose successor signs from `draining_at` on, when no
    /// token signed with it lives longer than `max_lifetime`. A node without the database signs with it for longer
    /// than one that polls, and its clock may be the one that is ahead.
    pub fn leaves_at(&self, draining_at: DateTime<Utc>, max_lifetime: TimeDelta) -> DateTime<Utc> {
        draining_at + self.longest_unconfirmed() + self.clock_skew + max_lifetime + VERIFIER_LEEWAY
    }

    /// For how long a node issues without the database's word that what it knows is still so: `poll + skew` is what
    /// any two nodes may differ, and one poll more passes until it notices. At most [`MAX_UNCONFIRMED`], but never
    /// less than a node needs that is well and polls seldom.
    pub fn longest_unconfirmed(&self) -> TimeDelta {
        let poll = self.poll_interval;
        (poll * 2 + self.clock_skew).min(MAX_UNCONFIRMED.max(poll * 2))
    }

    /// Until when a node may serve the key set that it read at `read_at`. A key that it has not seen may have
    /// been published right after, and may sign from its gate on; by then no cache may hold what this node gave.
    /// That is `max_partition`, or less where `min_announce` leaves less; where it leaves nothing, one poll.
    pub fn serves_until(&self, read_at: DateTime<Utc>) -> DateTime<Utc> {
        read_at + self.longest_partition()
    }

    /// How long a node serves without the database: see [`serves_until`](Self::serves_until).
    pub fn longest_partition(&self) -> TimeDelta {
        let unseen = self.min_announce - self.cached();
        self.max_partition.min(unseen).max(self.poll_interval)
    }

    /// From when `key` may leave the JWKS; `None` while no successor has a time, or if it never may.
    fn departure(&self, key: &KeyTimes) -> Option<DateTime<Utc>> {
        Some(self.leaves_at(key.draining_at?, key.max_lifetime?))
    }

    /// How long what a node gives to the outside may be used there: two caches, and the skew of their clocks.
    fn cached(&self) -> TimeDelta {
        self.jwks_max_age * 2 + self.clock_skew
    }
}

/// What came of asking for a rotation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The key of this id signs from now on.
    Now(String),
    /// No announced key is past its gate: the key of this id signs from that time on.
    At(String, DateTime<Utc>),
}

/// The key that signs instead of one that was compromised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Successor {
    /// Which one.
    pub id: String,
    /// If it is not past its gate: until when a cache may not know it yet.
    pub unknown_until: Option<DateTime<Utc>>,
}

/// A change that is to come if nobody does anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: DateTime<Utc>,
    /// Which key.
    pub id: String,
    /// Its state before.
    pub from: KeyState,
    /// Its state afterwards.
    pub to: KeyState,
    /// The earliest time at which this could be done safely.
    pub earliest_at: DateTime<Utc>,
    /// Why not earlier.
    pub reason: Reason,
}

/// What a time of a [`Change`] follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Its predecessor will have signed for `keys.rotation_interval`.
    Interval,
    /// Every cache knows the key from then on, and not before.
    Gate,
    /// An operator asked for this time.
    Asked,
    /// Its successor signs.
    Successor,
    /// The last token that it signed is dead for every verifier.
    LastToken,
}

impl Reason {
    /// The reason in words, for an operator.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Interval => "its predecessor has signed for keys.rotation_interval",
            Self::Gate => "until then a cache may not know the key (keys.min_announce, keys.jwks_max_age)",
            Self::Asked => "a rotation was asked for",
            Self::Successor => "its successor signs from then on",
            Self::LastToken => "until then a verifier may accept a token that it signed",
        }
    }
}

/// All keys of one algorithm or purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet(Vec<KeyTimes>);

impl KeySet {
    /// A set of these keys.
    pub fn new(mut keys: Vec<KeyTimes>) -> Self {
        keys.sort_by(|a, b| (a.published_at, &a.id).cmp(&(b.published_at, &b.id)));
        Self(keys)
    }

    /// The keys, in the order of their publication.
    pub fn keys(&self) -> &[KeyTimes] {
        &self.0
    }

    /// The key that signs at `now`: see [`in_charge`].
    pub fn in_charge(&self, policy: &KeyPolicy, now: DateTime<Utc>) -> Option<&KeyTimes> {
        let signs = |key: &&KeyTimes| matches!(key.state(now), KeyState::Announced | KeyState::Signing);
        let candidates = self.0.iter().filter(signs);
        let candidates = candidates.filter_map(|key| Some((key.signing_at?, &*key.id)));
        let id = in_charge(candidates, policy.clock_skew, now)?;
        self.0.iter().find(|key| key.id == id)
    }

    /// How many keys are to be announced, so that [`ANNOUNCED`] are whatever happens next.
    pub fn missing(&self, now: DateTime<Utc>) -> usize {
        let signs = self.0.iter().any(|key| key.state(now) == KeyState::Signing);
        // The first of a new set will sign, and is then no more one of those announced beside it.
        (ANNOUNCED + usize::from(!signs)).saturating_sub(self.announced(now).count())
    }

    /// Publishes a new key.
    pub fn announce(&mut self, id: String, max_lifetime: Option<TimeDelta>, now: DateTime<Utc>) {
        self.0.push(KeyTimes::announced(id, max_lifetime, now));
    }

    /// Whether [`settle`](Self::settle) or an announcement would change anything: what a node asks at every poll.
    pub fn is_due(&self, policy: &KeyPolicy, now: DateTime<Utc>) -> bool {
        self.missing(now) > 0 || {
            let mut settled = self.clone();
            settled.settle(policy, now);
            settled != *self
        }
    }

    /// Gives the next rotation its time, and retires what may leave. The time of a rotation is stored as soon as
    /// its predecessor signs, so that every node knows it long before, and none has to be alive when it comes. It
    /// moves only to earlier, so that nodes of different configurations do not quarrel.
    pub fn settle(&mut self, policy: &KeyPolicy, now: DateTime<Utc>) {
        self.plan_next(policy, now);
        for key in self.0.iter_mut().filter(|key| key.is_live()) {
            if policy.departure(key).is_some_and(|time| time <= now) {
                key.retired_at = Some(now);
            }
        }
    }

    /// Advances as far as is safe at `now`: to the announced key that may sign first. `None` if no key is announced.
    pub fn rotate(&mut self, policy: &KeyPolicy, now: DateTime<Utc>) -> Option<Rotated> {
        let time = |key: &KeyTimes| {
            let gate = policy.gate(key.published_at);
            key.signing_at.map_or(gate, |planned| planned.min(gate)).max(now)
        };
        // Of those that may at the same time, the one whose turn it is anyway.
        let turn = |key: &KeyTimes| key.signing_at.unwrap_or(DateTime::<Utc>::MAX_UTC);
        let next = self
            .announced(now)
            .min_by_key(|key| (time(key), turn(key), key.published_at))?;
        let (at, id) = (time(next), next.id.clone());
        self.activate(&id, at, now);
        Some(if at == now {
            Rotated::Now(id)
        } else {
            Rotated::At(id, at)
        })
    }

    /// Takes the key out of everything, at once. Says whether it was the one in charge: then the caller announces
    /// what is [`missing`](Self::missing) and lets another one [`succeed`](Self::succeed). `None` if there is no
    /// such key, or it is compromised already.
    pub fn compromise(&mut self, id: &str, policy: &KeyPolicy, now: DateTime<Utc>) -> Option<bool> {
        let signed = self.in_charge(policy, now).is_some_and(|key| key.id == id);
        let named = |key: &&mut KeyTimes| key.id == id && key.compromised_at.is_none();
        let key = self.0.iter_mut().find(named)?;
        key.compromised_at = Some(now);
        if key.signing_at.is_some_and(|time| time > now) {
            // Nobody follows any more at that time.
            for key in self.0.iter_mut().filter(|key| key.is_live()) {
                key.draining_at = key.draining_at.filter(|time| *time <= now);
            }
        }
        Some(signed)
    }

    /// Lets the oldest announced key that is past its gate sign from `now` on, or, if none is, the oldest of all.
    /// `None` if none is announced.
    pub fn succeed(&mut self, policy: &KeyPolicy, now: DateTime<Utc>) -> Option<Successor> {
        let past = |key: &&KeyTimes| policy.gate(key.published_at) <= now;
        let next = self
            .announced(now)
            .find(past)
            .or_else(|| self.announced(now).next())?;
        let successor = Successor {
            id: next.id.clone(),
            unknown_until: Some(policy.gate(next.published_at)).filter(|gate| *gate > now),
        };
        self.activate(&successor.id, now, now);
        Some(successor)
    }

    /// What happens from `now` on if nobody does anything, in the order of time.
    pub fn plan(&self, policy: &KeyPolicy, now: DateTime<Utc>) -> Vec<Change> {
        let mut future = self.clone();
        let mut changes = Vec::new();
        let mut time = now;
        while let Some(next) = future.next(time).map(|key| key.id.clone()) {
            future.plan_next(policy, time);
            let next = future.key(&next);
            let Some(at) = next.signing_at else { break };
            let gate = policy.gate(next.published_at);
            let predecessor = future.in_charge(policy, time).filter(|key| key.id != next.id);
            let interval = predecessor.and_then(|key| Some(key.signing_at? + policy.rotation_interval));
            changes.push(Change {
                at,
                id: next.id.clone(),
                from: KeyState::Announced,
                to: KeyState::Signing,
                earliest_at: gate,
                reason: match interval {
                    Some(interval) if interval == at => Reason::Interval,
                    _ if gate == at => Reason::Gate,
                    _ => Reason::Asked,
                },
            });
            time = at.max(time);
        }
        for key in future.0.iter().filter(|key| key.is_live()) {
            let Some(draining_at) = key.draining_at else {
                continue;
            };
            if draining_at > now {
                changes.push(Change {
                    at: draining_at,
                    id: key.id.clone(),
                    from: KeyState::Signing,
                    to: KeyState::Draining,
                    earliest_at: draining_at,
                    reason: Reason::Successor,
                });
            }
            if let Some(leaves_at) = policy.departure(key) {
                changes.push(Change {
                    at: leaves_at.max(now),
                    id: key.id.clone(),
                    from: KeyState::Draining,
                    to: KeyState::Retired,
                    earliest_at: leaves_at,
                    reason: Reason::LastToken,
                });
            }
        }
        changes.sort_by_key(|change| change.at);
        changes
    }

    /// When a published key may next leave: until then the JWKS changes by a new row alone.
    pub fn next_departure(&self, policy: &KeyPolicy) -> Option<DateTime<Utc>> {
        let live = self.0.iter().filter(|key| key.is_live());
        live.filter_map(|key| policy.departure(key)).min()
    }

    fn plan_next(&mut self, policy: &KeyPolicy, now: DateTime<Utc>) {
        let Some(next) = self.next(now) else { return };
        let gate = policy.gate(next.published_at);
        // The time of the key that signs alone: if nothing signs, the first of a new set begins at its gate.
        let due = self
            .0
            .iter()
            .filter(|key| key.state(now) == KeyState::Signing)
            .filter_map(|key| Some(key.signing_at? + policy.rotation_interval))
            .max();
        let at = due.map_or(gate, |due| due.max(gate)).max(now);
        if next.signing_at.is_none_or(|planned| at < planned) {
            let id = next.id.clone();
            self.activate(&id, at, now);
        }
    }

    /// The key that signs next: the one whose time comes first, or the oldest. A node whose clock is ahead may have
    /// planned one more already.
    fn next(&self, now: DateTime<Utc>) -> Option<&KeyTimes> {
        let planned = self.announced(now).filter(|key| key.signing_at.is_some());
        let planned = planned.min_by_key(|key| key.signing_at);
        planned.or_else(|| self.announced(now).next())
    }

    fn announced(&self, now: DateTime<Utc>) -> impl Iterator<Item = &KeyTimes> {
        self.0
            .iter()
            .filter(move |key| key.state(now) == KeyState::Announced)
    }

    fn key(&self, id: &str) -> &KeyTimes {
        let found = self.0.iter().find(|key| key.id == id);
        found.expect("the caller has the id from this set")
    }

    /// From `at` on `id` signs, and whatever signs until then drains.
    fn activate(&mut self, id: &str, at: DateTime<Utc>, now: DateTime<Utc>) {
        for key in self.0.iter_mut().filter(|key| key.is_live()) {
            if key.id == id {
                key.signing_at = Some(at);
                key.draining_at = None;
            } else if key.signing_at.is_some_and(|time| time <= now) {
                // A key that drains already keeps its time.
                key.draining_at = Some(
                    key.draining_at
                        .map_or(at, |time| if time <= now { time } else { at }),
                );
            } else {
                (key.signing_at, key.draining_at) = (None, None);
            }
        }
    }
}

#[cfg(test)]
mod tests;
