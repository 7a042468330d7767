//! Does what the schedule of the keys asks for. Every node tries; one does it.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::pause;
use crate::flows::provider::Provider;

/// How long nothing is tried after a failure: the rotation itself is stored long before it comes.
const AFTER_FAILURE: Duration = Duration::from_secs(10);

/// Looks every `interval` until `stop`.
pub(super) async fn run(provider: Arc<Provider>, interval: Duration, stop: CancellationToken) {
    let mut wait = Duration::ZERO;
    while pause(wait, &stop).await {
        wait = interval;
        let due = provider
            .keys()
            .is_due(&provider.settings.keys.policy, provider.now());
        if !due {
            continue;
        }
        let masters = provider.masters();
        let advanced = provider.rotation(&masters).advance().await;
        if let Err(error) = advanced {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the keys could not be advanced; the next try is in 10 seconds"
            );
            wait = AFTER_FAILURE;
        } else if let Err(error) = provider.reload().await {
            // The job that follows the database tells of it.
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "the new keys are read at the next poll"
            );
        }
    }
}
