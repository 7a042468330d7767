//! One code in many hands at once, through pools of both kinds, as on two nodes.

use std::sync::Arc;

use signet::storage::Statements;
use signet::storage::authorization_codes::Redemption;
use tokio::sync::Barrier;

use super::{count, ended_reason};
use crate::support::database;
use crate::support::grants::{Granter, rotating};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_64_redemptions_at_once_one_wins_and_the_others_end_what_it_got() {
    let database = database().await;
    let sql = database.client().await;
    let pools = [
        database.open(Statements::Prepared, 32),
        database.open(Statements::Typed, 32),
    ];
    for round in 0..5 {
        let granter = Arc::new(Granter::new(&sql).await);
        let code = Arc::new(granter.code(&database.db).await);
        let barrier = Arc::new(Barrier::new(64));
        let callers = (0..64).map(|caller| {
            let (db, granter, code, barrier) = (
                pools[caller % 2].clone(),
                granter.clone(),
                code.clone(),
                barrier.clone(),
            );
            tokio::spawn(async move {
                db.ping().await.expect("a connection is open");
                barrier.wait().await;
                granter.redeem(&db, &code, &rotating()).await
            })
        });
        let outcomes: Vec<_> = futures_util::future::join_all(callers.collect::<Vec<_>>())
            .await
            .into_iter()
            .map(|outcome| outcome.expect("no caller panics"))
            .collect();
        let (redeemed, rest): (Vec<_>, Vec<_>) = outcomes
            .into_iter()
            .partition(|outcome| matches!(outcome, Redemption::Redeemed(_)));
        assert_eq!(redeemed.len(), 1, "round {round}");
        for loser in rest {
            assert_eq!(
                loser,
                Redemption::Replayed { family: code.family },
                "round {round}"
            );
        }
        assert_eq!(
            ended_reason(&sql, code.family).await.as_deref(),
            Some("code_replay")
        );
        assert_eq!(count(&sql, "events").await, round + 1);
    }
}
