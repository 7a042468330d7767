//! How long a client is told of a logout, and how often (OpenID Connect Back-Channel Logout 1.0 §2.8 leaves that to
//! us). Pure: an attempt has failed, when is the next one?

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::ids::{ClientId, SessionId};

/// The pause after the first failure; each further one is twice as long.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(1);
/// The longest pause.
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// How long a client that does not answer is told again.
pub const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// When the next attempt is due after the `attempts`-th, counted from one, has failed; `None`: no more, the client has
/// had a day. `jitter` (0 to 1) shortens the pause by up to a half, so that what failed together is not tried together.
pub fn next_attempt(
    created_at: DateTime<Utc>,
    attempts: u32,
    jitter: f64,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let doubled = FIRST_PAUSE * 2_i32.saturating_pow(attempts.saturating_sub(1).min(20));
    let pause = doubled.min(LONGEST_PAUSE);
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a pause has a million milliseconds at most"
    )]
    let shortened = (pause.num_milliseconds() as f64 * (1.0 - jitter.clamp(0.0, 1.0) / 2.0)) as i64;
    let next = now + TimeDelta::milliseconds(shortened);
    (next <= created_at + PATIENCE).then_some(next)
}

/// The `jti` of the logout token that tells `client` of the end of `session`. Of the two alone, so that a client that
/// is told twice, because a node died before it could write down the answer, sees that it is the same logout.
pub fn token_id(session: SessionId, client: &ClientId) -> uuid::Uuid {
    let digest = Sha256::new()
        .chain_update("signet/logout-token/v1")
        .chain_update(session.as_uuid())
        .chain_update(client.as_str())
        .finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).expect("a date")
    }

    fn pause(attempts: u32, jitter: f64) -> TimeDelta {
        next_attempt(start(), attempts, jitter, start()).expect("early") - start()
    }

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let pauses: Vec<i64> = (1..=12).map(|n| pause(n, 0.0).num_seconds()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(pause(u32::MAX, 0.0), LONGEST_PAUSE);
        assert_eq!(pause(0, 0.0), FIRST_PAUSE);
    }

    #[test]
    fn jitter_shortens_a_pause_by_half_at_most() {
        assert_eq!(pause(3, 1.0), TimeDelta::seconds(2));
        assert_eq!(pause(3, 0.5), TimeDelta::seconds(3));
        assert_eq!(pause(3, 7.0), TimeDelta::seconds(2));
    }

    #[test]
    fn a_client_is_told_for_a_day() {
        let (mut now, mut attempts) = (start(), 0);
        loop {
            attempts += 1;
            let Some(next) = next_attempt(start(), attempts, 0.0, now) else {
                break;
            };
            assert!(next > now);
            now = next;
        }
        assert!(now <= start() + PATIENCE && now > start() + PATIENCE - LONGEST_PAUSE);
        assert!((100..120).contains(&attempts), "{attempts}");
    }

    #[test]
    fn the_id_of_a_token_is_that_of_one_session_at_one_client() {
        let session = |n| SessionId::from(uuid::Uuid::from_u128(n));
        let client = |id: &str| ClientId::try_from(id.to_owned()).expect("an id");
        let id = token_id(session(1), &client("a"));
        assert_eq!(id, token_id(session(1), &client("a")));
        assert_ne!(id, token_id(session(2), &client("a")));
        assert_ne!(id, token_id(session(1), &client("b")));
    }
}
