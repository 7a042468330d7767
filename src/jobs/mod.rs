//! Loops that poll, and stop on a token. Each node runs all of them; what two nodes do at once is done twice at
//! worst, never wrongly.

pub mod deliver_logouts;
mod reload;
mod rotate_keys;
pub mod send_mail;
mod status_lists;
pub mod sweep_expired;

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::send_mail::Post;
use crate::flows::backchannel_logout;
use crate::flows::provider::Provider;
use crate::outbound;
use crate::storage::StorageError;

/// How often a node looks within `keys.poll_interval`. The schedule of the keys grants a node that time to see a
/// change: the answer must have come by then, and one that is slow is no reason to stop.
const LOOKS: u32 = 3;

/// How often the schedule is looked at, at most.
const ROTATION_INTERVAL: Duration = Duration::from_millis(100);

/// How the jobs work.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// `keys.poll_interval`: how long a node needs at most to see that keys, clients or resources changed.
    pub poll_interval: Duration,
    /// `keys.clock_skew`: what has expired is kept this much longer, for nodes whose clock is behind.
    pub clock_skew: TimeDelta,
    /// What reaches the clients that are told of logouts.
    pub outbound: outbound::Client,
    /// What mail goes through.
    pub post: Post,
}

/// The running jobs.
#[derive(Debug)]
pub struct Jobs {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Jobs {
    /// Starts all jobs. Call it inside the runtime that is to run them.
    pub fn start(provider: &Arc<Provider>, settings: &JobSettings) -> Self {
        let jobs = Self {
            tracker: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        sweep_expired::describe_metrics();
        backchannel_logout::describe_metrics();
        send_mail::describe_metrics();
        jobs.tracker.spawn(reload::run(
            Arc::clone(provider),
            settings.poll_interval / LOOKS,
            jobs.stop.clone(),
        ));
        jobs.tracker.spawn(rotate_keys::run(
            Arc::clone(provider),
            settings.poll_interval.max(ROTATION_INTERVAL),
            jobs.stop.clone(),
        ));
        jobs.tracker.spawn(sweep_expired::run(
            Arc::clone(provider),
            settings.clock_skew,
            jobs.stop.clone(),
        ));
        jobs.tracker
            .spawn(status_lists::run(Arc::clone(provider), jobs.stop.clone()));
        jobs.tracker.spawn(deliver_logouts::run(
            Arc::clone(provider),
            settings.outbound.clone(),
            jobs.stop.clone(),
        ));
        jobs.tracker.spawn(send_mail::run(
            Arc::clone(provider),
            settings.post.clone(),
            jobs.stop.clone(),
        ));
        jobs.tracker.close();
        jobs
    }

    /// Lets each job finish the statement that it is at, and returns when all have ended.
    pub async fn stop(self) {
        self.stop.cancel();
        self.tracker.wait().await;
    }
}

/// What keeps a job from its work, told once however long it lasts.
struct Trouble {
    consequence: &'static str,
    told: Option<String>,
}

impl Trouble {
    /// None yet; `consequence` is what does not happen while there is one.
    const fn of(consequence: &'static str) -> Self {
        Self {
            consequence,
            told: None,
        }
    }

    /// Tells what came of a round. That the database is away the reload job says already.
    fn tell(&mut self, done: Result<(), StorageError>) {
        let Err(error) = done else {
            self.told = None;
            return;
        };
        let text = error.to_string();
        if !error.is_unavailable() && self.told.as_ref() != Some(&text) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "{}", self.consequence);
        }
        self.told = Some(text);
    }
}

/// Waits for `pause`. Says whether to go on: not once the token stops.
async fn pause(pause: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = stop.cancelled() => false,
        () = tokio::time::sleep(pause) => true,
    }
}
