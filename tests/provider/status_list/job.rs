//! The job that keeps lists and indexes up, in real time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use serde_json::json;
use signet::jobs::{JobSettings, Jobs};
use signet::outbound::{Client, Policy};

use super::{is_invalid, own_token};
use crate::support::tokens::Walk;

/// How long a revocation may take to be in the list: two polls, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(20);

async fn until(what: &str, mut reached: impl AsyncFnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !reached().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn what_ends_is_listed_within_seconds_and_what_is_unused_is_given_back_at_the_end() {
    let walk = Walk::start().await;
    let settings = JobSettings {
        poll_interval: Duration::from_secs(1),
        clock_skew: TimeDelta::seconds(60),
        outbound: Client::new(Policy::STRANGERS),
        post: walk.app.post.clone(),
    };
    let jobs = Jobs::start(&Arc::clone(&walk.app.provider), &settings);
    let web = walk.confidential("web", json!({})).await;
    let access_token = own_token(&walk, &web).await;
    // The run is written down without waiting for the next round.
    let written = until("the run is not written down", async || {
        walk.app.count("status_runs").await == 1
    });
    println!("a run is written down after {:?}", written.await);
    walk.api
        .post_as((&web.0, &web.1), "/oauth2/revoke", &[("token", &access_token)])
        .await;
    let listed = until("the revocation is not listed", async || {
        is_invalid(&walk, &access_token).await
    });
    println!("a revocation is listed after {:?}", listed.await);
    assert_eq!(walk.app.count("status_blocks WHERE next < 4096").await, 0);
    jobs.stop().await;
    let (all, unused) = ("status_blocks", "status_blocks WHERE next < 4096");
    assert_eq!(walk.app.count(unused).await, walk.app.count(all).await);
}
