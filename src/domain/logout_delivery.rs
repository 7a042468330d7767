//! How long a client is told of a logout, and how often (OpenID Connect Back-Channel Logout 1.0 §2.8 leaves that to
//! us). Pure: an attempt has failed, when is the next one?

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::ids::{ClientId, SessionId};
use super::retry::Pauses;

/// The pauses between attempts.
const PAUSES: Pauses = Pauses {
    first: TimeDelta::seconds(1),
    longest: TimeDelta::minutes(15),
};
/// How long a client that does not answer is told again.
pub const PATIENCE: TimeDelta = TimeDelta::hours(24);

/// When the next attempt is due after the `attempts`-th, counted from one, has failed; `None`: no more, the client has
/// had a day. `jitter` as for [`Pauses::after`].
pub fn next_attempt(
    created_at: DateTime<Utc>,
    attempts: u32,
    jitter: f64,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let next = now + PAUSES.after(attempts, jitter);
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
        assert!(now <= start() + PATIENCE && now > start() + PATIENCE - PAUSES.longest);
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
