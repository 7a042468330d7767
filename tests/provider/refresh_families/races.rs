//! Many callers at once, through pools of both kinds, as on two nodes.

use std::sync::Arc;

use signet::domain::ids::FamilyId;
use signet::domain::refresh_token::Rotation;
use signet::storage::{Db, Statements};
use tokio::sync::Barrier;

use super::{answer, stored, thefts};
use crate::support::database;
use crate::support::database::TestDatabase;
use crate::support::grants::{Granter, at, rotating};

const CALLERS: usize = 64;

/// Two pools, so that every caller has a connection of its own.
fn pools(database: &TestDatabase) -> [Db; 2] {
    [
        database.open(Statements::Prepared, CALLERS / 2),
        database.open(Statements::Typed, CALLERS / 2),
    ]
}

/// What all callers get who present one token at once.
async fn all_at_once(
    pools: &[Db; 2],
    granter: &Arc<Granter>,
    family: FamilyId,
    serial: i64,
    seconds: i64,
) -> Vec<(Rotation, Option<i64>)> {
    let barrier = Arc::new(Barrier::new(CALLERS));
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (db, granter, barrier) = (pools[caller % 2].clone(), granter.clone(), barrier.clone());
            tokio::spawn(async move {
                db.ping().await.expect("a connection is open");
                barrier.wait().await;
                answer(&db, &granter, family, serial, seconds).await
            })
        })
        .collect();
    let answers = futures_util::future::join_all(callers).await;
    answers
        .into_iter()
        .map(|answer| answer.expect("no caller panics"))
        .collect()
}

/// Of all answers one is `first`, and the others are `rest`.
fn one_alone(
    answers: Vec<(Rotation, Option<i64>)>,
    first: (Rotation, Option<i64>),
    rest: (Rotation, Option<i64>),
) {
    let (winners, others): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| *answer == first);
    assert_eq!(winners.len(), 1, "{first:?}");
    assert!(others.iter().all(|answer| *answer == rest), "{others:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_callers_with_one_token_one_advances_and_all_get_the_same_successor() {
    let database = database().await;
    let sql = database.client().await;
    let pools = pools(&database);
    let granter = Arc::new(Granter::new(&sql).await);
    let family = granter.family(&database.db, &rotating()).await;
    for serial in 1..=10 {
        let answers = all_at_once(&pools, &granter, family, serial, serial * 100).await;
        let head = Some(serial + 1);
        one_alone(answers, (Rotation::Advanced, head), (Rotation::Retried, head));
    }
    let state = stored(&sql, family).await;
    assert_eq!((state.head, state.prev, state.prev2), (11, Some(10), Some(9)));
    assert_eq!(state.ended_at, None);

    // The answer was lost, and all of them come back after the retry window.
    let answers = all_at_once(&pools, &granter, family, 10, 1100).await;
    one_alone(
        answers,
        (Rotation::Branched, Some(12)),
        (Rotation::Retried, Some(12)),
    );
    assert_eq!(stored(&sql, family).await.ended_at, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_callers_with_a_stolen_token_one_is_told_theft_and_one_event_is_written() {
    let database = database().await;
    let sql = database.client().await;
    let pools = pools(&database);
    let granter = Arc::new(Granter::new(&sql).await);
    let family = granter.family(&database.db, &rotating()).await;
    for serial in 1..=3 {
        answer(&database.db, &granter, family, serial, serial).await;
    }
    let answers = all_at_once(&pools, &granter, family, 1, 3).await;
    one_alone(answers, (Rotation::Theft, None), (Rotation::Refused, None));
    assert_eq!(thefts(&sql, family).await, 1);
    assert_eq!(stored(&sql, family).await.ended_at, Some(at(3)));
}
