//! Deletes what has expired, a small batch at a time, so that tables stay as small as what lives in them. Nothing
//! depends on it: what has expired is refused whether or not it is still there.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use super::pause;
use crate::domain::logout_delivery;
use crate::domain::status_list::{LEEWAY, LONGEST_TOKEN, shown_for};
use crate::flows::keys::confirmation;
use crate::flows::provider::{Provider, Settings};
use crate::random::Random;
use crate::storage::{
    Db, StorageError, access_tokens, authorization_codes, authorization_requests, client_assertion_jtis,
    events, federation_attempts, limit_counters, logins, logout_deliveries, mailed_links, nodes,
    one_time_tokens, outgoing_mails, sessions, status_blocks, status_lists, token_families,
};

/// How often a table is looked at, on average.
const INTERVAL: Duration = Duration::from_mins(1);
/// How many rows one statement deletes.
const BATCH: i64 = 500;
/// The pause between two batches, which leaves the database to others.
const BREATH: Duration = Duration::from_millis(50);
/// A batch after a long pause may be slow; nobody waits for it.
const LIMIT: Duration = Duration::from_secs(30);

/// Counted windows end long before that.
const LOGIN_ATTEMPTS_KEPT: TimeDelta = TimeDelta::days(1);
/// Whoever is at the last attempt gives up by itself.
const LOGOUTS_KEPT: TimeDelta = TimeDelta::hours(1);
/// How long an operator can look at what was not mailed, and why.
const DEAD_LETTERS_KEPT: TimeDelta = TimeDelta::days(30);
/// How long an operator can look at what happened.
const EVENTS_KEPT: TimeDelta = TimeDelta::days(90);

/// A kind of rows that expire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    AuthorizationRequests,
    AuthorizationCodes,
    TokenFamilies,
    RevokedAccessTokens,
    ClientAssertionJtis,
    Sessions,
    Devices,
    LoginAttempts,
    LimitCounters,
    Events,
    Nodes,
    StatusTombstones,
    StatusRuns,
    LogoutDeliveries,
    OneTimeTokens,
    DeadLetters,
    MailedLinks,
    FederationAttempts,
}

impl Kind {
    /// Families before sessions: a session stays as long as a family reads it.
    const ALL: [Self; 18] = [
        Self::AuthorizationRequests,
        Self::AuthorizationCodes,
        Self::TokenFamilies,
        Self::RevokedAccessTokens,
        Self::ClientAssertionJtis,
        Self::Sessions,
        Self::Devices,
        Self::LoginAttempts,
        Self::LimitCounters,
        Self::Events,
        Self::Nodes,
        Self::StatusTombstones,
        Self::StatusRuns,
        Self::LogoutDeliveries,
        Self::OneTimeTokens,
        Self::DeadLetters,
        Self::MailedLinks,
        Self::FederationAttempts,
    ];

    const fn table(self) -> &'static str {
        match self {
            Self::AuthorizationRequests => "authorization_requests",
            Self::AuthorizationCodes => "authorization_codes",
            Self::TokenFamilies => "token_families",
            Self::RevokedAccessTokens => "revoked_access_tokens",
            Self::ClientAssertionJtis => "client_assertion_jtis",
            Self::Sessions => "sessions",
            Self::Devices => "devices",
            Self::LoginAttempts => "login_attempts",
            Self::LimitCounters => "limit_counters",
            Self::Events => "events",
            Self::Nodes => "nodes",
            Self::StatusTombstones => "status_tombstones",
            Self::StatusRuns => "status_runs",
            Self::LogoutDeliveries => "logout_deliveries",
            Self::OneTimeTokens => "spent_one_time_tokens",
            Self::DeadLetters => "outgoing_mails",
            Self::MailedLinks => "mailed_links",
            Self::FederationAttempts => "federation_attempts",
        }
    }

    /// How much longer than its expiry a row is kept. Without its family or session an access token would be dead
    /// too early. A session outlives its families, which may begin until its end: were it looked at before they
    /// are gone, every round would look at all such sessions in vain. What the status lists are made of is kept until
    /// the most lenient verifier refuses the token for its `exp`.
    fn kept(self, settings: &Settings, clock_skew: TimeDelta) -> TimeDelta {
        let token_life = settings.keys.lifetimes.signed;
        match self {
            Self::TokenFamilies => token_life + LEEWAY + clock_skew,
            Self::RevokedAccessTokens => shown_for(TimeDelta::zero()),
            Self::StatusTombstones => shown_for(LONGEST_TOKEN),
            Self::Sessions => settings.refresh.ttl + token_life + LEEWAY + clock_skew,
            Self::LoginAttempts => LOGIN_ATTEMPTS_KEPT,
            Self::Events => EVENTS_KEPT,
            Self::DeadLetters => DEAD_LETTERS_KEPT,
            Self::LogoutDeliveries => logout_delivery::PATIENCE + LOGOUTS_KEPT,
            Self::Nodes => confirmation::serves_after_its_word(&settings.keys.policy),
            _ => clock_skew,
        }
    }

    async fn delete(self, db: &Db, before: DateTime<Utc>) -> Result<u64, StorageError> {
        match self {
            Self::AuthorizationRequests => authorization_requests::delete_expired(db, before, BATCH).await,
            Self::AuthorizationCodes => authorization_codes::delete_expired(db, before, BATCH).await,
            Self::TokenFamilies => token_families::delete_expired(db, before, BATCH)
                .await
                .map(i64::unsigned_abs),
            Self::RevokedAccessTokens => access_tokens::delete_expired(db, before, BATCH).await,
            Self::ClientAssertionJtis => client_assertion_jtis::delete_expired(db, before, BATCH).await,
            Self::Sessions => sessions::delete_expired(db, before, BATCH).await,
            Self::Devices => logins::delete_expired_devices(db, before, BATCH).await,
            Self::LoginAttempts => logins::delete_old_attempts(db, before, BATCH).await,
            Self::LimitCounters => limit_counters::delete_expired(db, before, BATCH).await,
            Self::Events => events::delete_expired(db, before, BATCH).await,
            Self::Nodes => nodes::delete_unseen(db, before).await,
            Self::StatusTombstones => status_lists::delete_expired(db, before, BATCH).await,
            Self::StatusRuns => status_blocks::delete_expired_runs(db, before, BATCH).await,
            Self::LogoutDeliveries => logout_deliveries::delete_expired(db, before, BATCH).await,
            Self::OneTimeTokens => one_time_tokens::delete_expired(db, before, BATCH).await,
            Self::DeadLetters => outgoing_mails::delete_expired(db, before, BATCH).await,
            Self::MailedLinks => mailed_links::delete_expired(db, before, BATCH).await,
            Self::FederationAttempts => federation_attempts::delete_expired(db, before, BATCH).await,
        }
    }
}

/// Sweeps again and again until `stop`. The pauses are random, so that nodes that started together do not sweep
/// together.
pub(super) async fn run(provider: Arc<Provider>, clock_skew: TimeDelta, stop: CancellationToken) {
    while pause(jittered(INTERVAL, &*provider.random), &stop).await {
        round(&provider, clock_skew, &stop).await;
    }
}

/// Sweeps all kinds once. What has expired is kept for `clock_skew` more, for nodes whose clock is behind.
pub async fn round(provider: &Provider, clock_skew: TimeDelta, stop: &CancellationToken) {
    let db = provider.db.with_limit(LIMIT);
    for kind in Kind::ALL {
        let before = provider.now() - kind.kept(&provider.settings, clock_skew);
        match sweep(kind, &db, before, stop).await {
            Ok(0) => {}
            Ok(deleted) => {
                metrics::counter!("signet_expired_rows_deleted_total", "table" => kind.table())
                    .increment(deleted);
                tracing::debug!(table = kind.table(), deleted, "expired rows were deleted");
            }
            // The reload job says so already.
            Err(error) if error.is_unavailable() => return,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, table = kind.table(), "expired rows cannot be deleted");
            }
        }
    }
}

/// Deletes what expired before `before`, batch by batch, and says how many rows that were.
async fn sweep(
    kind: Kind,
    db: &Db,
    before: DateTime<Utc>,
    stop: &CancellationToken,
) -> Result<u64, StorageError> {
    let mut all = 0;
    loop {
        let deleted = kind.delete(db, before).await?;
        all += deleted;
        if deleted < BATCH.unsigned_abs() || !pause(BREATH, stop).await {
            return Ok(all);
        }
    }
}

/// Tells what the counter means.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        "signet_expired_rows_deleted_total",
        "Rows deleted because they had expired, by table"
    );
}

/// Half of `mean` to one and a half of it.
fn jittered(mean: Duration, random: &dyn Random) -> Duration {
    let mut bytes = [0; 4];
    random.fill(&mut bytes);
    mean.mul_f64(0.5 + f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn pauses_differ_and_stay_near_their_mean() {
        let random = SeededRandom::new(1);
        let pauses: Vec<Duration> = (0..100).map(|_| jittered(INTERVAL, &random)).collect();
        assert!(pauses.iter().all(|pause| (30..=90).contains(&pause.as_secs())));
        assert_ne!(pauses[0], pauses[1]);
    }
}
