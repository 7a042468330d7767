//! An authorization request after its parameters were proven, and what the user must still do for it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ids::{ClientId, SessionId};
use crate::oauth::pkce::CodeChallenge;
use crate::oauth::prompt::Prompt;
use crate::oauth::response::ResponseMode;
use crate::oauth::scope::ScopeSet;

/// A proven `/oauth2/authorize` request, as stored while the user is busy with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes: registered for the client.
    pub redirect_uri: String,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// Given back untouched.
    pub state: Option<String>,
    /// Given back in the ID token.
    pub nonce: Option<String>,
    /// What is asked for, within what the client registered.
    pub scope: ScopeSet,
    /// The APIs that the access token is for (RFC 8707).
    pub resources: Vec<String>,
    /// The PKCE challenge of method S256.
    pub code_challenge: Option<CodeChallenge>,
    /// What the client wants the user to be asked.
    pub prompt: Prompt,
    /// The greatest age of the login in seconds, from the request or the client's registration.
    pub max_age: Option<u32>,
    /// Who the client thinks the user is, for the login field.
    pub login_hint: Option<String>,
    /// The other provider that the client wants the user to come by; a parameter of ours.
    #[serde(default)]
    pub provider: Option<String>,
    /// The user's languages, best first.
    pub ui_locales: Option<String>,
    /// Who the user must be, from `id_token_hint` or the `sub` claim's value.
    pub required_subject: Option<String>,
    /// The `claims` parameter.
    pub claims: Option<RequestedClaims>,
}

/// The `claims` parameter (OpenID Connect Core 1.0 §5.5).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestedClaims {
    /// Claims for userinfo, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, Option<ClaimRequest>>,
    /// Claims for the ID token, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, Option<ClaimRequest>>,
}

/// What is asked of one claim.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ClaimRequest {
    /// Whether the client says that it cannot go on without.
    #[serde(default)]
    pub essential: bool,
    /// The one value that will do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The values that will do, best first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

impl ClaimRequest {
    /// Whether `actual` is among the values asked for; true when none was named.
    pub fn accepts(&self, actual: &str) -> bool {
        let named: Vec<_> = self.value.iter().chain(self.values.iter().flatten()).collect();
        named.is_empty() || named.iter().any(|value| value.as_str() == Some(actual))
    }
}

impl RequestedClaims {
    /// Reads the parameter. `None` unless it is an object of objects, as the standard writes them, in texts that
    /// can be stored: none holds a NUL, not even an escaped one.
    pub fn parse(text: &str) -> Option<Self> {
        // Reading into the structs alone would take an array for an object.
        let written: Value = serde_json::from_str(text).ok()?;
        let members = written.as_object()?;
        let mut requests = ["userinfo", "id_token"]
            .into_iter()
            .filter_map(|place| members.get(place)?.as_object())
            .flat_map(|claims| claims.values());
        if !requests.all(|request| request.is_null() || request.is_object()) || has_nul(&written) {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// Every claim name asked for, in userinfo or the ID token.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.userinfo
            .keys()
            .chain(self.id_token.keys())
            .map(String::as_str)
    }
}

/// What was already done for a pending request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The session that logged in for this very request.
    pub authenticated: Option<SessionId>,
    /// Whether the user consented on this request's page.
    pub consented: bool,
}

/// The user in front of the browser, as the decision needs to know them.
#[derive(Debug, Clone, Copy)]
pub struct Present<'a> {
    /// The session.
    pub session: SessionId,
    /// The user, as tokens name them.
    pub subject: &'a str,
    /// When they last proved who they are.
    pub auth_time: DateTime<Utc>,
    /// How well (`acr`).
    pub acr: &'a str,
}

/// The next step of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextStep {
    /// Show the login page.
    Login,
    /// Show the signup page.
    Signup,
    /// Show the consent page.
    Consent,
    /// Answer with a code.
    Issue,
    /// Nobody is logged in, and nothing may be shown: `login_required`.
    LoginRequired,
    /// The user must consent, and nothing may be shown: `consent_required`.
    ConsentRequired,
    /// The user is another than the one that the client asked for: `login_required`.
    WrongUser,
    /// An essential `acr` cannot be had: `unmet_authentication_requirements`.
    UnmetAcr,
}

impl AuthorizationRequest {
    /// Decides the next step from stored state alone, so that tabs, the back button and a restored window all
    /// finish. `consent_covers` says whether no consent page is needed but for `prompt=consent`.
    pub fn next_step(
        &self,
        present: Option<Present<'_>>,
        consent_covers: bool,
        progress: Progress,
        now: DateTime<Utc>,
    ) -> NextStep {
        let silent = self.prompt.none;
        let Some(present) = present else {
            return match (silent, self.prompt.create) {
                (true, _) => NextStep::LoginRequired,
                (false, true) => NextStep::Signup,
                (false, false) => NextStep::Login,
            };
        };
        let just_authenticated = progress.authenticated == Some(present.session);
        let right_user = self
            .required_subject
            .as_deref()
            .is_none_or(|subject| subject == present.subject);
        if !right_user && just_authenticated {
            return NextStep::WrongUser;
        }
        let fresh = self.is_fresh(present.auth_time, now);
        if !just_authenticated {
            if self.prompt.create {
                return NextStep::Signup;
            }
            if !right_user || !fresh || self.prompt.login || self.prompt.select_account {
                return if silent {
                    NextStep::LoginRequired
                } else {
                    NextStep::Login
                };
            }
        }
        if !self.acr_satisfied(present.acr) {
            return NextStep::UnmetAcr;
        }
        if !consent_covers || self.prompt.consent && !progress.consented {
            return if silent {
                NextStep::ConsentRequired
            } else {
                NextStep::Consent
            };
        }
        NextStep::Issue
    }

    /// Whether a user who is logged in may go on by saying so, where the client asked to be told who it is to be
    /// (`select_account`): only if nothing asks for a new login.
    pub fn may_go_on_as(&self, subject: &str, auth_time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        let right_user = self
            .required_subject
            .as_deref()
            .is_none_or(|wanted| wanted == subject);
        self.prompt.select_account && !self.prompt.login && right_user && self.is_fresh(auth_time, now)
    }

    fn is_fresh(&self, auth_time: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        self.max_age
            .is_none_or(|age| now < auth_time + TimeDelta::seconds(i64::from(age)))
    }

    /// OpenID Connect Core 1.0 §5.5.1.1: only an essential `acr` claim with values can fail a request;
    /// `acr_values` is voluntary.
    fn acr_satisfied(&self, acr: &str) -> bool {
        let requested = self
            .claims
            .as_ref()
            .and_then(|claims| claims.id_token.get("acr"))
            .and_then(Option::as_ref);
        requested.is_none_or(|request| !request.essential || request.accepts(acr))
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(values) => values.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

#[cfg(test)]
mod tests;
