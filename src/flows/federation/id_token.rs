//! An ID token that an application got by itself, on a phone or by a button of the provider's, and hands to us.

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest, Sha256};

use super::Entry;
use super::arrive::{self, Arriving, LinkRule, Outcome};
use crate::domain::mail::MailParams;
use crate::domain::secret::Secret;
use crate::domain::user::User;
use crate::flows::browser::Browser;
use crate::flows::login::LoginError;
use crate::flows::provider::Provider;
use crate::storage::one_time_tokens;
use crate::upstream::{Arrival, IdTokenAnswer, UpstreamError};

/// The oldest that is taken is an hour old, so for an hour none may come again.
const REMEMBERED: TimeDelta = TimeDelta::hours(1);

/// What the application hands over.
#[derive(Debug)]
pub struct GivenToken {
    /// The token.
    pub token: Secret,
    /// The nonce that must stand in it.
    pub nonce: Option<String>,
    /// The access token that came with it.
    pub access_token: Option<Secret>,
}

/// Why nobody came.
#[derive(Debug, thiserror::Error)]
pub enum IdTokenError {
    /// The provider makes none.
    #[error("the provider has no ID tokens")]
    NotSupported,
    /// What it says of the user is of no use.
    #[error("what the ID token says of the user is of no use")]
    Profile,
    /// It is not good, or came before.
    #[error("the ID token is not good")]
    Refused,
    /// It could not be tried.
    #[error(transparent)]
    NotTried(#[from] LoginError),
}

impl From<UpstreamError> for IdTokenError {
    fn from(error: UpstreamError) -> Self {
        match error {
            UpstreamError::NoIdTokens => Self::NotSupported,
            UpstreamError::Profile(_) => Self::Profile,
            _ => Self::Refused,
        }
    }
}

/// Signs in, or up, whoever comes with an ID token.
///
/// # Errors
/// When nobody does.
pub async fn sign_in(
    provider: &Provider,
    entry: &Entry,
    given: &GivenToken,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Outcome, IdTokenError> {
    let arrival = arrival(provider, entry, given, now).await?;
    let mail_params = MailParams::default();
    let arriving = Arriving {
        entry,
        arrival: &arrival,
        mail_params: &mail_params,
    };
    Ok(arrive::sign_in(provider, &arriving, browser, now).await?)
}

/// Adds the identity of an ID token to an account.
///
/// # Errors
/// When nobody comes with it.
pub async fn link(
    provider: &Provider,
    entry: &Entry,
    given: &GivenToken,
    user: &User,
    now: DateTime<Utc>,
) -> Result<Outcome, IdTokenError> {
    let arrival = arrival(provider, entry, given, now).await?;
    let mail_params = MailParams::default();
    let arriving = Arriving {
        entry,
        arrival: &arrival,
        mail_params: &mail_params,
    };
    let linked = arrive::link(provider, &arriving, user, LinkRule::of_protocol(provider), now).await;
    Ok(linked.map_err(LoginError::from)?)
}

/// Who comes with a token, once: whoever sees one on its way comes in with it no more.
async fn arrival(
    provider: &Provider,
    entry: &Entry,
    given: &GivenToken,
    now: DateTime<Utc>,
) -> Result<Arrival, IdTokenError> {
    let answer = IdTokenAnswer {
        token: &given.token,
        nonce: given.nonce.as_deref(),
        access_token: given.access_token.as_ref(),
    };
    let arrival = entry
        .upstream
        .verify_id_token(&answer, now)
        .await
        .inspect_err(|error| {
            tracing::warn!(
                provider.id = entry.id(),
                error = error as &dyn std::error::Error,
                "an ID token was refused"
            );
        })?;
    let hash = Sha256::digest(given.token.expose().as_bytes()).into();
    let spent = one_time_tokens::redeem(&provider.db, &hash, now + REMEMBERED).await;
    if spent.map_err(LoginError::from)? {
        Ok(arrival)
    } else {
        Err(IdTokenError::Refused)
    }
}
