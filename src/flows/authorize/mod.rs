//! The authorization endpoint (RFC 6749 §4.1.1, OpenID Connect Core §3.1.2).
//!
//! 1. The request is proven ([`check`]): client and redirect URI first, since before that nothing may be sent
//!    back to anybody.
//! 2. [`advance`] decides the next step from the request, the session and what is stored, and nothing else.
//! 3. A step that needs a page stores the request and comes back to [`advance`] through [`resume`].
//! 4. At the end a code, or an error, goes to the client ([`respond`]).

pub mod check;
pub mod respond;

use chrono::{DateTime, TimeDelta, Utc};

use super::limits::{Limit, Source, TooMany};
use super::provider::Provider;
use super::registry::RegistryError;
use super::sessions::Present;
use crate::domain::authorization::{self, AuthorizationRequest, NextStep, Progress};
use crate::domain::client::{Client, RegisteredRedirectUri};
use crate::domain::consent::Consent;
use crate::domain::ids::{AuthorizationRequestId, FamilyId};
use crate::domain::secret::{PlainToken, TokenHash, TokenKind};
use crate::oauth::error_code::ErrorCode;
use crate::storage::authorization_codes::{self, NewCode};
use crate::storage::{self, StorageError};
pub use check::{AuthorizeError, Parameters};
pub use respond::{AuthorizationResponse, SendBack};

/// How long a user may take over the pages of one request.
const REQUEST_LIFETIME: TimeDelta = TimeDelta::hours(1);

/// What the browser is to do next.
#[derive(Debug)]
pub enum Step {
    /// Log in, for the request of this id.
    Login(AuthorizationRequestId),
    /// Sign up, for the request of this id.
    Signup(AuthorizationRequestId),
    /// Decide about consent, for the request of this id.
    Consent(AuthorizationRequestId),
    /// Go back to the client.
    Respond(AuthorizationResponse),
    /// Nowhere: another tab has just answered this request.
    Gone,
}

/// A proven request with its client.
#[derive(Debug)]
pub struct Proven {
    /// What is asked.
    pub request: AuthorizationRequest,
    /// Who asks.
    pub client: std::sync::Arc<Client>,
    /// Where the answer goes.
    pub redirect_uri: RegisteredRedirectUri,
}

/// Whether a request is stored already.
#[derive(Debug, Clone, Copy)]
pub enum Stored {
    /// Under this id.
    As(AuthorizationRequestId),
    /// It will be, if a page is needed, and counted under this address.
    NotYet(Source),
}

/// A pending request as its browser finds it.
#[derive(Debug)]
pub struct Resumed {
    /// The request.
    pub proven: Proven,
    /// What was done for it.
    pub progress: Progress,
}

/// Decides what comes next. Only this function does; pages and forms all come back to it.
///
/// # Errors
/// When it cannot be stored, or the database does not answer.
pub async fn advance(
    provider: &Provider,
    proven: &Proven,
    stored: Stored,
    progress: Progress,
    present: Option<&Present>,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Step, AdvanceError> {
    let request = &proven.request;
    let covers = match present {
        Some(present) => consent_covers(provider, proven, present).await?,
        None => false,
    };
    let subject = present.map(|present| present.user.subject()).unwrap_or_default();
    let seen = present.map(|present| authorization::Present {
        session: present.session.id,
        subject: &subject,
        auth_time: present.session.auth_time,
        acr: &present.session.acr,
    });
    let page = |step: fn(AuthorizationRequestId) -> Step| async move {
        let id = match stored {
            Stored::As(id) => id,
            Stored::NotYet(source) => store(provider, request, Some(browser), source, now).await?,
        };
        Ok(step(id))
    };
    let refusal = match request.next_step(seen, covers, progress, now) {
        NextStep::Login => return page(Step::Login).await,
        NextStep::Signup if provider.settings.accounts.signup => return page(Step::Signup).await,
        NextStep::Signup => return page(Step::Login).await,
        NextStep::Consent => return page(Step::Consent).await,
        NextStep::Issue => None,
        NextStep::LoginRequired => Some(LOGIN_REQUIRED),
        NextStep::ConsentRequired => Some((ErrorCode::ConsentRequired, "the user must consent")),
        NextStep::WrongUser => Some((
            ErrorCode::LoginRequired,
            "the user who logged in is not the one that was asked for",
        )),
        NextStep::UnmetAcr => Some((
            ErrorCode::UnmetAuthenticationRequirements,
            "the essential acr cannot be met",
        )),
    };
    // Of all tabs that would answer one stored request, one does.
    if let Stored::As(id) = stored
        && !storage::authorization_requests::delete(&provider.db, id, browser).await?
    {
        return Ok(Step::Gone);
    }
    let issuer = &provider.settings.issuer;
    let code = match present {
        Some(present) if refusal.is_none() => issue_code(provider, proven, present, now).await?,
        _ => None,
    };
    Ok(Step::Respond(match code {
        Some(code) => AuthorizationResponse::code(issuer, proven, &code),
        None => {
            // Without a refusal the session ended, or the client was disabled, while we looked.
            let (code, description) = refusal.unwrap_or(LOGIN_REQUIRED);
            AuthorizationResponse::error(issuer, SendBack::of(proven, code, description))
        }
    }))
}

const LOGIN_REQUIRED: (ErrorCode, &str) = (ErrorCode::LoginRequired, "the user must log in");

/// Why a request does not go on for now.
#[derive(Debug, thiserror::Error)]
pub enum AdvanceError {
    /// Too many requests from one address wait for their pages.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Stores a request until its pages are done. Without `browser` the first that opens it owns it. Anybody may
/// cause a row here, so an address has a limit.
///
/// # Errors
/// When there are too many, or the database does not answer.
pub async fn store(
    provider: &Provider,
    request: &AuthorizationRequest,
    browser: Option<TokenHash>,
    source: Source,
    now: DateTime<Utc>,
) -> Result<AuthorizationRequestId, AdvanceError> {
    if provider.settings.rate_limits {
        provider.limits.reserve(Limit::PendingRequests, source, now)?;
    }
    let id = AuthorizationRequestId::generate(&*provider.random);
    let expires_at = now + REQUEST_LIFETIME;
    storage::authorization_requests::insert(&provider.db, id, request, browser, now, expires_at).await?;
    Ok(id)
}

/// Why a pending request does not go on.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// It is done, expired, unknown, or another browser's.
    #[error("there is no such pending request in this browser")]
    Gone,
    /// Its client was changed or removed meanwhile.
    #[error("the client of the request is not what it was")]
    Client,
    /// Clients are not known at present.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The database did not answer.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Finds a pending request again, in the browser that it belongs to.
///
/// # Errors
/// When it does not go on.
pub async fn resume(
    provider: &Provider,
    id: AuthorizationRequestId,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Resumed, ResumeError> {
    let pending = storage::authorization_requests::open(&provider.db, id, browser, now).await?;
    let pending = pending.ok_or(ResumeError::Gone)?;
    let request = pending.request;
    let client = provider.registry.client(&request.client_id)?;
    let client = client.filter(|client| client.disabled_at.is_none());
    let client = client.ok_or(ResumeError::Client)?;
    let redirect_uri = client.match_redirect_uri(&request.redirect_uri);
    Ok(Resumed {
        proven: Proven {
            redirect_uri: redirect_uri.ok_or(ResumeError::Client)?,
            request,
            client,
        },
        progress: pending.progress,
    })
}

/// Whether no consent page is needed: the operator's own clients need none, others what was not given yet.
async fn consent_covers(
    provider: &Provider,
    proven: &Proven,
    present: &Present,
) -> Result<bool, StorageError> {
    if proven.client.metadata.first_party {
        return Ok(true);
    }
    let given = storage::consents::find(&provider.db, present.user.id, &proven.client.id).await?;
    Ok(given.is_some_and(|given| given.covers(&Consent::of(&proven.request))))
}

/// Makes a code. `None` if user, session or client may have no tokens any more.
async fn issue_code(
    provider: &Provider,
    proven: &Proven,
    present: &Present,
    now: DateTime<Utc>,
) -> Result<Option<PlainToken>, StorageError> {
    let code = PlainToken::generate(TokenKind::AuthorizationCode, &*provider.random);
    let request = &proven.request;
    let session = &present.session;
    let new = NewCode {
        code_hash: &code.hash(),
        family: FamilyId::generate(&*provider.random),
        client: &proven.client.id,
        user: present.user.id,
        session: session.id,
        epoch: session.epoch,
        redirect_uri: proven.redirect_uri.as_str(),
        code_challenge: request.code_challenge.as_ref(),
        nonce: request.nonce.as_deref(),
        scopes: &request.scope,
        resources: &request.resources,
        claims: request.claims.as_ref(),
        auth_time: session.auth_time,
        acr: &session.acr,
        amr: &session.amr,
        created_at: now,
        expires_at: now + provider.settings.authorization_code_ttl,
    };
    let inserted = authorization_codes::insert(&provider.db, &new).await?;
    Ok(inserted.then_some(code))
}
