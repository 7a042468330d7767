//! Whether a new password is known from a leak, asked of a service that the operator names. It learns five digits of a hash
//! and nothing else: neither the password nor whose it is. Nobody waits for it long, and where it does not answer the
//! password is taken: a service elsewhere must not decide whether people can sign up.

use std::time::Duration;

use crate::domain::password::Password;
use crate::outbound::{Client, OutboundError, Policy, Request};
use crate::password::breach::Range;

/// What the check may cost whoever chooses a password: the operator named the host, and an answer has some forty KiB.
pub const POLICY: Policy = Policy {
    connect_timeout: Duration::from_secs(1),
    timeout: PATIENCE,
    max_body: 512 * 1024,
    ..Policy::OPERATORS
};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(1500);

/// Asks a service about passwords.
#[derive(Debug, Clone)]
pub struct BreachCheck {
    url: String,
    outbound: Client,
}

impl BreachCheck {
    /// A check at `url`, to which the five digits are appended after a slash.
    pub fn new(url: &str, outbound: Client) -> Self {
        Self {
            url: url.trim_end_matches('/').to_owned(),
            outbound,
        }
    }

    /// Whether the password is known to have leaked. Not if nobody can tell.
    pub async fn knows(&self, password: &Password) -> bool {
        let range = Range::of(password);
        // The first request sets the client up, and that is no part of the client's own patience.
        let asked = tokio::time::timeout(PATIENCE, self.ask(range.prefix())).await;
        let (outcome, known) = match asked.unwrap_or(Err(Unanswered::Outbound(OutboundError::Timeout))) {
            Ok(answer) if range.is_in(&answer) => ("leaked", true),
            Ok(_) => ("unknown", false),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "a password was taken without asking whether it has leaked");
                ("failed", false)
            }
        };
        metrics::counter!("signet_breach_checks_total", "outcome" => outcome).increment(1);
        known
    }

    async fn ask(&self, prefix: &str) -> Result<String, Unanswered> {
        let request = Request::get(format!("{}/{prefix}", self.url))
            // All answers have about the same length then: whoever watches the line learns no range from it.
            .header("Add-Padding", "true")
            .body(Vec::new())
            .map_err(|_| Unanswered::Outbound(OutboundError::Url))?;
        let answer = self.outbound.send(request).await?;
        if answer.status().as_u16() != 200 {
            return Err(Unanswered::Status(answer.status().as_u16()));
        }
        String::from_utf8(answer.into_body()).map_err(|_| Unanswered::NoText)
    }
}

/// Why nobody can tell. The address, whose end is part of a hash, is in none of them.
#[derive(Debug, thiserror::Error)]
enum Unanswered {
    #[error("the service does not answer")]
    Outbound(#[from] OutboundError),
    #[error("the service answers {0}: look at passwords.breach_check_url")]
    Status(u16),
    #[error("the answer is no text")]
    NoText,
}

/// Tells what the counter means.
pub fn describe_metrics() {
    metrics::describe_counter!(
        "signet_breach_checks_total",
        "New passwords that were looked for among leaked ones, by outcome: leaked, unknown, failed"
    );
}
