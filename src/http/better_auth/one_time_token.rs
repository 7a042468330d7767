//! Carrying a session to another place, once.

use actix_web::http::StatusCode;
use serde::Serialize;

use super::access::Held;
use super::answer::{ApiError, Outcome, json};
use super::call::Call;
use super::input::Input;
use super::objects::SessionAndUser;
use crate::flows::one_time_tokens;

/// `GET /one-time-token/generate`
pub async fn generate(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Token<'a> {
        token: &'a str,
    }
    let held = call.logged_in().await?;
    let session = held.present.session.id;
    let token = one_time_tokens::issue(&call.site.provider, session, held.form, call.now);
    Ok(json(&Token {
        token: token.expose(),
    }))
}

/// `POST /one-time-token/verify`: the same session, in the form in which its sender held it.
pub async fn verify(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let token = input.text("token");
    input.finish()?;
    let redeemed = one_time_tokens::redeem(&call.site.provider, token, call.now).await?;
    let Some((present, form)) = redeemed else {
        return Err(ApiError::without_code(StatusCode::BAD_REQUEST, "Invalid token"));
    };
    let answer = json(&SessionAndUser::own(&call.site, &present));
    call.give_session_again(&Held { present, form });
    Ok(answer)
}
