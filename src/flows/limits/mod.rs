//! What somebody may do before they are told to wait. An attempt is reserved before it is worked on, so that attempts at
//! once count, and can be given back.
//!
//! 1. This node's memory, [`Limits`]: it holds while the database is away, and keeps a flood from it.
//! 2. The database, [`reserve`]: what all nodes have seen together, in one round trip for all that a request needs.
//!
//! Windows are fixed: they begin with the first attempt. Guesses at one account are counted with the login itself, see
//! `storage::logins`.

mod key;
mod memory;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::key::{Key, Source};
pub use self::memory::Limits;
use super::provider::Provider;
use crate::storage::StorageError;
use crate::storage::limit_counters::{self, Bucket, Outcome};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Wrong passwords, a source.
    WrongPasswords,
    /// Accounts that somebody tried to log in to, a source. Counted in memory alone.
    DistinctAccounts,
    /// New accounts, a source.
    Signups,
    /// Authorization requests that are stored for their pages, a source. Counted in memory alone.
    PendingRequests,
    /// Mails that were asked for to be sent to an address, whether or not it has an account.
    MailsToAddress,
    /// Mails that a source asked for, to whomever.
    MailsFromSource,
    /// Links and codes that were none, a source.
    BadLinks,
}

/// How many attempts in which window.
#[derive(Debug, Clone, Copy)]
struct Rule {
    most: u16,
    window: TimeDelta,
}

const fn rule(most: u16, window: TimeDelta) -> Rule {
    Rule { most, window }
}

impl Limit {
    /// Its rules, all of which hold.
    const fn rules(self) -> &'static [Rule] {
        const WRONG_PASSWORDS: &[Rule] = &[rule(10, TimeDelta::minutes(5))];
        const DISTINCT_ACCOUNTS: &[Rule] = &[rule(20, TimeDelta::minutes(15))];
        const SIGNUPS: &[Rule] = &[rule(20, TimeDelta::hours(1))];
        // Far above what an office behind one address does.
        const PENDING_REQUESTS: &[Rule] = &[rule(1000, TimeDelta::minutes(5))];
        const MAILS_TO_ADDRESS: &[Rule] = &[rule(3, TimeDelta::minutes(15)), rule(10, TimeDelta::days(1))];
        const MAILS_FROM_SOURCE: &[Rule] = &[rule(10, TimeDelta::minutes(15))];
        const BAD_LINKS: &[Rule] = &[rule(30, TimeDelta::minutes(15))];
        match self {
            Self::WrongPasswords => WRONG_PASSWORDS,
            Self::DistinctAccounts => DISTINCT_ACCOUNTS,
            Self::Signups => SIGNUPS,
            Self::PendingRequests => PENDING_REQUESTS,
            Self::MailsToAddress => MAILS_TO_ADDRESS,
            Self::MailsFromSource => MAILS_FROM_SOURCE,
            Self::BadLinks => BAD_LINKS,
        }
    }

    /// What stands in the keys of its buckets in the database.
    const fn as_str(self) -> &'static str {
        match self {
            Self::WrongPasswords => "wrong_passwords",
            Self::DistinctAccounts => "distinct_accounts",
            Self::Signups => "signups",
            Self::PendingRequests => "pending_requests",
            Self::MailsToAddress => "mails_to_address",
            Self::MailsFromSource => "mails_from_source",
            Self::BadLinks => "bad_links",
        }
    }
}

/// The limit is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many attempts")]
pub struct TooMany {
    /// When the window ends; at least a second.
    pub retry_after: TimeDelta,
}

impl TooMany {
    /// Until then.
    pub fn until(end: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self {
            retry_after: (end - now).max(TimeDelta::seconds(1)),
        }
    }
}

/// Why there is no attempt.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// The limit is reached.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Attempts that were reserved. Whoever drops them has used them.
#[derive(Debug, Default)]
pub struct Taken {
    attempts: Vec<(Limit, Key)>,
    buckets: Vec<Bucket>,
}

impl Taken {
    /// Gives them back: what came was none of what is limited (the link was good), or nothing was done (a 503).
    ///
    /// # Errors
    /// When the database does not answer: all nodes together go on counting them, until their windows end.
    pub async fn give_back(self, provider: &Provider, now: DateTime<Utc>) -> Result<(), StorageError> {
        for (limit, key) in self.attempts {
            provider.limits.give_back(limit, key, now);
        }
        if self.buckets.is_empty() {
            return Ok(());
        }
        limit_counters::give_back(&provider.db, &self.buckets).await
    }
}

/// Reserves an attempt of each of `wanted`, on this node and on all together, or none.
///
/// ```ignore
/// let mails = [(Limit::MailsToAddress, Key::email(&email)), (Limit::MailsFromSource, Key::from(browser.address))];
/// let taken = limits::reserve(provider, &mails, now).await?;
/// ```
///
/// # Errors
/// When one of the limits is reached, or the database does not answer.
pub async fn reserve(
    provider: &Provider,
    wanted: &[(Limit, Key)],
    now: DateTime<Utc>,
) -> Result<Taken, LimitError> {
    if !provider.settings.rate_limits {
        return Ok(Taken::default());
    }
    let mut taken = Taken::default();
    // Sources first: whoever is past their limit fills the table with nobody else's windows.
    let (sources, others): (Vec<_>, Vec<_>) = wanted
        .iter()
        .copied()
        .partition(|(_, key)| matches!(key, Key::Source(_)));
    for (limit, key) in sources.into_iter().chain(others) {
        if let Err(refused) = provider.limits.reserve(limit, key, now) {
            forget(provider, &taken, now);
            return Err(refused.into());
        }
        taken.attempts.push((limit, key));
    }
    let buckets = stored_buckets(provider, wanted, now);
    match limit_counters::take(&provider.db, &buckets, now).await {
        Ok(Outcome::Taken) => {
            taken.buckets = buckets;
            Ok(taken)
        }
        Ok(Outcome::Refused { by, until }) => {
            // This node goes on counting what was past its limit, so that whoever goes on is soon refused without the
            // database. All else is as before: nobody fills the bucket of an address while theirs is empty.
            taken.attempts.retain(|attempt| {
                let buckets = stored_buckets(provider, &[*attempt], now);
                !buckets.iter().any(|bucket| by.contains(&bucket.key))
            });
            forget(provider, &taken, now);
            tracing::warn!("a limit was reached on all nodes together");
            Err(TooMany::until(until, now).into())
        }
        Err(error) => {
            forget(provider, &taken, now);
            Err(error.into())
        }
    }
}

fn forget(provider: &Provider, taken: &Taken, now: DateTime<Utc>) {
    for (limit, key) in &taken.attempts {
        provider.limits.give_back(*limit, *key, now);
    }
}

/// The buckets in the database that `wanted` are counted in. Their keys tell nothing of whom they count.
pub(super) fn stored_buckets(
    provider: &Provider,
    wanted: &[(Limit, Key)],
    now: DateTime<Utc>,
) -> Vec<Bucket> {
    let keys = provider.keys();
    let (_, mac_key) = keys.mac.cookie.current();
    let buckets = wanted
        .iter()
        .flat_map(|(limit, key)| memory::buckets(*limit, *key));
    buckets
        .map(|bucket| Bucket {
            key: bucket.mac(mac_key),
            most: i32::from(bucket.most),
            ends_at: now + bucket.window,
        })
        .collect()
}
