//! Whether anybody is there, and what went wrong on the way of a browser.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::answer::{Outcome, json};
use super::call::Call;
use crate::http::error as pages;

/// The longest code that is shown.
const MAX_CODE: usize = 100;

/// `GET /ok`
pub async fn ok(_: &mut Call) -> Outcome {
    #[derive(Serialize)]
    struct Ok {
        ok: bool,
    }
    Result::Ok(json(&Ok { ok: true }))
}

/// `GET /error`: where browsers end that nobody else would have. The code is shown if it is one; what anybody may
/// write into a link is not.
pub async fn error(call: &mut Call) -> Outcome {
    let code = call
        .query
        .get("error")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_code = |byte: u8| byte.is_ascii_alphanumeric() || b"_'-".contains(&byte);
    let code = if (1..=MAX_CODE).contains(&code.len()) && code.bytes().all(is_code) {
        code
    } else {
        "UNKNOWN"
    };
    let answer: HttpResponse = pages::page(
        &call.site,
        &call.request,
        StatusCode::OK,
        "Something went wrong",
        format!("The application could not sign you in. The reason has the code {code}."),
        Some("Go back to the application and try again."),
    );
    Result::Ok(answer)
}
