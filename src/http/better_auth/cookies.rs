//! The cookies that answers set and take away. With each session's cookie comes its bearer form, for programs that
//! keep none.

use actix_web::http::header::{ACCESS_CONTROL_EXPOSE_HEADERS, HeaderName, HeaderValue, SET_COOKIE};

use super::access::Held;
use super::call::Call;
use super::{cookie_cache, objects};
use crate::domain::browser_session::BrowserSession;
use crate::domain::session_token::Form;
use crate::domain::user::User;
use crate::flows::browser::LoggedIn;
use crate::flows::sessions::Present;
use crate::http::cookies;

/// The header with the bearer form of a session.
const SET_AUTH_TOKEN: HeaderName = HeaderName::from_static("set-auth-token");

/// What the cookie of a session that is not remembered says.
const TRUE: &str = "true";

impl Call {
    /// Gives the browser the session of a login.
    pub fn give_login(&mut self, logged_in: &LoggedIn) {
        self.give_session(&logged_in.session, &logged_in.user);
        self.give_device(logged_in);
    }

    /// Lets the browser be remembered as one that logged in before.
    pub fn give_device(&mut self, logged_in: &LoggedIn) {
        if let Some(device) = &logged_in.new_device {
            let cookie = cookies::device_cookie(&self.site, device);
            self.append(SET_COOKIE, cookie);
        }
    }

    /// Gives the browser a session.
    pub fn give_session(&mut self, session: &BrowserSession, user: &User) {
        let site = self.site.clone();
        let names = &site.cookies;
        let domain = names.domain.as_deref();
        let mut given = cookies::session_cookies(&site, session);
        // Where a second cookie binds the session, it comes after those that clients know.
        let bind = given.split_off(1);
        self.append_cookies(given);
        if !session.remembered {
            let value = cookies::signed_value(&site, TRUE);
            self.append(
                SET_COOKIE,
                names.set_for(&names.dont_remember, &value, None, domain),
            );
        } else if self.cookies.one(&names.dont_remember).is_some() {
            self.append(SET_COOKIE, names.set(&names.dont_remember, "", 0, domain));
        }
        self.give_session_data(session, user);
        self.append_cookies(bind);
        self.give_bearer(session);
    }

    /// Gives a session again to whoever holds it already, in the form in which they hold it.
    pub fn give_session_again(&mut self, held: &Held) {
        let Present { session, user, .. } = &held.present;
        match held.form {
            Form::Cookie => self.give_session(session, user),
            Form::Bearer | Form::Handle => self.give_bearer(session),
        }
    }

    /// Gives the browser what it may believe without the database, if anything.
    pub fn give_session_data(&mut self, session: &BrowserSession, user: &User) {
        let site = self.site.clone();
        if let Some(value) = cookie_cache::write(&site, session, user, self.now) {
            let names = &site.cookies;
            let max_age = site.better_auth.cookie_cache_max_age.num_seconds();
            let max_age = session.remembered.then_some(max_age);
            let domain = names.domain.as_deref();
            let cookie = names.set_for(&names.session_data, &value, max_age, domain);
            self.append(SET_COOKIE, cookie);
        }
    }

    /// Takes the session away from the browser.
    pub fn take_session(&mut self) {
        let site = self.site.clone();
        let names = &site.cookies;
        let domain = names.domain.as_deref();
        let mut taken = cookies::no_session_cookies(&site);
        let bind = taken.split_off(1);
        self.append_cookies(taken);
        for name in [&names.session_data, &names.dont_remember] {
            self.append(SET_COOKIE, names.set(name, "", 0, domain));
        }
        self.append_cookies(bind);
    }

    fn give_bearer(&mut self, session: &BrowserSession) {
        let token = objects::token(&self.site, session, Form::Bearer);
        let token = HeaderValue::try_from(token).expect("a token is printable ASCII");
        self.set(SET_AUTH_TOKEN, token);
        self.append(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("set-auth-token"),
        );
    }

    pub(super) fn append_cookies(&mut self, cookies: impl IntoIterator<Item = HeaderValue>) {
        for cookie in cookies {
            self.append(SET_COOKIE, cookie);
        }
    }
}
