//! Empties the outbox: makes each mail that is due and hands it over, several at once.
//!
//! 1. A round claims what is due. Of all nodes one gets a mail, for longer than an attempt may take.
//! 2. `attempt`: whom it goes to and what it says is found out, it is rendered and sent.
//! 3. What came of it is written down: it is gone, is tried again later, or is a dead letter.
//!
//! Whoever dies between the second step and the third has the mail sent again, by the same `Message-ID`. Sending and
//! forgetting cannot be one step where the receiver is not the database; losing a mail would be worse.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Trouble;
use crate::domain::mail;
use crate::flows::mails;
use crate::flows::provider::Provider;
use crate::mail::templates::{RenderError, Templates};
use crate::mail::{Mail, Mailer, SendError};
use crate::storage::outgoing_mails::{self, OutgoingMail};
use crate::storage::{Db, StorageError};

/// How many mails a node sends at once: a server that is slow with one does not keep the others.
const AT_ONCE: usize = 8;
/// How often it is looked for mail that nobody called for: what another node left, and what is tried again.
const POLL: Duration = Duration::from_millis(500);
/// How often the outbox is measured.
const MEASURE: Duration = Duration::from_secs(10);
/// How long a claim holds: an attempt is over long before. It holds for as long again as clocks may differ, or a node
/// whose clock is ahead would send what another one is sending.
const LEASE: TimeDelta = TimeDelta::seconds(60);

/// What a mail goes through on its way out.
#[derive(Debug, Clone)]
pub struct Post {
    /// What letters look like.
    pub templates: Arc<Templates>,
    /// What takes mail; nothing, where no server is configured.
    pub mailer: Option<Arc<dyn Mailer>>,
}

/// What came of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It has left.
    Sent,
    /// There is nobody to write to, or nothing to say any more.
    Withdrawn,
    /// It is tried again later.
    Failed,
    /// Nobody tries any more.
    Dead,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Withdrawn => "withdrawn",
            Self::Failed => "failed",
            Self::Dead => "dead",
        }
    }
}

/// Why a mail did not leave.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error("the mail cannot be made: {0}")]
    Render(#[from] RenderError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("no mail server is configured")]
    NoServer,
}

impl AttemptError {
    /// Whether another attempt is of use.
    const fn may_pass(&self) -> bool {
        match self {
            Self::Storage(_)
            | Self::Render(_)
            | Self::Send(SendError::Unavailable(_) | SendError::Misconfigured(_) | SendError::Forbidden(_)) => {
                true
            }
            Self::Send(SendError::Refused(_)) | Self::NoServer => false,
        }
    }
}

/// Goes on until `stop`, and then ends what is under way, which takes as long as a server may.
pub(super) async fn run(provider: Arc<Provider>, post: Post, stop: CancellationToken) {
    let mut postman = Postman::new(Arc::clone(&provider), post);
    let mut measured: Option<Instant> = None;
    let mut trouble = Trouble::of("mail cannot be sent");
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = provider.mail_wanted.notified() => {}
            () = tokio::time::sleep(POLL) => {}
            () = postman.one_ended() => {}
        }
        trouble.tell(postman.round().await.map(drop));
        if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
            measured = Some(Instant::now());
            trouble.tell(record_metrics(&provider).await);
        }
    }
    postman.finish().await;
}

/// What the operator was told, and is not told again until mail has left since.
#[derive(Debug, Default)]
struct Told {
    /// That the configuration lets no mail leave.
    misconfigured: AtomicBool,
    /// That the server's policy is against mail of ours.
    forbidden: AtomicBool,
}

/// Carries what is due, several at once.
#[derive(Debug)]
pub struct Postman {
    provider: Arc<Provider>,
    post: Post,
    attempts: JoinSet<()>,
    told: Arc<Told>,
}

impl Postman {
    /// A postman who carries by `post`.
    pub fn new(provider: Arc<Provider>, post: Post) -> Self {
        Self {
            provider,
            post,
            attempts: JoinSet::new(),
            told: Arc::default(),
        }
    }

    /// Takes what is due, as much as may be under way at once, and does not wait until it is sent. How much that was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn round(&mut self) -> Result<usize, StorageError> {
        while self.attempts.try_join_next().is_some() {}
        let free = i64::try_from(AT_ONCE.saturating_sub(self.attempts.len())).unwrap_or(0);
        if free == 0 {
            return Ok(0);
        }
        let now = self.provider.now();
        let leased_until = now + LEASE + self.provider.settings.keys.policy.clock_skew;
        let claimed = outgoing_mails::claim(&self.provider.db, now, leased_until, free).await?;
        let count = claimed.len();
        for mail in claimed {
            let (provider, post) = (Arc::clone(&self.provider), self.post.clone());
            let told = Arc::clone(&self.told);
            self.attempts
                .spawn(async move { deliver(&provider, &post, &mail, &told).await });
        }
        Ok(count)
    }

    /// Waits until an attempt is over; for ever if none is under way.
    pub async fn one_ended(&mut self) {
        // One that panicked was told; its mail falls due again.
        if self.attempts.join_next().await.is_none() {
            std::future::pending().await
        }
    }

    /// Waits until nothing is under way.
    pub async fn finish(&mut self) {
        while self.attempts.join_next().await.is_some() {}
    }
}

/// Sends a mail, and writes down what came of it.
async fn deliver(provider: &Provider, post: &Post, mail: &OutgoingMail, told: &Told) {
    let kind = mail.kind.as_str();
    let attempted = attempt(provider, post, mail).await;
    tell_operator(&attempted, told);
    let db = &provider.db;
    let written = match attempted {
        Ok(outcome) => outgoing_mails::delete(db, mail.id).await.map(|()| outcome),
        Err(error) => failed(provider, db, mail, &error).await,
    };
    match written {
        Ok(outcome) => {
            if outcome == Outcome::Sent {
                tracing::info!(mail.id = %mail.id, mail.kind = kind, "a mail was sent");
            }
            metrics::counter!("signet_mails_total", "kind" => kind, "outcome" => outcome.as_str())
                .increment(1);
        }
        Err(error) => tracing::warn!(
            mail.id = %mail.id,
            mail.kind = kind,
            error = &error as &dyn std::error::Error,
            "a mail is tried again: what came of it could not be written down"
        ),
    }
}

/// One attempt.
async fn attempt(provider: &Provider, post: &Post, mail: &OutgoingMail) -> Result<Outcome, AttemptError> {
    let Some(mailer) = &post.mailer else {
        return Err(AttemptError::NoServer);
    };
    let Some(addressed) = mails::letter(provider, mail, provider.now()).await? else {
        return Ok(Outcome::Withdrawn);
    };
    let letter = post
        .templates
        .render(addressed.letter, &addressed.languages, &addressed.context)?;
    let mail = Mail {
        id: mail.id,
        to: addressed.to,
        subject: letter.subject,
        text: letter.text,
        html: letter.html,
    };
    mailer.send(&mail).await?;
    Ok(Outcome::Sent)
}

/// Puts the next attempt off, or gives up.
async fn failed(
    provider: &Provider,
    db: &Db,
    mail: &OutgoingMail,
    error: &AttemptError,
) -> Result<Outcome, StorageError> {
    let now = provider.now();
    let next = mail::next_attempt(mail.kind, mail.created_at, mail.attempts, jitter(provider), now);
    let Some(next) = next.filter(|_| error.may_pass()) else {
        tracing::warn!(
            mail.id = %mail.id,
            mail.kind = mail.kind.as_str(),
            attempts = mail.attempts,
            error = error as &dyn std::error::Error,
            "a mail will not be sent: it is a dead letter"
        );
        outgoing_mails::bury(db, mail.id, now, &error.to_string()).await?;
        return Ok(Outcome::Dead);
    };
    tell_failed(mail, error);
    outgoing_mails::update_next_attempt(db, mail, next, &error.to_string()).await?;
    Ok(Outcome::Failed)
}

/// What the operator must change is told once, however much mail waits for it, and again when mail has left since.
fn tell_operator(attempted: &Result<Outcome, AttemptError>, told: &Told) {
    match attempted {
        Ok(Outcome::Sent) => {
            told.misconfigured.store(false, Ordering::Relaxed);
            told.forbidden.store(false, Ordering::Relaxed);
        }
        Err(AttemptError::Send(error)) => {
            let (before, advice) = match error {
                SendError::Forbidden(_) => (
                    &told.forbidden,
                    "mail waits: let the mail server take what is from mail.from, whoever it is for",
                ),
                SendError::Misconfigured(_) => (
                    &told.misconfigured,
                    "no mail leaves: correct the configuration; `signet doctor` says how",
                ),
                SendError::Unavailable(_) | SendError::Refused(_) => return,
            };
            if !before.swap(true, Ordering::Relaxed) {
                tracing::error!(error = error as &dyn std::error::Error, "{advice}");
            }
        }
        _ => {}
    }
}

/// A server that is down for a day is told of once a mail.
fn tell_failed(mail: &OutgoingMail, error: &AttemptError) {
    let (kind, error) = (mail.kind.as_str(), error as &dyn std::error::Error);
    if mail.attempts == 1 {
        tracing::warn!(mail.id = %mail.id, mail.kind = kind, error, "a mail could not be sent; it is tried again");
    } else {
        tracing::debug!(mail.id = %mail.id, mail.kind = kind, attempts = mail.attempts, error, "nor this time");
    }
}

/// Anything from 0 to 1.
fn jitter(provider: &Provider) -> f64 {
    let mut bytes = [0; 4];
    provider.random.fill(&mut bytes);
    f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
}

/// Measures the outbox.
async fn record_metrics(provider: &Provider) -> Result<(), StorageError> {
    let counts = outgoing_mails::count(&provider.db).await?;
    let age = counts
        .oldest
        .map_or(TimeDelta::zero(), |oldest| provider.now() - oldest);
    #[expect(clippy::cast_precision_loss, reason = "an outbox is shorter than 2^52")]
    for (name, value) in [
        ("signet_mails_pending", counts.pending as f64),
        ("signet_mails_dead", counts.dead as f64),
        ("signet_mails_oldest_seconds", age.num_seconds().max(0) as f64),
    ] {
        metrics::gauge!(name).set(value);
    }
    Ok(())
}

/// Tells what the measurements mean.
pub(super) fn describe_metrics() {
    metrics::describe_counter!(
        "signet_mails_total",
        "Attempts to send a mail, by kind and outcome"
    );
    metrics::describe_gauge!("signet_mails_pending", "Mails that are still to be sent");
    metrics::describe_gauge!("signet_mails_dead", "Mails that nobody tries to send any more");
    metrics::describe_gauge!(
        "signet_mails_oldest_seconds",
        "How long ago the oldest mail that is still to be sent was asked for"
    );
}
