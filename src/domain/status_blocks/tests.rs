use std::collections::{HashMap, HashSet};

use super::*;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a valid time")
}

fn block(number: i64, purpose: Purpose) -> Stretch {
    Stretch {
        next: number * BLOCK,
        end: (number + 1) * BLOCK,
        until: now() + purpose.lease(),
        reusable_at: now() + TimeDelta::days(1),
    }
}

fn client(name: &str) -> ClientId {
    name.parse().expect("a client_id")
}

#[test]
fn every_grant_gets_an_index_of_its_own_until_all_are_used() {
    let mut indexes = GrantIndexes::default();
    assert_eq!(indexes.take(now()), None);
    indexes.add(block(3, Purpose::Grants));
    indexes.add(block(9, Purpose::Grants));
    assert_eq!(indexes.free(now()), 2 * BLOCK);
    let mut taken = HashSet::new();
    while let Some(index) = indexes.take(now()) {
        assert!(matches!(index.as_i64() / BLOCK, 3 | 9));
        assert!(taken.insert(index));
    }
    assert_eq!(taken.len(), 8192);
    assert_eq!(indexes.free(now()), 0);
}

#[test]
fn an_index_that_was_not_used_is_given_again() {
    let mut indexes = GrantIndexes::default();
    indexes.add(block(0, Purpose::Grants));
    for _ in 0..100_000 {
        let index = indexes.take(now()).expect("none was used");
        indexes.give_back(index);
    }
    assert_eq!(indexes.free(now()), BLOCK - 1);
}

#[test]
fn nothing_is_used_after_the_lease() {
    let (mut grants, mut clients) = (GrantIndexes::default(), ClientIndexes::default());
    grants.add(block(0, Purpose::Grants));
    clients.add(block(1, Purpose::Clients));
    let unused = grants.take(now()).expect("one");
    assert!(clients.take(&client("a"), now()).is_some());
    let last = |purpose: Purpose| now() + purpose.lease() - TimeDelta::microseconds(1);
    assert!(grants.take(last(Purpose::Grants)).is_some());
    assert!(clients.take(&client("a"), last(Purpose::Clients)).is_some());
    grants.give_back(unused);
    let over = |purpose: Purpose| now() + purpose.lease();
    assert_eq!(grants.take(over(Purpose::Grants)), None);
    assert_eq!(clients.take(&client("a"), over(Purpose::Clients)), None);
    assert_eq!(clients.take(&client("b"), over(Purpose::Clients)), None);
    assert_eq!(grants.give_up(over(Purpose::Grants)), []);
    // Nor is what was returned from a block that is over.
    grants.give_back(unused);
    grants.add(Stretch {
        until: now() + TimeDelta::days(30),
        ..block(5, Purpose::Grants)
    });
    let taken = grants.take(over(Purpose::Grants)).expect("of the new block");
    assert_eq!(taken.as_i64(), 5 * BLOCK);
}

#[test]
fn no_two_clients_share_a_run_and_every_run_is_told() {
    let mut indexes = ClientIndexes::default();
    for number in 0..20 {
        indexes.add(block(number, Purpose::Clients));
    }
    let mut owners: HashMap<i64, ClientId> = HashMap::new();
    let clients: Vec<_> = (0..10).map(|n| client(&format!("c{n}"))).collect();
    // One is a thousand times as busy as the others.
    for turn in 0..20_000 {
        let at = now() + TimeDelta::milliseconds(turn);
        let who = if turn % 1000 == 0 {
            &clients[1 + (turn as usize / 1000) % 9]
        } else {
            &clients[0]
        };
        let index = indexes.take(who, at).expect("enough");
        assert_eq!(owners.insert(index.as_i64(), who.clone()), None);
    }
    assert!(indexes.has_unsaved());
    let runs = indexes.unsaved();
    assert!(!indexes.has_unsaved());
    for (index, owner) in &owners {
        let of: Vec<_> = runs
            .iter()
            .filter(|run| (run.first..run.first + run.length).contains(index))
            .collect();
        assert_eq!(of.len(), 1, "{index}");
        assert_eq!(&of[0].client, owner);
    }
    let busy: Vec<_> = runs
        .iter()
        .filter(|run| run.client == clients[0])
        .map(|run| run.length)
        .collect();
    assert!(busy.len() <= 7, "whole blocks after the first: {busy:?}");
    assert!(
        runs.iter()
            .all(|run| run.client == clients[0] || run.length == RUN)
    );
    // What could not be written down is told again.
    indexes.keep_unsaved(runs.clone());
    assert_eq!(indexes.unsaved(), runs);
}

#[test]
fn a_slow_client_has_small_runs() {
    let mut indexes = ClientIndexes::default();
    indexes.add(Stretch {
        until: now() + TimeDelta::days(1),
        ..block(0, Purpose::Clients)
    });
    for turn in 0..1000 {
        indexes
            .take(&client("slow"), now() + TimeDelta::seconds(turn))
            .expect("enough");
    }
    let lengths: Vec<_> = indexes.unsaved().iter().map(|run| run.length).collect();
    assert_eq!(lengths, [RUN; 4]);
}

#[test]
fn more_is_leased_before_it_is_needed_and_more_of_it_in_a_rush() {
    let mut indexes = ClientIndexes::default();
    assert_eq!(indexes.wanted(now()), 4);
    for number in 0..4 {
        indexes.add(block(number, Purpose::Clients));
    }
    assert_eq!(indexes.wanted(now()), 0);
    // Ten thousand a second.
    let mut given = 0;
    let (mut leased, mut writes) = (4, 0);
    for second in 0..120 {
        let at = now() + TimeDelta::seconds(second);
        for _ in 0..10_000 {
            if indexes.take(&client("busy"), at).is_some() {
                given += 1;
            } else {
                assert!(second < 3, "only at the beginning: {second}");
            }
        }
        let wanted = indexes.wanted(at);
        for _ in 0..wanted {
            indexes.add(block(leased, Purpose::Clients));
            leased += 1;
        }
        writes += i64::from(wanted > 0);
    }
    assert!(given > 1_150_000);
    assert!(writes <= given / BLOCK, "one write at most for a block: {writes}");
    // Then the database is away: there is enough for two minutes.
    let mut without = 0;
    while indexes
        .take(&client("busy"), now() + TimeDelta::seconds(120))
        .is_some()
    {
        without += 1;
    }
    assert!(without >= 1_100_000, "{without}");
}

#[test]
fn a_block_near_the_end_of_its_lease_is_replaced() {
    let mut indexes = ClientIndexes::default();
    for number in 0..4 {
        indexes.add(block(number, Purpose::Clients));
    }
    assert_eq!(indexes.wanted(now() + TimeDelta::minutes(44)), 0);
    assert_eq!(indexes.wanted(now() + TimeDelta::minutes(46)), 4);
}

#[test]
fn what_is_given_up_is_what_nobody_has_used() {
    let (mut grants, mut clients) = (GrantIndexes::default(), ClientIndexes::default());
    grants.add(block(0, Purpose::Grants));
    clients.add(block(1, Purpose::Clients));
    for _ in 0..3 {
        grants.take(now()).expect("enough");
    }
    clients.take(&client("a"), now()).expect("enough");
    let nexts = |given_up: Vec<Stretch>| given_up.iter().map(|block| block.next).collect::<Vec<_>>();
    assert_eq!(nexts(grants.give_up(now())), [3]);
    assert_eq!(nexts(clients.give_up(now())), [BLOCK + RUN]);
    assert_eq!((grants.take(now()), clients.free(now())), (None, 0));
}
