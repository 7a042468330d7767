//! `POST /sign-out`

use serde::Serialize;

use super::answer::{Outcome, json};
use super::call::Call;
use super::input::Input;
use crate::flows::{federation, sessions};

/// Ends the session, and those of other users that wait in this browser. Whoever has none is signed out as well.
pub async fn sign_out(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct SignedOut {
        success: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        redirect: Option<bool>,
    }
    Input::of_optional(&call.body).finish()?;
    let mut url = None;
    if let Some((session, _)) = call.named_session() {
        let (provider, now) = (&call.site.provider, call.now);
        let ended = sessions::unchanged(provider, session, now).await?;
        sessions::log_out(provider, session, now).await?;
        if let Some(ended) = ended {
            url = federation::logout::onward(provider, &ended, None, now).await?;
        }
    }
    for session in call.waiting() {
        sessions::log_out(&call.site.provider, session, call.now).await?;
        call.forget_waiting(session);
    }
    call.take_session();
    Ok(json(&SignedOut {
        success: true,
        redirect: url.is_some().then_some(true),
        url,
    }))
}
