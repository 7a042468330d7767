//! The browser in front of a page: its own token, and the session that it has.

use actix_web::http::header::{ACCEPT_LANGUAGE, HeaderMap, SET_COOKIE, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use super::client_address::client_address;
use super::cookies::{self, CookieHeaders, Cookies};
use super::csrf;
use super::error;
use super::fields::Fields;
use super::site::Site;
use crate::domain::ids::SessionId;
use crate::domain::secret::{PlainToken, TokenKind};
use crate::flows::browser::{Browser, LoggedIn, Others, Stay};
use crate::flows::sessions::{self, Present};

/// A browser.
#[derive(Debug)]
pub struct Visitor {
    /// Its own token, which forms and pending requests are bound to; made if it had none.
    pub browser: PlainToken,
    /// Whether it came with one.
    pub is_known: bool,
    /// The token of a login that it completed before.
    pub device: Option<PlainToken>,
    /// Who is logged in.
    pub present: Option<Present>,
    /// Whether it sent a session's cookie, dead or alive.
    pub had_session: bool,
}

impl Visitor {
    /// Reads the cookies and asks for the session.
    ///
    /// # Errors
    /// With the page to answer with, when the session cannot be looked up.
    pub async fn read(site: &Site, request: &HttpRequest, now: DateTime<Utc>) -> Result<Self, HttpResponse> {
        let (mut visitor, cookies) = Self::of_cookies(site, request);
        let present = match (cookies.session, cookies.imported) {
            (Some(session), _) => Some(sessions::present(&site.provider, session, now).await),
            (None, Some(token)) => Some(sessions::present_imported(&site.provider, token, now).await),
            (None, None) => None,
        };
        if let Some(present) = present {
            visitor.present = present.map_err(|error| error::failure_page(site, request, &error))?;
        }
        Ok(visitor)
    }

    fn of_cookies(site: &Site, request: &HttpRequest) -> (Self, Cookies) {
        let mut cookies = Cookies::read(request, site);
        let is_known = cookies.browser.is_some();
        let new = || PlainToken::generate(TokenKind::Browser, &*site.provider.random);
        let visitor = Self {
            browser: cookies.browser.take().unwrap_or_else(new),
            is_known,
            device: cookies.device.take(),
            present: None,
            had_session: cookies.session.is_some() || cookies.imported.is_some(),
        };
        (visitor, cookies)
    }

    /// The session, if there is one.
    pub fn session(&self) -> Option<SessionId> {
        self.present.as_ref().map(|present| present.session.id)
    }

    /// What the flows want to know of the browser.
    pub fn browser<'a>(&'a self, site: &Site, request: &'a HttpRequest) -> Browser<'a> {
        Browser {
            address: client_address(request, &site.trusted_proxies),
            user_agent: request
                .headers()
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok()),
            device: self.device.as_ref(),
            present: self.present.as_ref(),
            token: Some(self.browser.hash()),
            languages: languages(request),
            stay: Stay::Remembered,
            others: Others::End,
        }
    }

    /// The code for forms that anybody may send.
    pub fn csrf(&self, site: &Site) -> String {
        csrf::code(site, &self.browser, None)
    }

    /// The code for forms of whoever is logged in.
    pub fn session_csrf(&self, site: &Site) -> String {
        csrf::code(site, &self.browser, self.session())
    }

    /// Whether a form that anybody may send is this browser's own.
    pub fn owns(&self, site: &Site, request: &HttpRequest, fields: &Fields) -> bool {
        csrf::is_own(site, request, fields, self.known_browser(), None)
    }

    /// Whether a form of whoever is logged in is this browser's own.
    pub fn owns_in_session(&self, site: &Site, request: &HttpRequest, fields: &Fields) -> bool {
        csrf::is_own(site, request, fields, self.known_browser(), self.session())
    }

    fn known_browser(&self) -> Option<&PlainToken> {
        self.is_known.then_some(&self.browser)
    }

    /// Sets what the browser lacks or should keep longer.
    pub fn set_cookies(&self, site: &Site, headers: &mut HeaderMap) {
        if !self.is_known {
            headers.append(SET_COOKIE, cookies::browser_cookie(site, &self.browser));
        }
        if let Some(present) = self.present.as_ref().filter(|present| present.renewed) {
            for cookie in cookies::session_cookies(site, &present.session) {
                headers.append(SET_COOKIE, cookie);
            }
        }
    }
}

/// Sets the cookies of a login.
pub fn set_login_cookies(site: &Site, logged_in: &LoggedIn, headers: &mut HeaderMap) {
    for cookie in cookies::session_cookies(site, &logged_in.session) {
        headers.append(SET_COOKIE, cookie);
    }
    if let Some(device) = &logged_in.new_device {
        headers.append(SET_COOKIE, cookies::device_cookie(site, device));
    }
}

/// Takes the session's cookies away.
pub fn take_session_cookies(site: &Site, headers: &mut HeaderMap) {
    for cookie in cookies::no_session_cookies(site) {
        headers.append(SET_COOKIE, cookie);
    }
}

/// Ends the sessions that wait in the browser beside the one that acts, and takes their cookies away: whoever logs out
/// at a shared machine leaves nobody behind.
///
/// # Errors
/// With the page to answer with, when the database does not answer.
pub async fn end_waiting(
    site: &Site,
    request: &HttpRequest,
    headers: &mut HeaderMap,
    now: DateTime<Utc>,
) -> Result<(), HttpResponse> {
    for session in CookieHeaders::of(request).waiting(site) {
        let ended = sessions::log_out(&site.provider, session, now).await;
        ended.map_err(|error| error::failure_page(site, request, &error))?;
        headers.append(SET_COOKIE, cookies::no_waiting_cookie(site, session));
    }
    Ok(())
}

/// How many languages are kept of what a browser prefers.
const MAX_LANGUAGES: usize = 8;

/// What a browser's user prefers to read, best first (RFC 9110 §12.5.4); weights below one keep their order.
pub fn languages(request: &HttpRequest) -> Vec<String> {
    let header = request.headers().get(ACCEPT_LANGUAGE);
    let text = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut ranges: Vec<(&str, f32)> = text
        .split(',')
        .take(MAX_LANGUAGES)
        .filter_map(|range| {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=")?.parse().ok()?;
            let tag = tag.trim();
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
            (tag.len() <= 35 && !tag.is_empty() && tag.bytes().all(plain) && weight > 0.0)
                .then_some((tag, weight))
        })
        .collect();
    ranges.sort_by(|one, other| other.1.total_cmp(&one.1));
    ranges.into_iter().map(|(tag, _)| tag.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_language_that_is_preferred_stands_first_and_what_is_no_tag_nowhere() {
        let prefers = |header: &'static str| {
            let request = TestRequest::default().insert_header((ACCEPT_LANGUAGE, header));
            languages(&request.to_http_request())
        };
        assert_eq!(
            prefers("fr;q=0.5, de-CH, en;q=0.8, *;q=0.1"),
            ["de-CH", "en", "fr"]
        );
        assert_eq!(prefers("en;q=0, <script>, de;q=x"), [""; 0]);
        assert_eq!(prefers(""), [""; 0]);
    }
}
