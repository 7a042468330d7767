//! Several users in one browser. Each session has a cookie of its own beside the one that says who acts; what a
//! script names a session by opens nothing without that cookie.

use actix_web::http::StatusCode;
use actix_web::http::header::SET_COOKIE;

use super::answer::{ApiError, Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::objects::{SessionAndUser, SessionObject, UserObject, named};
use crate::domain::ids::SessionId;
use crate::domain::session_token::Form;
use crate::flows::browser::LoggedIn;
use crate::flows::sessions::{self, Present};
use crate::http::cookies::{self, MOST_WAITING};

/// `GET /multi-session/list-device-sessions`: one a user, and none where there is no cookie.
pub async fn list(call: &mut Call) -> Outcome {
    let active = call.named_session().map(|(session, _)| session);
    let mut shown = Vec::new();
    let mut users = Vec::new();
    for present in live(call).await? {
        if users.contains(&present.user.id) {
            continue;
        }
        users.push(present.user.id);
        shown.push(if Some(present.session.id) == active {
            SessionAndUser::own(&call.site, &present)
        } else {
            SessionAndUser {
                session: SessionObject::listed(&call.site, &present.session, &present.user),
                user: UserObject::from(&present.user),
            }
        });
    }
    Ok(json(&shown))
}

/// `POST /multi-session/set-active`
pub async fn set_active(call: &mut Call) -> Outcome {
    let session = chosen(call)?;
    let Some(present) = sessions::unchanged(&call.site.provider, session, call.now).await? else {
        call.forget_waiting(session);
        return Err(no_such_session());
    };
    call.give_session(&present.session, &present.user);
    Ok(json(&SessionAndUser::own(&call.site, &present)))
}

/// `POST /multi-session/revoke`: where the session that acts is ended, another one acts from now on.
pub async fn revoke(call: &mut Call) -> Outcome {
    let session = chosen(call)?;
    let active = call.logged_in().await?.present.session.id;
    sessions::log_out(&call.site.provider, session, call.now).await?;
    call.forget_waiting(session);
    if session == active {
        let others = live(call).await?;
        match others.iter().find(|present| present.session.id != session) {
            Some(next) => call.give_session(&next.session, &next.user),
            None => call.take_session(),
        }
    }
    Ok(done())
}

/// The session that a body names, if its cookie is there.
fn chosen(call: &mut Call) -> Result<SessionId, ApiError> {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let token = input.text("sessionToken");
    input.finish()?;
    let session = named(call, token, &[Form::Handle, Form::Bearer]);
    session
        .filter(|session| call.waits(*session))
        .ok_or_else(no_such_session)
}

const fn no_such_session() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "INVALID_SESSION_TOKEN",
        "Invalid session token",
    )
}

/// The sessions of the browser that live.
async fn live(call: &Call) -> Result<Vec<Present>, ApiError> {
    let mut live = Vec::new();
    for session in call.waiting() {
        live.extend(sessions::unchanged(&call.site.provider, session, call.now).await?);
    }
    Ok(live)
}

impl Call {
    /// The sessions that have a cookie of their own, as many as there may be.
    pub fn waiting(&self) -> Vec<SessionId> {
        self.cookies.waiting(&self.site)
    }

    /// Whether a session has a cookie of its own.
    pub fn waits(&self, session: SessionId) -> bool {
        self.waiting().contains(&session)
    }

    /// Gives the session of a login a cookie of its own, in the place of its user's other one if there is.
    ///
    /// # Errors
    /// When the others cannot be looked up.
    pub async fn keep_beside_others(&mut self, logged_in: &LoggedIn) -> Result<(), ApiError> {
        if !self.site.better_auth.multi_session {
            return Ok(());
        }
        let mut others = 0;
        for session in self.waiting() {
            if session == logged_in.session.id {
                continue;
            }
            let present = sessions::unchanged(&self.site.provider, session, self.now).await?;
            match present {
                Some(present) if present.user.id != logged_in.user.id => others += 1,
                Some(_) => {
                    sessions::log_out(&self.site.provider, session, self.now).await?;
                    self.forget_waiting(session);
                }
                None => self.forget_waiting(session),
            }
        }
        if others < MOST_WAITING {
            let cookie = cookies::waiting_cookie(&self.site, logged_in.session.id);
            self.append(SET_COOKIE, cookie);
        }
        Ok(())
    }

    /// Takes the cookie of a session that waits.
    pub fn forget_waiting(&mut self, session: SessionId) {
        let cookie = cookies::no_waiting_cookie(&self.site, session);
        self.append(SET_COOKIE, cookie);
    }

    /// [`forget_waiting`](Self::forget_waiting), if there is such a cookie.
    pub fn forget_if_waiting(&mut self, session: SessionId) {
        if self.waits(session) {
            self.forget_waiting(session);
        }
    }
}
