//! The table of the refresh told as sets: which serials are good at a moment, computed from nothing but the
//! log of all that was presented. Time runs backwards here now and then, families expire, some do not rotate.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::*;
use super::{new_family, start};

/// What was presented before, and with what outcome; seconds since the start.
struct Log {
    rotates: bool,
    expires_at: i64,
    idle_expires_at: i64,
    policy: RefreshPolicy,
    uses: Vec<(i64, i64, Rotation)>,
}

impl Log {
    /// The uses of these outcomes, oldest first: (serial, at).
    fn with(&self, outcomes: &[Rotation]) -> Vec<(i64, i64)> {
        let uses = self.uses.iter();
        uses.filter(|(.., outcome)| outcomes.contains(outcome))
            .map(|&(serial, at, _)| (serial, at))
            .collect()
    }

    /// Every mint makes one serial.
    fn head(&self) -> i64 {
        i64::try_from(self.with(&[Rotation::Advanced, Rotation::Branched]).len()).expect("few")
    }

    fn is_over(&self, now: i64) -> bool {
        let extensions = self.with(&[Rotation::Advanced, Rotation::Same]);
        let idle = self.policy.idle_ttl.num_seconds();
        let idle_expires_at = extensions
            .iter()
            .map(|(_, at)| at + idle)
            .fold(self.idle_expires_at, i64::max);
        !self.with(&[Rotation::Theft]).is_empty() || now >= self.expires_at || now >= idle_expires_at
    }

    /// The serials whose holder gets the head again: the last two that were advanced from, each for a window
    /// since the latest mint before it lost its place.
    fn retryable(&self, now: i64) -> BTreeSet<i64> {
        let is_mint = |outcome| matches!(outcome, Rotation::Advanced | Rotation::Branched);
        let mut replaced = Vec::new();
        let mut latest = i64::MIN;
        for &(serial, at, outcome) in self.uses.iter().filter(|(.., outcome)| is_mint(*outcome)) {
            latest = latest.max(at);
            if outcome == Rotation::Advanced {
                replaced.push((serial, latest));
            } else if let Some(last) = replaced.last_mut() {
                last.1 = latest;
            }
        }
        let window = self.policy.retry_window.num_seconds();
        let last_two = replaced.iter().rev().take(2);
        last_two
            .filter(|(_, since)| now < since + window)
            .map(|(serial, _)| *serial)
            .collect()
    }

    /// The serial whose successor was never used, while its first use is not too long ago.
    fn recoverable(&self, now: i64) -> BTreeSet<i64> {
        let window = self.policy.recovery_window.num_seconds();
        let last = self.with(&[Rotation::Advanced]).pop();
        last.filter(|(_, at)| now < at + window)
            .map(|(serial, _)| serial)
            .into_iter()
            .collect()
    }

    fn verdict(&self, serial: i64, owned: bool, now: i64) -> Rotation {
        match serial - self.head() {
            _ if !owned || self.is_over(now) => Rotation::Refused,
            0 if self.rotates => Rotation::Advanced,
            0 => Rotation::Same,
            1.. => Rotation::Ahead,
            _ if self.retryable(now).contains(&serial) => Rotation::Retried,
            _ if self.recoverable(now).contains(&serial) => Rotation::Branched,
            _ => Rotation::Theft,
        }
    }
}

fn pauses() -> impl Strategy<Value = i64> {
    prop_oneof![
        10 => 0i64..5,
        5 => 20i64..60,
        2 => Just(30),
        1 => Just(86_400),
        1 => 80_000i64..90_000,
        4 => -40i64..0,
    ]
}

/// A serial worth trying: most often one that a client may hold, or its history would end at once.
fn serial(state: &FamilyState, pick: u8) -> i64 {
    match pick {
        0..10 => state.head,
        10..14 => state.prev.unwrap_or(state.head),
        14..17 => state.prev2.unwrap_or(state.head),
        17 => state.head + 1,
        _ => state.head - i64::from(pick - 17),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn the_state_machine_accepts_exactly_the_serials_of_the_sets(
        rotates in proptest::bool::weighted(0.8),
        expires_at in 1i64..2_000_000,
        idle_expires_at in 1i64..500_000,
        idle_ttl in 1i64..500_000,
        retry_window in prop_oneof![Just(0i64), Just(30)],
        recovery_window in prop_oneof![Just(0i64), Just(86_400)],
        steps in proptest::collection::vec((0u8..20, proptest::bool::weighted(0.95), pauses()), 1..40),
    ) {
        let policy = RefreshPolicy {
            retry_window: TimeDelta::seconds(retry_window),
            recovery_window: TimeDelta::seconds(recovery_window),
            idle_ttl: TimeDelta::seconds(idle_ttl),
            ttl: TimeDelta::days(90),
        };
        let mut state = FamilyState {
            idle_expires_at: start() + TimeDelta::seconds(idle_expires_at),
            expires_at: start() + TimeDelta::seconds(expires_at),
            ..new_family(rotates)
        };
        let mut log = Log { rotates, expires_at, idle_expires_at, policy, uses: Vec::new() };
        let mut seconds = 0;
        for (pick, owned, pause) in steps {
            seconds += pause;
            let serial = serial(&state, pick);
            let (next, outcome) = state.present(serial, owned, start() + TimeDelta::seconds(seconds), &policy);
            prop_assert_eq!(outcome, log.verdict(serial, owned, seconds), "{} at {} of {:?}", serial, seconds, log.uses);
            log.uses.push((serial, seconds, outcome));
            prop_assert_eq!(next.head, log.head());
            if matches!(outcome, Rotation::Refused | Rotation::Ahead | Rotation::Retried) {
                prop_assert_eq!(next, state, "{:?} changes nothing", outcome);
            }
            state = next;
        }
    }

    #[test]
    fn whoever_uses_the_last_token_that_reached_them_is_never_taken_for_a_thief(
        steps in proptest::collection::vec((proptest::bool::weighted(0.5), 1usize..4, 0i64..2000), 1..40),
    ) {
        let policy = super::policy();
        let mut state = new_family(true);
        let (mut held, mut seconds) = (0, 0);
        for (arrives, tabs, pause) in steps {
            seconds += pause;
            for _ in 0..tabs {
                let (next, outcome) = state.present(held, true, start() + TimeDelta::seconds(seconds), &policy);
                prop_assert!(!matches!(outcome, Rotation::Theft | Rotation::Refused | Rotation::Ahead), "{outcome:?}");
                state = next;
            }
            if arrives {
                held = state.head;
            }
        }
    }
}
