//! The table of addresses below `/api/auth`. What stands in the reference and not here is not there yet.

use std::collections::BTreeMap;

use actix_web::http::Method;

use super::call::Work;
use super::media::Media;
use super::{
    accounts, callback, deletion, email, email_otp, health, jwt, magic_link, multi_session, one_time_token,
    password, session, sign_in, sign_out, sign_up, social, user,
};

/// One address with one method.
pub struct Endpoint {
    is_post: bool,
    path: &'static str,
    /// What it reads.
    pub media: Media,
    /// Whether it sends browsers where its query says.
    pub redirects: bool,
    /// Whether other providers send browsers to it: its forms come from anywhere, and it is there for the pages too.
    pub is_callback: bool,
    /// What it does.
    pub work: Work,
}

impl Endpoint {
    /// Its method.
    pub const fn method(&self) -> Method {
        if self.is_post { Method::POST } else { Method::GET }
    }

    const fn get(path: &'static str, work: Work) -> Self {
        Self {
            is_post: false,
            path,
            media: Media::Json,
            redirects: false,
            is_callback: false,
            work,
        }
    }

    const fn post(path: &'static str, work: Work) -> Self {
        Self {
            is_post: true,
            ..Self::get(path, work)
        }
    }

    const fn sends_browsers_on(self) -> Self {
        Self {
            redirects: true,
            ..self
        }
    }

    const fn takes_browsers_back(self) -> Self {
        Self {
            is_callback: true,
            ..self
        }
    }

    const fn reads_forms(self) -> Self {
        Self {
            media: Media::JsonOrForm,
            ..self
        }
    }
}

static ENDPOINTS: &[Endpoint] = &[
    Endpoint::get("/ok", |call| Box::pin(health::ok(call))),
    Endpoint::get("/error", |call| Box::pin(health::error(call))),
    Endpoint::post("/sign-up/email", |call| Box::pin(sign_up::email(call))).reads_forms(),
    Endpoint::post("/sign-in/email", |call| Box::pin(sign_in::email(call))).reads_forms(),
    Endpoint::post("/sign-out", |call| Box::pin(sign_out::sign_out(call))),
    Endpoint::get("/get-session", |call| Box::pin(session::get(call))),
    Endpoint::post("/get-session", |call| Box::pin(session::refresh(call))),
    Endpoint::get("/list-sessions", |call| Box::pin(session::list(call))),
    Endpoint::post("/revoke-session", |call| Box::pin(session::revoke(call))),
    Endpoint::post("/revoke-sessions", |call| Box::pin(session::revoke_all(call))),
    Endpoint::post("/revoke-other-sessions", |call| {
        Box::pin(session::revoke_others(call))
    }),
    Endpoint::post("/update-session", |call| Box::pin(session::update(call))),
    Endpoint::post("/update-user", |call| Box::pin(user::update(call))),
    Endpoint::post("/change-password", |call| Box::pin(password::change(call))),
    Endpoint::post("/verify-password", |call| Box::pin(password::verify(call))),
    Endpoint::post("/request-password-reset", |call| {
        Box::pin(password::request_reset(call))
    }),
    Endpoint::get("/reset-password/{token}", |call| {
        Box::pin(password::reset_page(call))
    })
    .sends_browsers_on(),
    Endpoint::post("/reset-password", |call| Box::pin(password::reset(call))),
    Endpoint::post("/send-verification-email", |call| {
        Box::pin(email::send_verification(call))
    }),
    Endpoint::get("/verify-email", |call| Box::pin(email::verify(call))).sends_browsers_on(),
    Endpoint::post("/change-email", |call| Box::pin(email::change(call))),
    Endpoint::post("/delete-user", |call| Box::pin(deletion::delete(call))),
    Endpoint::get("/delete-user/callback", |call| Box::pin(deletion::by_link(call))).sends_browsers_on(),
    Endpoint::post("/sign-in/magic-link", |call| Box::pin(magic_link::ask(call))),
    Endpoint::get("/magic-link/verify", |call| Box::pin(magic_link::verify(call))).sends_browsers_on(),
    Endpoint::post("/sign-in/email-otp", |call| Box::pin(email_otp::sign_in(call))),
    Endpoint::post("/email-otp/send-verification-otp", |call| {
        Box::pin(email_otp::send(call))
    }),
    Endpoint::post("/email-otp/check-verification-otp", |call| {
        Box::pin(email_otp::check(call))
    }),
    Endpoint::post("/email-otp/verify-email", |call| {
        Box::pin(email_otp::verify_email(call))
    }),
    Endpoint::post("/email-otp/request-password-reset", |call| {
        Box::pin(email_otp::request_reset(call))
    }),
    Endpoint::post("/forget-password/email-otp", |call| {
        Box::pin(email_otp::request_reset(call))
    }),
    Endpoint::post("/email-otp/reset-password", |call| {
        Box::pin(email_otp::reset_password(call))
    }),
    Endpoint::post("/email-otp/request-email-change", |call| {
        Box::pin(email_otp::request_change(call))
    }),
    Endpoint::post("/email-otp/change-email", |call| {
        Box::pin(email_otp::change(call))
    }),
    Endpoint::post("/sign-in/social", |call| Box::pin(social::sign_in(call))),
    Endpoint::post("/link-social", |call| Box::pin(social::link(call))),
    Endpoint::get("/callback/{provider}", |call| Box::pin(callback::get(call))).takes_browsers_back(),
    Endpoint::post("/callback/{provider}", |call| Box::pin(callback::post(call)))
        .reads_forms()
        .takes_browsers_back(),
    Endpoint::get("/list-accounts", |call| Box::pin(accounts::list(call))),
    Endpoint::post("/unlink-account", |call| Box::pin(accounts::unlink(call))),
    Endpoint::post("/get-access-token", |call| Box::pin(accounts::access_token(call))),
    Endpoint::post("/refresh-token", |call| Box::pin(accounts::refresh_token(call))),
    Endpoint::get("/account-info", |call| Box::pin(accounts::info(call))),
    Endpoint::get("/token", |call| Box::pin(jwt::token(call))),
    Endpoint::get("/jwks", |call| Box::pin(jwt::jwks(call))),
    Endpoint::get("/multi-session/list-device-sessions", |call| {
        Box::pin(multi_session::list(call))
    }),
    Endpoint::post("/multi-session/set-active", |call| {
        Box::pin(multi_session::set_active(call))
    }),
    Endpoint::post("/multi-session/revoke", |call| {
        Box::pin(multi_session::revoke(call))
    }),
    Endpoint::get("/one-time-token/generate", |call| {
        Box::pin(one_time_token::generate(call))
    }),
    Endpoint::post("/one-time-token/verify", |call| {
        Box::pin(one_time_token::verify(call))
    }),
];

/// The table, by address.
pub fn by_path() -> BTreeMap<&'static str, Vec<&'static Endpoint>> {
    let mut by_path: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for endpoint in ENDPOINTS {
        by_path.entry(endpoint.path).or_default().push(endpoint);
    }
    by_path
}

/// The address of the table that a path is, which other paths are not.
pub fn known_path(path: &str) -> Option<&'static str> {
    let found = ENDPOINTS
        .iter()
        .find(|endpoint| match endpoint.path.split_once('{') {
            None => endpoint.path == path,
            Some((front, _)) => path.strip_prefix(front).is_some_and(|rest| !rest.contains('/')),
        });
    found.map(|endpoint| endpoint.path)
}
