//! The session in front of a client, and the user's others.

use actix_web::http::StatusCode;
use actix_web::http::header::{
    ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, HeaderName, HeaderValue, PRAGMA,
};

use super::access::Refresh;
use super::answer::{ApiError, Outcome, done, json};
use super::call::Call;
use super::input::Input;
use super::objects::{SessionAndUser, SessionObject, named};
use crate::domain::session_token::Form;
use crate::flows::{sessions, user_token};

/// The header with a JWT of the session's user.
const SET_AUTH_JWT: HeaderName = HeaderName::from_static("set-auth-jwt");

/// `GET /get-session`: never a refusal, since it is asked whether anybody is logged in.
pub async fn get(call: &mut Call) -> Outcome {
    call.set(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    call.set(PRAGMA, HeaderValue::from_static("no-cache"));
    // Any text is a yes, as for the original: `false` is.
    let asks = |call: &Call, name: &str| call.query.get(name).is_some_and(|value| *value != "");
    let refresh = if asks(call, "disableRefresh") {
        Refresh::Not
    } else {
        Refresh::Allowed
    };
    if !asks(call, "disableCookieCache")
        && let Some(told) = call.session_data()
    {
        return Ok(json(&told));
    }
    let Some(held) = call.session(refresh).await? else {
        return Ok(json(&()));
    };
    let user = &held.present.user;
    if !held.present.renewed && held.form == Form::Cookie {
        call.give_session_data(&held.present.session, user);
    }
    if call.site.better_auth.set_auth_jwt {
        let token = user_token::issue(&call.site.provider, user, call.now).await?;
        let token = HeaderValue::try_from(token.expose()).expect("a token is printable ASCII");
        call.set(SET_AUTH_JWT, token);
        call.append(
            ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("set-auth-jwt"),
        );
    }
    Ok(json(&SessionAndUser::own(&call.site, &held.present)))
}

/// `POST /get-session`: for servers whose reads write nothing. Ours do.
pub async fn refresh(_: &mut Call) -> Outcome {
    Err(ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "METHOD_NOT_ALLOWED_DEFER_SESSION_REQUIRED",
        "POST method requires deferSessionRefresh to be enabled in session config",
    ))
}

/// `GET /list-sessions`. Those that are not the caller's own have a token that names them and opens nothing.
pub async fn list(call: &mut Call) -> Outcome {
    let present = call.freshly_logged_in().await?.present;
    let listed = sessions::list(&call.site.provider, &present, call.now).await?;
    let shown: Vec<_> = listed
        .iter()
        .map(|session| {
            if session.id == present.session.id {
                SessionObject::own(&call.site, session, &present.user)
            } else {
                SessionObject::listed(&call.site, session, &present.user)
            }
        })
        .collect();
    Ok(json(&shown))
}

/// `POST /revoke-session`: done also where there is nothing to do, so that nobody learns what others have.
pub async fn revoke(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let token = input.text("token");
    input.finish()?;
    let present = call.logged_in().await?.present;
    if let Some(session) = named(call, token, &[Form::Handle, Form::Bearer]) {
        sessions::revoke(&call.site.provider, &present, session, call.now).await?;
        if session == present.session.id {
            call.take_session();
        }
    }
    Ok(done())
}

/// `POST /revoke-sessions`
pub async fn revoke_all(call: &mut Call) -> Outcome {
    Input::of_optional(&call.body).finish()?;
    let present = call.logged_in().await?.present;
    sessions::revoke_all(&call.site.provider, &present, call.now).await?;
    call.take_session();
    Ok(done())
}

/// `POST /revoke-other-sessions`
pub async fn revoke_others(call: &mut Call) -> Outcome {
    Input::of_optional(&call.body).finish()?;
    let present = call.logged_in().await?.present;
    sessions::revoke_others(&call.site.provider, &present, call.now).await?;
    Ok(done())
}

/// `POST /update-session`: our sessions have no further fields, so there is never anything to update.
pub async fn update(call: &mut Call) -> Outcome {
    Input::of(&call.body).finish()?;
    call.logged_in().await?;
    Err(nothing_to_update())
}

/// There is nothing in a body that could be updated.
pub const fn nothing_to_update() -> ApiError {
    ApiError::without_code(StatusCode::BAD_REQUEST, "No fields to update")
}
