//! One world: rows that all nodes share, nodes that read them, and what must hold at every moment.

use std::rc::Rc;

use chrono::{DateTime, TimeDelta, Utc};
use signet::domain::key_schedule::{KeyPolicy, KeySet, Rotated};
use signet::domain::key_state::{KeyState, KeyTimes};

use super::copies::{Copies, Keys};
use super::history::{END, Event, History, NODES, Pick, Ticks};
use super::ledger::{Exposure, Ledger};
use super::peers::Habit;

/// The length of a tick.
pub const TICK: TimeDelta = TimeDelta::seconds(10);

/// What broke, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub at: Ticks,
    pub what: Broken,
}

/// What must hold, and did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// A verifier that obeys caching met a `kid` that its copy could not have.
    UnknownKid,
    /// A token lives, and its key has left the JWKS.
    KeyLeft,
    /// A node that issues has no key to sign with.
    NothingSigns,
    /// A node signs with a key that the others left longer ago than nodes may differ.
    TwoSign,
    /// A forged token is accepted later than the operator was told.
    Forged,
    /// A change left fewer keys announced than there must be.
    NotAnnounced,
}

/// What a history had in it, so that one can see that they are not empty.
#[derive(Debug, Default, Clone)]
pub struct Seen {
    pub handovers: u32,
    pub departures: u32,
    pub refusals: u32,
    pub compromises: u32,
    pub ungated: u32,
    pub bounds: u32,
    pub late_sets: u32,
    pub unserved: u32,
    pub cut_off: u32,
}

impl Seen {
    /// What was seen in several histories.
    pub fn add(&mut self, other: Self) {
        for (ours, theirs) in self.counts().into_iter().zip(other.clone().counts()) {
            *ours.1 += *theirs.1;
        }
    }

    /// Each count by its name.
    pub fn counts(&mut self) -> [(&'static str, &mut u32); 9] {
        [
            ("handovers", &mut self.handovers),
            ("departures", &mut self.departures),
            ("refusals", &mut self.refusals),
            ("compromises", &mut self.compromises),
            ("successors before their gate", &mut self.ungated),
            ("bounds told", &mut self.bounds),
            ("sets that came later", &mut self.late_sets),
            ("JWKS not served", &mut self.unserved),
            ("nodes that may not issue", &mut self.cut_off),
        ]
    }
}

/// What is in the database.
#[derive(Debug, Clone)]
struct Rows {
    revision: u64,
    sets: [Set; 2],
}

/// The keys of one algorithm, and the number of each.
#[derive(Debug, Clone)]
struct Set {
    keys: KeySet,
    numbers: Vec<usize>,
}

/// The set of the algorithm that is there from the beginning, and of one that is enabled later.
const ALWAYS: usize = 0;
const LATE: usize = 1;

#[derive(Debug)]
struct Node {
    ahead: Ticks,
    rotation_interval: Ticks,
    token_ttl: Ticks,
    late_enabled: bool,
    up: bool,
    down_until: Ticks,
    cut_until: Ticks,
    next_poll: Ticks,
    rows: Rc<Rows>,
    /// By its own clock.
    read_at: Ticks,
    /// The same moment by the true one.
    confirmed_at: Ticks,
}

/// Whose clock and configuration a change goes by.
type Writer = usize;

pub struct World<'a> {
    history: &'a History,
    habit: Habit,
    policy: KeyPolicy,
    now: Ticks,
    rows: Rc<Rows>,
    nodes: [Node; NODES],
    outage_until: Ticks,
    next_key: usize,
    /// From when on clients may ask for the later algorithm: a node said that it can be chosen.
    chosen_at: Option<Ticks>,
    /// What the rows name by the fastest clock.
    named: [Option<usize>; 2],
    copies: Copies,
    ledger: Ledger,
    pub seen: Seen,
}

/// Lives through a history.
pub fn live(history: &History, habit: Habit) -> Result<Seen, Violation> {
    let mut world = World::new(history, habit);
    let mut events = history.events.iter().peekable();
    for now in 0..END {
        world.now = now;
        // Requests come before a node learns of anything, and after.
        if !world.nobody_learns() || events.peek().is_some_and(|(at, _)| *at <= now) {
            world.serve()?;
        }
        world.poll()?;
        while let Some((_, event)) = events.next_if(|(at, _)| *at <= now) {
            world.happen(event)?;
        }
        world.serve()?;
        if world.next_key > 100 {
            break;
        }
    }
    Ok(world.seen)
}

fn at(clock: Ticks) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(10_000) + length(clock)
}

fn length(ticks: Ticks) -> TimeDelta {
    TICK * i32::try_from(ticks).expect("worlds are short")
}

fn ticks(length: TimeDelta) -> Ticks {
    length.num_seconds() / TICK.num_seconds()
}

impl Set {
    fn new(keys: KeySet) -> Self {
        let numbers = keys.keys().iter().map(number).collect();
        Self { keys, numbers }
    }
}

fn number(key: &KeyTimes) -> usize {
    key.id.parse().expect("our ids are numbers")
}

impl<'a> World<'a> {
    fn new(history: &'a History, habit: Habit) -> Self {
        let rules = &history.rules;
        let empty = Rc::new(Rows {
            revision: 0,
            sets: [Set::new(KeySet::new(vec![])), Set::new(KeySet::new(vec![]))],
        });
        let node = |index: usize| Node {
            ahead: history.ahead[index],
            rotation_interval: rules.rotation_interval,
            token_ttl: rules.token_ttl,
            late_enabled: false,
            up: false,
            down_until: history.phases[index],
            cut_until: 0,
            next_poll: 0,
            rows: Rc::clone(&empty),
            read_at: 0,
            confirmed_at: 0,
        };
        let mut world = Self {
            history,
            habit,
            policy: KeyPolicy {
                rotation_interval: length(rules.rotation_interval),
                min_announce: length(rules.min_announce),
                poll_interval: length(rules.poll_interval),
                jwks_max_age: length(rules.jwks_max_age),
                clock_skew: length(rules.clock_skew),
                max_partition: length(rules.max_partition),
            },
            now: 0,
            nodes: [node(0), node(1), node(2)],
            rows: empty,
            outage_until: 0,
            next_key: 0,
            chosen_at: None,
            named: [None; 2],
            copies: Copies::default(),
            ledger: Ledger::default(),
            seen: Seen::default(),
        };
        world.first_keys();
        world
    }

    /// As `flows::keys::first` makes them: one signs at once.
    fn first_keys(&mut self) {
        let now = at(self.nodes[0].ahead);
        let mut keys = Vec::new();
        for position in 0..3 {
            let mut key = self.new_key(0, now);
            key.signing_at = (position == 0).then_some(now);
            keys.push(key);
        }
        let sets = [Set::new(KeySet::new(keys)), self.rows.sets[LATE].clone()];
        self.rows = Rc::new(Rows { revision: 1, sets });
    }

    fn new_key(&mut self, writer: Writer, now: DateTime<Utc>) -> KeyTimes {
        let id = self.next_key.to_string();
        self.next_key += 1;
        self.ledger.add_key();
        KeyTimes::announced(id, Some(length(self.nodes[writer].token_ttl)), now)
    }

    fn policy_of(&self, node: usize) -> KeyPolicy {
        KeyPolicy {
            rotation_interval: length(self.nodes[node].rotation_interval),
            ..self.policy
        }
    }

    fn clock(&self, node: usize) -> DateTime<Utc> {
        at(self.now + self.nodes[node].ahead)
    }

    fn reaches_database(&self, node: usize) -> bool {
        self.now >= self.outage_until && self.now >= self.nodes[node].cut_until
    }

    fn violation(&self, what: Broken) -> Violation {
        Violation { at: self.now, what }
    }

    // ---- nodes ------------------------------------------------------------------------------------------------

    /// Whether what each node knows is all there is to know.
    fn nobody_learns(&self) -> bool {
        let knows = |node: &Node| node.up && Rc::ptr_eq(&node.rows, &self.rows);
        self.nodes.iter().all(knows)
    }

    /// Every node that is to look looks, one after the other; what a later one changes an earlier one has missed.
    fn poll(&mut self) -> Result<(), Violation> {
        for node in 0..NODES {
            let this = &self.nodes[node];
            if !self.reaches_database(node) {
                continue;
            }
            if !this.up {
                if self.now >= this.down_until {
                    self.nodes[node].up = true;
                    self.read(node);
                    self.advance_if_due(node)?;
                }
            } else if self.now >= this.next_poll {
                self.read(node);
                self.advance_if_due(node)?;
            }
        }
        Ok(())
    }

    /// As `flows::keys::load`: how long this node's tokens live is known before it signs.
    fn read(&mut self, node: usize) {
        let ttl = length(self.nodes[node].token_ttl);
        let shorter = |key: &&mut KeyTimes| key.retired_at.is_none() && key.max_lifetime < Some(ttl);
        let mut sets = self.rows.sets.clone().map(|set| set.keys.keys().to_vec());
        let mut raised = false;
        for key in sets.iter_mut().flatten().filter(shorter) {
            key.max_lifetime = Some(ttl);
            raised = true;
        }
        if raised {
            self.rows = Rc::new(Rows {
                revision: self.rows.revision + 1,
                sets: sets.map(|keys| Set::new(KeySet::new(keys))),
            });
        }
        let (now, interval) = (self.now, self.history.rules.poll_interval);
        let this = &mut self.nodes[node];
        this.rows = Rc::clone(&self.rows);
        this.read_at = now + this.ahead;
        this.confirmed_at = now;
        this.next_poll = now + interval;
        let clock = this.read_at;
        for exposure in &mut self.ledger.exposures {
            if self.rows.revision >= exposure.revision {
                exposure.confirmed[node].get_or_insert(clock);
            }
        }
    }

    /// As `jobs::rotate_keys`.
    fn advance_if_due(&mut self, node: usize) -> Result<(), Violation> {
        let (policy, now) = (self.policy_of(node), self.clock(node));
        let enabled = self.nodes[node].late_enabled;
        let rows = Rc::clone(&self.nodes[node].rows);
        let mut sets = rows
            .sets
            .iter()
            .enumerate()
            .filter(|(which, set)| *which == ALWAYS || enabled || !set.numbers.is_empty());
        let always = matches!(self.habit, Habit::RemoveAfter(_));
        if always || sets.any(|(_, set)| set.keys.is_due(&self.habit.understands(policy), now)) {
            self.change(node, |_, _, _| Some(Vec::new()))?;
            self.read(node);
        }
        Ok(())
    }

    /// As `flows::keys::rotation::Rotation::change`: one transaction. `mark` says which sets need a successor, or
    /// that nothing shall change.
    fn change(
        &mut self,
        writer: Writer,
        mark: impl FnOnce(&mut Self, &mut [Option<KeySet>; 2], DateTime<Utc>) -> Option<Vec<usize>>,
    ) -> Result<(), Violation> {
        let now = self.clock(writer);
        let policy = self.habit.understands(self.policy_of(writer));
        let rows = Rc::clone(&self.rows);
        let enabled = self.nodes[writer].late_enabled;
        let late = &rows.sets[LATE];
        let mut sets = [
            Some(rows.sets[ALWAYS].keys.clone()),
            (enabled || !late.numbers.is_empty()).then(|| late.keys.clone()),
        ];
        let Some(vacant) = mark(self, &mut sets, now) else {
            return Ok(());
        };
        for (which, set) in sets.iter_mut().enumerate() {
            let Some(set) = set else { continue };
            for _ in 0..set.missing(now) {
                let key = self.new_key(writer, now);
                set.announce(key.id, key.max_lifetime, now);
            }
            if vacant.contains(&which) {
                let successor = set.succeed(&policy, now).expect("two are announced");
                if let Some(until) = successor.unknown_until {
                    let number: usize = successor.id.parse().expect("our ids are numbers");
                    let until = ticks(until - at(self.nodes[writer].ahead));
                    self.ledger.excuse(1 << number, until);
                    self.seen.ungated += 1;
                }
            }
            self.habit.settle(set, &policy, now);
            if set.missing(now) > 1 {
                return Err(self.violation(Broken::NotAnnounced));
            }
        }
        let sets = sets.map(|set| Set::new(KeySet::new(set.map_or(vec![], |set| set.keys().to_vec()))));
        let left = |sets: &[Set; 2]| {
            let keys = sets.iter().flat_map(|set| set.keys.keys());
            keys.filter(|key| key.retired_at.is_some()).count()
        };
        self.seen.departures += u32::try_from(left(&sets) - left(&rows.sets)).expect("few");
        self.rows = Rc::new(Rows {
            revision: rows.revision + 1,
            sets,
        });
        self.name();
        Ok(())
    }

    // ---- operators --------------------------------------------------------------------------------------------

    fn happen(&mut self, event: &Event) -> Result<(), Violation> {
        let now = self.now;
        match *event {
            Event::Partition(node, time) => self.nodes[node].cut_until = now + time,
            Event::Outage(time) => self.outage_until = now + time,
            Event::Crash(node, time) => self.stop(node, time),
            Event::Interval(node, time) => {
                self.stop(node, 0);
                self.nodes[node].rotation_interval = time;
            }
            Event::Lifetime(node, time) => {
                self.stop(node, 0);
                self.nodes[node].token_ttl = time;
            }
            Event::Enable(node) => {
                self.stop(node, 0);
                self.nodes[node].late_enabled = true;
            }
            Event::AllAdvance => {
                for node in 0..NODES {
                    if self.nodes[node].up && self.reaches_database(node) {
                        self.change(node, |_, _, _| Some(Vec::new()))?;
                    }
                }
            }
            Event::Rotate(by) | Event::RotateNow(by) if self.reaches_database(by) => {
                self.rotate(by, matches!(event, Event::RotateNow(_)))?;
            }
            Event::Compromise(by, key) if self.reaches_database(by) => self.compromise(by, Some(key))?,
            Event::CompromiseAll(by) if self.reaches_database(by) => self.compromise(by, None)?,
            _ => {}
        }
        Ok(())
    }

    fn stop(&mut self, node: usize, time: Ticks) {
        self.nodes[node].up = false;
        self.nodes[node].down_until = self.now + time;
    }

    fn rotate(&mut self, by: Writer, at_once: bool) -> Result<(), Violation> {
        let policy = self.habit.understands(self.policy_of(by));
        self.change(by, |world, sets, now| {
            for set in sets.iter_mut().flatten() {
                let habit = world.habit;
                let rotated = habit.rotate(set, &policy, now, || world.new_key(by, now));
                if let (Some(Rotated::At(..)), true) = (&rotated, at_once) {
                    world.seen.refusals += 1;
                    return None;
                }
            }
            Some(Vec::new())
        })
    }

    fn compromise(&mut self, by: Writer, which: Option<Pick>) -> Result<(), Violation> {
        let policy = self.habit.understands(self.policy_of(by));
        let mut lost: Keys = 0;
        self.change(by, |world, sets, now| {
            let live = |set: &KeySet| -> Vec<usize> {
                let live = set.keys().iter().filter(|key| key.is_live());
                live.map(number).collect()
            };
            let mut all: Vec<usize> = sets.iter().flatten().flat_map(live).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            let named = which.map(|which| all[which % all.len()]);
            let mut vacant = Vec::new();
            for (which, set) in sets.iter_mut().enumerate() {
                let Some(set) = set else { continue };
                let living = live(set);
                let gone: Vec<_> = living
                    .iter()
                    .filter(|key| named.is_none_or(|named| named == **key))
                    .collect();
                for key in &gone {
                    let signed = set.compromise(&key.to_string(), &policy, now);
                    let signed = signed.expect("it is live");
                    let all = gone.len() == living.len();
                    if signed || all && set.in_charge(&policy, now).is_none() {
                        vacant.push(which);
                    }
                    lost |= 1 << **key;
                }
            }
            world.seen.compromises += 1;
            Some(vacant)
        })?;
        self.ledger.compromised |= lost;
        self.ledger.count_anew(self.now);
        let told = self.now + self.nodes[by].ahead;
        self.ledger.exposures.push(Exposure {
            keys: lost,
            revision: self.rows.revision,
            confirmed: std::array::from_fn(|node| (!self.nodes[node].up).then_some(told)),
            bound: None,
        });
        Ok(())
    }

    // ---- what the world sees ----------------------------------------------------------------------------------

    /// Every node signs, and gives its JWKS to whoever wants it; everything is verified with every copy.
    fn serve(&mut self) -> Result<(), Violation> {
        self.name();
        self.choose();
        for node in 0..NODES {
            if self.nodes[node].up {
                self.sign(node)?;
                self.publish(node);
            }
        }
        let now = self.now;
        let needed = self.ledger.needed(now);
        let unknown = needed & !self.copies.known_to_all(now);
        if unknown != 0 {
            let keys = self.rows.sets.iter().flat_map(|set| set.keys.keys());
            let mut left = keys.filter(|key| key.retired_at.is_some()).map(number);
            let what = if left.any(|key| unknown & 1 << key != 0) {
                Broken::KeyLeft
            } else {
                Broken::UnknownKid
            };
            return Err(self.violation(what));
        }
        self.expose()?;
        self.copies.expire(now);
        Ok(())
    }

    /// Follows what the rows name, by the fastest clock that there may be.
    fn name(&mut self) {
        let fastest = at(self.now + self.history.rules.clock_skew);
        for which in [ALWAYS, LATE] {
            let set = &self.rows.sets[which].keys;
            let named = set.in_charge(&self.policy, fastest).map(number);
            if named != self.named[which] {
                self.ledger.supersede(self.named[which], named, self.now);
                self.named[which] = named;
                self.seen.handovers += 1;
            }
        }
    }

    /// The later algorithm is chosen as soon as a node says that it can be (`domain::signing_choice`).
    fn choose(&mut self) {
        if self.chosen_at.is_some() {
            return;
        }
        let can = |node: &Node| {
            let clock = at(self.now + node.ahead);
            let mut keys = node.rows.sets[LATE].keys.keys().iter();
            node.up && keys.any(|key| key.state(clock) == KeyState::Signing)
        };
        if self.nodes.iter().any(can) {
            self.chosen_at = Some(self.now);
            self.seen.late_sets += 1;
        }
    }

    fn sign(&mut self, node: usize) -> Result<(), Violation> {
        let this = &self.nodes[node];
        let rules = &self.history.rules;
        let unconfirmed = self.now - this.confirmed_at;
        if unconfirmed > ticks(self.policy.longest_unconfirmed()) {
            self.seen.cut_off += 1;
            return Ok(());
        }
        let clock = self.clock(node);
        for (which, set) in this.rows.sets.iter().enumerate() {
            let knows_choice = self.chosen_at.is_some_and(|chosen| chosen <= this.confirmed_at);
            if which == LATE && !knows_choice {
                continue;
            }
            let Some(key) = set.keys.in_charge(&self.policy, clock) else {
                return Err(self.violation(Broken::NothingSigns));
            };
            let key = number(key);
            if self.ledger.late(key, self.now) > unconfirmed.max(rules.poll_interval) + rules.clock_skew {
                return Err(self.violation(Broken::TwoSign));
            }
            self.ledger.sign(key, this.token_ttl, self.now);
        }
        Ok(())
    }

    /// As `http::oauth::jwks`.
    fn publish(&mut self, node: usize) {
        let clock = self.clock(node);
        let believed = |world: &Self| clock < world.policy.serves_until(at(world.nodes[node].read_at));
        if !believed(self) && self.reaches_database(node) {
            self.read(node);
        }
        if !believed(self) {
            self.seen.unserved += 1;
            return;
        }
        let mut published: Keys = 0;
        let mut departure = None;
        for set in &self.nodes[node].rows.sets {
            for (key, number) in set.keys.keys().iter().zip(&set.numbers) {
                if key.state(clock).is_published() {
                    published |= 1 << number;
                }
            }
            let next = set.keys.next_departure(&self.policy);
            departure = [departure, next].into_iter().flatten().min();
        }
        // As `jose::keyring::KeyRing::jwks_max_age`.
        let until = departure.map(|time: DateTime<Utc>| time - clock);
        let until = until.filter(|until| *until > TimeDelta::zero());
        let max_age = until.map_or(self.policy.jwks_max_age, |until| {
            until.min(self.policy.jwks_max_age)
        });
        self.copies.give(published, ticks(max_age), self.now);
    }

    /// Holds operators' times to what caches still have.
    fn expose(&mut self) -> Result<(), Violation> {
        let rules = &self.history.rules;
        let fastest = self.now + rules.clock_skew;
        let accepted = self.copies.known_to_any(self.now);
        let mut bounds = 0;
        for exposure in &mut self.ledger.exposures {
            if exposure.bound.is_none()
                && let [Some(a), Some(b), Some(c)] = exposure.confirmed
            {
                bounds += 1;
                exposure.bound = Some(a.max(b).max(c) + rules.jwks_max_age + rules.clock_skew);
            }
        }
        self.seen.bounds += bounds;
        let late = |exposure: &Exposure| {
            exposure.bound.is_some_and(|bound| fastest > bound) && accepted & exposure.keys != 0
        };
        if self.ledger.exposures.iter().any(late) {
            return Err(self.violation(Broken::Forged));
        }
        Ok(())
    }
}
