//! The one HTTPS client that talks to others: identity providers, back-channel logout, breach check, rs-check. It
//! reaches no address that its [`Policy`] does not allow, waits for nobody long, reads no endless answer, follows no
//! redirect, keeps no cookie, and asks no proxy of the environment: a proxy resolves names itself, where none of
//! this would hold. Certificates are checked against the system's authorities (`SSL_CERT_FILE` and `SSL_CERT_DIR`
//! are OpenSSL's).
//!
//! Knows nothing of what is sent and why. Requests and answers are those of the `http` crate, as `openidconnect`
//! takes them.

mod addresses;
mod resolver;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::Resolve;
use tokio::sync::OnceCell;
use url::{Host, Url};

pub use addresses::Reach;
pub use http::{Request, Response};
use resolver::{Guarded, OutOfReach, SystemResolver};

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Which addresses it may talk to.
    pub reach: Reach,
    /// Whether TLS can be done without.
    pub plain_http: PlainHttp,
    /// How long it may take until a connection stands, TLS and the look-up of the name included.
    pub connect_timeout: Duration,
    /// How long a request may take from its start to the last byte of the answer.
    pub timeout: Duration,
    /// How long a connection that nobody uses is kept. A server that closes it in the moment in which it is used again
    /// has the request fail, which is not sent twice: whoever keeps it must give up first, and Node closes after 5
    /// seconds.
    pub idle_timeout: Duration,
    /// The longest body of an answer, in bytes.
    pub max_body: usize,
}

/// Whether `http` URLs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainHttp {
    /// `https` alone.
    Refused,
    /// `http` too: for what an operator named and runs nearby.
    Allowed,
}

impl Policy {
    /// For whatever strangers may have named: the public internet over TLS, 5 seconds, 64 KiB.
    pub const STRANGERS: Self = Self {
        reach: Reach::Public,
        plain_http: PlainHttp::Refused,
        connect_timeout: Duration::from_secs(3),
        timeout: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(4),
        max_body: 64 * 1024,
    };

    /// For what the operator named and wants to be reached wherever it is: private networks too, without TLS too.
    pub const OPERATORS: Self = Self {
        reach: Reach::PrivateToo,
        plain_http: PlainHttp::Allowed,
        ..Self::STRANGERS
    };
}

/// A guarded client. Made once and shared: it keeps connections open.
#[derive(Clone)]
pub struct Client {
    /// Made by the first request: the system's authorities take megabytes, which most servers never need.
    http: Arc<OnceCell<reqwest::Client>>,
    policy: Policy,
    names: Arc<dyn Resolve>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

fn build(policy: Policy, names: Arc<dyn Resolve>) -> Result<reqwest::Client, OutboundError> {
    reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .no_proxy()
        .referer(false)
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(policy.connect_timeout)
        .timeout(policy.timeout)
        .pool_idle_timeout(policy.idle_timeout)
        .dns_resolver(Arc::new(Guarded {
            reach: policy.reach,
            names,
        }))
        .build()
        .map_err(OutboundError::SetUp)
}

impl Client {
    /// A client that obeys `policy`.
    pub fn new(policy: Policy) -> Self {
        Self::with_names(policy, Arc::new(SystemResolver))
    }

    fn with_names(policy: Policy, names: Arc<dyn Resolve>) -> Self {
        Self {
            http: Arc::default(),
            policy,
            names,
        }
    }

    async fn http(&self) -> Result<&reqwest::Client, OutboundError> {
        let (policy, names) = (self.policy, Arc::clone(&self.names));
        let make = || async {
            let made = tokio::task::spawn_blocking(move || build(policy, names)).await;
            made.expect("setting up TLS neither panics nor is aborted")
        };
        self.http.get_or_try_init(make).await
    }

    /// Sends a request and reads the whole answer, whatever its status: a redirect is an answer like others.
    ///
    /// # Errors
    /// When the URL is none that the policy allows, nobody answers in time, the answer is too long, or the TLS library
    /// cannot be set up.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OutboundError> {
        self.check(&request.uri().to_string())?;
        let request = reqwest::Request::try_from(request).map_err(|_| OutboundError::Url)?;
        let mut answer = self.http().await?.execute(request).await.map_err(of_transport)?;
        let limit = self.policy.max_body;
        let told = answer.content_length().unwrap_or(0);
        if usize::try_from(told).map_or(true, |told| told > limit) {
            return Err(OutboundError::TooLong(limit));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(of_transport)? {
            if body.len() + chunk.len() > limit {
                return Err(OutboundError::TooLong(limit));
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// An address that stands in the URL itself never comes to the resolver, so it is looked at here. The URL is
    /// read by the parser that the connection uses, which knows `2130706433` and `0x7f.1` for what they are.
    fn check(&self, url: &str) -> Result<(), OutboundError> {
        let url = Url::parse(url).map_err(|_| OutboundError::Url)?;
        match url.scheme() {
            "https" => {}
            "http" if self.policy.plain_http == PlainHttp::Allowed => {}
            "http" => return Err(OutboundError::PlainHttp),
            _ => return Err(OutboundError::Url),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(OutboundError::Url);
        }
        let allowed = match url.host() {
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => self.policy.reach.allows(address.into()),
            Some(Host::Ipv6(address)) => self.policy.reach.allows(address.into()),
            None => return Err(OutboundError::Url),
        };
        if allowed {
            Ok(())
        } else {
            Err(OutboundError::OutOfReach)
        }
    }
}

/// Others shall know who calls, and may look it up in their logs.
const USER_AGENT: &str = concat!("signet/", env!("CARGO_PKG_VERSION"));

/// What went wrong on the way, without the URL: its query may hold what no log should.
fn of_transport(error: reqwest::Error) -> OutboundError {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<OutOfReach>() {
            return OutboundError::OutOfReach;
        }
        cause = error.source();
    }
    if error.is_timeout() {
        OutboundError::Timeout
    } else if error.is_connect() {
        OutboundError::Connect(error.without_url())
    } else {
        OutboundError::Broken(error.without_url())
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum OutboundError {
    /// No absolute `https` URL with a host and without a password.
    #[error("the URL is no https URL with a host and without user name and password")]
    Url,
    /// TLS is needed here.
    #[error("plain http is not allowed here: use an https URL")]
    PlainHttp,
    /// The address is one that may not be reached.
    #[error(
        "the host has no address that may be reached: private, loopback and metadata addresses are refused"
    )]
    OutOfReach,
    /// Name, connection or TLS.
    #[error("no connection could be made: check name, port, firewall and certificate")]
    Connect(#[source] reqwest::Error),
    /// It took too long.
    #[error("there was no complete answer in time")]
    Timeout,
    /// The answer stopped, or is no HTTP.
    #[error("the answer is incomplete or no HTTP")]
    Broken(#[source] reqwest::Error),
    /// More bytes than may be read.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The TLS library cannot be set up.
    #[error("the TLS library could not be set up: are the system's certificates installed?")]
    SetUp(#[source] reqwest::Error),
}
