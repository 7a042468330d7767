//! The cookies: what they are called, how they are read and written. The session's is in the form that Better
//! Auth's clients know; the others are ours.

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::site::Site;
use crate::domain::browser_session::{self, BrowserSession};
use crate::domain::ids::SessionId;
use crate::domain::secret::{PlainToken, TokenHash, TokenKind};
use crate::flows::browser::DEVICE_LIFETIME;

/// How long a browser keeps the token that its forms and pending requests are bound to.
const BROWSER_MAX_AGE: i64 = 30 * 24 * 60 * 60;

/// How many sessions wait in one browser at most.
pub const MOST_WAITING: usize = 5;

/// What `encodeURIComponent` leaves as it is.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

/// What the cookies of a request say, as far as they are ours.
#[derive(Debug, Default)]
pub struct Cookies {
    /// The session; whether it lives is the database's to say.
    pub session: Option<SessionId>,
    /// The token of a session that moved in from a Better Auth server, where there is no session of ours. No binding
    /// cookie can exist for it; it is to be answered with our cookies.
    pub imported: Option<TokenHash>,
    /// The browser's own token.
    pub browser: Option<PlainToken>,
    /// The token of a browser that logged in before.
    pub device: Option<PlainToken>,
}

/// The `Cookie` headers of a request, as they came.
#[derive(Debug)]
pub struct CookieHeaders(Vec<String>);

impl CookieHeaders {
    /// Those of a request.
    pub fn of(request: &HttpRequest) -> Self {
        // Other applications of the host may set what is no ASCII; ours are still to be found beside it.
        let headers = request.headers().get_all(COOKIE);
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        Self(headers.map(text).collect())
    }

    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every cookie, as name and value.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.0.iter().flat_map(|header| header.split(';'));
        pairs.filter_map(|pair| pair.trim().split_once('='))
    }

    /// The value of a cookie.
    pub fn one(&self, name: &str) -> Option<&str> {
        let mut values = self
            .pairs()
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value);
        let first = values.next()?;
        // Somebody planted a second one: it is not for us to choose.
        values.all(|value| value == first).then_some(first)
    }

    /// The session of a cookie, without the one that binds it to the host: for addresses that ask for none.
    pub fn unbound_session(&self, name: &str, site: &Site) -> Option<SessionId> {
        session(self.one(name)?, None, site)
    }

    /// The sessions of other users that wait in the browser, each with a cookie of its own; as many as there may be.
    pub fn waiting(&self, site: &Site) -> Vec<SessionId> {
        if !site.better_auth.multi_session {
            return Vec::new();
        }
        let mut sessions = Vec::new();
        for (name, _) in self.pairs() {
            let Some(id) = name.strip_prefix(&*site.cookies.waiting) else {
                continue;
            };
            // A name that is another session's than its value is nobody's.
            let session = self.unbound_session(name, site);
            let session = session.filter(|session| session.as_uuid().simple().to_string() == id);
            match session {
                Some(session) if !sessions.contains(&session) && sessions.len() < MOST_WAITING => {
                    sessions.push(session);
                }
                _ => {}
            }
        }
        sessions
    }

    /// The token of a session that moved in from a Better Auth server, by the cookie that it set.
    pub fn imported(&self, name: &str, site: &Site) -> Option<TokenHash> {
        imported(self.one(name)?, site)
    }
}

impl Cookies {
    /// Reads the cookies of a request. What is malformed or forged is absent.
    pub fn read(request: &HttpRequest, site: &Site) -> Self {
        let headers = CookieHeaders::of(request);
        let one = |name: &str| headers.one(name);
        let names = &site.cookies;
        let token = |name, kind| one(name).and_then(|value| PlainToken::parse(kind, value));
        Self {
            session: one(&names.session)
                .and_then(|value| session(value, names.bind.as_deref().map(one), site)),
            imported: headers.imported(&names.session, site),
            browser: token(&names.browser, TokenKind::Browser),
            device: token(&names.device, TokenKind::Device),
        }
    }
}

/// The session of a cookie's value. `bind` is the value of the cookie that must come with it, where one must.
fn session(value: &str, bind: Option<Option<&str>>, site: &Site) -> Option<SessionId> {
    let keys = site.provider.keys();
    let issuer = &site.provider.settings.issuer;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    let session = browser_session::read_cookie(&value, issuer, &keys.mac.session_token, &keys.mac.cookie)?;
    match bind {
        None => Some(session),
        Some(bind) => {
            let bound = browser_session::bind_matches(bind?, session, issuer, &keys.mac.cookie);
            bound.then_some(session)
        }
    }
}

/// The token of a session that moved in, by a cookie that the server before us set.
fn imported(value: &str, site: &Site) -> Option<TokenHash> {
    let secret = site.provider.settings.better_auth_secret.as_ref()?;
    let value = percent_decode_str(value).decode_utf8().ok()?;
    browser_session::read_imported_cookie(&value, secret)
}

/// `Set-Cookie` for a session that has begun, been renewed or used.
pub fn session_cookies(site: &Site, session: &BrowserSession) -> Vec<HeaderValue> {
    let names = &site.cookies;
    let keys = site.provider.keys();
    let issuer = &site.provider.settings.issuer;
    let max_age = session.remembered.then(|| longest_idle(site));
    let value = session_value(site, session.id);
    let domain = names.domain.as_deref();
    let mut cookies = vec![names.set_for(&names.session, &value, max_age, domain)];
    if let Some(bind) = &names.bind {
        let value = browser_session::write_bind(session.id, issuer, &keys.mac.cookie);
        cookies.push(names.set_for(bind, value.expose(), max_age, None));
    }
    cookies
}

/// The `Max-Age` of a session's cookie.
pub fn longest_idle(site: &Site) -> i64 {
    let policy = site.provider.settings.sessions;
    policy.idle_ttl.min(policy.ttl).num_seconds()
}

/// What the cookie of a session holds.
pub fn session_value(site: &Site, session: SessionId) -> String {
    let keys = site.provider.keys();
    let issuer = &site.provider.settings.issuer;
    let value = browser_session::write_cookie(session, issuer, &keys.mac.session_token, &keys.mac.cookie);
    utf8_percent_encode(value.expose(), COMPONENT).to_string()
}

/// What a cookie in the signed form holds.
pub fn signed_value(site: &Site, value: &str) -> String {
    let keys = site.provider.keys();
    let value = browser_session::sign(value, &keys.mac.cookie);
    utf8_percent_encode(value.expose(), COMPONENT).to_string()
}

/// `Set-Cookie` that takes the session away.
pub fn no_session_cookies(site: &Site) -> Vec<HeaderValue> {
    let names = &site.cookies;
    let mut cookies = vec![names.set(&names.session, "", 0, names.domain.as_deref())];
    cookies.extend(names.bind.as_ref().map(|bind| names.set(bind, "", 0, None)));
    cookies
}

/// `Set-Cookie` for a session that waits beside the one that acts.
pub fn waiting_cookie(site: &Site, session: SessionId) -> HeaderValue {
    set_waiting(site, session, &session_value(site, session), longest_idle(site))
}

/// `Set-Cookie` that takes a session away that waits.
pub fn no_waiting_cookie(site: &Site, session: SessionId) -> HeaderValue {
    set_waiting(site, session, "", 0)
}

fn set_waiting(site: &Site, session: SessionId, value: &str, max_age: i64) -> HeaderValue {
    let names = &site.cookies;
    let name = format!("{}{}", names.waiting, session.as_uuid().simple());
    names.set(&name, value, max_age, names.domain.as_deref())
}

/// `Set-Cookie` by which the browser is remembered.
pub fn device_cookie(site: &Site, device: &PlainToken) -> HeaderValue {
    let names = &site.cookies;
    names.set(
        &names.device,
        device.expose(),
        DEVICE_LIFETIME.num_seconds(),
        None,
    )
}

/// `Set-Cookie` for the browser's own token.
pub fn browser_cookie(site: &Site, browser: &PlainToken) -> HeaderValue {
    let names = &site.cookies;
    names.set(&names.browser, browser.expose(), BROWSER_MAX_AGE, None)
}
