//! Who sends a request: the session of its cookie, or of the bearer token that stands above it.
//!
//! A bearer token is worth as much as a cookie here and nothing elsewhere, so it must not become one: whoever shows
//! it never gets the session's cookie for it.

use actix_web::http::header::{AUTHORIZATION, SET_COOKIE, USER_AGENT};

use super::answer::ApiError;
use super::call::Call;
use super::objects;
use crate::domain::ids::SessionId;
use crate::domain::secret::{PlainToken, TokenKind};
use crate::domain::session_token::Form;
use crate::flows::accounts::is_fresh;
use crate::flows::browser::{Browser, Others, Stay};
use crate::flows::sessions::{self, Present};
use crate::http::client_address::client_address;
use crate::http::cookies;
use crate::http::visitor::languages;

/// A live session, and what its holder showed for it.
#[derive(Debug, Clone)]
pub struct Held {
    /// The session with its user.
    pub present: Present,
    /// What was shown.
    pub form: Form,
}

/// Whether a look at the session may make its life longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// As any use does.
    Allowed,
    /// The client asked for none.
    Not,
}

impl Call {
    /// The session that the request names, and how; whether it lives is not known yet.
    pub fn named_session(&self) -> Option<(SessionId, Form)> {
        let bearer = self.bearer().map(|session| (session, Form::Bearer));
        bearer.or_else(|| {
            let name = &self.site.cookies.session;
            let session = self.cookies.unbound_session(name, &self.site)?;
            Some((session, Form::Cookie))
        })
    }

    /// The session of the `Authorization` header. What is no bearer token of ours is passed over.
    fn bearer(&self) -> Option<SessionId> {
        let value = self.request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        objects::named(self, token.trim(), &[Form::Bearer])
    }

    /// Who sent the request. A session that has ended is taken away from the browser, one whose life grows is given
    /// to it again.
    ///
    /// # Errors
    /// When it cannot be looked up.
    pub async fn session(&mut self, refresh: Refresh) -> Result<Option<Held>, ApiError> {
        if let Some(held) = &self.held {
            return Ok(held.clone());
        }
        let (provider, now) = (&self.site.provider, self.now);
        let update_age = self.site.better_auth.update_age;
        let imported = || self.cookies.imported(&self.site.cookies.session, &self.site);
        let (present, form) = match (self.named_session(), refresh) {
            (Some((session, form)), Refresh::Allowed) => {
                let present = sessions::present_by_age(provider, session, update_age, now).await?;
                (present, form)
            }
            (Some((session, form)), Refresh::Not) => {
                (sessions::unchanged(provider, session, now).await?, form)
            }
            (None, _) => match imported() {
                Some(token) => {
                    let present = sessions::present_imported(provider, token, now).await?;
                    (present, Form::Cookie)
                }
                None => {
                    self.held = Some(None);
                    return Ok(None);
                }
            },
        };
        let held = present.map(|present| Held { present, form });
        match &held {
            None => self.take_session(),
            Some(held) if held.present.renewed => self.give_session_again(held),
            Some(_) => {}
        }
        self.held = Some(held.clone());
        Ok(held)
    }

    /// Who sent the request, which somebody must have done who is logged in.
    ///
    /// # Errors
    /// When nobody is.
    pub async fn logged_in(&mut self) -> Result<Held, ApiError> {
        let held = self.session(Refresh::Allowed).await?;
        held.ok_or_else(ApiError::unauthorized)
    }

    /// [`logged_in`](Self::logged_in), and the login is not long ago.
    ///
    /// # Errors
    /// When nobody is logged in, or has been for too long.
    pub async fn freshly_logged_in(&mut self) -> Result<Held, ApiError> {
        let held = self.logged_in().await?;
        if self.is_fresh(&held.present) {
            Ok(held)
        } else {
            Err(ApiError::forbidden("SESSION_NOT_FRESH", "Session is not fresh"))
        }
    }

    /// Whether the user of a session proved not long ago who they are.
    pub fn is_fresh(&self, present: &Present) -> bool {
        is_fresh(&self.site.provider, present, self.now)
    }

    /// The browser before somebody logs in at it. Nothing is changed or taken away by the look.
    ///
    /// # Errors
    /// When its session cannot be looked up.
    pub async fn visitor(&self) -> Result<Visitor, ApiError> {
        let cookies = self.own_cookies();
        // A login makes it fresh, so a cookie must come with the one that binds it to this host, as at the pages.
        let present = match self.bearer().or(cookies.session) {
            Some(session) => sessions::unchanged(&self.site.provider, session, self.now).await?,
            None => None,
        };
        Ok(Visitor {
            browser: cookies.browser,
            device: cookies.device,
            present,
        })
    }

    /// The browser of who is logged in.
    pub fn visitor_of(&self, held: &Held) -> Visitor {
        let cookies = self.own_cookies();
        Visitor {
            browser: cookies.browser,
            device: cookies.device,
            present: Some(held.present.clone()),
        }
    }

    /// Lets the browser be known again when its user opens what it is about to be mailed.
    pub fn remember_browser(&mut self, visitor: &mut Visitor) {
        if visitor.browser.is_none() {
            let token = PlainToken::generate(TokenKind::Browser, &*self.site.provider.random);
            let cookie = cookies::browser_cookie(&self.site, &token);
            self.append(SET_COOKIE, cookie);
            visitor.browser = Some(token);
        }
    }

    /// What the flows want to know of the browser.
    pub fn browser<'a>(&'a self, visitor: &'a Visitor, stay: Stay) -> Browser<'a> {
        let user_agent = self.request.headers().get(USER_AGENT);
        let present = visitor.present.as_ref();
        let waits = present.is_some_and(|present| self.waits(present.session.id));
        Browser {
            address: client_address(&self.request, &self.site.trusted_proxies),
            user_agent: user_agent.and_then(|value| value.to_str().ok()),
            device: visitor.device.as_ref(),
            present,
            token: visitor.browser.as_ref().map(PlainToken::hash),
            languages: languages(&self.request),
            stay,
            others: if waits { Others::Wait } else { Others::End },
        }
    }
}

/// A browser, as far as its cookies tell.
#[derive(Debug)]
pub struct Visitor {
    /// Its own token.
    pub browser: Option<PlainToken>,
    /// The token of a login that it completed before.
    pub device: Option<PlainToken>,
    /// Who is logged in.
    pub present: Option<Present>,
}
