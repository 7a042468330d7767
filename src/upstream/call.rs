//! One errand to a provider: at most so many at once, over within a deadline, and remembered by how it went.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION, HeaderMap, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use url::Url;

use super::breaker::Breaker;
use super::error::{Outage, UpstreamError};
use super::refusal;
use crate::domain::secret::Secret;
use crate::outbound::{self, OutboundError, Policy, Request, Response};

/// How many may wait for one provider.
const AT_ONCE: usize = 32;

/// How long an errand may take, all its requests together.
const PATIENCE: Duration = Duration::from_secs(8);

/// The longest answer: sets of keys and profiles are far shorter.
const MAX_ANSWER: usize = 1024 * 1024;

/// The HTTPS clients that all providers share: each holds the system's authorities, which are megabytes.
#[derive(Debug, Clone)]
pub struct Clients {
    /// For those on the public internet.
    public: outbound::Client,
    /// For those that may stand wherever their operator says.
    anywhere: outbound::Client,
}

impl Default for Clients {
    fn default() -> Self {
        let client = |policy: Policy| {
            outbound::Client::new(Policy {
                max_body: MAX_ANSWER,
                ..policy
            })
        };
        Self {
            public: client(Policy::STRANGERS),
            anywhere: client(Policy::OPERATORS),
        }
    }
}

impl Clients {
    /// The one for a provider.
    pub(super) fn client(&self, allow_private_addresses: bool) -> outbound::Client {
        let client = if allow_private_addresses {
            &self.anywhere
        } else {
            &self.public
        };
        client.clone()
    }
}

/// The way to one provider.
#[derive(Debug)]
pub(super) struct Line {
    client: outbound::Client,
    permits: Semaphore,
    breaker: Mutex<Breaker>,
    patience: Duration,
}

impl Line {
    pub(super) fn new(client: outbound::Client) -> Self {
        Self {
            client,
            permits: Semaphore::new(AT_ONCE),
            breaker: Mutex::default(),
            patience: PATIENCE,
        }
    }

    #[cfg(test)]
    pub(super) fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Fails if the provider is left alone now.
    pub(super) fn is_open(&self, now: DateTime<Utc>) -> Result<(), UpstreamError> {
        if self.breaker().is_resting(now) {
            Err(UpstreamError::Unavailable(Outage::Resting))
        } else {
            Ok(())
        }
    }

    /// What an errand asks by.
    pub(super) const fn call(&self) -> Call<'_> {
        Call {
            client: &self.client,
            asked: AtomicBool::new(false),
        }
    }

    /// Runs an errand, all of whose requests go by `call`.
    ///
    /// # Errors
    /// Its own; and when the provider is left alone, has too many waiting for it, or takes too long.
    pub(super) async fn run<T>(
        &self,
        call: &Call<'_>,
        now: DateTime<Utc>,
        errand: impl Future<Output = Result<T, UpstreamError>>,
    ) -> Result<T, UpstreamError> {
        let _permit = self
            .permits
            .try_acquire()
            .map_err(|_| UpstreamError::Unavailable(Outage::Crowded))?;
        if !self.breaker().admit(now) {
            return Err(UpstreamError::Unavailable(Outage::Resting));
        }
        let outcome = tokio::time::timeout(self.patience, errand)
            .await
            .unwrap_or(Err(UpstreamError::Unavailable(Outage::TooSlow)));
        if let Err(UpstreamError::Unavailable(outage)) = &outcome {
            if self.breaker().failed(now) {
                tracing::warn!(reason = %outage, "the provider is left alone for a while");
            }
        } else if call.asked.load(Ordering::Relaxed) {
            self.breaker().succeeded();
        }
        outcome
    }

    fn breaker(&self) -> std::sync::MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The requests of one errand.
#[derive(Debug)]
pub(super) struct Call<'a> {
    client: &'a outbound::Client,
    /// Whether anything was asked: what fails before that says nothing of the provider.
    asked: AtomicBool,
}

impl Call<'_> {
    /// Sends a request. What tells that the provider does not work is an error; whatever else it says is an answer.
    pub(super) async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, UpstreamError> {
        self.asked.store(true, Ordering::Relaxed);
        let response = self.client.send(request).await?;
        let status = response.status();
        if is_limited(status, response.headers()) {
            Err(UpstreamError::Unavailable(Outage::Limited))
        } else if status.is_server_error() {
            Err(UpstreamError::Unavailable(Outage::Broken))
        } else if status.is_success() || status.is_client_error() {
            Ok(response)
        } else {
            Err(UpstreamError::Unavailable(Outage::Malformed))
        }
    }

    /// The JSON document at `url`, shown to whoever has the token if one is given (RFC 6750 §2.1).
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        url: &Url,
        access_token: Option<&Secret>,
    ) -> Result<T, UpstreamError> {
        let mut request = Request::get(url.as_str()).header(ACCEPT, "application/json");
        if let Some(token) = access_token {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))
                .map_err(|_| UpstreamError::Unavailable(Outage::Malformed))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request
            .body(Vec::new())
            .map_err(|_| UpstreamError::Misconfigured("one of its addresses is no URL"))?;
        let response = self.send(request).await?;
        if let Some(error) = refusal::of_resource(&response) {
            return Err(UpstreamError::Refused { error });
        }
        parse(response.body())
    }
}

/// What an answer says.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, UpstreamError> {
    serde_json::from_slice(body).map_err(|_| UpstreamError::Unavailable(Outage::Malformed))
}

/// RFC 6585 §4; and GitHub's way to say it ("Rate limits for the REST API").
fn is_limited(status: StatusCode, headers: &HeaderMap) -> bool {
    status == StatusCode::TOO_MANY_REQUESTS
        || status == StatusCode::FORBIDDEN
            && (headers.contains_key(RETRY_AFTER)
                || headers
                    .get("x-ratelimit-remaining")
                    .is_some_and(|left| left == "0"))
}

impl From<OutboundError> for UpstreamError {
    fn from(error: OutboundError) -> Self {
        match error {
            OutboundError::Url => Self::Misconfigured("one of its addresses is no https URL"),
            OutboundError::PlainHttp => Self::Misconfigured("one of its addresses is without TLS"),
            OutboundError::OutOfReach => {
                Self::Misconfigured("it stands at a private address, which its entry does not allow")
            }
            OutboundError::Timeout => Self::Unavailable(Outage::TooSlow),
            OutboundError::TooLong(_) => Self::Unavailable(Outage::TooLong),
            OutboundError::Connect(_) => Self::Unavailable(Outage::Unreachable),
            OutboundError::Broken(_) => Self::Unavailable(Outage::Malformed),
            OutboundError::SetUp(_) => Self::Misconfigured("our TLS library cannot be set up"),
        }
    }
}
