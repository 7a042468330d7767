//! The counters of one node. The table is bounded; when it is full of live windows, whoever is new shares one bucket.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::{Key, Limit, TooMany};
use crate::domain::mac::{MAC_LENGTH, MacKey};

/// The most windows that are kept.
const CAPACITY: usize = 100_000;

/// How many sources' worth of attempts an IPv6 site has (its /48, see [`Source::site`](super::Source::site)).
const SITE: u16 = 5;

/// One of the buckets that an attempt is taken from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    place: Place,
    pub(super) most: u16,
    pub(super) window: TimeDelta,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Place {
    limit: Limit,
    rule: u8,
    who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Who {
    Key(Key),
    Site(IpAddr),
    /// Whoever came when the table was full.
    Others,
}

/// Every bucket of an attempt: one a rule, and another for the site of an IPv6 source.
pub(super) fn buckets(limit: Limit, key: Key) -> Vec<Bucket> {
    let site = match key {
        Key::Source(source) => source.site(),
        Key::Hidden(_) => None,
    };
    let mut buckets = Vec::with_capacity(2);
    for (number, rule) in (0..).zip(limit.rules()) {
        let bucket = |who, most| Bucket {
            place: Place {
                limit,
                rule: number,
                who,
            },
            most,
            window: rule.window,
        };
        buckets.push(bucket(Who::Key(key), rule.most));
        buckets.extend(site.map(|site| bucket(Who::Site(site), rule.most * SITE)));
    }
    buckets
}

impl Bucket {
    /// What it is found by in the database.
    pub(super) fn mac(&self, key: &MacKey) -> [u8; MAC_LENGTH] {
        let Place { limit, rule, who } = self.place;
        let (kind, bytes) = match who {
            Who::Key(Key::Source(source)) => ("source", octets(source.address())),
            Who::Site(site) => ("site", octets(site)),
            Who::Key(Key::Hidden(hash)) => ("hidden", hash.to_vec()),
            Who::Others => ("others", Vec::new()),
        };
        let parts = [limit.as_str().as_bytes(), &[rule], kind.as_bytes(), &bytes];
        key.mac("signet/limit/v1", &parts)
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

#[derive(Debug)]
struct Window {
    since: DateTime<Utc>,
    attempts: u16,
    /// For what counts distinct things: hashes of those seen, never the things themselves.
    seen: HashSet<u64>,
}

#[derive(Debug, Default)]
struct Windows(HashMap<Place, Window>);

impl Windows {
    /// The window of a bucket, begun now if there is none.
    fn of(&mut self, bucket: &Bucket, now: DateTime<Utc>) -> &mut Window {
        let mut place = bucket.place;
        if self.0.len() >= CAPACITY && !self.0.contains_key(&place) {
            self.0.retain(|place, window| {
                let rule = place.limit.rules().get(usize::from(place.rule));
                rule.is_some_and(|rule| now < window.since + rule.window)
            });
            if self.0.len() >= CAPACITY {
                place.who = Who::Others;
            }
        }
        let fresh = || Window {
            since: now,
            attempts: 0,
            seen: HashSet::new(),
        };
        let window = self.0.entry(place).or_insert_with(fresh);
        if now >= window.since + bucket.window {
            *window = fresh();
        }
        window
    }
}

/// The counters of one node.
#[derive(Debug, Default)]
pub struct Limits(Mutex<Windows>);

impl Limits {
    /// Takes one attempt from the buckets of `key`.
    ///
    /// # Errors
    /// When there is none left.
    pub fn reserve(&self, limit: Limit, key: impl Into<Key>, now: DateTime<Utc>) -> Result<(), TooMany> {
        let buckets = buckets(limit, key.into());
        let mut windows = self.lock();
        for bucket in &buckets {
            let window = windows.of(bucket, now);
            if window.attempts >= bucket.most {
                return Err(TooMany::until(window.since + bucket.window, now));
            }
        }
        for bucket in &buckets {
            windows.of(bucket, now).attempts += 1;
        }
        Ok(())
    }

    /// Gives an attempt back.
    pub fn give_back(&self, limit: Limit, key: impl Into<Key>, now: DateTime<Utc>) {
        let mut windows = self.lock();
        for bucket in buckets(limit, key.into()) {
            let window = windows.of(&bucket, now);
            window.attempts = window.attempts.saturating_sub(1);
        }
    }

    /// Counts `thing` once, however often it comes. Says whether it is new.
    ///
    /// # Errors
    /// When it is new and there is room for no other.
    pub fn reserve_distinct(
        &self,
        limit: Limit,
        key: impl Into<Key>,
        thing: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool, TooMany> {
        let (thing, buckets) = (short(thing), buckets(limit, key.into()));
        let mut windows = self.lock();
        for bucket in &buckets {
            let window = windows.of(bucket, now);
            if !window.seen.contains(&thing) && window.seen.len() >= usize::from(bucket.most) {
                return Err(TooMany::until(window.since + bucket.window, now));
            }
        }
        let mut is_new = false;
        for bucket in &buckets {
            is_new |= windows.of(bucket, now).seen.insert(thing);
        }
        Ok(is_new)
    }

    /// Counts `thing` no longer.
    pub fn give_back_distinct(&self, limit: Limit, key: impl Into<Key>, thing: &[u8], now: DateTime<Utc>) {
        let thing = short(thing);
        let mut windows = self.lock();
        for bucket in buckets(limit, key.into()) {
            windows.of(&bucket, now).seen.remove(&thing);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Windows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn short(thing: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    thing.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::super::Source;
    use super::*;
    use crate::domain::email::EmailKey;

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
    fn a_site_has_five_times_what_one_of_its_networks_has() {
        let limits = Limits::default();
        let reserve = |network: u8| {
            let here = source(&format!("2001:db8:1:{network:x}::1"));
            limits.reserve(Limit::WrongPasswords, here, at(0))
        };
        for network in 0..5 {
            for _ in 0..10 {
                assert_eq!(reserve(network), Ok(()));
            }
            // What its own bucket refuses costs the site nothing.
            assert!(reserve(network).is_err());
        }
        assert!(reserve(5).is_err());
        let other_site = source("2001:db8:2::1");
        assert_eq!(limits.reserve(Limit::WrongPasswords, other_site, at(0)), Ok(()));
        limits.give_back(Limit::WrongPasswords, source("2001:db8:1:0::1"), at(0));
        assert_eq!(reserve(5), Ok(()));
    }

    #[test]
    fn an_address_gets_three_mails_in_a_quarter_of_an_hour_and_ten_a_day() {
        let limits = Limits::default();
        let email = EmailKey::of_typed("Ada@Example.org").expect("an address");
        let ask = |minutes: i64| limits.reserve(Limit::MailsToAddress, Key::email(&email), at(minutes * 60));
        let mut sent = 0;
        for minutes in (0..60_i64).step_by(15) {
            for _ in 0..4 {
                sent += usize::from(ask(minutes).is_ok());
            }
        }
        assert_eq!(sent, 10);
        let wait = ask(60).expect_err("ten were sent").retry_after;
        assert_eq!(wait, TimeDelta::hours(23));
        assert_eq!(ask(24 * 60), Ok(()));
    }

    #[test]
    fn a_flood_of_addresses_does_not_grow_the_table() {
        let limits = Limits::default();
        for number in 0..u32::try_from(CAPACITY + 100).expect("a small number") {
            let address = IpAddr::from(number.to_be_bytes());
            let _ = limits.reserve(Limit::Signups, Source::from(address), at(0));
        }
        let size = limits.lock().0.len();
        assert!(size <= CAPACITY + 1, "{size}");
    }
}
