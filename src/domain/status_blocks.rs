//! Which index of the status lists the next token gets, out of blocks that this node has leased. Pure: the database
//! is asked elsewhere, ahead of need, so that giving an index costs no more than a counter.
//!
//! A user's grant takes one index; a client's own tokens take one each, out of a run that is the client's alone, so
//! that all of them can be found when the client is disabled or deleted. Both kinds never share a block: a block is
//! reused as a whole, and grants live for months.

use std::collections::{HashMap, VecDeque};

use chrono::{DateTime, TimeDelta, Utc};

use super::ids::ClientId;
use super::status_list::StatusIndex;

/// How many indexes are leased by one write.
pub const BLOCK: i64 = 4096;

/// How many indexes a client's first run has, and every further one while it is slow to use them up.
const RUN: i64 = 256;

/// A client that uses up a run faster gets whole blocks, so that its runs cost one write a block.
const QUICK: TimeDelta = TimeDelta::minutes(1);

/// What a block's indexes are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Grants of users.
    Grants,
    /// Tokens of clients for themselves.
    Clients,
}

impl Purpose {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Grants, Self::Clients];

    /// The purpose as rows and metrics have it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grants => "grants",
            Self::Clients => "clients",
        }
    }

    /// How long a node uses a block after leasing it. A block comes back as a whole, so one that is used slowly must
    /// not be held for long: clients' blocks within hours, grants' within the months that a grant lives anyway.
    pub const fn lease(self) -> TimeDelta {
        match self {
            Self::Grants => TimeDelta::days(7),
            Self::Clients => TimeDelta::hours(1),
        }
    }

    /// How many blocks a node holds at least: what it can do while the database is away, and what a sudden rush may
    /// take until the next lease. Grants need the database themselves.
    const fn least(self) -> i64 {
        match self {
            Self::Grants => 1,
            Self::Clients => 4,
        }
    }
}

/// Indexes one after the other that this node may use, until a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The next to be used.
    pub next: i64,
    /// The first that is not part of it.
    pub end: i64,
    /// From when on the node keeps its hands off it.
    pub until: DateTime<Utc>,
    /// From when on others may use it.
    pub reusable_at: DateTime<Utc>,
}

impl Stretch {
    fn left(&self, now: DateTime<Utc>) -> i64 {
        if now < self.until { self.end - self.next } else { 0 }
    }

    fn take(&mut self, now: DateTime<Utc>) -> Option<StatusIndex> {
        let index = StatusIndex::new(self.next).filter(|_| self.left(now) > 0)?;
        self.next += 1;
        Some(index)
    }

    /// Cuts off the first `length` indexes, or as many as there are.
    fn cut(&mut self, length: i64) -> Self {
        let cut = Self {
            end: self.end.min(self.next + length),
            ..*self
        };
        self.next = cut.end;
        cut
    }
}

/// A run that a client got, to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Its first index.
    pub first: i64,
    /// How many follow it, itself included.
    pub length: i64,
    /// Whose tokens have them.
    pub client: ClientId,
    /// From when on others may use them.
    pub reusable_at: DateTime<Utc>,
}

/// Blocks that are held, and how fast they are used.
#[derive(Debug)]
struct Held {
    purpose: Purpose,
    blocks: VecDeque<Stretch>,
    /// Given out since `counted_since`, and in the stretch of time before.
    given: i64,
    given_before: i64,
    counted_since: DateTime<Utc>,
}

/// Over how long the use is counted.
const COUNTED: TimeDelta = TimeDelta::minutes(1);

impl Held {
    const fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            blocks: VecDeque::new(),
            given: 0,
            given_before: 0,
            counted_since: DateTime::UNIX_EPOCH,
        }
    }

    fn free(&self, now: DateTime<Utc>) -> i64 {
        self.blocks.iter().map(|block| block.left(now)).sum()
    }

    /// The first block that has something left.
    fn front(&mut self, now: DateTime<Utc>) -> Option<&mut Stretch> {
        while self.blocks.front().is_some_and(|block| block.left(now) == 0) {
            self.blocks.pop_front();
        }
        self.blocks.front_mut()
    }

    /// How many blocks should be leased now: so that there is always the least, or twice what a minute of late took.
    /// A block near its end counts for nothing.
    fn wanted(&mut self, now: DateTime<Utc>) -> i64 {
        if now - self.counted_since >= COUNTED {
            self.given_before = self.given;
            self.given = 0;
            self.counted_since = now;
        }
        let soon = now + self.purpose.lease() / 4;
        let busy = 2 * self.given.max(self.given_before);
        let target = (self.purpose.least() * BLOCK).max(busy);
        let missing = target - self.free(soon);
        // Not a lease a token, and in a rush not even one a block.
        if missing < (BLOCK / 2).max(target / 4) {
            return 0;
        }
        (missing + BLOCK - 1) / BLOCK
    }
}

/// The indexes of grants.
#[derive(Debug)]
pub struct GrantIndexes {
    held: Held,
    /// Taken, and then not used.
    returned: Vec<StatusIndex>,
}

impl Default for GrantIndexes {
    fn default() -> Self {
        Self {
            held: Held::new(Purpose::Grants),
            returned: Vec::new(),
        }
    }
}

impl GrantIndexes {
    /// An index that no other grant has; `None` when all are used.
    pub fn take(&mut self, now: DateTime<Utc>) -> Option<StatusIndex> {
        let front = self.held.front(now)?;
        // What was returned is of a block that is held, or it would not be reused before its time.
        let (first, last) = (front.next - front.next % BLOCK, front.next);
        while let Some(index) = self.returned.pop() {
            if (first..last).contains(&index.as_i64()) {
                return Some(index);
            }
        }
        let index = front.take(now)?;
        self.held.given += 1;
        Some(index)
    }

    /// Takes back an index that no grant got.
    pub fn give_back(&mut self, index: StatusIndex) {
        self.returned.push(index);
    }

    /// Adds a block that was leased.
    pub fn add(&mut self, block: Stretch) {
        self.held.blocks.push_back(block);
    }

    /// How many blocks should be leased now.
    pub fn wanted(&mut self, now: DateTime<Utc>) -> i64 {
        self.held.wanted(now)
    }

    /// How many indexes are left.
    pub fn free(&self, now: DateTime<Utc>) -> i64 {
        self.held.free(now)
    }

    /// Whether the next lease should not wait for its turn.
    pub fn is_low(&self, now: DateTime<Utc>) -> bool {
        self.held.free(now) < BLOCK / 2
    }

    /// Gives up what is left, for other nodes.
    pub fn give_up(&mut self, now: DateTime<Utc>) -> Vec<Stretch> {
        give_up(&mut self.held, now)
    }
}

fn give_up(held: &mut Held, now: DateTime<Utc>) -> Vec<Stretch> {
    held.blocks
        .drain(..)
        .filter(|block| block.left(now) > 0)
        .collect()
}

/// The indexes of clients' own tokens.
#[derive(Debug)]
pub struct ClientIndexes {
    held: Held,
    runs: HashMap<ClientId, (Stretch, DateTime<Utc>)>,
    /// Runs that are not written down yet.
    unsaved: Vec<Run>,
}

impl Default for ClientIndexes {
    fn default() -> Self {
        Self {
            held: Held::new(Purpose::Clients),
            runs: HashMap::new(),
            unsaved: Vec::new(),
        }
    }
}

impl ClientIndexes {
    /// An index that no other token has, out of a run of `client`; `None` when all are used.
    pub fn take(&mut self, client: &ClientId, now: DateTime<Utc>) -> Option<StatusIndex> {
        if let Some((run, _)) = self.runs.get_mut(client)
            && let Some(index) = run.take(now)
        {
            return Some(index);
        }
        let quick = self
            .runs
            .get(client)
            .is_some_and(|(run, begun)| run.next == run.end && now - *begun < QUICK);
        let mut run = self.cut(if quick { BLOCK } else { RUN }, now)?;
        self.held.given += run.end - run.next;
        self.unsaved.push(Run {
            first: run.next,
            length: run.end - run.next,
            client: client.clone(),
            reusable_at: run.reusable_at,
        });
        let index = run.take(now);
        self.runs.insert(client.clone(), (run, now));
        index
    }

    /// A run of `length`, or of what the next block has. A whole block is taken from the end, where the blocks are
    /// that nothing was cut from.
    fn cut(&mut self, length: i64, now: DateTime<Utc>) -> Option<Stretch> {
        if length == BLOCK
            && self.held.blocks.len() > 1
            && self
                .held
                .blocks
                .back()
                .is_some_and(|block| block.left(now) == BLOCK)
        {
            return self.held.blocks.pop_back();
        }
        Some(self.held.front(now)?.cut(length))
    }

    /// Adds a block that was leased.
    pub fn add(&mut self, block: Stretch) {
        self.held.blocks.push_back(block);
    }

    /// How many blocks should be leased now.
    pub fn wanted(&mut self, now: DateTime<Utc>) -> i64 {
        self.runs.retain(|_, (run, _)| now < run.until);
        self.held.wanted(now)
    }

    /// How many indexes are left that are no client's yet.
    pub fn free(&self, now: DateTime<Utc>) -> i64 {
        self.held.free(now)
    }

    /// Whether there are runs to be written down.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.is_empty()
    }

    /// The runs to be written down. [`keep_unsaved`](Self::keep_unsaved) takes them back if that fails.
    pub fn unsaved(&mut self) -> Vec<Run> {
        std::mem::take(&mut self.unsaved)
    }

    /// Takes back runs that could not be written down.
    pub fn keep_unsaved(&mut self, runs: Vec<Run>) {
        self.unsaved.extend(runs);
    }

    /// Gives up what is no client's yet, for other nodes.
    pub fn give_up(&mut self, now: DateTime<Utc>) -> Vec<Stretch> {
        give_up(&mut self.held, now)
    }
}

#[cfg(test)]
mod tests;
