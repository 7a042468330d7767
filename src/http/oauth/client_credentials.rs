//! What a request says about its client: the `Authorization` header and the form, as they came.

use actix_web::http::header::AUTHORIZATION;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::domain::secret::Secret;
use crate::flows::client_auth::{ClientAuthError, Credentials};
use crate::http::body::BodyError;
use crate::http::error;
use crate::http::fields::Fields;

/// What a client's request to an endpoint of its own says: its parameters, and who it says that it is.
///
/// # Errors
/// With the answer to a request that says nothing, or says it twice (RFC 6749 §3.2).
pub fn client_request(
    request: &HttpRequest,
    form: Result<Fields, BodyError>,
) -> Result<(Fields, Credentials), HttpResponse> {
    let fields = form.map_err(error::body)?;
    if !fields.spoiled().is_empty() {
        return Err(error::invalid_request("a parameter is repeated or too long"));
    }
    let credentials = credentials(request, &fields).map_err(|refusal| error::oauth(&refusal))?;
    Ok((fields, credentials))
}

/// An `Authorization` header that cannot be understood, or is of another scheme, is an error: whoever tried to
/// authenticate by it is told 401 (RFC 6749 §5.2).
fn credentials(request: &HttpRequest, fields: &Fields) -> Result<Credentials, ClientAuthError> {
    Ok(Credentials {
        basic: basic(request).ok_or(ClientAuthError::Header)?,
        client_id: fields.owned("client_id"),
        client_secret: fields.secret("client_secret"),
        client_assertion_type: fields.owned("client_assertion_type"),
        client_assertion: fields.secret("client_assertion"),
    })
}

/// The `Basic` scheme, whose two halves are form-encoded first (RFC 6749 §2.3.1). The outer `None` is a header
/// that is none.
#[expect(clippy::option_option, reason = "absent and broken are two things")]
fn basic(request: &HttpRequest) -> Option<Option<(String, Secret)>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let Some(header) = headers.next() else {
        return Some(None);
    };
    if headers.next().is_some() {
        return None;
    }
    let (scheme, encoded) = header.to_str().ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(STANDARD.decode(encoded.trim()).ok()?);
    let text = std::str::from_utf8(&decoded).ok()?;
    let (id, secret) = text.split_once(':')?;
    let id = form_decoded(id)?;
    Some(Some((
        id.to_string(),
        Secret::new(form_decoded(secret)?.as_str()),
    )))
}

fn form_decoded(text: &str) -> Option<Zeroizing<String>> {
    let spaced = Zeroizing::new(text.replace('+', " "));
    let decoded = percent_decode_str(&spaced).decode_utf8().ok()?;
    Some(Zeroizing::new(decoded.into_owned()))
}
