//! Believing a client that proves itself with a signed assertion (`private_key_jwt`; RFC 7523 §3, OpenID
//! Connect Core §9). That its `jti` is spent once is the caller's part.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::ClientKeys;
use super::claims::Audience;
use super::client_jwks::ASSERTION_ALGORITHMS;
use super::compact::{self, Compact, Malformed};
use crate::domain::ids::ClientId;

/// How far the clocks of client and provider may be apart.
const LEEWAY: TimeDelta = TimeDelta::seconds(60);

/// The longest life of an assertion: for so long its `jti` must be remembered.
const MAX_LIFETIME: TimeDelta = TimeDelta::hours(1);

const MAX_JTI: usize = 255;

/// What an assertion proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedAssertion {
    /// Its name, which may be used once a client.
    pub jti: String,
    /// From when the assertion is refused by its time alone, so that `jti` can be forgotten.
    pub expires_at: DateTime<Utc>,
}

/// Why an assertion proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// No JWT with the required claims.
    #[error("the client assertion is not a JWT with iss, sub, aud, exp and jti")]
    Malformed,
    /// It is a token of another kind.
    #[error("the client assertion has the typ of another token")]
    Type,
    /// An algorithm that we do not take.
    #[error("the algorithm of the client assertion is not supported")]
    Algorithm,
    /// None of the client's keys made the signature.
    #[error("no key of the client verifies its assertion")]
    Signature,
    /// `iss` and `sub` are not both the client.
    #[error("iss and sub of the client assertion must be the client_id")]
    Subject,
    /// `aud` is not exactly one of ours.
    #[error("aud of the client assertion must be the issuer or the token endpoint, and nothing else")]
    Audience,
    /// Its time is over.
    #[error("the client assertion has expired")]
    Expired,
    /// Its time is not yet, or too long.
    #[error("the times of the client assertion are not acceptable")]
    Times,
    /// `jti` is empty or too long.
    #[error("jti of the client assertion must have 1 to 255 bytes")]
    Jti,
}

impl From<Malformed> for AssertionError {
    fn from(_: Malformed) -> Self {
        Self::Malformed
    }
}

/// Who an assertion says that it is from, believed by nobody yet: only to find the client whose keys
/// [`verify_client_assertion`] needs, where a request has no `client_id` (RFC 7521 §4.2).
pub fn unverified_client_id(assertion: &str) -> Option<ClientId> {
    let parts = Compact::parse(assertion).ok()?;
    let claims: Claims = compact::object(&parts.payload).ok()?;
    ClientId::try_from(claims.sub).ok()
}

/// Believes an assertion of `client_id`, signed with one of `keys`, meant for exactly one of `audiences` and
/// for nobody else: one that names others too could be replayed here by them.
///
/// # Errors
/// The first reason not to believe it.
pub fn verify_client_assertion(
    assertion: &str,
    client_id: &ClientId,
    keys: &ClientKeys,
    audiences: &[&str],
    now: DateTime<Utc>,
) -> Result<VerifiedAssertion, AssertionError> {
    let parts = Compact::parse(assertion)?;
    let header: Header = compact::object(&parts.header)?;
    header_is_plain(&header)?;
    if !keys.verify(
        &header.alg,
        header.kid.as_deref(),
        parts.signed.as_bytes(),
        &parts.signature,
    ) {
        return Err(AssertionError::Signature);
    }
    let claims: Claims = compact::object(&parts.payload)?;
    if claims.iss != client_id.as_str() || claims.sub != client_id.as_str() {
        return Err(AssertionError::Subject);
    }
    audience_is_ours_alone(&claims.aud, audiences)?;
    let expires_at = times_are_acceptable(&claims, now)?;
    jti_is_a_name(&claims.jti)?;
    Ok(VerifiedAssertion {
        jti: claims.jti,
        expires_at,
    })
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
    b64: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    jti: String,
}

/// The header asks for nothing special. Keys that it carries or points to are not looked at.
fn header_is_plain(header: &Header) -> Result<(), AssertionError> {
    if header.crit.is_some() || header.b64.is_some() {
        return Err(AssertionError::Malformed);
    }
    let typ = header.typ.as_deref().unwrap_or("JWT");
    let typ = typ.strip_prefix("application/").unwrap_or(typ);
    if !["JWT", "client-authentication+jwt"]
        .iter()
        .any(|known| typ.eq_ignore_ascii_case(known))
    {
        return Err(AssertionError::Type);
    }
    if ASSERTION_ALGORITHMS.contains(&&*header.alg) {
        Ok(())
    } else {
        Err(AssertionError::Algorithm)
    }
}

fn audience_is_ours_alone(aud: &Audience, ours: &[&str]) -> Result<(), AssertionError> {
    match aud.as_slice() {
        [one] if ours.contains(&&**one) => Ok(()),
        _ => Err(AssertionError::Audience),
    }
}

/// The assertion's time is now, and its end near enough to remember it until then. Returns that end.
fn times_are_acceptable(claims: &Claims, now: DateTime<Utc>) -> Result<DateTime<Utc>, AssertionError> {
    let expires_at = numeric_date(claims.exp)? + LEEWAY;
    if expires_at <= now {
        return Err(AssertionError::Expired);
    }
    let begins = |time: Option<f64>| time.map_or(Ok(now), numeric_date);
    let latest_begin = now + LEEWAY;
    if expires_at > now + MAX_LIFETIME + LEEWAY + LEEWAY
        || begins(claims.nbf)? > latest_begin
        || begins(claims.iat)? > latest_begin
    {
        return Err(AssertionError::Times);
    }
    Ok(expires_at)
}

/// A NumericDate (RFC 7519 §2), cut to whole seconds.
fn numeric_date(seconds: f64) -> Result<DateTime<Utc>, AssertionError> {
    // 2^40 s is the year 36812: nothing later is meant, and nothing below overflows.
    if !(0.0..=1_099_511_627_776.0).contains(&seconds) {
        return Err(AssertionError::Times);
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "cut to whole seconds, in a range checked above"
    )]
    DateTime::from_timestamp(seconds as i64, 0).ok_or(AssertionError::Times)
}

/// A `jti` is a name, no document.
fn jti_is_a_name(jti: &str) -> Result<(), AssertionError> {
    if (1..=MAX_JTI).contains(&jti.len()) {
        Ok(())
    } else {
        Err(AssertionError::Jti)
    }
}

#[cfg(test)]
mod tests;
