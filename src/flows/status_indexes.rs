//! The places in the status lists that this node may give to new tokens: blocks that it leases ahead of need, so that
//! a token costs no more than a counter. Which index comes next is for `domain::status_blocks` to say.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use tokio::sync::Notify;

use super::provider::Provider;
use crate::domain::ids::ClientId;
use crate::domain::status_blocks::{ClientIndexes, GrantIndexes, Purpose};
use crate::domain::status_list::{LONGEST_TOKEN, StatusIndex, reusable_after};
use crate::storage::{StorageError, status_blocks};

/// The largest lease: a rush that takes more asks again.
const MOST_BLOCKS: i64 = 1024;

/// How long after a failure no request tries to lease.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// All places are used, and the database gives no more.
#[derive(Debug, thiserror::Error)]
#[error("no place in the status lists is left, and no more can be leased")]
pub struct NoStatusIndex(#[source] Option<StorageError>);

/// The places that this node may give.
#[derive(Debug, Default)]
pub struct StatusIndexes {
    grants: Mutex<GrantIndexes>,
    clients: Mutex<ClientIndexes>,
    /// One lease at a time: whoever waits finds what the other leased. When the last one failed.
    leasing: tokio::sync::Mutex<Option<Instant>>,
    /// There is something to write down, or little left.
    needed: Notify,
}

impl StatusIndexes {
    /// A place for a new grant. The database is asked only if none is left that was leased ahead.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn for_grant(
        &self,
        provider: &Provider,
        now: DateTime<Utc>,
    ) -> Result<StatusIndex, NoStatusIndex> {
        if let Some(index) = self.take_for_grant(now) {
            return Ok(index);
        }
        let leased = self.lease_for_request(provider, Purpose::Grants, now).await;
        self.take_for_grant(now).ok_or(NoStatusIndex(leased.err()))
    }

    /// A place for a new grant, of those that were leased ahead.
    pub fn take_for_grant(&self, now: DateTime<Utc>) -> Option<StatusIndex> {
        let mut grants = lock(&self.grants);
        let taken = grants.take(now);
        if grants.is_low(now) {
            self.needed.notify_one();
        }
        taken
    }

    /// Takes back a place that no grant got.
    pub fn give_back(&self, index: StatusIndex) {
        lock(&self.grants).give_back(index);
    }

    /// A place for a token of `client` for itself. The database is asked only if none is left that was leased ahead.
    ///
    /// # Errors
    /// When there is none to be had.
    pub async fn for_client(
        &self,
        provider: &Provider,
        client: &ClientId,
        now: DateTime<Utc>,
    ) -> Result<StatusIndex, NoStatusIndex> {
        if let Some(index) = self.take_for_client(client, now) {
            return Ok(index);
        }
        let leased = self.lease_for_request(provider, Purpose::Clients, now).await;
        self.take_for_client(client, now)
            .ok_or(NoStatusIndex(leased.err()))
    }

    fn take_for_client(&self, client: &ClientId, now: DateTime<Utc>) -> Option<StatusIndex> {
        let mut clients = lock(&self.clients);
        let taken = clients.take(client, now);
        // A new run must be written down before its client can be gone.
        if clients.has_unsaved() {
            self.needed.notify_one();
        }
        taken
    }

    /// Waits until [`maintain`](Self::maintain) is needed before its time.
    pub async fn needed(&self) {
        self.needed.notified().await;
    }

    /// Writes down which clients got which runs, and leases what is needed ahead.
    ///
    /// # Errors
    /// When the database does not answer; what was to be written down stays to be.
    pub async fn maintain(&self, provider: &Provider) -> Result<(), StorageError> {
        self.save(provider).await?;
        for purpose in Purpose::ALL {
            let mut failed = self.leasing.lock().await;
            self.lease(provider, purpose, provider.now(), &mut failed).await?;
        }
        Ok(())
    }

    async fn save(&self, provider: &Provider) -> Result<(), StorageError> {
        let runs = lock(&self.clients).unsaved();
        if runs.is_empty() {
            return Ok(());
        }
        let saved = status_blocks::insert_runs(&provider.db, &runs).await;
        if saved.is_err() {
            lock(&self.clients).keep_unsaved(runs);
        }
        saved
    }

    /// [`lease`](Self::lease) because a request found nothing. While the database is away all requests come here: one
    /// tries, and the others do not wait for the same failure one after the other.
    async fn lease_for_request(
        &self,
        provider: &Provider,
        purpose: Purpose,
        now: DateTime<Utc>,
    ) -> Result<(), StorageError> {
        let mut failed = self.leasing.lock().await;
        if failed.is_some_and(|at| at.elapsed() < AFTER_FAILURE) {
            return Ok(());
        }
        self.lease(provider, purpose, now, &mut failed).await
    }

    /// Leases as many blocks as are wanted, if any.
    async fn lease(
        &self,
        provider: &Provider,
        purpose: Purpose,
        now: DateTime<Utc>,
        failed: &mut Option<Instant>,
    ) -> Result<(), StorageError> {
        let wanted = match purpose {
            Purpose::Grants => lock(&self.grants).wanted(now),
            Purpose::Clients => lock(&self.clients).wanted(now),
        };
        if wanted <= 0 {
            return Ok(());
        }
        let settings = &provider.settings;
        let until = now + purpose.lease();
        // The last token of a grant is made when its family expires, by a configuration that nobody knows today.
        let reusable_at = match purpose {
            Purpose::Grants => until + settings.refresh.ttl + reusable_after(LONGEST_TOKEN),
            Purpose::Clients => until + reusable_after(settings.access_token_ttl),
        };
        let count = wanted.min(MOST_BLOCKS);
        let leased = status_blocks::lease(&provider.db, purpose, count, now, until, reusable_at).await;
        *failed = leased.is_err().then(Instant::now);
        let leased = leased?;
        tracing::debug!(
            purpose = purpose.as_str(),
            blocks = leased.len(),
            "status indexes leased"
        );
        for block in leased {
            match purpose {
                Purpose::Grants => lock(&self.grants).add(block),
                Purpose::Clients => lock(&self.clients).add(block),
            }
        }
        Ok(())
    }

    /// Gives back what is left, when this node stops: another, or this one when it starts again, goes on there.
    ///
    /// # Errors
    /// When the database does not answer. What is not given back comes back in time.
    pub async fn give_up(&self, provider: &Provider) -> Result<(), StorageError> {
        let now = provider.now();
        self.save(provider).await?;
        let mut unused = lock(&self.grants).give_up(now);
        unused.extend(lock(&self.clients).give_up(now));
        for block in &unused {
            status_blocks::give_back(&provider.db, block).await?;
        }
        Ok(())
    }

    /// How many places are left that were leased ahead.
    pub fn free(&self, purpose: Purpose, now: DateTime<Utc>) -> i64 {
        match purpose {
            Purpose::Grants => lock(&self.grants).free(now),
            Purpose::Clients => lock(&self.clients).free(now),
        }
    }
}

/// What panicked while it held the lock had taken an index, or not: the counter is right in both cases.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
