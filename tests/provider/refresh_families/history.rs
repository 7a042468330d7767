//! The statement against the pure function, over random histories: one presentation after the other, and
//! several at once, whose outcomes must be those of some order.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use signet::domain::ids::FamilyId;
use signet::domain::refresh_token::{FamilyState, RefreshPolicy, Rotation};
use signet::storage::authorization_codes::NewFamily;
use signet::storage::token_families::{self, Presentation, RefreshOutcome, Wanted};
use signet::storage::{Db, Statements};
use tokio_postgres::Client as Connection;

use super::{stored, thefts};
use crate::support::database;
use crate::support::grants::{ENDINGS, Granter, offline, rotating, start};

const HISTORIES: u64 = 400;
const STEPS: usize = 25;

/// One token presented at one time, by a node that has the MAC keys up to `key_version`.
#[derive(Debug, Clone, Copy)]
struct Step {
    serial: i64,
    now: DateTime<Utc>,
    key_version: i32,
}

/// What one presentation gave: the outcome, and the serial and key version of the answer.
type Answer = (Rotation, Option<(i64, i32)>);

/// The family as the specification has it: the state, and the key version of its head.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Specified(FamilyState, i32);

impl Specified {
    fn present(self, step: Step, owned: bool, policy: &RefreshPolicy) -> (Self, Answer) {
        let (state, rotation) = self.0.present(step.serial, owned, step.now, policy);
        let head_kv = match rotation {
            Rotation::Advanced | Rotation::Branched => step.key_version,
            _ => self.1,
        };
        let answer = match rotation {
            Rotation::Refused | Rotation::Ahead | Rotation::Theft => None,
            _ => Some((state.head, head_kv)),
        };
        (Self(state, head_kv), (rotation, answer))
    }
}

struct History<'a> {
    random: StdRng,
    db: &'a Db,
    sql: &'a Connection,
    granter: Granter,
    family: FamilyId,
    offline: bool,
    policy: RefreshPolicy,
    now: DateTime<Utc>,
}

impl<'a> History<'a> {
    async fn begin(seed: u64, db: &'a Db, sql: &'a Connection) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let granter = Granter::new(sql).await;
        let offline_family = random.random_bool(0.3);
        let family = NewFamily {
            rotates: random.random_bool(0.8),
            expires_at: start() + TimeDelta::seconds(random.random_range(1..2_000_000)),
            idle_expires_at: start() + TimeDelta::seconds(random.random_range(1..1_000_000)),
            ..if offline_family { offline() } else { rotating() }
        };
        Self {
            family: granter.family(db, &family).await,
            offline: offline_family,
            policy: RefreshPolicy {
                retry_window: TimeDelta::seconds([0, 30][usize::from(random.random_bool(0.9))]),
                recovery_window: TimeDelta::seconds([0, 86_400][usize::from(random.random_bool(0.9))]),
                idle_ttl: TimeDelta::seconds(random.random_range(50_000..200_000)),
                ttl: TimeDelta::days(90),
            },
            now: start(),
            random,
            db,
            sql,
            granter,
        }
    }

    /// A token that exists, most often a young one, or one that was never made.
    fn step(&mut self, state: &FamilyState) -> Step {
        let pause = match self.random.random_range(0..20) {
            0..8 => self.random.random_range(0..3_000_000),
            8..11 => 0,
            11..14 => self.random.random_range(20_000_000..40_000_000),
            14 => self.policy.retry_window.num_microseconds().expect("it is short"),
            15 => self.random.random_range(80_000_000_000..90_000_000_000),
            16 => self
                .policy
                .recovery_window
                .num_microseconds()
                .expect("it is short"),
            // A node whose clock is behind.
            _ => -self.random.random_range(0..40_000_000),
        };
        self.now += TimeDelta::microseconds(pause);
        let serial = match self.random.random_range(0..20) {
            0..9 => state.head,
            9..13 => state.prev.unwrap_or(0),
            13..16 => state.prev2.unwrap_or(state.head),
            16..18 => state.head - 1,
            18 => state.head + 1,
            _ => self.random.random_range(0..=state.head + 1),
        };
        Step {
            serial,
            now: self.now,
            key_version: self.random.random_range(1..4),
        }
    }

    async fn present(&self, step: Step) -> Answer {
        let presented = Presentation {
            family: self.family,
            serial: step.serial,
            client: &self.granter.client,
        };
        let outcome = token_families::rotate(
            self.db,
            &presented,
            Wanted::default(),
            step.key_version,
            step.now,
            &self.policy,
        )
        .await;
        match outcome.expect("asked") {
            RefreshOutcome::Issued {
                rotation,
                head,
                head_kv,
                grant,
            } => {
                assert_eq!((grant.family, grant.user.id), (self.family, self.granter.user));
                (rotation, Some((head, head_kv)))
            }
            other => (other.rotation(), None),
        }
    }

    async fn read(&self) -> Specified {
        let row = self
            .sql
            .query_one(
                "SELECT f.head_kv, f.ended_reason, s.ended_reason AS session_ended
                 FROM token_families f JOIN sessions s ON s.id = f.session_id WHERE f.id = $1",
                &[self.family.as_uuid()],
            )
            .await
            .expect("the family is there");
        let state = stored(self.sql, self.family).await;
        let reason = state.ended_at.map(|_| "theft");
        assert_eq!(row.get::<_, Option<&str>>("ended_reason"), reason);
        assert_eq!(row.get::<_, Option<&str>>("session_ended"), reason);
        assert_eq!(thefts(self.sql, self.family).await, i64::from(reason.is_some()));
        Specified(state, row.get("head_kv"))
    }
}

#[tokio::test]
async fn the_statement_does_what_the_pure_function_says_over_random_histories() {
    let database = database().await;
    let sql = database.client().await;
    let pools = [
        database.open(Statements::Prepared, 4),
        database.open(Statements::Typed, 4),
    ];
    let mut seen = BTreeMap::<&str, usize>::new();
    let mut several = 0;
    for seed in 0..HISTORIES {
        let db = &pools[usize::try_from(seed).expect("few") % 2];
        let mut history = History::begin(seed, db, &sql).await;
        let mut specified = history.read().await;
        let mut after_the_end = 3;
        for step in 0..STEPS {
            let place = format!("history {seed}, step {step}: {specified:?}");
            let first = history.step(&specified.0);
            if history.random.random_bool(0.15) {
                let rest = [history.step(&specified.0), history.step(&specified.0)];
                let count = history.random.random_range(2..=3);
                let steps = &[first, rest[0], rest[1]][..count];
                let answers =
                    futures_util::future::join_all(steps.iter().map(|step| history.present(*step))).await;
                let stored = history.read().await;
                let explained = orders(count).into_iter().any(|order| {
                    let mut state = specified;
                    let as_said = order.iter().all(|&which| {
                        let (next, answer) = state.present(steps[which], true, &history.policy);
                        state = next;
                        answer == answers[which]
                    });
                    as_said && state == stored
                });
                assert!(
                    explained,
                    "{place}: {steps:?} at once gave {answers:?} and {stored:?}"
                );
                specified = stored;
                several += 1;
                continue;
            }
            let ending = ENDINGS.get(history.random.random_range(0..40)).copied();
            let ending = ending.filter(|_| specified.0.ended_at.is_none());
            let owned = ending.is_none_or(|(what, ..)| what == "the session has ended" && history.offline);
            if let Some((_, end, _)) = ending {
                history.granter.change(&sql, end).await;
            }
            let (next, expected) = specified.present(first, owned, &history.policy);
            let answer = history.present(first).await;
            if let Some((_, _, restore)) = ending
                && expected.0 != Rotation::Theft
            {
                history.granter.change(&sql, restore).await;
            }
            assert_eq!(answer, expected, "{place}, {first:?}, {ending:?}");
            assert_eq!(history.read().await, next, "{place}, {first:?}, {ending:?}");
            *seen.entry(answer.0.as_str()).or_default() += 1;
            specified = next;
            if answer.0 == Rotation::Refused && ending.is_none() {
                after_the_end -= 1;
                if after_the_end == 0 {
                    break;
                }
            }
        }
    }
    for rotation in [
        Rotation::Refused,
        Rotation::Same,
        Rotation::Advanced,
        Rotation::Ahead,
        Rotation::Retried,
        Rotation::Branched,
        Rotation::Theft,
    ] {
        let count = seen.get(rotation.as_str()).copied().unwrap_or_default();
        assert!(count >= 50, "too few to tell: {rotation:?} of {seen:?}");
    }
    assert!(several >= 300, "{several} presentations at once");
}

/// Every order of `count` things, at most three.
fn orders(count: usize) -> Vec<Vec<usize>> {
    match count {
        2 => vec![vec![0, 1], vec![1, 0]],
        _ => [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]
            .map(|order| order.to_vec())
            .to_vec(),
    }
}
