//! Which index a token gets: never one that another has, and one that another had only once no list shows it.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use signet::domain::ids::ClientId;
use signet::domain::status_blocks::{BLOCK, Purpose};
use signet::domain::status_list::{LONGEST_TOKEN, reusable_after};
use signet::storage::{Db, Statements, status_blocks};

use super::{own_token, place, round};
use crate::support::app::TestApp;
use crate::support::database;
use crate::support::grants::at;
use crate::support::tokens::{Walk, refused, token};

async fn lease(db: &Db, purpose: Purpose, count: i64, now: DateTime<Utc>, minutes: i64) -> Vec<(i64, i64)> {
    let reusable_at = now + TimeDelta::minutes(minutes);
    let leased = status_blocks::lease(db, purpose, count, now, reusable_at, reusable_at).await;
    let leased = leased.expect("leased");
    assert!(leased.iter().all(|block| block.reusable_at >= reusable_at));
    leased
        .iter()
        .map(|block| (block.next / BLOCK, block.next % BLOCK))
        .collect()
}

#[tokio::test]
async fn a_block_is_leased_again_once_it_is_over_or_given_back_to_its_purpose() {
    let database = database().await;
    let sql = database.client().await;
    for statements in [Statements::Prepared, Statements::Typed] {
        sql.batch_execute("DELETE FROM status_blocks; UPDATE status_frontier SET next_block = 0")
            .await
            .expect("emptied");
        let db = database.open(statements, 2);
        assert_eq!(lease(&db, Purpose::Grants, 2, at(0), 10).await, [(0, 0), (1, 0)]);
        assert_eq!(lease(&db, Purpose::Clients, 1, at(0), 5).await, [(2, 0)]);
        assert_eq!(lease(&db, Purpose::Grants, 1, at(299), 10).await, [(3, 0)]);
        // Block 2 is over to the microsecond, and may be for anything.
        assert_eq!(lease(&db, Purpose::Grants, 1, at(300), 10).await, [(2, 0)]);
        // Given back in part, a block goes on where it was left, for the same purpose alone, and lasts longer.
        let unused = signet::domain::status_blocks::Stretch {
            next: BLOCK + 77,
            end: 2 * BLOCK,
            until: at(600),
            reusable_at: at(600),
        };
        status_blocks::give_back(&db, &unused).await.expect("given back");
        assert_eq!(lease(&db, Purpose::Clients, 1, at(301), 60).await, [(4, 0)]);
        assert_eq!(
            lease(&db, Purpose::Grants, 2, at(302), 20).await,
            [(1, 77), (5, 0)]
        );
        assert_eq!(lease(&db, Purpose::Grants, 1, at(601), 20).await, [(0, 0)]);
        assert_eq!(
            lease(&db, Purpose::Grants, 9, at(1502), 20).await[..2],
            [(1, 0), (2, 0)]
        );
    }
}

#[tokio::test]
async fn of_many_nodes_that_lease_at_once_each_gets_blocks_of_its_own() {
    let database = database().await;
    for round in 0..4 {
        // Some of the blocks are those of the round before, which are over.
        let now = at(round * 600);
        let leases = (0..16).map(|node| {
            let db = database.db.clone();
            tokio::spawn(async move { lease(&db, Purpose::ALL[node % 2], 3, now, 5).await })
        });
        let leased = futures_util::future::join_all(leases).await;
        let blocks: Vec<_> = leased
            .into_iter()
            .flat_map(|blocks| blocks.expect("done"))
            .collect();
        let distinct: HashSet<_> = blocks.iter().collect();
        assert_eq!((blocks.len(), distinct.len()), (48, 48));
    }
}

/// Uses up `count` indexes of a node, of both kinds.
async fn use_up(app: &TestApp, count: usize, client: &str) -> (HashSet<i64>, HashSet<i64>) {
    let client: ClientId = client.parse().expect("an id");
    let (mut grants, mut clients) = (HashSet::new(), HashSet::new());
    for _ in 0..count {
        let now = app.provider.now();
        let indexes = &app.provider.status_indexes;
        let index = indexes.for_grant(&app.provider, now).await.expect("one");
        assert!(grants.insert(index.as_i64()));
        let index = indexes
            .for_client(&app.provider, &client, now)
            .await
            .expect("one");
        assert!(clients.insert(index.as_i64()));
    }
    (grants, clients)
}

#[tokio::test]
async fn two_nodes_never_give_the_same_index_nor_mix_grants_and_clients_in_a_block() {
    let app = TestApp::start().await;
    let other = app.second_node().await;
    let used = [
        use_up(&app, 9_000, "a").await,
        use_up(&other, 9_000, "a").await,
        use_up(&app, 9_000, "b").await,
    ];
    let mut all: HashSet<i64> = HashSet::new();
    let blocks = |indexes: &HashSet<i64>| indexes.iter().map(|index| index / BLOCK).collect::<HashSet<_>>();
    let (mut of_grants, mut of_clients) = (HashSet::new(), HashSet::new());
    for (grants, clients) in &used {
        of_grants.extend(blocks(grants));
        of_clients.extend(blocks(clients));
        all.extend(grants.iter().chain(clients));
    }
    assert_eq!(all.len(), 6 * 9_000);
    assert!(of_grants.is_disjoint(&of_clients));
}

#[tokio::test]
async fn a_clients_index_is_anothers_only_after_every_list_that_showed_it_is_over() {
    let app = TestApp::start().await;
    let (_, first) = use_up(&app, 5_000, "a").await;
    let client: ClientId = "b".parse().expect("an id");
    let lease_ends = Purpose::Clients.lease();
    let over = lease_ends + reusable_after(TimeDelta::minutes(10));
    assert_eq!(reusable_after(TimeDelta::minutes(10)), TimeDelta::minutes(36));
    let mut gone = TimeDelta::zero();
    let mut take = async |after: TimeDelta| {
        app.advance(after - gone);
        gone = after;
        let now = app.provider.now();
        let mut taken = HashSet::new();
        for _ in 0..2_000 {
            let index = app
                .provider
                .status_indexes
                .for_client(&app.provider, &client, now)
                .await;
            taken.insert(index.expect("one").as_i64());
        }
        taken.intersection(&first).count()
    };
    for minutes in [0, 30, 59, 60, 61, 90] {
        assert_eq!(take(TimeDelta::minutes(minutes)).await, 0, "{minutes}");
    }
    assert_eq!(take(over - TimeDelta::microseconds(1)).await, 0);
    // Whoever leases a hundred blocks now gets none of the first; a moment later, all of them.
    let first: HashSet<i64> = first.iter().map(|index| index / BLOCK).collect();
    for (later, free) in [(0, 0), (1, first.len())] {
        app.advance(TimeDelta::microseconds(later));
        let leased = lease(app.db(), Purpose::Clients, 100, app.provider.now(), 60).await;
        let leased: HashSet<i64> = leased.into_iter().map(|(block, _)| block).collect();
        assert_eq!(leased.intersection(&first).count(), free);
    }
}

#[tokio::test]
async fn a_grants_index_is_kept_for_as_long_as_a_grant_may_live() {
    let app = TestApp::start().await;
    let (first, _) = use_up(&app, 10, "a").await;
    let lives = Purpose::Grants.lease() + TimeDelta::days(90) + reusable_after(LONGEST_TOKEN);
    app.advance(lives - TimeDelta::microseconds(1));
    let (early, _) = use_up(&app.second_node().await, 5_000, "a").await;
    assert!(early.is_disjoint(&first));
    app.advance(TimeDelta::microseconds(1));
    let (late, _) = use_up(&app.second_node().await, 5_000, "a").await;
    assert!(late.is_superset(&first));
}

#[tokio::test]
async fn a_node_that_starts_again_goes_on_where_it_stopped() {
    let app = TestApp::start().await;
    let (grants, clients) = use_up(&app, 3, "a").await;
    let (last_grant, last_client) = (grants.iter().max(), clients.iter().max());
    let blocks = app.count("status_blocks").await;
    for turn in 1..4 {
        app.provider
            .status_indexes
            .give_up(&app.provider)
            .await
            .expect("given back");
        let next = app.second_node().await;
        let (grants, clients) = use_up(&next, 1, "a").await;
        assert_eq!(grants.iter().next(), last_grant.map(|last| last + turn).as_ref());
        // What is left of a run is lost: it was the client's.
        assert!(clients.iter().next() > last_client);
        next.provider
            .status_indexes
            .give_up(&next.provider)
            .await
            .expect("given back");
        assert_eq!(app.count("status_blocks").await, blocks);
    }
}

#[tokio::test]
async fn a_clients_tokens_cost_no_database_until_no_index_is_left() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    let mut seen = HashSet::from([place(&own_token(&walk, &web).await)]);
    walk.lose_database();
    for _ in 0..600 {
        assert!(seen.insert(place(&own_token(&walk, &web).await)));
    }
    let client: ClientId = "web".parse().expect("an id");
    let now = walk.app.provider.now();
    let indexes = &walk.app.provider.status_indexes;
    let mut left = 0;
    let error = loop {
        match indexes.for_client(&walk.app.provider, &client, now).await {
            Ok(_) => left += 1,
            Err(error) => break error,
        }
    };
    assert!(left > 3 * BLOCK - 1_000, "{left}");
    assert_eq!(
        error.to_string(),
        "no place in the status lists is left, and no more can be leased"
    );
    let fields = [("grant_type", "client_credentials")];
    let answer = walk.api.post_as((&web.0, &web.1), "/oauth2/token", &fields).await;
    refused(&answer, 503, "temporarily_unavailable");
}

#[tokio::test]
async fn a_code_that_is_no_good_takes_no_index() {
    let walk = Walk::start().await;
    let spa = walk.app.spa().await;
    let before = walk
        .app
        .provider
        .status_indexes
        .free(Purpose::Grants, walk.app.provider.now());
    let code = format!("signet_ac_{}", "A".repeat(43));
    for _ in 0..20 {
        refused(&walk.api.redeem(&spa, &code).await, 400, "invalid_grant");
    }
    let tokens = walk.tokens(&spa, &[]).await;
    place(token(&tokens, "access_token"));
    let after = walk
        .app
        .provider
        .status_indexes
        .free(Purpose::Grants, walk.app.provider.now());
    assert!(before - after <= 1, "{before} {after}");
}

#[tokio::test]
async fn what_a_client_got_is_written_down_even_if_the_database_comes_back_later() {
    let walk = Walk::start().await;
    let web = walk.confidential("web", json!({})).await;
    own_token(&walk, &web).await;
    walk.app.sql("ALTER TABLE status_runs RENAME TO away").await;
    assert!(
        signet::flows::status_lists::round(&walk.app.provider)
            .await
            .is_err()
    );
    walk.app.sql("ALTER TABLE away RENAME TO status_runs").await;
    assert_eq!(walk.app.count("status_runs").await, 0);
    round(&walk.app).await;
    assert_eq!(walk.app.count("status_runs").await, 1);
}
