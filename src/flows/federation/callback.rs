//! A browser that comes back from a provider (RFC 6749 §4.1.2, OpenID Connect Core §3.1.2.5).
//!
//! 1. What a provider posts comes from another site, without the browser's cookies: it is stored, encrypted.
//! 2. The attempt is spent, in the browser that set out and at the address of the provider that it went to. A state
//!    that somebody planted is another browser's, and a code of another provider comes to another address (RFC 9700
//!    §4.4, §4.7).
//! 3. The code is redeemed, and who came is judged.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arrive::{self, Arriving, LinkRule, Outcome, Refusal};
use super::begin::redirect_uri;
use super::sealed::{self, attempt_place};
use super::{Entry, join};
use crate::domain::federation::{Face, Intent, Proofs, Way};
use crate::domain::ids::SessionId;
use crate::domain::mail::MailParams;
use crate::domain::secret::{PlainToken, Secret, TokenKind};
use crate::flows::browser::Browser;
use crate::flows::login::LoginError;
use crate::flows::provider::Provider;
use crate::flows::sessions;
use crate::storage::StorageError;
use crate::storage::federation_attempts;
use crate::upstream::{Answer, Arrival, IdTokenFault, UpstreamError};

/// What came back, as parameters of the address or of a form.
#[derive(Clone, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each is the parameter of its name")]
pub struct Returned {
    pub code: Option<String>,
    pub error: Option<String>,
    pub error_description: Option<String>,
    pub iss: Option<String>,
    /// Apple's: who the user is, told once.
    pub user: Option<String>,
}

impl std::fmt::Debug for Returned {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Returned")
    }
}

/// The state that a parameter is, if it can be one of ours.
pub fn parse_state(text: &str) -> Option<PlainToken> {
    PlainToken::parse(TokenKind::Federation, text)
}

/// Keeps what a provider posted until the browser comes with its cookies. A state that is none is found out then.
///
/// # Errors
/// When the database does not answer.
pub async fn keep(
    provider: &Provider,
    provider_id: &str,
    state: &PlainToken,
    returned: &Returned,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    match sealed::seal(provider, &attempt_place(state, ANSWER), returned) {
        Ok(sealed) => {
            federation_attempts::store_answer(&provider.db, state.hash(), provider_id, &sealed, now).await
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an answer cannot be encrypted"
            );
            Ok(())
        }
    }
}

const ANSWER: &str = "answer";

/// What came of it.
#[derive(Debug)]
pub struct Finished {
    /// What the browser was on its way for; `None` if that is not known.
    pub way: Option<Way>,
    /// What became of it.
    pub end: End,
}

/// What became of a way.
#[derive(Debug)]
pub enum End {
    /// Somebody came.
    Arrived(Outcome),
    /// An account has the address, and who came waits for its user to prove it.
    Waits(PlainToken),
    /// Nobody.
    Failed(Failure),
}

/// Why nobody came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// No attempt has this state, or another browser's has, or its time is over, or it came back before.
    State,
    /// The operator took the provider out of the configuration.
    ProviderGone,
    /// The provider says so (RFC 6749 §4.1.2.1). Cleaned of whatever an error code cannot have.
    Provider {
        /// `error`
        error: String,
        /// `error_description`
        description: Option<String>,
    },
    /// Neither a code nor an error.
    NoCode,
    /// The answer is another provider's (RFC 9207 §2.4).
    Issuer,
    /// The provider does not take the code.
    Code,
    /// The provider does not answer as it must, or not in time.
    Unavailable,
    /// The ID token, or what the provider says of the user, is of no use.
    Profile,
    /// The user was to prove once more who they are, and the provider does not say that they did.
    OldLogin,
}

/// Goes on with a browser that came back.
///
/// # Errors
/// When it could not be tried.
#[tracing::instrument(name = "flows.federation.callback", skip_all)]
pub async fn finish(
    provider: &Provider,
    provider_id: &str,
    state: &PlainToken,
    returned: Returned,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<Finished, LoginError> {
    let db = &provider.db;
    let spent = match browser.token {
        Some(token) => federation_attempts::spend(db, state.hash(), provider_id, token, now).await?,
        None => None,
    };
    let Some((attempt, began_at, answer)) = spent else {
        // Where the browser is to be told so. That says nothing, and does nothing for whoever planted the state.
        let known = federation_attempts::find(db, state.hash(), now).await?;
        tracing::warn!("a browser came back from a provider that it was not sent to");
        return Ok(Finished {
            way: known.map(|attempt| attempt.way),
            end: End::Failed(Failure::State),
        });
    };
    let way = attempt.way;
    let finished = |way, end| Ok(Finished { way: Some(way), end });
    let Some(entry) = provider.federation.entry(provider_id) else {
        return finished(way, End::Failed(Failure::ProviderGone));
    };
    let returned = match answer {
        Some(answer) => sealed::unseal(provider, &attempt_place(state, ANSWER), &answer).unwrap_or_default(),
        None => returned,
    };
    let asked = Asked {
        state,
        key_version: attempt.key_version,
        logged_in_since: way.again.then_some(began_at),
    };
    let arrival = match redeem(provider, entry, &asked, &returned, now).await {
        Ok(arrival) => arrival,
        Err(failure) => return finished(way, End::Failed(failure)),
    };
    let end = judge(provider, entry, &arrival, &way, state, browser, now).await?;
    finished(way, end)
}

/// What the provider was asked.
struct Asked<'a> {
    state: &'a PlainToken,
    key_version: i32,
    /// The user was to log in there, and not before.
    logged_in_since: Option<DateTime<Utc>>,
}

/// 3. Redeems the code.
async fn redeem(
    provider: &Provider,
    entry: &Entry,
    asked: &Asked<'_>,
    returned: &Returned,
    now: DateTime<Utc>,
) -> Result<Arrival, Failure> {
    if let Some(error) = &returned.error {
        return Err(Failure::Provider {
            error: cleaned(error, MAX_ERROR).unwrap_or_else(|| "unknown_error".to_owned()),
            description: returned
                .error_description
                .as_deref()
                .and_then(|text| cleaned(text, MAX_DESCRIPTION)),
        });
    }
    let code = returned.code.as_deref().filter(|code| !code.is_empty());
    let code = Secret::new(code.ok_or(Failure::NoCode)?);
    let proofs = {
        let keys = provider.keys();
        let key = keys.mac.cookie.version(asked.key_version).ok_or(Failure::State)?;
        Proofs::of(asked.state, key)
    };
    let answer = Answer {
        code: &code,
        code_verifier: &proofs.code_verifier,
        nonce: &proofs.nonce,
        redirect_uri: &redirect_uri(provider, entry),
        iss: returned.iss.as_deref(),
        user: returned.user.as_deref(),
        logged_in_since: asked.logged_in_since,
    };
    let secret = entry.credential.client_secret(now);
    let arrived = entry.upstream.redeem(&answer, secret.as_ref(), now).await;
    arrived.map_err(|error| {
        tracing::warn!(
            provider.id = entry.id(),
            error = &error as &dyn std::error::Error,
            "nobody came from a provider"
        );
        Failure::from(&error)
    })
}

impl From<&UpstreamError> for Failure {
    fn from(error: &UpstreamError) -> Self {
        match error {
            UpstreamError::Unavailable { .. } => Self::Unavailable,
            UpstreamError::Refused { .. } | UpstreamError::NoRefresh | UpstreamError::Misconfigured(_) => {
                Self::Code
            }
            UpstreamError::IssuerMismatch => Self::Issuer,
            UpstreamError::IdToken(IdTokenFault::AuthTime) => Self::OldLogin,
            UpstreamError::IdToken(_) | UpstreamError::Profile(_) | UpstreamError::NoIdTokens => {
                Self::Profile
            }
        }
    }
}

async fn judge(
    provider: &Provider,
    entry: &Entry,
    arrival: &Arrival,
    way: &Way,
    state: &PlainToken,
    browser: &Browser<'_>,
    now: DateTime<Utc>,
) -> Result<End, LoginError> {
    let mail_params = mail_params(&way.face);
    let arriving = Arriving {
        entry,
        arrival,
        mail_params: &mail_params,
    };
    let outcome = match way.intent {
        Intent::SignIn => arrive::sign_in(provider, &arriving, browser, now).await?,
        Intent::Link { session, user } => {
            // The very session that asked, in this browser: whoever logged out or in meanwhile wants nothing linked.
            let session = SessionId::from(session);
            let here = browser
                .present
                .is_some_and(|present| present.session.id == session);
            match sessions::unchanged(provider, session, now)
                .await?
                .filter(|_| here)
            {
                Some(present) if *present.user.id.as_uuid() == user => {
                    let rule = link_rule(provider, &way.face);
                    arrive::link(provider, &arriving, &present.user, rule, now).await?
                }
                _ => Outcome::Refused(Refusal::NotLinkable),
            }
        }
    };
    match (outcome, &way.face) {
        (Outcome::AddressTaken, Face::Pages { .. }) => {
            join::wait(provider, entry, arrival, state, now).await?;
            Ok(End::Waits(state.clone()))
        }
        (Outcome::AddressTaken, Face::BetterAuth { .. }) => {
            Ok(End::Arrived(Outcome::Refused(Refusal::NotLinked)))
        }
        (outcome, _) => Ok(End::Arrived(outcome)),
    }
}

/// On the pages a user sees what is linked; a client of the Better Auth protocol relies on its rules.
fn link_rule(provider: &Provider, face: &Face) -> LinkRule {
    match face {
        Face::Pages { .. } => LinkRule::Any,
        Face::BetterAuth { .. } => LinkRule::of_protocol(provider),
    }
}

fn mail_params(face: &Face) -> MailParams {
    match face {
        Face::Pages {
            authorization_request,
            ..
        } => MailParams {
            authorization_request: *authorization_request,
            ..MailParams::default()
        },
        Face::BetterAuth { callback_url, .. } => MailParams {
            better_auth: true,
            callback_url: Some(callback_url.clone()),
            ..MailParams::default()
        },
    }
}

/// The longest `error` and `error_description` that are passed on, in characters.
const MAX_ERROR: usize = 64;
const MAX_DESCRIPTION: usize = 200;

/// What may stand in an error (RFC 6749 §4.1.2.1): printable ASCII without quote and backslash. The rest is dropped.
fn cleaned(text: &str, most: usize) -> Option<String> {
    let fits = |character: &char| matches!(character, ' '..='~') && !matches!(character, '"' | '\\');
    let cleaned: String = text.chars().filter(fits).take(most).collect();
    Some(cleaned).filter(|cleaned| !cleaned.is_empty())
}

impl Failure {
    /// The `error` by which the Better Auth protocol knows it.
    pub fn code(&self) -> Cow<'static, str> {
        match self {
            Self::State => "state_mismatch".into(),
            Self::ProviderGone => "oauth_provider_not_found".into(),
            Self::Provider { error, .. } => error.clone().into(),
            Self::NoCode => "no_code".into(),
            Self::Issuer => "issuer_mismatch".into(),
            Self::Code | Self::Unavailable => "invalid_code".into(),
            Self::Profile | Self::OldLogin => "unable_to_get_user_info".into(),
        }
    }
}

impl Refusal {
    /// The `error` by which the Better Auth protocol knows it; `banned` and `email_domain_not_allowed` are ours.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoEmail => "email_not_found",
            Self::Domain => "email_domain_not_allowed",
            Self::NotLinked => "account_not_linked",
            Self::SignupDisabled => "signup_disabled",
            Self::EmailNotVerified => "email_not_verified",
            Self::Disabled => "banned",
            Self::OtherEmail => "email_does_not_match",
            Self::NotLinkable => "unable_to_link_account",
            Self::LinkedElsewhere => "account_already_linked_to_different_user",
        }
    }
}
