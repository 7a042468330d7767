//! The body of a request: read whole, up to a size and for a time, and understood as a form.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, dev::Payload, web};

use super::fields::Fields;

/// The largest body in bytes.
pub const MAX_BODY: usize = 64 * 1024;

/// How long a client may take to send it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// It does not arrive.
    #[error("the body did not arrive in time")]
    Slow,
    /// More than [`MAX_BODY`] bytes.
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    /// The connection broke, or the framing is wrong.
    #[error("the body cannot be read")]
    Broken,
    /// Another content type.
    #[error("the body must be application/x-www-form-urlencoded")]
    ContentType,
    /// No form.
    #[error("the form is malformed: it must be UTF-8 without NUL")]
    Malformed,
}

impl BodyError {
    /// The status for it (RFC 9110 §15.5).
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Broken | Self::ContentType | Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }

    /// What the client is told.
    pub const fn description(self) -> &'static str {
        match self {
            Self::Slow => "the body did not arrive in time",
            Self::TooLarge => "the body is larger than 64 KiB",
            Self::Broken => "the body cannot be read",
            Self::ContentType => "the body must be application/x-www-form-urlencoded",
            Self::Malformed => "the form is malformed: it must be UTF-8 without NUL",
        }
    }
}

/// The form that a request carries, or why there is none: each endpoint says that in its own way.
#[derive(Debug)]
pub struct Form(pub Result<Fields, BodyError>);

impl FromRequest for Form {
    type Error = std::convert::Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let form = is_form(request);
        let bytes = whole(request, payload);
        Box::pin(async move {
            if !form {
                return Ok(Self(Err(BodyError::ContentType)));
            }
            let bytes = bytes.await;
            let fields = bytes.and_then(|bytes| Fields::parse(&bytes).map_err(|_| BodyError::Malformed));
            Ok(Self(fields))
        })
    }
}

/// The bytes of a body.
pub fn whole(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<web::Bytes, BodyError>> + use<> {
    let bytes = web::Bytes::from_request(request, payload);
    async move {
        match tokio::time::timeout(PATIENCE, bytes).await {
            Err(_) => Err(BodyError::Slow),
            Ok(Err(error)) => {
                let status = error.as_response_error().status_code();
                Err(if status == StatusCode::PAYLOAD_TOO_LARGE {
                    BodyError::TooLarge
                } else {
                    BodyError::Broken
                })
            }
            Ok(Ok(bytes)) => Ok(bytes),
        }
    }
}

/// The media type decides, whatever its parameters; JSON and text/plain could come from a page elsewhere.
fn is_form(request: &HttpRequest) -> bool {
    let content_type = request.headers().get("content-type");
    let media_type = content_type
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next());
    media_type.is_some_and(|value| {
        value
            .trim()
            .eq_ignore_ascii_case("application/x-www-form-urlencoded")
    })
}
