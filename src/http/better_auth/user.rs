//! What users change of themselves.

use super::access::Held;
use super::answer::{ApiError, Outcome, done};
use super::call::Call;
use super::input::Input;
use super::session::nothing_to_update;
use crate::domain::user::{is_picture, parse_name};
use crate::flows::accounts::profile::{self, Change, ProfileOutcome};

/// `POST /update-user`: name and picture, and nothing else whatever a body says.
pub async fn update(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let mut input = Input::of(&body);
    let name = match input.optional_text("name") {
        Some(name) if name.trim().is_empty() => Some(String::new()),
        Some(name) => {
            let parsed = parse_name(name);
            if parsed.is_none() {
                input.issue(
                    "name",
                    "Invalid name: 200 characters at most, none of them for control",
                );
            }
            parsed
        }
        None => None,
    };
    let picture = input.clearable_text("image");
    if !picture.flatten().is_none_or(is_picture) {
        input.issue("image", "Invalid image: an address of 1024 bytes at most");
    }
    let email = input.has("email");
    input.finish()?;
    let Held { mut present, form } = call.logged_in().await?;
    if email {
        return Err(ApiError::bad_request(
            "EMAIL_CAN_NOT_BE_UPDATED",
            "Email can not be updated",
        ));
    }
    let change = Change {
        name,
        picture: picture.map(|picture| picture.map(str::to_owned)),
    };
    if change.name.is_none() && change.picture.is_none() {
        return Err(nothing_to_update());
    }
    let outcome = profile::change(&call.site.provider, &present.user, change, call.now).await?;
    let ProfileOutcome::Changed(user) = outcome else {
        return Err(ApiError::unauthorized());
    };
    present.user = *user;
    call.give_session_again(&Held { present, form });
    Ok(done())
}
