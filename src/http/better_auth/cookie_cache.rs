//! What a browser may be believed without the database: a signed copy of session and user, in a cookie that ends
//! soon. It never authenticates alone: the session's own cookie must come with it and name the same session.
//!
//! The signature is over the text that a program in JavaScript gets by writing what it read, so that applications
//! with the same secret can check it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::call::Call;
use super::objects::{SessionAndUser, SessionObject, UserObject};
use crate::domain::browser_session::BrowserSession;
use crate::domain::session_token::Form;
use crate::domain::user::User;
use crate::http::site::Site;

const VERSION: &str = "1";

/// How long a copy is believed that ends with the browser, in milliseconds.
const UNREMEMBERED: i64 = 60_000;

/// The longest cookie that browsers keep, with some room for its name.
const MAX_LENGTH: usize = 3800;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Copy {
    session: SessionObject,
    user: UserObject,
    updated_at: i64,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cookie {
    session: Copy,
    expires_at: i64,
    signature: String,
}

/// What is signed: the copy with the expiry as one more member, the last.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed<'a> {
    session: &'a SessionObject,
    user: &'a UserObject,
    updated_at: i64,
    version: &'a str,
    expires_at: i64,
}

fn signed_text(copy: &Copy, expires_at: i64) -> Vec<u8> {
    let signed = Signed {
        session: &copy.session,
        user: &copy.user,
        updated_at: copy.updated_at,
        version: &copy.version,
        expires_at,
    };
    serde_json::to_vec(&signed).expect("texts and numbers always serialise")
}

/// The value of the cookie; `None` where nothing is kept, or it would be too long to be.
pub fn write(site: &Site, session: &BrowserSession, user: &User, now: DateTime<Utc>) -> Option<String> {
    let max_age = site.better_auth.cookie_cache_max_age;
    if max_age.is_zero() {
        return None;
    }
    let copy = Copy {
        session: SessionObject::own(site, session, user),
        user: UserObject::from(user),
        updated_at: now.timestamp_millis(),
        version: VERSION.to_owned(),
    };
    let life = if session.remembered {
        max_age.num_milliseconds()
    } else {
        UNREMEMBERED.min(max_age.num_milliseconds())
    };
    let expires_at = now.timestamp_millis() + life;
    let keys = site.provider.keys();
    let (_, key) = keys.mac.cookie.current();
    let signature = URL_SAFE_NO_PAD.encode(key.plain(&signed_text(&copy, expires_at)));
    let cookie = Cookie {
        session: copy,
        expires_at,
        signature,
    };
    let json = serde_json::to_vec(&cookie).expect("texts and numbers always serialise");
    let value = URL_SAFE_NO_PAD.encode(json);
    (value.len() <= MAX_LENGTH).then_some(value)
}

impl Call {
    /// What the browser was told before, if it may be believed: beside a session's cookie that names the same
    /// session.
    pub fn session_data(&self) -> Option<SessionAndUser> {
        if self.site.better_auth.cookie_cache_max_age.is_zero() {
            return None;
        }
        let (session, form) = self.named_session()?;
        let value = self.cookies.one(&self.site.cookies.session_data)?;
        let json = URL_SAFE_NO_PAD.decode(value).ok()?;
        let cookie: Cookie = serde_json::from_slice(&json).ok()?;
        let signature = URL_SAFE_NO_PAD.decode(&cookie.signature).ok()?;
        let text = signed_text(&cookie.session, cookie.expires_at);
        let keys = self.site.provider.keys();
        let signed = keys
            .mac
            .cookie
            .all()
            .any(|key| key.plain_verifies(&text, &signature));
        let believed = signed
            && form == Form::Cookie
            && cookie.session.version == VERSION
            && self.now.timestamp_millis() < cookie.expires_at
            && cookie.session.session.is_of(session);
        believed.then_some(SessionAndUser {
            session: cookie.session.session,
            user: cookie.session.user,
        })
    }
}
