//! Tells clients of logouts: looks for what ended twice a second, and lets nobody who is slow keep others waiting.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Trouble;
use crate::domain::ids::ClientId;
use crate::flows::backchannel_logout;
use crate::flows::provider::Provider;
use crate::outbound;
use crate::storage::StorageError;

/// How often it is looked for what ended: a client hears of it within a second.
const POLL: Duration = Duration::from_millis(500);
/// How often the queue is measured.
const MEASURE: Duration = Duration::from_secs(10);

/// Goes on until `stop`, and then ends what is under way, which takes as long as a request may.
pub(super) async fn run(provider: Arc<Provider>, outbound: outbound::Client, stop: CancellationToken) {
    let mut courier = Courier::new(Arc::clone(&provider), outbound);
    let mut measured: Option<Instant> = None;
    let mut trouble = Trouble::of("clients cannot be told of logouts");
    let mut next = tokio::time::Instant::now();
    loop {
        let poll = tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep_until(next) => true,
            () = courier.one_ended() => false,
        };
        let done = if poll {
            next = tokio::time::Instant::now() + POLL;
            courier.round().await
        } else {
            courier.send_due().await
        };
        trouble.tell(done);
        if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
            measured = Some(Instant::now());
            trouble.tell(backchannel_logout::record_metrics(&provider.db).await);
        }
    }
    courier.finish().await;
}

/// Carries what is due, several at once.
#[derive(Debug)]
pub struct Courier {
    provider: Arc<Provider>,
    outbound: outbound::Client,
    attempts: JoinSet<()>,
    /// Which client each attempt that is under way is for.
    clients: HashMap<Id, ClientId>,
}

impl Courier {
    /// A courier that reaches clients through `outbound`.
    pub fn new(provider: Arc<Provider>, outbound: outbound::Client) -> Self {
        Self {
            provider,
            outbound,
            attempts: JoinSet::new(),
            clients: HashMap::new(),
        }
    }

    /// Looks for what ended, and sends what is due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn round(&mut self) -> Result<(), StorageError> {
        backchannel_logout::enqueue(&self.provider.db, self.provider.now()).await?;
        self.send_due().await
    }

    /// Sends what is due, and does not wait for the answers.
    async fn send_due(&mut self) -> Result<(), StorageError> {
        let mut under_way = HashMap::new();
        for client in self.clients.values() {
            *under_way.entry(client.clone()).or_insert(0) += 1;
        }
        let now = self.provider.now();
        for delivery in backchannel_logout::claim(&self.provider, &under_way, now).await? {
            let (provider, outbound) = (Arc::clone(&self.provider), self.outbound.clone());
            let client = delivery.client.clone();
            let attempt = self.attempts.spawn(async move {
                if let Err(error) = backchannel_logout::deliver(&provider, &outbound, &delivery).await {
                    tracing::debug!(
                        error = &error as &dyn std::error::Error,
                        "a client is told of a logout again: that it was could not be written down"
                    );
                }
            });
            self.clients.insert(attempt.id(), client);
        }
        Ok(())
    }

    /// Waits until an attempt is over; for ever if none is under way.
    pub async fn one_ended(&mut self) {
        match self.attempts.join_next_with_id().await {
            Some(Ok((id, ()))) => drop(self.clients.remove(&id)),
            // It panicked, which was told; the row falls due again.
            Some(Err(error)) => drop(self.clients.remove(&error.id())),
            None => std::future::pending().await,
        }
    }

    /// Waits until nothing is under way.
    pub async fn finish(&mut self) {
        while !self.attempts.is_empty() {
            self.one_ended().await;
        }
    }
}
