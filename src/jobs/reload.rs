//! Follows the database: keys, clients and resources, and whether it is there at all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::pause;
use crate::flows::provider::{Provider, ReloadError};

/// How often a database that is away is asked for, at least: service resumes within a second of its return.
const RETRY: Duration = Duration::from_millis(250);

/// Reloads every `interval` until `stop`.
pub(super) async fn run(provider: Arc<Provider>, interval: Duration, stop: CancellationToken) {
    let mut trouble: Option<Trouble> = None;
    loop {
        let wait = if trouble.is_some() {
            interval.min(RETRY)
        } else {
            interval
        };
        if !pause(wait, &stop).await {
            return;
        }
        trouble = match follow(&provider).await {
            Ok(()) => {
                if let Some(trouble) = trouble {
                    trouble.end();
                }
                None
            }
            Err(error) => Some(Trouble::of(&error, trouble)),
        };
    }
}

async fn follow(provider: &Provider) -> Result<(), ReloadError> {
    provider.reload().await?;
    Ok(provider.tell().await?)
}

/// What keeps the node from following, told once when it begins and once when it is over.
struct Trouble {
    since: Instant,
    text: String,
}

impl Trouble {
    fn of(error: &ReloadError, before: Option<Self>) -> Self {
        let unavailable = matches!(error, ReloadError::Storage(error) if error.is_unavailable());
        // A database that is away fails in ways that differ from one moment to the next.
        let text = if unavailable {
            "the database is away".to_owned()
        } else {
            error.to_string()
        };
        let since = before.as_ref().map_or_else(Instant::now, |before| before.since);
        if before.is_none_or(|before| before.text != text) {
            let error = error as &dyn std::error::Error;
            if unavailable {
                tracing::warn!(error, "the database is away: what needs it answers 503");
            } else {
                tracing::error!(error, "keys, clients and resources cannot be read again");
            }
        }
        Self { since, text }
    }

    fn end(self) {
        let duration_ms = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(duration_ms, trouble = self.text, "the database is back");
    }
}
