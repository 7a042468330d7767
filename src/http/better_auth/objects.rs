//! Users, sessions and accounts as clients see them: every member always there, absent ones `null` or empty, times
//! with exactly three digits, since clients read more as other times.

use std::fmt;
use std::net::IpAddr;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::call::Call;
use crate::domain::browser_session::BrowserSession;
use crate::domain::ids::SessionId;
use crate::domain::session_token::{self, Form};
use crate::domain::user::User;
use crate::flows::linked_accounts::LinkedAccount;
use crate::flows::sessions::Present;
use crate::http::site::Site;

/// A time as clients read it.
pub fn date(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// A user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UserObject {
    name: String,
    email: String,
    email_verified: bool,
    image: Option<String>,
    created_at: String,
    updated_at: String,
    id: String,
}

impl From<&User> for UserObject {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.clone(),
            email: user.email.to_lowercase(),
            email_verified: user.email_verified,
            image: user.profile.picture().map(str::to_owned),
            created_at: date(user.created_at),
            updated_at: date(user.updated_at),
            id: user.subject(),
        }
    }
}

/// A session. Its token is what this reader may have of it, and never a cookie.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SessionObject {
    expires_at: String,
    token: String,
    created_at: String,
    updated_at: String,
    ip_address: String,
    user_agent: String,
    user_id: String,
    id: String,
}

impl fmt::Debug for SessionObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionObject")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl SessionObject {
    /// The session in front of its own holder.
    pub fn own(site: &Site, session: &BrowserSession, user: &User) -> Self {
        Self::with(site, session, user, Form::Bearer)
    }

    /// A session in a list: it can be named, and no more.
    pub fn listed(site: &Site, session: &BrowserSession, user: &User) -> Self {
        Self::with(site, session, user, Form::Handle)
    }

    /// Whether it is the session of this id.
    pub fn is_of(&self, session: SessionId) -> bool {
        self.id == session.to_string()
    }

    fn with(site: &Site, session: &BrowserSession, user: &User, form: Form) -> Self {
        Self {
            expires_at: date(session.idle_expires_at),
            token: token(site, session, form),
            created_at: date(session.created_at),
            updated_at: date(session.extended_at(site.provider.settings.sessions)),
            ip_address: shown_address(session.ip_address.as_deref()),
            user_agent: session.user_agent.clone().unwrap_or_default(),
            user_id: user.subject(),
            id: session.id.to_string(),
        }
    }
}

/// Where a session began, as Better Auth shows it: of an IPv6 address its /64, every group in four digits; empty where it
/// is not known.
fn shown_address(address: Option<&str>) -> String {
    match address.and_then(|text| text.parse::<IpAddr>().ok()) {
        Some(address) => match address.to_canonical() {
            IpAddr::V4(address) => address.to_string(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:04x}:{b:04x}:{c:04x}:{d:04x}:0000:0000:0000:0000")
            }
        },
        None => String::new(),
    }
}

/// A session with its user.
#[derive(Debug, Serialize)]
pub struct SessionAndUser {
    /// The session.
    pub session: SessionObject,
    /// The user.
    pub user: UserObject,
}

impl SessionAndUser {
    /// In front of its own holder.
    pub fn own(site: &Site, present: &Present) -> Self {
        Self {
            session: SessionObject::own(site, &present.session, &present.user),
            user: UserObject::from(&present.user),
        }
    }
}

/// The token of a session in a form for programs.
pub fn token(site: &Site, session: &BrowserSession, form: Form) -> String {
    let keys = site.provider.keys();
    let issuer = &site.provider.settings.issuer;
    let token = session_token::write(form, session.id, issuer, &keys.mac.session_token);
    token.expose().to_owned()
}

/// The session that a token of these forms names.
pub fn named(call: &Call, token: &str, forms: &[Form]) -> Option<SessionId> {
    let keys = call.site.provider.keys();
    let issuer = &call.site.provider.settings.issuer;
    session_token::read_any(forms, token, issuer, &keys.mac.session_token)
}

/// A way in.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccountObject {
    id: String,
    account_id: String,
    provider_id: String,
    user_id: String,
    created_at: String,
    updated_at: String,
    scopes: Vec<String>,
}

impl AccountObject {
    /// An account of `user`, with the scopes of its tokens, if any are kept.
    pub fn of(account: LinkedAccount, user: &User, scopes: Option<Vec<String>>) -> Self {
        Self {
            id: account.id,
            account_id: account.account_id,
            provider_id: account.provider_id,
            user_id: user.subject(),
            created_at: date(account.created_at),
            updated_at: date(account.updated_at),
            scopes: scopes.unwrap_or_default(),
        }
    }
}
