//! Cross-site request forgery: every form carries a code that only its own browser can have, and the headers
//! by which browsers tell where a request comes from must not contradict.
//!
//! The code is a MAC over the browser's token and, where a session stands behind the form, that session.

use actix_web::HttpRequest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::fields::Fields;
use super::site::Site;
use crate::domain::ids::SessionId;
use crate::domain::secret::PlainToken;

/// The name of the form's field.
const FIELD: &str = "csrf";

const PURPOSE: &str = "signet/csrf/v1";

/// The code for the forms of one browser, and one session if there is one.
pub fn code(site: &Site, browser: &PlainToken, session: Option<SessionId>) -> String {
    let session = session.as_ref().map_or(&[][..], |id| id.as_uuid().as_bytes());
    let keys = site.provider.keys();
    let (_, key) = keys.mac.cookie.current();
    URL_SAFE_NO_PAD.encode(key.mac(PURPOSE, &[browser.expose().as_bytes(), session]))
}

/// Whether a posted form is the browser's own.
pub fn is_own(
    site: &Site,
    request: &HttpRequest,
    fields: &Fields,
    browser: Option<&PlainToken>,
    session: Option<SessionId>,
) -> bool {
    let (Some(browser), Some(code)) = (browser, fields.text(FIELD)) else {
        return false;
    };
    let Ok(code) = URL_SAFE_NO_PAD.decode(code) else {
        return false;
    };
    let session = session.as_ref().map_or(&[][..], |id| id.as_uuid().as_bytes());
    let parts = [browser.expose().as_bytes(), session];
    let keys = site.provider.keys();
    comes_from_here(site, request)
        && keys
            .mac
            .cookie
            .all()
            .any(|key| key.verifies(PURPOSE, &parts, &code))
}

/// Our pages tell nobody where a request comes from, so browsers send `Origin: null` with their forms; then
/// `Sec-Fetch-Site` speaks, and where that is missing too, the code alone.
fn comes_from_here(site: &Site, request: &HttpRequest) -> bool {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or_default())
    };
    let fetch_site = header("sec-fetch-site");
    let origin = header("origin");
    fetch_site.is_none_or(|value| matches!(value, "same-origin" | "none"))
        && origin.is_none_or(|value| value == "null" || value == site.origin)
}
