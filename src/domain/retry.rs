//! How long to wait before something that failed is tried again. Pure.

use chrono::TimeDelta;

/// Pauses that double, up to a longest.
#[derive(Debug, Clone, Copy)]
pub struct Pauses {
    /// After the first failure.
    pub first: TimeDelta,
    /// The longest; at most a few days.
    pub longest: TimeDelta,
}

impl Pauses {
    /// The pause after the `attempts`-th attempt, counted from one. `jitter` (0 to 1) shortens it by up to a half, so
    /// that what failed together is not tried together.
    pub fn after(self, attempts: u32, jitter: f64) -> TimeDelta {
        let doubled = self.first * 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
        let pause = doubled.min(self.longest);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_precision_loss,
            reason = "a pause has less than 2^52 milliseconds"
        )]
        let shortened = (pause.num_milliseconds() as f64 * (1.0 - jitter.clamp(0.0, 1.0) / 2.0)) as i64;
        TimeDelta::milliseconds(shortened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAUSES: Pauses = Pauses {
        first: TimeDelta::seconds(1),
        longest: TimeDelta::minutes(15),
    };

    #[test]
    fn pauses_double_up_to_the_longest() {
        let pauses: Vec<i64> = (1..=12).map(|n| PAUSES.after(n, 0.0).num_seconds()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(PAUSES.after(u32::MAX, 0.0), PAUSES.longest);
        assert_eq!(PAUSES.after(0, 0.0), PAUSES.first);
    }

    #[test]
    fn jitter_shortens_a_pause_by_half_at_most() {
        assert_eq!(PAUSES.after(3, 1.0), TimeDelta::seconds(2));
        assert_eq!(PAUSES.after(3, 0.5), TimeDelta::seconds(3));
        assert_eq!(PAUSES.after(3, 7.0), TimeDelta::seconds(2));
    }
}
