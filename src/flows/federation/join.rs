//! An arrival whose address an account has: it waits until its user has logged in to that account as before, and has
//! said that the two are to be joined. What is confirmed is the identity that arrived in this very browser, and no other
//! (Keycloak's CVE-2026-9087 was a proof that any identity could use).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::arrive::{self, Arriving, LinkRule, Outcome};
use super::sealed::{attempt_place, seal, unseal};
use super::tokens::KeptTokens;
use super::{Entry, begin};
use crate::domain::mail::MailParams;
use crate::domain::secret::{PlainToken, TokenHash};
use crate::flows::provider::Provider;
use crate::flows::sessions::Present;
use crate::storage::StorageError;
use crate::storage::federation_attempts;
use crate::upstream::{Arrival, Person};

const WHAT: &str = "arrival";

/// An arrival as it rests, inside what is encrypted.
#[derive(Serialize, Deserialize)]
struct Resting {
    provider: String,
    issuer: String,
    subject: String,
    email: Option<String>,
    email_verified: bool,
    hosted_domain: Option<String>,
    name: Option<String>,
    picture: Option<String>,
    amr: Vec<String>,
    tokens: Option<KeptTokens>,
}

/// Lets an arrival wait.
///
/// # Errors
/// When the database does not answer.
pub async fn wait(
    provider: &Provider,
    entry: &Entry,
    arrival: &Arrival,
    state: &PlainToken,
    now: DateTime<Utc>,
) -> Result<(), StorageError> {
    let person = &arrival.person;
    let tokens = arrival.tokens.as_ref().filter(|_| entry.keeps_tokens);
    let resting = Resting {
        provider: entry.id().to_owned(),
        issuer: arrival.issuer.clone(),
        subject: arrival.subject.clone(),
        email: person.email.clone(),
        email_verified: person.email_verified,
        hosted_domain: person.hosted_domain.clone(),
        name: person.name.clone(),
        picture: person.picture.clone(),
        amr: arrival.amr.clone(),
        tokens: tokens.map(KeptTokens::of),
    };
    match seal(provider, &attempt_place(state, WHAT), &resting) {
        Ok(sealed) => {
            federation_attempts::keep_arrival(&provider.db, state.hash(), &sealed, now + begin::LIFETIME)
                .await
        }
        Err(error) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "an arrival cannot be encrypted"
            );
            Ok(())
        }
    }
}

/// An arrival that waits.
#[derive(Debug)]
pub struct Waiting<'a> {
    /// The entry that it came by.
    pub entry: &'a Entry,
    /// Who came.
    pub arrival: Arrival,
}

/// Who waits in this browser. `None` if nobody does, or the operator took the provider away.
///
/// # Errors
/// When the database does not answer.
pub async fn find<'a>(
    provider: &'a Provider,
    state: &PlainToken,
    browser: TokenHash,
    now: DateTime<Utc>,
) -> Result<Option<Waiting<'a>>, StorageError> {
    let sealed = federation_attempts::find_arrival(&provider.db, state.hash(), browser, now).await?;
    let resting: Option<Resting> =
        sealed.and_then(|sealed| unseal(provider, &attempt_place(state, WHAT), &sealed));
    Ok(resting.and_then(|resting| {
        let entry = provider.federation.entry(&resting.provider)?;
        let arrival = Arrival {
            issuer: resting.issuer,
            subject: resting.subject,
            person: Person {
                email: resting.email,
                email_verified: resting.email_verified,
                hosted_domain: resting.hosted_domain,
                name: resting.name,
                picture: resting.picture,
                claims: serde_json::Value::Null,
            },
            amr: resting.amr,
            tokens: resting.tokens.map(KeptTokens::tokens),
        };
        Some(Waiting { entry, arrival })
    }))
}

/// Joins who waits to the account of a session, once. `None` if nobody waits any more.
///
/// # Errors
/// When the database does not answer.
pub async fn join(
    provider: &Provider,
    state: &PlainToken,
    browser: TokenHash,
    present: &Present,
    now: DateTime<Utc>,
) -> Result<Option<Outcome>, StorageError> {
    let Some(waiting) = find(provider, state, browser, now).await? else {
        return Ok(None);
    };
    if !federation_attempts::join(&provider.db, state.hash(), browser, now).await? {
        return Ok(None);
    }
    let arriving = Arriving {
        entry: waiting.entry,
        arrival: &waiting.arrival,
        mail_params: &MailParams::default(),
    };
    let outcome = arrive::link(provider, &arriving, &present.user, LinkRule::Any, now).await?;
    Ok(Some(outcome))
}
