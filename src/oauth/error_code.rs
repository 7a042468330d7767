//! The registered error codes of OAuth 2.0 and OpenID Connect that this provider answers with.

use std::fmt;

macro_rules! error_codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// An `error` value. Its HTTP status is decided in one place, `http/error.rs`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ErrorCode {
            $($(#[$doc])* $name),+
        }

        impl ErrorCode {
            /// The code as it stands on the wire.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text),+
                }
            }
        }
    };
}

error_codes! {
    /// RFC 6749 §4.1.2.1, §5.2: malformed, missing or repeated parameters.
    InvalidRequest = "invalid_request",
    /// RFC 6749 §5.2: client authentication failed.
    InvalidClient = "invalid_client",
    /// RFC 6749 §5.2: the code or refresh token is unknown, spent, expired, or another client's.
    InvalidGrant = "invalid_grant",
    /// RFC 6749 §5.2: the client may not use this grant.
    UnauthorizedClient = "unauthorized_client",
    /// RFC 6749 §5.2: no such grant here.
    UnsupportedGrantType = "unsupported_grant_type",
    /// RFC 6749 §5.2: a scope that is unknown, malformed or not the client's.
    InvalidScope = "invalid_scope",
    /// RFC 8707 §2: a resource that is unknown or not the client's.
    InvalidTarget = "invalid_target",
    /// RFC 6749 §4.1.2.1: the user or the provider said no.
    AccessDenied = "access_denied",
    /// RFC 6749 §4.1.2.1: only `code` is supported.
    UnsupportedResponseType = "unsupported_response_type",
    /// RFC 6749 §4.1.2.1: something broke here.
    ServerError = "server_error",
    /// RFC 6749 §4.1.2.1: try again later.
    TemporarilyUnavailable = "temporarily_unavailable",
    /// OpenID Connect Core 1.0 §3.1.2.6.
    LoginRequired = "login_required",
    /// OpenID Connect Core 1.0 §3.1.2.6.
    ConsentRequired = "consent_required",
    /// OpenID Connect Core 1.0 §3.1.2.6: request objects are not supported.
    RequestNotSupported = "request_not_supported",
    /// OpenID Connect Core 1.0 §3.1.2.6: request objects by reference are not supported.
    RequestUriNotSupported = "request_uri_not_supported",
    /// OpenID Connect Core 1.0 §3.1.2.6: the `registration` parameter is not supported.
    RegistrationNotSupported = "registration_not_supported",
    /// OpenID Connect Unmet Authentication Requirements 1.0: an essential `acr` cannot be met.
    UnmetAuthenticationRequirements = "unmet_authentication_requirements",
    /// RFC 6750 §3.1: the access token is no good.
    InvalidToken = "invalid_token",
    /// RFC 6750 §3.1: the access token is good, but not for this.
    InsufficientScope = "insufficient_scope",
    /// RFC 7591 §3.2.2.
    InvalidRedirectUri = "invalid_redirect_uri",
    /// RFC 7591 §3.2.2.
    InvalidClientMetadata = "invalid_client_metadata",
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
