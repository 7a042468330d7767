//! Keeps the status lists and the indexes for new tokens up: reads what ended every [`POLL`], signs, and leases ahead
//! of need. When the node stops it gives back the indexes that it has not used.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::pause;
use crate::flows::provider::Provider;
use crate::flows::status_lists::{self, StatusListError};

/// How often the database is asked what ended. With a list's `ttl` it bounds how long a verifier goes on accepting a
/// token that was revoked. Where the answer takes long it is asked for less often, and [`LONGEST_POLL`] at least.
const POLL: Duration = Duration::from_secs(2);
/// The longest pause, however slow the database is.
const LONGEST_POLL: Duration = Duration::from_secs(5);
/// What a round may take of the time: a tenth.
const IDLE: u32 = 9;
/// The least pause between two leases, which lets runs gather that are written down together.
const GATHER: Duration = Duration::from_millis(100);

/// Goes on until `stop`.
pub(super) async fn run(provider: Arc<Provider>, stop: CancellationToken) {
    let mut next = POLL;
    let mut told = None;
    while wait(&provider, next, &mut told, &stop).await {
        let began = Instant::now();
        match status_lists::round(&provider).await {
            Ok(()) => told = None,
            Err(error) => tell(&error, &mut told),
        }
        next = (began.elapsed() * IDLE).clamp(POLL, LONGEST_POLL);
    }
    if let Err(error) = provider.status_indexes.give_up(&provider).await {
        let error = &error as &dyn std::error::Error;
        tracing::debug!(error, "unused status indexes were not given back");
    }
}

/// Waits for the next round, and leases meanwhile whenever little is left. Says whether to go on.
async fn wait(
    provider: &Provider,
    time: Duration,
    told: &mut Option<String>,
    stop: &CancellationToken,
) -> bool {
    let until = tokio::time::Instant::now() + time;
    loop {
        tokio::select! {
            () = stop.cancelled() => return false,
            () = tokio::time::sleep_until(until) => return true,
            () = provider.status_indexes.needed() => {}
        }
        if let Err(error) = provider.status_indexes.maintain(provider).await {
            tell(&error.into(), told);
            // What could not be written down is tried again with the next round.
            return pause(until - tokio::time::Instant::now(), stop).await;
        }
        if !pause(GATHER, stop).await {
            return false;
        }
    }
}

/// Tells a trouble once. That the database is away the reload job says already.
fn tell(error: &StatusListError, told: &mut Option<String>) {
    let text = error.to_string();
    let away = matches!(error, StatusListError::Storage(error) if error.is_unavailable());
    if !away && told.as_ref() != Some(&text) {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "the status lists could not all be made anew");
    }
    *told = Some(text);
}
