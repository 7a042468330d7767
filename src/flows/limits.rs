//! What one address may do before it is told to wait, counted in this node's memory: it must hold while the
//! database is away, and a flood must not reach it. Guessing across nodes is counted in the database, see
//! `storage::logins`.
//!
//! An attempt is reserved before it is worked on and can be given back. Windows are fixed: they begin with the
//! first attempt. The table is bounded; when it is full of live windows, new addresses share one bucket.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

/// The most windows that are kept.
const CAPACITY: usize = 100_000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Wrong passwords.
    WrongPasswords,
    /// Accounts that somebody tried to log in to.
    DistinctAccounts,
    /// New accounts.
    Signups,
    /// Mails that somebody asks for.
    Mails,
    /// Mailed links and codes that are none.
    BadLinks,
    /// Authorization requests that are stored for their pages.
    PendingRequests,
}

impl Limit {
    const fn rule(self) -> (usize, TimeDelta) {
        match self {
            Self::WrongPasswords => (10, TimeDelta::minutes(5)),
            Self::DistinctAccounts => (20, TimeDelta::minutes(15)),
            Self::Signups => (20, TimeDelta::hours(1)),
            Self::Mails => (10, TimeDelta::minutes(15)),
            Self::BadLinks => (30, TimeDelta::minutes(15)),
            // Far above what an office behind one address does.
            Self::PendingRequests => (1000, TimeDelta::minutes(5)),
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
    /// The end of a window that began at `since` and lasts `window`.
    pub fn until_end(since: DateTime<Utc>, window: TimeDelta, now: DateTime<Utc>) -> Self {
        Self {
            retry_after: (since + window - now).max(TimeDelta::seconds(1)),
        }
    }
}

/// One source of requests: an IPv4 address, or the /64 that an IPv6 host may roam in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source(Option<IpAddr>);

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        Self(Some(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = u128::from(address) & !u128::from(u64::MAX);
                IpAddr::V6(Ipv6Addr::from(network))
            }
            v4 => v4,
        }))
    }
}

#[derive(Debug)]
struct Window {
    since: DateTime<Utc>,
    attempts: usize,
    /// For what counts distinct things: hashes of those seen, never the things themselves.
    seen: HashSet<u64>,
}

/// The counters of one node.
#[derive(Debug, Default)]
pub struct Limits(Mutex<HashMap<(Limit, Source), Window>>);

impl Limits {
    /// Takes one attempt from the bucket of `source`.
    ///
    /// # Errors
    /// When there is none left.
    pub fn reserve(&self, limit: Limit, source: Source, now: DateTime<Utc>) -> Result<(), TooMany> {
        self.with_window(limit, source, now, |window, most, length| {
            if window.attempts >= most {
                return Err(TooMany::until_end(window.since, length, now));
            }
            window.attempts += 1;
            Ok(())
        })
    }

    /// Gives an attempt back.
    pub fn give_back(&self, limit: Limit, source: Source, now: DateTime<Utc>) {
        self.with_window(limit, source, now, |window, _, _| {
            window.attempts = window.attempts.saturating_sub(1);
        });
    }

    /// Counts `thing` once, however often it comes. Says whether it is new.
    ///
    /// # Errors
    /// When it is new and there is room for no other.
    pub fn reserve_distinct(
        &self,
        limit: Limit,
        source: Source,
        thing: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool, TooMany> {
        let thing = short(thing);
        self.with_window(limit, source, now, |window, most, length| {
            if window.seen.contains(&thing) {
                return Ok(false);
            }
            if window.seen.len() >= most {
                return Err(TooMany::until_end(window.since, length, now));
            }
            Ok(window.seen.insert(thing))
        })
    }

    /// Counts `thing` no longer.
    pub fn give_back_distinct(&self, limit: Limit, source: Source, thing: &[u8], now: DateTime<Utc>) {
        let thing = short(thing);
        self.with_window(limit, source, now, |window, _, _| {
            window.seen.remove(&thing);
        });
    }

    fn with_window<T>(
        &self,
        limit: Limit,
        source: Source,
        now: DateTime<Utc>,
        work: impl FnOnce(&mut Window, usize, TimeDelta) -> T,
    ) -> T {
        let (most, length) = limit.rule();
        let mut windows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut key = (limit, source);
        if windows.len() >= CAPACITY && !windows.contains_key(&key) {
            windows.retain(|(limit, _), window| now < window.since + limit.rule().1);
            if windows.len() >= CAPACITY {
                key = (limit, Source(None));
            }
        }
        let fresh = || Window {
            since: now,
            attempts: 0,
            seen: HashSet::new(),
        };
        let window = windows.entry(key).or_insert_with(fresh);
        if now >= window.since + length {
            *window = fresh();
        }
        work(window, most, length)
    }
}

fn short(thing: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
    }

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().expect("an address"))
    }

    #[test]
    fn the_eleventh_attempt_waits_for_the_end_of_the_window_and_one_given_back_is_free() {
        let limits = Limits::default();
        let here = source("192.0.2.1");
        let reserve = |seconds| limits.reserve(Limit::WrongPasswords, here, at(seconds));
        for second in 0..10 {
            assert_eq!(reserve(second), Ok(()));
        }
        let wait = |seconds| {
            Err(TooMany {
                retry_after: TimeDelta::seconds(seconds),
            })
        };
        assert_eq!(reserve(10), wait(290));
        assert_eq!(
            limits.reserve(Limit::WrongPasswords, source("192.0.2.2"), at(10)),
            Ok(())
        );
        assert_eq!(limits.reserve(Limit::Signups, here, at(10)), Ok(()));
        limits.give_back(Limit::WrongPasswords, here, at(11));
        assert_eq!(reserve(12), Ok(()));
        assert_eq!(reserve(299), wait(1));
        assert_eq!(reserve(300), Ok(()));
    }

    #[test]
    fn an_account_counts_once_however_often_it_is_tried() {
        let limits = Limits::default();
        let try_account = |name: &str| {
            limits.reserve_distinct(
                Limit::DistinctAccounts,
                source("192.0.2.1"),
                name.as_bytes(),
                at(0),
            )
        };
        for number in 0..20 {
            assert_eq!(try_account(&number.to_string()), Ok(true));
            assert_eq!(try_account("0"), Ok(false));
        }
        assert!(try_account("20").is_err());
        assert_eq!(try_account("19"), Ok(false));
        limits.give_back_distinct(Limit::DistinctAccounts, source("192.0.2.1"), b"19", at(0));
        assert_eq!(try_account("20"), Ok(true));
        assert!(try_account("19").is_err());
    }

    #[test]
    fn an_ipv6_host_is_its_network_and_a_mapped_address_is_the_ipv4_one() {
        assert_eq!(source("2001:db8:1:2::1"), source("2001:db8:1:2:ffff::9"));
        assert_ne!(source("2001:db8:1:2::1"), source("2001:db8:1:3::1"));
        assert_eq!(source("::ffff:192.0.2.1"), source("192.0.2.1"));
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_table() {
        let limits = Limits::default();
        for number in 0..u32::try_from(CAPACITY + 100).expect("a small number") {
            let address = IpAddr::from(number.to_be_bytes());
            let _ = limits.reserve(Limit::Signups, Source::from(address), at(0));
        }
        let size = limits.0.lock().expect("not poisoned").len();
        assert!(size <= CAPACITY + 1, "{size}");
    }
}
