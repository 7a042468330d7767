//! What goes back to the client: a code or an error, always with `iss` (RFC 9207), to a registered URI alone.

use super::Proven;
use crate::domain::client::RegisteredRedirectUri;
use crate::domain::secret::PlainToken;
use crate::oauth::error_code::ErrorCode;
use crate::oauth::response::ResponseMode;

/// An error that the client is told about (RFC 6749 §4.1.2.1). It exists only once client and redirect URI are
/// proven.
#[derive(Debug)]
pub struct SendBack {
    /// Where it goes.
    pub redirect_uri: RegisteredRedirectUri,
    /// How it travels.
    pub response_mode: ResponseMode,
    /// What the client sent along.
    pub state: Option<String>,
    /// The registered code.
    pub code: ErrorCode,
    /// A sentence for the client's developer.
    pub description: &'static str,
}

impl SendBack {
    /// An error for a proven request.
    pub fn of(proven: &Proven, code: ErrorCode, description: &'static str) -> Self {
        Self {
            redirect_uri: proven.redirect_uri.clone(),
            response_mode: proven.request.response_mode,
            state: proven.request.state.clone(),
            code,
            description,
        }
    }
}

/// An answer on its way to the client through the browser.
#[derive(Debug)]
pub struct AuthorizationResponse {
    redirect_uri: RegisteredRedirectUri,
    response_mode: ResponseMode,
    /// Names and values, in the order of the wire.
    parameters: Vec<(&'static str, String)>,
}

impl AuthorizationResponse {
    /// A code (RFC 6749 §4.1.2).
    pub fn code(issuer: &str, proven: &Proven, code: &PlainToken) -> Self {
        let mut parameters = vec![("code", code.expose().to_owned())];
        parameters.extend(proven.request.state.clone().map(|state| ("state", state)));
        parameters.push(("iss", issuer.to_owned()));
        Self {
            redirect_uri: proven.redirect_uri.clone(),
            response_mode: proven.request.response_mode,
            parameters,
        }
    }

    /// An error.
    pub fn error(issuer: &str, back: SendBack) -> Self {
        let mut parameters = vec![
            ("error", back.code.to_string()),
            ("error_description", back.description.to_owned()),
        ];
        parameters.extend(back.state.map(|state| ("state", state)));
        parameters.push(("iss", issuer.to_owned()));
        Self {
            redirect_uri: back.redirect_uri,
            response_mode: back.response_mode,
            parameters,
        }
    }

    /// How it travels.
    pub const fn response_mode(&self) -> ResponseMode {
        self.response_mode
    }

    /// Where it goes, for a form that the browser posts.
    pub fn target(&self) -> &str {
        self.redirect_uri.as_str()
    }

    /// What it says.
    pub fn parameters(&self) -> &[(&'static str, String)] {
        &self.parameters
    }

    /// The address to redirect to.
    pub fn location(&self) -> String {
        self.redirect_uri.with_parameters(&self.parameters)
    }
}
