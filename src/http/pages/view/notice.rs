//! Pages that say one thing: an error, "come back later", "you are on your way".

use std::time::Duration;

use minijinja::{Value, context};

use super::{ClientView, Page, Text, hidden_fields};

/// An error. Links to nothing, since what led here may have been made by an attacker (RFC 9700 §4.11).
pub struct ErrorPage {
    /// What happened, in a few words.
    pub title: Text,
    /// A sentence about it.
    pub message: Text,
    /// What the user can do.
    pub advice: Option<Text>,
    /// The answer's `X-Request-Id`, for whoever reads the log.
    pub request_id: String,
}

impl Page for ErrorPage {
    const TEMPLATE: &'static str = "error.html";

    fn context(&self) -> Value {
        context! {
            title => &self.title,
            message => &self.message,
            advice => &self.advice,
            request_id => &self.request_id,
        }
    }
}

/// 429 and 503: not now.
pub struct BusyPage {
    /// What happened, in a few words.
    pub title: Text,
    /// A sentence about it.
    pub message: Text,
    /// As in `Retry-After`.
    pub retry_after: Duration,
    /// The answer's `X-Request-Id`.
    pub request_id: String,
}

impl Page for BusyPage {
    const TEMPLATE: &'static str = "busy.html";

    fn context(&self) -> Value {
        context! {
            title => &self.title,
            message => &self.message,
            wait => wait(self.retry_after),
            request_id => &self.request_id,
        }
    }
}

/// The answer to a client with `response_mode=form_post` (OAuth 2.0 Form Post Response Mode): sends itself
/// where there is JavaScript, and has a button where there is none.
pub struct FormPostPage {
    /// The redirect URI.
    pub action: String,
    /// The client, named only.
    pub client: Option<ClientView>,
    /// The parameters of the answer, in order.
    pub fields: Vec<(String, String)>,
}

impl Page for FormPostPage {
    const TEMPLATE: &'static str = "form_post.html";

    fn context(&self) -> Value {
        context! {
            action => &self.action,
            client => self.client.as_ref(),
            fields => hidden_fields(&self.fields),
        }
    }
}

/// A span of time in words, rounded up, so that nobody comes back too early.
fn wait(span: Duration) -> String {
    let seconds = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    match seconds {
        0..=1 => "1 second".to_owned(),
        2..=120 => format!("{seconds} seconds"),
        121..=7200 => format!("{} minutes", seconds.div_ceil(60)),
        _ => format!("{} hours", seconds.div_ceil(3600)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_is_told_in_words_and_never_too_short() {
        for (millis, text) in [
            (0, "1 second"),
            (1_000, "1 second"),
            (1_001, "2 seconds"),
            (120_000, "120 seconds"),
            (120_001, "3 minutes"),
            (900_000, "15 minutes"),
            (7_200_001, "3 hours"),
        ] {
            assert_eq!(wait(Duration::from_millis(millis)), text);
        }
    }
}
