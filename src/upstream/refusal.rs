//! The ways in which providers say no, as one error code.

use http::StatusCode;
use serde_json::Value;

use crate::outbound::Response;

/// The longest error code that is passed on.
const MAX_CODE: usize = 64;

/// Why a token endpoint gave nothing, if it did: RFC 6749 §5.2, whatever the status is, since GitHub refuses with
/// 200.
pub(super) fn of_token_endpoint(response: &Response<Vec<u8>>) -> Option<String> {
    let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
    match &body["error"] {
        Value::String(code) => Some(error_code(code)),
        Value::Object(_) => Some(of_graph(&body["error"]).to_owned()),
        _ => response
            .status()
            .is_client_error()
            .then(|| "invalid_request".to_owned()),
    }
}

/// Why a protected resource showed nothing (RFC 6750 §3.1).
pub(super) fn of_resource(response: &Response<Vec<u8>>) -> Option<String> {
    let code = match response.status() {
        StatusCode::UNAUTHORIZED => "invalid_token",
        StatusCode::FORBIDDEN => "insufficient_scope",
        StatusCode::NOT_FOUND => "not_found",
        status if status.is_client_error() => "invalid_request",
        _ => return None,
    };
    Some(code.to_owned())
}

/// Facebook's Graph API has numbers ("Handling errors"): these two are about who we are.
fn of_graph(error: &Value) -> &'static str {
    match error["code"].as_i64() {
        Some(1 | 101) => "invalid_client",
        _ => "invalid_grant",
    }
}

/// An error code of a peer in the characters that RFC 6749 §4.1.2.1 lets it have, and not many.
pub fn error_code(text: &str) -> String {
    let allowed = |byte: &u8| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    let code: String = text
        .bytes()
        .filter(allowed)
        .take(MAX_CODE)
        .map(char::from)
        .collect();
    if code.is_empty() {
        "invalid_request".to_owned()
    } else {
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_code_keeps_what_the_standard_allows() {
        assert_eq!(error_code("invalid_grant"), "invalid_grant");
        assert_eq!(error_code("a\r\nb\"c\\d<é>"), "abcd<>");
        assert_eq!(error_code("\u{7f}"), "invalid_request");
        assert_eq!(error_code(&"x".repeat(100)).len(), MAX_CODE);
    }
}
