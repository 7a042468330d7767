//! What mail is asked for from here, and where mailed links lead in the end.
//!
//! Scanners of mail open links too, and whoever gets a mail may not be who asked for it. So a link acts only in the
//! browser that asked for it, and anywhere else it shows a page whose button acts, unless the operator wants links that
//! act at once.

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, LOCATION};
use serde_json::Value;
use url::form_urlencoded;

use super::MailedLinks;
use super::answer::ApiError;
use super::call::Call;
use super::input::Input;
use crate::domain::email::EmailAddress;
use crate::domain::mail::MailParams;
use crate::flows::browser::Stay;

/// Where a mailed link leads in the end. The address was found to be trusted before.
pub fn mail_params(callback: Option<&str>) -> MailParams {
    MailParams {
        better_auth: true,
        callback_url: some_url(callback),
        ..MailParams::default()
    }
}

/// An address that is there at all.
pub fn some_url(url: Option<&str>) -> Option<String> {
    url.filter(|url| !url.is_empty()).map(str::to_owned)
}

/// `rememberMe`
pub const fn stay(remember: bool) -> Stay {
    if remember {
        Stay::Remembered
    } else {
        Stay::UntilClosed
    }
}

/// The address of a body that mail may go to.
pub fn email_of<'a>(input: &mut Input<'a>, name: &str) -> (&'a str, Option<EmailAddress>) {
    let typed = input.text(name);
    let email = EmailAddress::parse(typed).ok();
    if input.has(name) && email.is_none() {
        input.issue(name, "Invalid email address");
    }
    (typed, email)
}

/// `address` with one more parameter, before whatever fragment it has.
pub fn with_parameter(address: &str, name: &str, value: &str) -> String {
    let (front, fragment) = match address.split_once('#') {
        Some((front, fragment)) => (front, format!("#{fragment}")),
        None => (address, String::new()),
    };
    let separator = if front.contains('?') { '&' } else { '?' };
    let pair = form_urlencoded::Serializer::new(String::new())
        .append_pair(name, value)
        .finish();
    format!("{front}{separator}{pair}{fragment}")
}

/// The browser is sent on, by an answer that looks like all others.
pub fn redirect(location: &str) -> HttpResponse {
    HttpResponse::Found()
        .insert_header((LOCATION, location))
        .insert_header((CONTENT_TYPE, "application/json"))
        .finish()
}

impl Call {
    /// A parameter of the query that says something.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let value = self.query.get(name).and_then(Value::as_str);
        value.filter(|value| !value.is_empty())
    }

    /// Whether mail can be asked for.
    ///
    /// # Errors
    /// With `refusal` where nothing sends any.
    pub fn mail_leaves(&self, refusal: ApiError) -> Result<(), ApiError> {
        if self.site.provider.settings.mail {
            Ok(())
        } else {
            Err(refusal)
        }
    }

    /// Whether a link acts in whichever browser it is opened.
    pub fn links_act_anywhere(&self) -> bool {
        self.site.better_auth.links == MailedLinks::Direct
    }

    /// The page that shows what a link does, for a browser in which it does not act by itself.
    pub fn shown_on_page(&self, path: &str, token: &str) -> HttpResponse {
        let page = self.site.provider.settings.url(path);
        redirect(&with_parameter(&page, "token", token))
    }
}

/// What is said where an address could not be verified by mail, since none leaves.
pub const fn no_verification_mail() -> ApiError {
    ApiError::bad_request(
        "VERIFICATION_EMAIL_NOT_ENABLED",
        "Verification email isn't enabled",
    )
}

#[cfg(test)]
mod tests {
    use super::with_parameter;

    #[test]
    fn a_parameter_goes_before_the_fragment() {
        for (address, result) in [
            ("/", "/?error=A"),
            ("/x?a=b", "/x?a=b&error=A"),
            ("/x#y", "/x?error=A#y"),
            ("https://a.example/x?a#y?z", "https://a.example/x?a&error=A#y?z"),
        ] {
            assert_eq!(with_parameter(address, "error", "A"), result);
        }
        assert_eq!(with_parameter("/", "token", "a+b&c"), "/?token=a%2Bb%26c");
    }
}
