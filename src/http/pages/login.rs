//! `/login`.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};

use super::federated::{self, buttons};
use super::pending::{self, Pending};
use super::view::{ContinueAs, FormErrors, FreshReason, LinkView, LoginPage, Text};
use super::{client_view, posted_by};
use crate::domain::secret::TokenHash;
use crate::flows::browser::LoggedIn;
use crate::flows::login::{self, LoginError, LoginOutcome};
use crate::http::body::Form;
use crate::http::error;
use crate::http::fields::Fields;
use crate::http::page_policy;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::{Visitor, set_login_cookies};

const UNVERIFIED: &str = "This e-mail address has not been verified yet.";
const UNVERIFIED_AND_MAILED: &str = "This e-mail address has not been verified yet. We have just mailed you a link: open \
                                     it, then sign in.";

/// `GET /login`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending) = match pending::visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let joins = federated::join_of(&request).is_some();
    if pending.is_none() && visitor.present.is_some() && !joins {
        let mut answer = see_other(&site.path("/account"));
        visitor.set_cookies(&site, answer.headers_mut());
        return answer;
    }
    if let Some(entry) = federated::chosen(&site, &request, pending.as_ref()) {
        return federated::set_out(&site, &request, &visitor, pending.as_ref(), entry, None, now).await;
    }
    let hint = pending.as_ref().and_then(Pending::login_hint);
    let page = Shown {
        status: StatusCode::OK,
        email: hint.unwrap_or_default().to_owned(),
        notice: notice(&request).or_else(|| federated::next_step(&site, &request)),
        errors: FormErrors {
            form: federated::sentence(&site, &request),
            ..FormErrors::default()
        },
        join: federated::join_of(&request),
    };
    show(&site, &visitor, pending.as_ref(), page, now)
}

/// `POST /login`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending) = match pending::visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    let fields = match posted_by(&visitor, &site, &request, form) {
        Ok(fields) => fields,
        Err(answer) => return answer,
    };
    let email = fields.owned("email").unwrap_or_default();
    let password = fields.secret("password");
    let refused = |errors| {
        let page = Shown {
            status: StatusCode::UNPROCESSABLE_ENTITY,
            email: email.clone(),
            notice: None,
            errors,
            join: federated::join_of(&request),
        };
        show(&site, &visitor, pending.as_ref(), page, now)
    };
    let Some(password) = password.filter(|_| !email.trim().is_empty()) else {
        return refused(FormErrors {
            email: email
                .trim()
                .is_empty()
                .then(|| "Enter your e-mail address.".into()),
            password: fields
                .text("password")
                .is_none()
                .then(|| "Enter your password.".into()),
            ..FormErrors::default()
        });
    };
    let browser = visitor.browser(&site, &request);
    let params = pending::mail_params(pending.as_ref());
    let outcome = login::log_in(&site.provider, &email, password.expose(), &browser, &params, now).await;
    let logged_in = match outcome {
        Ok(LoginOutcome::LoggedIn(logged_in)) => logged_in,
        Ok(LoginOutcome::Wrong) => {
            return refused(FormErrors {
                password: Some("The e-mail address or the password is wrong.".into()),
                ..FormErrors::default()
            });
        }
        Ok(LoginOutcome::Disabled) => {
            return refused(FormErrors {
                form: Some("This account is disabled. Ask whoever runs this service.".into()),
                ..FormErrors::default()
            });
        }
        Ok(LoginOutcome::Unverified) => {
            let settings = &site.provider.settings;
            let mailed = settings.mail && settings.accounts.verify_on_login;
            return refused(FormErrors {
                form: Some(if mailed { UNVERIFIED_AND_MAILED } else { UNVERIFIED }.into()),
                ..FormErrors::default()
            });
        }
        Err(error) => return not_tried(&site, &request, &error),
    };
    let browser = visitor.browser.hash();
    enter(&site, &request, browser, pending.as_ref(), &logged_in, now).await
}

/// Sends a browser whose user has just logged in or signed up to where it was going.
pub(super) async fn enter(
    site: &Site,
    request: &HttpRequest,
    browser: TokenHash,
    pending: Option<&Pending>,
    logged_in: &LoggedIn,
    now: DateTime<Utc>,
) -> HttpResponse {
    let (id, session) = (pending.map(|pending| pending.id), logged_in.session.id);
    if let Err(error) = login::note(&site.provider, id, browser, session, now).await {
        return error::failure_page(site, request, &error);
    }
    let mut answer = see_other(&match federated::join_of(request) {
        Some(join) => {
            let page = pending::link(site, "/account/identities/join", pending);
            federated::with_join(&page, Some(&join))
        }
        None => pending::after(site, pending),
    });
    set_login_cookies(site, logged_in, answer.headers_mut());
    answer
}

/// `POST /login/continue`: the user who is logged in is the one to go on with.
pub async fn go_on(request: HttpRequest, site: web::Data<Site>, Form(form): Form) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending) = match pending::visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if let Err(answer) = posted_by(&visitor, &site, &request, form) {
        return answer;
    }
    let (Some(pending), Some(present)) = (&pending, &visitor.present) else {
        return see_other(&pending::link(&site, "/login", pending.as_ref()));
    };
    if pending
        .resumed
        .proven
        .request
        .may_go_on_as(&present.user.subject(), present.session.auth_time, now)
    {
        let browser = visitor.browser.hash();
        let noted = login::note(&site.provider, Some(pending.id), browser, present.session.id, now).await;
        if let Err(error) = noted {
            return error::failure_page(&site, &request, &error);
        }
    }
    see_other(&pending::after(&site, Some(pending)))
}

/// What differs between one showing of the page and another.
struct Shown {
    status: StatusCode,
    email: String,
    notice: Option<Text>,
    errors: FormErrors,
    /// An arrival that waits for its user to log in.
    join: Option<String>,
}

fn show(
    site: &Site,
    visitor: &Visitor,
    pending: Option<&Pending>,
    shown: Shown,
    now: DateTime<Utc>,
) -> HttpResponse {
    let request = pending.map(|pending| &pending.resumed.proven.request);
    let present = visitor.present.as_ref();
    let may_go_on = present.zip(request).is_some_and(|(present, request)| {
        request.may_go_on_as(&present.user.subject(), present.session.auth_time, now)
    });
    let fresh_reason = request.zip(present).and_then(|(request, _)| {
        if request.prompt.login {
            Some(FreshReason::PromptLogin)
        } else {
            request.max_age.map(|_| FreshReason::MaxAge)
        }
    });
    let html = site.pages.render(&LoginPage {
        action: federated::with_join(&pending::link(site, "/login", pending), shown.join.as_deref()),
        csrf: visitor.csrf(site),
        client: pending.map(|pending| client_view(&pending.resumed.proven.client)),
        email: shown.email,
        notice: shown.notice,
        errors: shown.errors,
        links: links(site, pending),
        providers: buttons(
            site,
            site.provider.federation.entries().iter(),
            "/login/with",
            pending,
            shown.join.as_deref(),
        ),
        signup_url: site
            .provider
            .settings
            .accounts
            .signup
            .then(|| pending::link(site, "/signup", pending)),
        continue_as: present.filter(|_| may_go_on).map(|present| ContinueAs {
            email: present.user.email.clone(),
            action: pending::link(site, "/login/continue", pending),
        }),
        fresh_reason,
    });
    let policy = pending::policy(site, pending);
    let mut answer = page_policy::page(&mut HttpResponse::build(shown.status), policy, html);
    visitor.set_cookies(site, answer.headers_mut());
    answer
}

/// What has just been done elsewhere. The address chooses among sentences of ours and says nothing itself.
fn notice(request: &HttpRequest) -> Option<Text> {
    let query = Fields::parse(request.query_string().as_bytes()).ok()?;
    match query.text("done")? {
        "password" => Some("Your password is set. Sign in with it.".into()),
        "verified" => Some("Your e-mail address is confirmed. Sign in to go on.".into()),
        "deleted" => Some("Your account is deleted.".into()),
        _ => None,
    }
}

/// The ways in without the password, where mail leaves.
fn links(site: &Site, pending: Option<&Pending>) -> Vec<LinkView> {
    if !site.provider.settings.mail {
        return Vec::new();
    }
    vec![
        LinkView::new(
            "Forgot your password?",
            pending::link(site, "/forgot-password", pending),
        ),
        LinkView::new("Sign in by e-mail", pending::link(site, "/login/link", pending)),
    ]
}

/// The answer to a login, or anything about an account, that could not be tried.
pub(super) fn not_tried(site: &Site, request: &HttpRequest, error: &LoginError) -> HttpResponse {
    match error {
        LoginError::TooMany(too_many) => error::too_many_page(site, request, *too_many),
        LoginError::Busy(busy) => busy_page(site, request, busy.retry_after),
        LoginError::Storage(error) => error::failure_page(site, request, error),
    }
}

/// 503: more people sign in than passwords can be checked.
pub(super) fn busy_page(site: &Site, request: &HttpRequest, retry_after: Duration) -> HttpResponse {
    error::busy(
        site,
        request,
        StatusCode::SERVICE_UNAVAILABLE,
        "Many people are signing in",
        "Your turn did not come in time. Nothing is wrong with your account.",
        retry_after,
    )
}
