//! What happens in one world, and by which rules its issuer works.

use proptest::collection::vec;
use proptest::prelude::*;

/// A length of time, or a moment, in units of ten seconds. A token's five minutes of leeway are 30.
pub type Ticks = i64;

/// How long a world is watched.
pub const END: Ticks = 150;

/// How many nodes there are.
pub const NODES: usize = 3;

/// The issuer's configuration, in ticks.
#[derive(Debug, Clone)]
pub struct Rules {
    pub rotation_interval: Ticks,
    pub min_announce: Ticks,
    pub poll_interval: Ticks,
    pub jwks_max_age: Ticks,
    pub clock_skew: Ticks,
    pub max_partition: Ticks,
    pub token_ttl: Ticks,
}

/// Whom something happens to or who does it; taken modulo the number of those there are.
pub type Pick = usize;

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Event {
    /// A node does not reach the database for so long.
    Partition(Pick, Ticks),
    /// Nobody does.
    Outage(Ticks),
    /// A node is gone for so long, or longer if it cannot read the keys then.
    Crash(Pick, Ticks),
    /// An operator rotates all keys (`signet keys rotate`), beside this node.
    Rotate(Pick),
    /// The same with `--now`.
    RotateNow(Pick),
    /// An operator declares a key compromised, beside this node. Of the younger keys rather than of the older ones.
    Compromise(Pick, Pick),
    /// `signet keys compromise --all`.
    CompromiseAll(Pick),
    /// A node comes back with another `keys.rotation_interval`.
    Interval(Pick, Ticks),
    /// A node comes back with another life of tokens.
    Lifetime(Pick, Ticks),
    /// A node comes back with an algorithm more in `keys.algorithms`.
    Enable(Pick),
    /// All nodes look after the schedule in one moment.
    AllAdvance,
}

/// A world and what happens in it.
#[derive(Debug, Clone)]
pub struct History {
    pub rules: Rules,
    /// How far the clock of each node is ahead, at most `clock_skew`.
    pub ahead: [Ticks; NODES],
    /// When each node polls first.
    pub phases: [Ticks; NODES],
    pub events: Vec<(Ticks, Event)>,
}

/// Any history.
pub fn histories() -> impl Strategy<Value = History> {
    let clocks = [clock(), clock(), clock()];
    let phases = [0..3_i64, 0..3, 0..3];
    let events = vec((0..END, event()), 0..24);
    (rules(), clocks, phases, events).prop_map(|(rules, clocks, phases, mut events)| {
        events.sort_by_key(|(at, _)| *at);
        History {
            ahead: clocks.map(|share| rules.clock_skew * share / 4),
            phases: phases.map(|phase| phase % rules.poll_interval),
            rules,
            events,
        }
    })
}

/// The worst clocks are the likeliest: in quarters of the skew.
fn clock() -> impl Strategy<Value = Ticks> {
    prop_oneof![2 => Just(0), 2 => Just(4), 1 => 0..=4_i64]
}

fn rules() -> impl Strategy<Value = Rules> {
    (
        prop_oneof![3..30_i64, 30..120_i64],
        prop_oneof![2 => Just(0), 3 => 0..50_i64],
        1..=2_i64,
        prop_oneof![1 => Just(0), 3 => 0..=8_i64],
        prop_oneof![1 => Just(0), 3 => 0..=6_i64],
        1..60_i64,
        1..=12_i64,
    )
        .prop_map(
            |(
                rotation_interval,
                min_announce,
                poll_interval,
                jwks_max_age,
                clock_skew,
                max_partition,
                token_ttl,
            )| Rules {
                rotation_interval,
                min_announce,
                poll_interval,
                jwks_max_age,
                clock_skew,
                max_partition,
                token_ttl,
            },
        )
}

fn event() -> impl Strategy<Value = Event> {
    let node = 0..NODES;
    prop_oneof![
        4 => (node.clone(), 1..50_i64).prop_map(|(node, time)| Event::Partition(node, time)),
        1 => (1..30_i64).prop_map(Event::Outage),
        3 => (node.clone(), 0..20_i64).prop_map(|(node, time)| Event::Crash(node, time)),
        5 => node.clone().prop_map(Event::Rotate),
        3 => node.clone().prop_map(Event::RotateNow),
        3 => (node.clone(), 0..8_usize).prop_map(|(node, key)| Event::Compromise(node, key)),
        1 => node.clone().prop_map(Event::CompromiseAll),
        2 => (node.clone(), 3..100_i64).prop_map(|(node, time)| Event::Interval(node, time)),
        1 => (node.clone(), 1..20_i64).prop_map(|(node, time)| Event::Lifetime(node, time)),
        2 => node.prop_map(Event::Enable),
        2 => Just(Event::AllAdvance),
    ]
}
