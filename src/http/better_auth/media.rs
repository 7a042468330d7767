//! The body of a request: JSON, and at a few addresses a form. Nothing else, whatever it looks like: a page elsewhere
//! can make browsers send plain text and forms, but not JSON.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::answer::ApiError;
use crate::http::body::{self, BodyError};
use crate::http::fields::Fields;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

/// The longest media type that is said back.
const MAX_TYPE: usize = 100;

/// What an address reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// JSON alone.
    Json,
    /// A form too, as a page without a script sends it.
    JsonOrForm,
}

/// What a body said; `None` for one that is not there.
pub type Body = Option<Value>;

/// Reads the body.
///
/// # Errors
/// With what to answer when it is none of these, or does not arrive.
pub async fn read(request: &HttpRequest, mut payload: Payload, media: Media) -> Result<Body, ApiError> {
    let bytes = body::whole(request, &mut payload).await.map_err(not_read)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let given = request.headers().get(CONTENT_TYPE);
    let given = given.and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    if given.eq_ignore_ascii_case(JSON) {
        let value = serde_json::from_slice(&bytes);
        return value
            .map(Some)
            .map_err(|_| ApiError::bad_request("BAD_REQUEST", "Invalid JSON in request body"));
    }
    if media == Media::JsonOrForm && given.eq_ignore_ascii_case(FORM) {
        let fields = Fields::parse(&bytes)
            .map_err(|_| ApiError::bad_request("BAD_REQUEST", "Invalid form in request body"))?;
        return Ok(Some(of_form(&fields)));
    }
    let allowed = match media {
        Media::Json => JSON.to_owned(),
        Media::JsonOrForm => format!("{JSON}, {FORM}"),
    };
    let given = given[..given.floor_char_boundary(MAX_TYPE)].to_ascii_lowercase();
    Err(ApiError::said(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "UNSUPPORTED_MEDIA_TYPE",
        format!("Content-Type \"{given}\" is not allowed. Allowed types: {allowed}"),
    ))
}

/// What a page without a script sends.
const SIGN_IN: [&str; 5] = ["name", "email", "password", "image", "callbackURL"];

/// What another provider sends (RFC 6749 §4.1.2, RFC 9207 §2; `user` is Apple's).
const CALLBACK: [&str; 6] = ["state", "code", "error", "error_description", "iss", "user"];

/// A form as an object of texts. A box that is ticked is no text.
fn of_form(fields: &Fields) -> Value {
    let mut object = Map::new();
    for name in SIGN_IN.into_iter().chain(CALLBACK) {
        if let Some(text) = fields.text(name) {
            object.insert(name.to_owned(), text.into());
        }
    }
    match fields.text("rememberMe") {
        Some("true" | "on") => drop(object.insert("rememberMe".to_owned(), true.into())),
        Some("false") => drop(object.insert("rememberMe".to_owned(), false.into())),
        Some(other) => drop(object.insert("rememberMe".to_owned(), other.into())),
        None => {}
    }
    Value::Object(object)
}

fn not_read(error: BodyError) -> ApiError {
    let code = match error {
        BodyError::Slow => "REQUEST_TIMEOUT",
        BodyError::TooLarge => "PAYLOAD_TOO_LARGE",
        BodyError::Broken | BodyError::ContentType | BodyError::Malformed => "BAD_REQUEST",
    };
    ApiError::new(error.status(), code, error.description())
}
