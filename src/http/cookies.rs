//! The cookies: what they are called, how they are read and written. The session's is in the form that Better
//! Auth's clients know; the others are ours.

use actix_web::HttpRequest;
use actix_web::http::header::{COOKIE, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::site::Site;
use crate::domain::browser_session::{self, BrowserSession};
use crate::domain::ids::SessionId;
use crate::domain::secret::{PlainToken, TokenKind};
use crate::flows::browser::DEVICE_LIFETIME;

/// How long a browser keeps the token that its forms and pending requests are bound to.
const BROWSER_MAX_AGE: i64 = 30 * 24 * 60 * 60;

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
    /// The browser's own token.
    pub browser: Option<PlainToken>,
    /// The token of a browser that logged in before.
    pub device: Option<PlainToken>,
}

impl Cookies {
    /// Reads the cookies of a request. What is malformed or forged is absent.
    pub fn read(request: &HttpRequest, site: &Site) -> Self {
        // Other applications of the host may set what is no ASCII; ours are still to be found beside it.
        let headers: Vec<_> = request
            .headers()
            .get_all(COOKIE)
            .map(|value| String::from_utf8_lossy(value.as_bytes()))
            .collect();
        let one = |name: &str| {
            let mut values = headers
                .iter()
                .flat_map(|header| header.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .filter(|(known, _)| *known == name)
                .map(|(_, value)| value);
            let first = values.next()?;
            // Somebody planted a second one: it is not for us to choose.
            values.all(|value| value == first).then_some(first)
        };
        let names = &site.cookies;
        let token = |name, kind| one(name).and_then(|value| PlainToken::parse(kind, value));
        Self {
            session: one(&names.session)
                .and_then(|value| session(value, names.bind.as_deref().map(&one), site)),
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

/// `Set-Cookie` for a session that has begun, been renewed or used.
pub fn session_cookies(site: &Site, session: &BrowserSession) -> Vec<HeaderValue> {
    let names = &site.cookies;
    let keys = site.provider.keys();
    let issuer = &site.provider.settings.issuer;
    let policy = site.provider.settings.sessions;
    let max_age = policy.idle_ttl.min(policy.ttl).num_seconds();
    let value = browser_session::write_cookie(session.id, issuer, &keys.mac.session_token, &keys.mac.cookie);
    let value = utf8_percent_encode(value.expose(), COMPONENT).to_string();
    let mut cookies = vec![names.set(&names.session, &value, max_age, names.domain.as_deref())];
    if let Some(bind) = &names.bind {
        let value = browser_session::write_bind(session.id, issuer, &keys.mac.cookie);
        cookies.push(names.set(bind, value.expose(), max_age, None));
    }
    cookies
}

/// `Set-Cookie` that takes the session away.
pub fn no_session_cookies(site: &Site) -> Vec<HeaderValue> {
    let names = &site.cookies;
    let mut cookies = vec![names.set(&names.session, "", 0, names.domain.as_deref())];
    cookies.extend(names.bind.as_ref().map(|bind| names.set(bind, "", 0, None)));
    cookies
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
