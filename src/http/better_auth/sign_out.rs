//! `POST /sign-out`

use serde::Serialize;

use super::answer::{Outcome, json};
use super::call::Call;
use super::input::Input;
use crate::flows::sessions;

/// Ends the session, and those of other users that wait in this browser. Whoever has none is signed out as well.
pub async fn sign_out(call: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct SignedOut {
        success: bool,
    }
    Input::of_optional(&call.body).finish()?;
    if let Some((session, _)) = call.named_session() {
        sessions::log_out(&call.site.provider, session, call.now).await?;
    }
    for session in call.waiting() {
        sessions::log_out(&call.site.provider, session, call.now).await?;
        call.forget_waiting(session);
    }
    call.take_session();
    Ok(json(&SignedOut { success: true }))
}
