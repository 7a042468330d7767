//! Back-channel logout (OpenID Connect Back-Channel Logout 1.0): clients that registered for it are told that a session
//! of one of their users has ended.
//!
//! 1. [`enqueue`]: what ended and was not told yet becomes rows of a durable queue, one a client.
//! 2. [`claim`]: of all nodes one gets a row, for as long as an attempt may take.
//! 3. [`deliver`]: the logout token is made and sent, and what came of it is written down.
//!
//! Whoever dies between the second step and the end of the third has the client told again, by a token with the same
//! `jti`. A session that merely expires ends without a word: its clients were told the time when they got it.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use super::issue::{self, IssueError};
use super::provider::Provider;
use super::registry::RegistryError;
use crate::domain::client::Client;
use crate::domain::ids::ClientId;
use crate::domain::logout_delivery;
use crate::outbound::{self, OutboundError, Request};
use crate::storage::logout_deliveries::{self, Delivery};
use crate::storage::{Db, StorageError};

/// How many attempts at one client may be under way on a node.
pub const AT_ONCE: usize = 4;
/// How long a claim holds: an attempt is over long before. It holds for as long again as clocks may differ, or a node
/// whose clock is ahead would tell what another one is telling.
const LEASE: TimeDelta = TimeDelta::seconds(30);
/// How many sessions or users one statement looks at.
const BATCH: i64 = 500;

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The client has heard of it.
    Delivered,
    /// It is tried again later.
    Failed,
    /// The client will not have it (§2.8: 400), or did not answer for a day.
    GivenUp,
    /// Nobody is to be told any more: the client is gone, disabled, or has no address for it.
    Withdrawn,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
            Self::Withdrawn => "withdrawn",
        }
    }
}

/// Why an attempt did not reach its aim.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Issue(#[from] IssueError),
    #[error(transparent)]
    Outbound(#[from] OutboundError),
    #[error("the client's address cannot be called")]
    Address(#[source] http::Error),
    #[error("the client answered {0}")]
    Status(http::StatusCode),
    #[error("the client refused the logout token")]
    Refused,
}

/// Writes down who is to be told of what has ended.
///
/// # Errors
/// When the database does not answer; what was not written down is found again.
pub async fn enqueue(db: &Db, now: DateTime<Utc>) -> Result<(), StorageError> {
    while logout_deliveries::enqueue_ended(db, now, BATCH).await? == BATCH {}
    while logout_deliveries::enqueue_moved(db, now, BATCH).await? == BATCH {}
    Ok(())
}

/// Claims what is due. `under_way` are the attempts of this node at each client: none gets more than [`AT_ONCE`].
///
/// # Errors
/// When the database does not answer.
pub async fn claim(
    provider: &Provider,
    under_way: &HashMap<ClientId, usize>,
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>, StorageError> {
    let free = |client: &ClientId| AT_ONCE.saturating_sub(under_way.get(client).copied().unwrap_or(0));
    let clients: Vec<(ClientId, i64)> = provider
        .registry
        .clients_told_of_logouts()
        .into_iter()
        .map(|id| (id.clone(), i64::try_from(free(&id)).unwrap_or(0)))
        .filter(|(_, free)| *free > 0)
        .collect();
    if clients.is_empty() {
        return Ok(Vec::new());
    }
    let leased_until = now + LEASE + provider.settings.keys.policy.clock_skew;
    logout_deliveries::claim(&provider.db, &clients, now, leased_until).await
}

/// Tells the client, and writes down what came of it.
///
/// # Errors
/// When the database does not answer: then the client is told again when the claim is over.
pub async fn deliver(
    provider: &Provider,
    outbound: &outbound::Client,
    delivery: &Delivery,
) -> Result<Outcome, StorageError> {
    let attempted = attempt(provider, outbound, delivery).await;
    let (db, now) = (&provider.db, provider.now());
    let outcome = match attempted {
        Ok(outcome) => {
            logout_deliveries::delete(db, delivery).await?;
            outcome
        }
        Err(error) => failed(provider, delivery, &error, now).await?,
    };
    metrics::counter!("signet_backchannel_logouts_total", "outcome" => outcome.as_str()).increment(1);
    Ok(outcome)
}

/// One attempt (§2.5). The client is looked up anew: its address may have changed since the row was written.
async fn attempt(
    provider: &Provider,
    outbound: &outbound::Client,
    delivery: &Delivery,
) -> Result<Outcome, AttemptError> {
    let client = provider.registry.client(&delivery.client)?;
    let Some(client) = client.filter(|client| client.disabled_at.is_none()) else {
        return Ok(Outcome::Withdrawn);
    };
    let Some(uri) = &client.metadata.backchannel_logout_uri else {
        return Ok(Outcome::Withdrawn);
    };
    let request = request(provider, &client, uri, delivery).await?;
    let answer = outbound.send(request).await?;
    // §2.8 asks for 200, and says that some frameworks make it 204.
    match answer.status() {
        status if status.is_success() => {
            tracing::info!(client.id = %client.id, session.id = %delivery.session, "a client was told of a logout");
            Ok(Outcome::Delivered)
        }
        http::StatusCode::BAD_REQUEST => Err(AttemptError::Refused),
        other => Err(AttemptError::Status(other)),
    }
}

async fn request(
    provider: &Provider,
    client: &Client,
    uri: &str,
    delivery: &Delivery,
) -> Result<Request<Vec<u8>>, AttemptError> {
    let (session, subject) = (delivery.session, &delivery.subject);
    let token = issue::logout_token(provider, client, session, subject, provider.now()).await?;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    let body = form.append_pair("logout_token", token.expose()).finish();
    Request::post(uri)
        .header(http::header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(body.into_bytes())
        .map_err(AttemptError::Address)
}

/// Puts the next attempt off, or gives up.
async fn failed(
    provider: &Provider,
    delivery: &Delivery,
    error: &AttemptError,
    now: DateTime<Utc>,
) -> Result<Outcome, StorageError> {
    let next = match error {
        AttemptError::Refused => None,
        _ => logout_delivery::next_attempt(delivery.created_at, delivery.attempts, jitter(provider), now),
    };
    let Some(next) = next else {
        tell_given_up(delivery, error);
        logout_deliveries::give_up(&provider.db, delivery, now).await?;
        return Ok(Outcome::GivenUp);
    };
    tell_failed(delivery, error);
    logout_deliveries::update_next_attempt(&provider.db, delivery, next).await?;
    Ok(Outcome::Failed)
}

fn tell_given_up(delivery: &Delivery, error: &AttemptError) {
    tracing::warn!(
        client.id = %delivery.client,
        session.id = %delivery.session,
        attempts = delivery.attempts,
        error = error as &dyn std::error::Error,
        "a client will not be told of a logout"
    );
}

/// A client that is down for a day is told of once a logout.
fn tell_failed(delivery: &Delivery, error: &AttemptError) {
    let error = error as &dyn std::error::Error;
    if delivery.attempts == 1 {
        tracing::warn!(
            client.id = %delivery.client,
            session.id = %delivery.session,
            error,
            "a client could not be told of a logout; it is tried again for a day"
        );
    } else {
        tracing::debug!(client.id = %delivery.client, attempts = delivery.attempts, error, "nor this time");
    }
}

/// Anything from 0 to 1.
fn jitter(provider: &Provider) -> f64 {
    let mut bytes = [0; 4];
    provider.random.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Measures the queue.
///
/// # Errors
/// When the database does not answer.
pub async fn record_metrics(db: &Db) -> Result<(), StorageError> {
    let pending = logout_deliveries::count(db).await?;
    #[expect(clippy::cast_precision_loss, reason = "a queue is shorter than 2^52")]
    metrics::gauge!("signet_backchannel_logouts_pending").set(pending as f64);
    Ok(())
}

/// Tells what the measurements mean.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "signet_backchannel_logouts_total",
        "Attempts to tell a client of a logout, by outcome"
    );
    metrics::describe_gauge!(
        "signet_backchannel_logouts_pending",
        "Clients that are still to be told of a logout"
    );
}
