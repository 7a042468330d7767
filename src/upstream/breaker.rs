//! Whom nobody can reach, nobody waits for: a provider that fails again and again is left alone for a while.

use chrono::{DateTime, TimeDelta, Utc};

/// So many failures in a row are enough.
const FAILURES: u32 = 5;

/// How long it is left alone before one may try.
const REST: TimeDelta = TimeDelta::seconds(30);

/// How a provider fares.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Since when it rests.
    rests_since: Option<DateTime<Utc>>,
}

impl Breaker {
    /// Whether it is left alone now. Under a clock that was set back it is not.
    pub(super) fn is_resting(&self, now: DateTime<Utc>) -> bool {
        self.rests_since
            .is_some_and(|since| (TimeDelta::zero()..REST).contains(&(now - since)))
    }

    /// Whether it may be asked. After its rest one may try, and all others wait for how that goes.
    pub(super) fn admit(&mut self, now: DateTime<Utc>) -> bool {
        let resting = self.is_resting(now);
        if !resting && self.rests_since.is_some() {
            self.rests_since = Some(now);
        }
        !resting
    }

    /// It answered.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// It did not. Tells whether that made it rest.
    pub(super) fn failed(&mut self, now: DateTime<Utc>) -> bool {
        self.failures = self.failures.saturating_add(1);
        let begins = self.failures >= FAILURES && self.rests_since.is_none();
        if self.failures >= FAILURES {
            self.rests_since = Some(now);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_one_trial_decides() {
        let mut breaker = Breaker::default();
        let mut now = DateTime::UNIX_EPOCH;
        for _ in 1..FAILURES {
            assert!(breaker.admit(now));
            assert!(!breaker.failed(now));
        }
        breaker.succeeded();
        for _ in 1..FAILURES {
            breaker.failed(now);
        }
        assert!(breaker.admit(now), "a success in between counts them anew");
        assert!(breaker.failed(now), "this one is too many");
        assert!(!breaker.admit(now));
        now += REST - TimeDelta::seconds(1);
        assert!(!breaker.admit(now));

        now += TimeDelta::seconds(1);
        assert!(!breaker.is_resting(now));
        assert!(breaker.admit(now), "one may try");
        assert!(!breaker.admit(now), "and nobody else");
        assert!(!breaker.failed(now), "it rested before");
        assert!(!breaker.admit(now + REST - TimeDelta::seconds(1)));

        now += REST;
        assert!(breaker.admit(now));
        breaker.succeeded();
        assert!(breaker.admit(now) && breaker.admit(now));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_prolong_the_rest() {
        let mut breaker = Breaker::default();
        let now = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        for _ in 0..FAILURES {
            breaker.failed(now);
        }
        assert!(breaker.is_resting(now));
        assert!(!breaker.is_resting(now - TimeDelta::hours(1)));
    }
}
