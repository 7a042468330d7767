//! Whether people could come by the other providers.

use chrono::{DateTime, Utc};
use futures_util::future::join_all;

use super::Finding;
use crate::cli::CommandError;
use crate::config::Config;
use crate::flows::federation::Entry;
use crate::server;

/// Tries them all at once: one that hangs holds up none.
pub(super) async fn check(config: &Config, findings: &mut Vec<Finding>) {
    let federation = match server::federation::federation(config) {
        Ok(federation) => federation,
        Err(error) => {
            findings.push(Finding::failed("provider", error));
            return;
        }
    };
    let now = server::clock().now();
    let entries = federation.entries().iter();
    findings.extend(join_all(entries.map(|entry| examine(config, entry, now))).await);
}

async fn examine(config: &Config, entry: &Entry, now: DateTime<Utc>) -> Finding {
    let id = entry.id();
    let callback = format!("{}/api/auth/callback/{id}", config.issuer);
    let secret = entry.credential.client_secret(now);
    match entry.upstream.examine(&callback, secret.as_ref(), now).await {
        Ok(()) => Finding::ok("provider", format!("{id}: it answers, and knows us")),
        Err(fault) => {
            let told = CommandError::new("provider", format!("{id}: {}", fault.message));
            Finding::failed("provider", told.hint(fault.hint))
        }
    }
}
