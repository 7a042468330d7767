use super::*;

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a valid time")
}

/// Gate 100, departure 11 + 9 + 60 + 300 after the successor, rotation after 1,000.
fn policy() -> KeyPolicy {
    KeyPolicy {
        rotation_interval: TimeDelta::seconds(1000),
        min_announce: TimeDelta::seconds(100),
        poll_interval: TimeDelta::seconds(1),
        jwks_max_age: TimeDelta::seconds(20),
        clock_skew: TimeDelta::seconds(9),
        max_partition: TimeDelta::seconds(1000),
    }
}

fn first(now: DateTime<Utc>) -> KeySet {
    let key = |id: &str| KeyTimes::announced(id.to_owned(), Some(TimeDelta::seconds(60)), now);
    let mut signing = key("a");
    signing.signing_at = Some(now);
    KeySet::new(vec![signing, key("b"), key("c")])
}

fn signs(set: &KeySet, now: DateTime<Utc>) -> Option<&str> {
    set.in_charge(&policy(), now).map(|key| &*key.id)
}

#[test]
fn the_gate_is_what_caches_need_or_more() {
    assert_eq!(policy().gate(at(0)), at(100));
    let policy = KeyPolicy {
        min_announce: TimeDelta::zero(),
        ..policy()
    };
    assert_eq!(policy.gate(at(0)), at(1 + 2 * 20 + 9));
}

#[test]
fn a_node_stops_before_an_unseen_key_may_sign() {
    assert_eq!(policy().serves_until(at(0)), at(100 - 2 * 20 - 9));
    let policy = KeyPolicy {
        max_partition: TimeDelta::seconds(30),
        ..policy()
    };
    assert_eq!(policy.serves_until(at(0)), at(30));
    let policy = KeyPolicy {
        min_announce: TimeDelta::zero(),
        ..policy
    };
    assert_eq!(policy.serves_until(at(0)), at(1), "what the gate grants at least");
}

#[test]
fn a_rotation_is_stored_ahead_and_happens_without_anybody() {
    let mut set = first(at(0));
    assert!(set.is_due(&policy(), at(0)));
    set.settle(&policy(), at(0));
    assert!(!set.is_due(&policy(), at(0)));
    assert_eq!(signs(&set, at(999)), Some("a"));
    assert_eq!(signs(&set, at(1000)), Some("b"));
    assert_eq!(set.key("a").state(at(1000)), KeyState::Draining);
    assert_eq!(set.missing(at(999)), 0);
    assert_eq!(set.missing(at(1000)), 1);
    // Nobody was there for a long time: c is not late, it simply follows.
    set.announce("d".into(), None, at(5000));
    set.settle(&policy(), at(5000));
    assert_eq!(signs(&set, at(5000)), Some("c"));
    assert_eq!(set.key("a").retired_at, Some(at(5000)));
}

#[test]
fn a_key_leaves_when_its_last_token_is_dead_for_everyone() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    let leaves = 1000 + 11 + 9 + 60 + 300;
    set.settle(&policy(), at(leaves - 1));
    assert_eq!(set.key("a").retired_at, None);
    assert_eq!(set.next_departure(&policy()), Some(at(leaves)));
    // A node that gives tokens a longer life has come meanwhile.
    set.0[0].max_lifetime = Some(TimeDelta::seconds(61));
    set.settle(&policy(), at(leaves));
    assert_eq!(set.key("a").retired_at, None);
    set.settle(&policy(), at(leaves + 1));
    assert_eq!(set.key("a").state(at(leaves + 1)), KeyState::Retired);
}

#[test]
fn what_never_dies_never_leaves() {
    let mut set = first(at(0));
    set.0[0].max_lifetime = None;
    set.settle(&policy(), at(0));
    set.settle(&policy(), at(1_000_000));
    assert_eq!(set.key("a").state(at(1_000_000)), KeyState::Draining);
}

#[test]
fn the_first_key_of_a_new_set_waits_for_its_gate() {
    let mut set = KeySet::new(vec![]);
    assert_eq!(set.missing(at(0)), 3);
    for id in ["a", "b", "c"] {
        set.announce(id.into(), Some(TimeDelta::zero()), at(0));
    }
    assert_eq!(set.missing(at(0)), 0);
    set.settle(&policy(), at(0));
    assert_eq!(signs(&set, at(99)), Some("a"), "within the skew of its gate");
    assert_eq!(signs(&set, at(90)), None);
    assert_eq!(signs(&set, at(100)), Some("a"));
    assert_eq!(set.missing(at(100)), 0);
}

#[test]
fn an_asked_rotation_goes_as_far_as_is_safe() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    assert_eq!(
        set.rotate(&policy(), at(50)),
        Some(Rotated::At("b".into(), at(100)))
    );
    assert_eq!(
        set.rotate(&policy(), at(60)),
        Some(Rotated::At("b".into(), at(100))),
        "asked twice"
    );
    assert_eq!(signs(&set, at(60)), Some("a"));
    assert_eq!(set.key("a").draining_at, Some(at(100)));
    assert_eq!(set.rotate(&policy(), at(100)), Some(Rotated::Now("c".into())));
    assert_eq!(signs(&set, at(100)), Some("c"));
    let draining = set
        .0
        .iter()
        .filter(|key| key.state(at(100)) == KeyState::Draining);
    assert_eq!(draining.count(), 2);
    assert_eq!(set.rotate(&policy(), at(100)), None, "nothing is announced");
}

#[test]
fn a_key_that_verifiers_know_from_elsewhere_goes_first() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    let theirs = KeyTimes::announced("theirs".into(), None, at(-1_000_000));
    let mut set = KeySet::new([set.0, vec![theirs]].concat());
    assert_eq!(set.rotate(&policy(), at(5)), Some(Rotated::Now("theirs".into())));
    assert_eq!(set.key("b").signing_at, None);
}

#[test]
fn a_shorter_interval_is_obeyed_and_a_longer_one_waits() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    let with = |seconds| KeyPolicy {
        rotation_interval: TimeDelta::seconds(seconds),
        ..policy()
    };
    set.settle(&with(2000), at(1));
    assert_eq!(set.key("b").signing_at, Some(at(1000)));
    set.settle(&with(500), at(1));
    assert_eq!(set.key("b").signing_at, Some(at(500)));
    assert_eq!(set.key("a").draining_at, Some(at(500)));
    set.settle(&with(10), at(1));
    assert_eq!(set.key("b").signing_at, Some(at(100)), "the gate holds");
}

#[test]
fn a_compromised_signing_key_is_followed_by_one_that_every_cache_has() {
    let mut set = first(at(0));
    set.announce("d".into(), None, at(150));
    set.settle(&policy(), at(150));
    assert_eq!(set.compromise("a", &policy(), at(200)), Some(true));
    let successor = set.succeed(&policy(), at(200)).expect("one is announced");
    assert_eq!((&*successor.id, successor.unknown_until), ("b", None));
    assert_eq!(signs(&set, at(200)), Some("b"));
    assert_eq!(signs(&set, at(195)), Some("b"), "a clock that is behind");
    assert_eq!(set.key("a").state(at(0)), KeyState::Compromised);
    assert_eq!(set.compromise("a", &policy(), at(201)), None, "only once");
    assert_eq!(set.compromise("nobody", &policy(), at(201)), None);
}

#[test]
fn without_a_key_past_its_gate_the_oldest_signs_and_the_time_is_told() {
    let mut set = first(at(0));
    assert_eq!(set.compromise("a", &policy(), at(10)), Some(true));
    assert_eq!(set.missing(at(10)), 1);
    let successor = set.succeed(&policy(), at(10)).expect("one is announced");
    assert_eq!((&*successor.id, successor.unknown_until), ("b", Some(at(100))));
}

#[test]
fn when_the_next_key_is_compromised_another_takes_its_time() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    assert_eq!(set.compromise("b", &policy(), at(10)), Some(false));
    assert_eq!(set.key("a").draining_at, None);
    set.settle(&policy(), at(10));
    assert_eq!(set.key("c").signing_at, Some(at(1000)));
    assert_eq!(set.key("a").draining_at, Some(at(1000)));
}

#[test]
fn a_node_whose_clock_is_behind_keeps_the_order_that_another_one_planned() {
    let mut set = KeySet::new(vec![]);
    for id in ["b", "c", "a"] {
        set.announce(id.into(), Some(TimeDelta::zero()), at(0));
    }
    let mut set = KeySet::new(set.0);
    set.activate("b", at(100), at(0));
    // The clock that is ahead has reached the gate, and plans the one after.
    set.activate("a", at(1100), at(100));
    set.settle(&policy(), at(95));
    assert_eq!(signs(&set, at(100)), Some("b"));
    assert_eq!(signs(&set, at(1100)), Some("a"));
    // Asked for, the first is taken ahead, and the one after has no time any more: then nothing ends for it.
    set.rotate(&policy(), at(95));
    assert_eq!(set.key("a").signing_at, None);
    for id in ["a", "b", "c"] {
        assert_eq!(set.key(id).draining_at, None, "{id}");
    }
}

#[test]
fn a_node_without_the_database_issues_shorter_than_a_key_outlasts_it() {
    assert_eq!(policy().longest_unconfirmed(), TimeDelta::seconds(2 + 9));
    let with = |poll, skew| KeyPolicy {
        poll_interval: TimeDelta::seconds(poll),
        clock_skew: TimeDelta::seconds(skew),
        ..policy()
    };
    assert_eq!(with(1, 60).longest_unconfirmed(), MAX_UNCONFIRMED);
    let seldom = TimeDelta::seconds(120);
    assert_eq!(with(60, 60).longest_unconfirmed(), seldom, "it may miss a poll");
}

#[test]
fn the_plan_says_what_comes_and_why() {
    let mut set = first(at(0));
    set.settle(&policy(), at(0));
    let plan: Vec<_> = set
        .plan(&policy(), at(1))
        .into_iter()
        .map(|change| {
            let seconds = (change.at - at(0)).num_seconds();
            (seconds, change.id, change.to, change.reason)
        })
        .collect();
    let expected = [
        (1000, "b", KeyState::Signing, Reason::Interval),
        (1000, "a", KeyState::Draining, Reason::Successor),
        (1380, "a", KeyState::Retired, Reason::LastToken),
        (2000, "c", KeyState::Signing, Reason::Interval),
        (2000, "b", KeyState::Draining, Reason::Successor),
        (2380, "b", KeyState::Retired, Reason::LastToken),
    ]
    .map(|(at, id, to, reason)| (at, id.to_owned(), to, reason));
    assert_eq!(plan, expected);

    set.rotate(&policy(), at(50));
    let first = &set.plan(&policy(), at(50))[0];
    assert_eq!((first.at, first.reason), (at(100), Reason::Gate));
}
