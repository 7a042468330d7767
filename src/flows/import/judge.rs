//! What comes in of a candidate, in what form, and what of it does not. Whether it is taken here already is not asked
//! yet.

use std::collections::BTreeMap;
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::candidate::{Candidate, CandidateIdentity, CandidatePasskey, CandidateSession, base64};
use super::reason::{Reason, Refused};
use crate::domain::browser_session::SessionPolicy;
use crate::domain::email::EmailAddress;
use crate::domain::ids::{SessionId, UserId};
use crate::domain::imported_user::{ImportedIdentity, ImportedPasskey, ImportedSession, ImportedUser};
use crate::domain::secret::TokenHash;
use crate::domain::subject::Subject;
use crate::domain::user::{MAX_NAME_LENGTH, Profile, parse_name};
use crate::random::Random;

/// The most identities or passkeys of a user.
const MAX_THINGS: usize = 100;
/// The longest text of an identity or a passkey's name, in bytes.
const MAX_TEXT: usize = 255;
/// The most bytes of a passkey's id (WebAuthn §4) and of its key.
const MAX_CREDENTIAL: usize = 1023;
const MAX_PUBLIC_KEY: usize = 2048;
/// The longest user agent, in bytes.
const MAX_USER_AGENT: usize = 512;
/// How long Better Auth keeps a session that the browser was not to remember; the row says no more of it.
const UNREMEMBERED: TimeDelta = TimeDelta::days(1);

/// What judging takes.
pub(super) struct Judge<'a> {
    pub random: &'a dyn Random,
    pub sessions: SessionPolicy,
    /// The issuers of the providers that are configured, by their names.
    pub issuers: &'a BTreeMap<String, String>,
    pub now: DateTime<Utc>,
}

/// A user who may come in, and what of them may not.
pub(super) struct Judged {
    pub user: ImportedUser,
    pub refused: Vec<(Refused, Reason)>,
}

impl Judge<'_> {
    pub(super) fn judge(&self, candidate: Candidate) -> Result<Judged, Reason> {
        let subject = candidate.subject.as_deref().map(Subject::parse).transpose()?;
        let email = candidate.email.as_deref().map(str::trim).unwrap_or_default();
        if email.is_empty() {
            return Err(Reason::NoEmail);
        }
        let email = EmailAddress::parse(email).map_err(|_| Reason::InvalidEmail)?;
        let mut refused = Vec::new();
        let password_hash = candidate
            .password
            .transpose()
            .inspect_err(|error| refused.push((Refused::Password, Reason::Hash(*error))))
            .ok()
            .flatten();
        let name = name_of(candidate.name.as_deref(), &email);
        let created_at = self.past(candidate.created_at);
        Ok(Judged {
            user: ImportedUser {
                id: match &subject {
                    Some(Subject::Id(id)) => *id,
                    Some(Subject::Text(_)) | None => UserId::generate(self.random),
                },
                subject,
                email,
                email_verified: candidate.email_verified,
                name,
                profile: profile_of(candidate.profile, &mut refused),
                password_hash,
                created_at,
                updated_at: candidate.updated_at.map_or(created_at, |at| self.past(Some(at))),
                last_login_at: candidate.last_login_at.map(|at| self.past(Some(at))),
                disabled_at: candidate.disabled.then_some(self.now),
                identities: self.all(
                    candidate.identities,
                    Self::identity,
                    Refused::Identity,
                    &mut refused,
                ),
                passkeys: self.all(candidate.passkeys, Self::passkey, Refused::Passkey, &mut refused),
                sessions: candidate
                    .sessions
                    .iter()
                    .filter_map(|session| self.session(session))
                    .collect(),
            },
            refused,
        })
    }

    /// A time that is over; now for one that is not, or is not known.
    fn past(&self, at: Option<DateTime<Utc>>) -> DateTime<Utc> {
        at.map_or(self.now, |at| at.clamp(DateTime::UNIX_EPOCH, self.now))
    }

    fn all<C, T>(
        &self,
        candidates: Vec<C>,
        judge: impl Fn(&Self, C) -> Result<T, Reason>,
        what: Refused,
        refused: &mut Vec<(Refused, Reason)>,
    ) -> Vec<T> {
        let judged = candidates.into_iter().take(MAX_THINGS);
        judged
            .filter_map(|candidate| {
                judge(self, candidate)
                    .inspect_err(|reason| refused.push((what, *reason)))
                    .ok()
            })
            .collect()
    }

    fn identity(&self, identity: CandidateIdentity) -> Result<ImportedIdentity, Reason> {
        let fits = |text: &str| (1..=MAX_TEXT).contains(&text.len()) && !text.chars().any(char::is_control);
        let issuer = identity.issuer.as_deref().is_none_or(fits);
        if !fits(&identity.provider) || !fits(&identity.subject) || !issuer {
            return Err(Reason::InvalidIdentity);
        }
        Ok(ImportedIdentity {
            id: self.id(),
            issuer: Some(self.issuer(&identity.provider, identity.issuer)),
            provider: identity.provider,
            subject: identity.subject,
            created_at: self.past(identity.created_at),
        })
    }

    /// Whose word the identity is: as the source says, or as the entry of that name does, or as everybody knows. An issuer
    /// that nobody knows is one that no provider can claim, so nobody comes by such an identity.
    fn issuer(&self, provider: &str, told: Option<String>) -> String {
        let known = || match provider {
            "google" => Some("https://accounts.google.com"),
            "github" => Some("https://github.com"),
            "discord" => Some("https://discord.com"),
            "apple" => Some("https://appleid.apple.com"),
            "gitlab" => Some("https://gitlab.com"),
            "facebook" => Some("https://www.facebook.com"),
            _ => None,
        };
        told.or_else(|| self.issuers.get(provider).cloned())
            .or_else(|| known().map(str::to_owned))
            .unwrap_or_else(|| format!("urn:signet:provider:{provider}"))
    }

    fn passkey(&self, passkey: CandidatePasskey) -> Result<ImportedPasskey, Reason> {
        let bytes = |text: &str, most| {
            let bytes = base64(text).filter(|bytes| (1..=most).contains(&bytes.len()));
            bytes.ok_or(Reason::InvalidPasskey)
        };
        let device_type = match &*passkey.device_type {
            known @ ("singleDevice" | "multiDevice") => known.to_owned(),
            _ => return Err(Reason::InvalidPasskey),
        };
        Ok(ImportedPasskey {
            id: self.id(),
            credential_id: bytes(&passkey.credential_id, MAX_CREDENTIAL)?,
            public_key: bytes(&passkey.public_key, MAX_PUBLIC_KEY)?,
            counter: passkey.counter.max(0),
            transports: cut(&passkey.transports, MAX_TEXT),
            name: passkey.name.map(|name| cut(&name, MAX_TEXT)),
            backed_up: passkey.backed_up,
            device_type,
            aaguid: passkey.aaguid.and_then(|text| Uuid::try_parse(&text).ok()),
            created_at: self.past(passkey.created_at),
        })
    }

    /// One that has expired is not worth a word.
    fn session(&self, session: &CandidateSession) -> Option<ImportedSession> {
        if session.token.is_empty() || session.expires_at <= self.now {
            return None;
        }
        let created_at = self.past(Some(session.created_at));
        // The server before may have kept it alive for longer than this one would.
        let longest = created_at + self.sessions.ttl;
        Some(ImportedSession {
            id: SessionId::generate(self.random),
            token_hash: TokenHash::of_foreign(&session.token),
            ip_address: session
                .ip_address
                .as_deref()
                .and_then(|text| text.parse::<IpAddr>().ok())
                .map(|address| address.to_string()),
            user_agent: session
                .user_agent
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(|text| cut(text, MAX_USER_AGENT)),
            remembered: session.expires_at - session.updated_at > UNREMEMBERED,
            created_at,
            last_used_at: self.past(Some(session.updated_at)),
            idle_expires_at: session.expires_at.min(self.now + self.sessions.ttl),
            expires_at: longest.max(session.expires_at.min(self.now + self.sessions.ttl)),
        })
    }

    fn id(&self) -> Uuid {
        let mut bytes = [0; 16];
        self.random.fill(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

/// The name, made fit where it is not; without any, what stands before the @.
fn name_of(name: Option<&str>, email: &EmailAddress) -> String {
    let fit = |text: &str| {
        let text: String = text
            .chars()
            .map(|character| if character.is_control() { ' ' } else { character })
            .take(MAX_NAME_LENGTH)
            .collect();
        parse_name(&text)
    };
    let local = || email.as_str().rsplit_once('@').map_or("", |(local, _)| local);
    name.and_then(fit)
        .or_else(|| fit(local()))
        .unwrap_or_else(|| "-".to_owned())
}

/// The claims that a profile may hold.
fn profile_of(claims: Map<String, Value>, refused: &mut Vec<(Refused, Reason)>) -> Profile {
    let mut kept = Map::new();
    for (name, value) in claims {
        let alone = Map::from_iter([(name.clone(), value.clone())]);
        // The database keeps no NUL.
        if value.to_string().contains("\\u0000") || Profile::new(alone).is_err() {
            refused.push((Refused::Claim, Reason::Claim));
        } else {
            kept.insert(name, value);
        }
    }
    Profile::new(kept).unwrap_or_default()
}

/// The beginning of a text, without control characters.
fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].replace(char::is_control, " ")
}
