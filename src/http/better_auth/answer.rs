//! What an endpoint answers, and the one form that a refusal has: its words and its code, in this order.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_TYPE, RETRY_AFTER};
use chrono::TimeDelta;
use serde::Serialize;

use crate::flows::limits::TooMany;
use crate::flows::login::LoginError;
use crate::flows::refusal::Refusal;
use crate::oauth::error_code::ErrorCode;
use crate::password::Busy;

/// What an endpoint comes to.
pub type Outcome = Result<HttpResponse, ApiError>;

/// `X-Retry-After`, which clients look for; `Retry-After` is for everybody else.
pub const X_RETRY_AFTER: &str = "x-retry-after";

const JSON: &str = "application/json";

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    status: StatusCode,
    /// `None`: the body is empty.
    message: Option<Cow<'static, str>>,
    code: Option<&'static str>,
    retry_after: Option<i64>,
}

impl ApiError {
    /// A refusal with a code.
    pub const fn new(status: StatusCode, code: &'static str, message: &'static str) -> Self {
        Self {
            status,
            message: Some(Cow::Borrowed(message)),
            code: Some(code),
            retry_after: None,
        }
    }

    /// 400 with a code.
    pub const fn bad_request(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 403 with a code.
    pub const fn forbidden(code: &'static str, message: &'static str) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, message)
    }

    /// A few refusals have no code.
    pub const fn without_code(status: StatusCode, message: &'static str) -> Self {
        Self {
            status,
            message: Some(Cow::Borrowed(message)),
            code: None,
            retry_after: None,
        }
    }

    /// And a few have no body.
    pub const fn empty(status: StatusCode) -> Self {
        Self {
            status,
            message: None,
            code: None,
            retry_after: None,
        }
    }

    /// Input that is not as it must be.
    pub fn validation(issues: &[String]) -> Self {
        Self::said(StatusCode::BAD_REQUEST, "VALIDATION_ERROR", issues.join("; "))
    }

    /// A refusal in words that were just put together.
    pub const fn said(status: StatusCode, code: &'static str, message: String) -> Self {
        Self {
            status,
            message: Some(Cow::Owned(message)),
            code: Some(code),
            retry_after: None,
        }
    }

    /// [`without_code`](Self::without_code), in words that were just put together.
    pub const fn said_without_code(status: StatusCode, message: String) -> Self {
        Self {
            status,
            message: Some(Cow::Owned(message)),
            code: None,
            retry_after: None,
        }
    }

    /// Nobody is logged in.
    pub const fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", "Unauthorized")
    }

    /// What there was too much of; whole seconds until there may be more.
    pub fn too_many(retry_after: TimeDelta) -> Self {
        Self {
            retry_after: Some(whole_seconds(retry_after)),
            ..Self::without_code(
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests. Please try again later.",
            )
        }
    }

    /// What the work needs is not to be had at present.
    fn unavailable(retry_after: TimeDelta) -> Self {
        Self {
            retry_after: Some(whole_seconds(retry_after)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "SERVICE_UNAVAILABLE",
                "The service cannot answer at present. Please try again.",
            )
        }
    }

    /// A flow that could not do its work. The cause stays in the log.
    pub fn failure(failure: &(impl Refusal + 'static)) -> Self {
        let error: &dyn std::error::Error = failure;
        if failure.code() == ErrorCode::TemporarilyUnavailable {
            tracing::warn!(error, "a request could not be served");
            return Self::unavailable(failure.retry_after());
        }
        tracing::error!(error, "a request failed");
        Self::empty(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// The answer of it.
    pub fn respond(&self) -> HttpResponse {
        #[derive(Serialize)]
        struct Body<'a> {
            message: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            code: Option<&'a str>,
        }
        let mut answer = HttpResponse::build(self.status);
        if let Some(seconds) = self.retry_after {
            answer.insert_header((X_RETRY_AFTER, seconds));
            answer.insert_header((RETRY_AFTER, seconds));
        }
        match &self.message {
            Some(message) => answer.json(Body {
                message,
                code: self.code,
            }),
            None => answer.insert_header((CONTENT_TYPE, JSON)).finish(),
        }
    }
}

impl<E: Refusal + 'static> From<E> for ApiError {
    fn from(failure: E) -> Self {
        Self::failure(&failure)
    }
}

impl From<TooMany> for ApiError {
    fn from(too_many: TooMany) -> Self {
        Self::too_many(too_many.retry_after)
    }
}

impl From<Busy> for ApiError {
    fn from(busy: Busy) -> Self {
        Self::unavailable(TimeDelta::from_std(busy.retry_after).unwrap_or(TimeDelta::seconds(1)))
    }
}

impl From<LoginError> for ApiError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::TooMany(too_many) => too_many.into(),
            LoginError::Busy(busy) => busy.into(),
            LoginError::Storage(error) => error.into(),
        }
    }
}

fn whole_seconds(time: TimeDelta) -> i64 {
    (time.num_seconds() + i64::from(time.subsec_nanos() > 0)).max(1)
}

/// 200 with a value.
pub fn json(value: &impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(value)
}

/// `{"status":true}`
pub fn done() -> HttpResponse {
    #[derive(Serialize)]
    struct Done {
        status: bool,
    }
    json(&Done { status: true })
}
