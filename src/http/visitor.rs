//! The browser in front of a page: its own token, and the session that it has.

use actix_web::http::header::{HeaderMap, SET_COOKIE, USER_AGENT};
use actix_web::{HttpRequest, HttpResponse};
use chrono::{DateTime, Utc};

use super::client_address::client_address;
use super::cookies::{self, Cookies};
use super::csrf;
use super::error;
use super::fields::Fields;
use super::site::Site;
use crate::domain::ids::SessionId;
use crate::domain::secret::{PlainToken, TokenKind};
use crate::flows::login::{Browser, LoggedIn};
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
        let (mut visitor, session) = Self::of_cookies(site, request);
        if let Some(session) = session {
            let present = sessions::present(&site.provider, session, now).await;
            visitor.present = present.map_err(|error| error::failure_page(site, request, &error))?;
        }
        Ok(visitor)
    }

    fn of_cookies(site: &Site, request: &HttpRequest) -> (Self, Option<SessionId>) {
        let cookies = Cookies::read(request, site);
        let is_known = cookies.browser.is_some();
        let new = || PlainToken::generate(TokenKind::Browser, &*site.provider.random);
        let visitor = Self {
            browser: cookies.browser.unwrap_or_else(new),
            is_known,
            device: cookies.device,
            present: None,
            had_session: cookies.session.is_some(),
        };
        (visitor, cookies.session)
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
