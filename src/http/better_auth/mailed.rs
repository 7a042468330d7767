//! What mail is asked for from here, and what the answers to such requests have in common.

use crate::domain::mail::MailParams;
use crate::flows::browser::Stay;

/// Where a mailed link leads in the end. The address was found to be trusted before.
pub fn mail_params(callback: Option<&str>) -> MailParams {
    MailParams {
        better_auth: true,
        callback_url: callback.filter(|url| !url.is_empty()).map(str::to_owned),
        ..MailParams::default()
    }
}

/// `rememberMe`
pub const fn stay(remember: bool) -> Stay {
    if remember {
        Stay::Remembered
    } else {
        Stay::UntilClosed
    }
}
