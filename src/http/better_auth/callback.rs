//! `/callback/{provider}`: where providers send browsers back to, whichever face they set out from. It stands here
//! because operators have registered this address there.

use actix_web::HttpResponse;
use actix_web::http::header::LOCATION;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::BASE;
use super::answer::Outcome;
use super::call::Call;
use super::mailed::{redirect, with_parameter};
use crate::domain::federation::Face;
use crate::flows::browser::Stay;
use crate::flows::federation::arrive::Outcome as Arrived;
use crate::flows::federation::callback::{self, End, Failure, Finished, Returned};
use crate::http::pages::federated;

/// The longest parameter that is taken, in bytes: far more than any code, and Apple's `user`.
const MAX_PARAMETER: usize = 8 * 1024;

const NAMES: [&str; 5] = ["code", "error", "error_description", "iss", "user"];

/// `POST`: the form comes from another site, without the browser's cookies. It is kept, and the browser comes back for
/// it with them.
pub async fn post(call: &mut Call) -> Outcome {
    let body = call.body.take();
    let empty = Map::new();
    let form = body.as_ref().and_then(Value::as_object).unwrap_or(&empty);
    let provider_id = provider_id(call);
    let text = form.get("state").and_then(Value::as_str).unwrap_or_default();
    match (callback::parse_state(text), returned(form)) {
        (Some(state), Some(returned)) => {
            let provider = &call.site.provider;
            callback::keep(provider, &provider_id, &state, &returned, call.now).await?;
        }
        (Some(_), None) => return Ok(lost(call, "invalid_callback_request")),
        (None, _) => {}
    }
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("state", text)
        .finish();
    let path = call.site.path(&format!("{BASE}/callback/{provider_id}?{query}"));
    Ok(HttpResponse::SeeOther().insert_header((LOCATION, path)).finish())
}

/// `GET`: the browser, with its cookies.
pub async fn get(call: &mut Call) -> Outcome {
    let query = std::mem::take(&mut call.query);
    let provider_id = provider_id(call);
    let Some(text) = query.get("state").and_then(Value::as_str) else {
        return Ok(lost(call, "state_not_found"));
    };
    let Some(state) = callback::parse_state(text) else {
        return Ok(lost(call, "state_mismatch"));
    };
    let Some(returned) = returned(&query) else {
        return Ok(lost(call, "invalid_callback_request"));
    };
    let visitor = call.visitor().await?;
    let finished = {
        let browser = call.browser(&visitor, Stay::Remembered);
        callback::finish(
            &call.site.provider,
            &provider_id,
            &state,
            returned,
            &browser,
            call.now,
        )
        .await?
    };
    match finished.way.as_ref().map(|way| way.face.clone()) {
        None => Ok(lost(call, "state_mismatch")),
        Some(Face::Pages {
            authorization_request,
            join,
            then,
        }) => {
            let back = federated::Back {
                authorization_request,
                join,
                then,
                provider_id: &provider_id,
            };
            Ok(federated::finish(&call.site, &call.request, &back, finished, call.now).await)
        }
        Some(Face::BetterAuth {
            callback_url,
            new_user_callback_url,
            error_callback_url,
        }) => {
            let for_errors = error_callback_url.as_deref();
            answer(call, finished, callback_url, new_user_callback_url, for_errors).await
        }
    }
}

async fn answer(
    call: &mut Call,
    finished: Finished,
    callback_url: String,
    new_user_callback_url: Option<String>,
    for_errors: Option<&str>,
) -> Outcome {
    let (code, description) = match finished.end {
        End::Arrived(Arrived::LoggedIn { logged_in, is_new }) => {
            call.give_login(&logged_in);
            call.keep_beside_others(&logged_in).await?;
            let target = new_user_callback_url.filter(|_| is_new).unwrap_or(callback_url);
            return Ok(redirect(&target));
        }
        End::Arrived(Arrived::Linked) => return Ok(redirect(&callback_url)),
        End::Arrived(Arrived::AddressTaken) | End::Waits(_) => ("account_not_linked".into(), None),
        End::Arrived(Arrived::Refused(refusal)) => (refusal.code().into(), None),
        End::Failed(failure) => {
            let description = match &failure {
                Failure::Provider { description, .. } => description.clone(),
                Failure::Unavailable => Some("The provider does not answer at present".to_owned()),
                _ => None,
            };
            (failure.code(), description)
        }
    };
    let Some(target) = for_errors else {
        return Ok(lost(call, &code));
    };
    let target = with_parameter(target, "error", &code);
    Ok(redirect(&match description {
        Some(description) => with_parameter(&target, "error_description", &description),
        None => target,
    }))
}

/// The page for browsers that nobody else would have.
fn lost(call: &Call, code: &str) -> HttpResponse {
    let page = call.site.provider.settings.url(&format!("{BASE}/error"));
    redirect(&with_parameter(&page, "error", code))
}

fn provider_id(call: &Call) -> String {
    call.request
        .match_info()
        .get("provider")
        .unwrap_or_default()
        .to_owned()
}

/// What came back. `None` if a parameter is longer than any that means something.
fn returned(parameters: &Map<String, Value>) -> Option<Returned> {
    let text = |name: &str| parameters.get(name).and_then(Value::as_str).map(str::to_owned);
    let fits = |name: &&str| {
        parameters
            .get(*name)
            .is_none_or(|value| value.as_str().is_some_and(|text| text.len() <= MAX_PARAMETER))
    };
    NAMES.iter().all(fits).then(|| Returned {
        code: text("code"),
        error: text("error"),
        error_description: text("error_description"),
        iss: text("iss"),
        user: text("user"),
    })
}
