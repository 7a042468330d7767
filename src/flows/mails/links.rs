//! The addresses in mail, always below the configured issuer: what a request says of its host is no input.

use url::Url;

use crate::domain::ids::MailId;
use crate::domain::mail::MailParams;
use crate::domain::mailed_link::{Purpose, read_link, write_link};
use crate::flows::provider::Provider;

/// A link for a mail, with its token inside.
#[derive(Clone, PartialEq, Eq)]
pub struct Link(String);

impl Link {
    /// The address. It lets whoever has it act for the user.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Link")
    }
}

/// The id in a token that was mailed for `purpose`; `None` for what we never mailed.
pub fn read(provider: &Provider, purpose: Purpose, token: &str) -> Option<MailId> {
    let keys = provider.keys();
    read_link(purpose, token, &provider.settings.issuer, &keys.mac.cookie)
}

/// The link of the mail `id`: to a page, or to the same thing under `/api/auth`.
pub(super) fn link(provider: &Provider, purpose: Purpose, id: MailId, params: &MailParams) -> Link {
    let keys = provider.keys();
    let token = write_link(purpose, id, &provider.settings.issuer, &keys.mac.cookie);
    let token = token.expose();
    let callback = params.callback_url.as_deref();
    let (path, query): (String, Vec<(&str, Option<&str>)>) = match purpose {
        Purpose::VerifyEmail | Purpose::ConfirmEmailChange | Purpose::VerifyNewEmail
            if params.better_auth =>
        {
            (
                "/api/auth/verify-email".to_owned(),
                vec![("token", Some(token)), ("callbackURL", callback.or(Some("/")))],
            )
        }
        Purpose::ResetPassword if params.better_auth => (
            format!("/api/auth/reset-password/{token}"),
            vec![("callbackURL", callback.or(Some("")))],
        ),
        Purpose::DeleteAccount if params.better_auth => (
            "/api/auth/delete-user/callback".to_owned(),
            vec![("token", Some(token)), ("callbackURL", callback.or(Some("/")))],
        ),
        Purpose::SignIn if params.better_auth => (
            "/api/auth/magic-link/verify".to_owned(),
            vec![
                ("token", Some(token)),
                ("callbackURL", callback.or(Some("/"))),
                ("newUserCallbackURL", params.new_user_callback_url.as_deref()),
                ("errorCallbackURL", params.error_callback_url.as_deref()),
            ],
        ),
        _ => (page(purpose).to_owned(), vec![("token", Some(token))]),
    };
    let mut address =
        Url::parse(&provider.settings.url(&path)).expect("the issuer and a path of ours are a URL");
    {
        let mut pairs = address.query_pairs_mut();
        for (name, value) in query {
            if let Some(value) = value {
                pairs.append_pair(name, value);
            }
        }
        if let Some(request) = params.authorization_request.filter(|_| !params.better_auth) {
            pairs.append_pair("request", &request.to_string());
        }
    }
    Link(address.into())
}

/// The page that a link of this purpose opens. Codes have none; what is typed there is typed on their own.
const fn page(purpose: Purpose) -> &'static str {
    match purpose {
        Purpose::VerifyEmail | Purpose::VerifyEmailCode => "/verify-email",
        Purpose::ResetPassword | Purpose::ResetPasswordCode => "/reset-password",
        Purpose::ConfirmEmailChange => "/account/email/confirm",
        Purpose::VerifyNewEmail | Purpose::VerifyNewEmailCode => "/account/email/verify",
        Purpose::UndoEmailChange => "/account/email/undo",
        Purpose::DeleteAccount => "/account/delete/confirm",
        Purpose::SignIn | Purpose::SignInCode => "/login/link",
    }
}
