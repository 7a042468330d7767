//! `/signup`.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::federated::buttons;
use super::login::{busy_page, enter};
use super::mailed::Sent;
use super::pending::{self, Pending};
use super::view::{FormErrors, PasswordAdvice, SignupPage, Text};
use super::visit::Visit;
use super::{client_view, posted_by, verify_email};
use crate::domain::password::PasswordRule;
use crate::domain::secret::Secret;
use crate::flows::signup::{self, EmailFault, Faults, Names, PasswordFault, SignupError, SignupOutcome};
use crate::http::body::Form;
use crate::http::error;
use crate::http::page_policy;
use crate::http::site::Site;
use crate::http::visitor::Visitor;

/// `GET /signup`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    let now = site.provider.now();
    let (visitor, pending) = match pending::visit(&site, &request, now).await {
        Ok(found) => found,
        Err(answer) => return answer,
    };
    if !site.provider.settings.accounts.signup {
        return closed(&site, &request);
    }
    let hint = pending.as_ref().and_then(Pending::login_hint);
    let shown = Shown {
        status: StatusCode::OK,
        email: hint.unwrap_or_default().to_owned(),
        ..Shown::default()
    };
    show(&site, &visitor, pending.as_ref(), shown)
}

/// `POST /signup`.
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
    let typed = signup::Form {
        name: fields.text("name").unwrap_or_default(),
        email: fields.text("email").unwrap_or_default(),
        password: &fields.secret("password").unwrap_or_else(|| Secret::new("")),
        picture: None,
        names: Names::Required,
    };
    let browser = visitor.browser(&site, &request);
    let params = pending::mail_params(pending.as_ref());
    let logged_in = match signup::sign_up(&site.provider, &typed, &browser, &params, now).await {
        Ok(SignupOutcome::SignedUp(logged_in)) => logged_in,
        Ok(SignupOutcome::MustVerify(_)) if site.provider.settings.mail => {
            let email = typed.email.trim().to_owned();
            return must_verify(
                Visit {
                    site: &site,
                    request: &request,
                    visitor,
                    pending,
                    now,
                },
                &email,
            );
        }
        Ok(SignupOutcome::MustVerify(_)) => {
            return error::page(
                &site,
                &request,
                StatusCode::OK,
                "Your account is ready",
                "Before you can sign in, your e-mail address must be verified.",
                None,
            );
        }
        Ok(SignupOutcome::Refused(faults)) => {
            let (errors, advice) = told(faults);
            let shown = Shown {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                name: typed.name.to_owned(),
                email: typed.email.to_owned(),
                errors,
                advice,
            };
            return show(&site, &visitor, pending.as_ref(), shown);
        }
        Err(SignupError::Closed) => return closed(&site, &request),
        Err(SignupError::TooMany(too_many)) => return error::too_many_page(&site, &request, too_many),
        Err(SignupError::Busy(busy)) => return busy_page(&site, &request, busy.retry_after),
        Err(SignupError::Storage(error)) => return error::failure_page(&site, &request, &error),
    };
    let browser = visitor.browser.hash();
    enter(&site, &request, browser, pending.as_ref(), &logged_in, now).await
}

#[derive(Default)]
struct Shown {
    status: StatusCode,
    name: String,
    email: String,
    errors: FormErrors,
    advice: Option<PasswordAdvice>,
}

fn show(site: &Site, visitor: &Visitor, pending: Option<&Pending>, shown: Shown) -> HttpResponse {
    let html = site.pages.render(&SignupPage {
        action: pending::link(site, "/signup", pending),
        csrf: visitor.csrf(site),
        client: pending.map(|pending| client_view(&pending.resumed.proven.client)),
        name: shown.name,
        email: shown.email,
        errors: shown.errors,
        advice: shown.advice,
        providers: buttons(
            site,
            site.provider.federation.entries().iter(),
            "/login/with",
            pending,
            None,
        ),
        login_url: Some(pending::link(site, "/login", pending)),
    });
    let policy = pending::policy(site, pending);
    let mut answer = page_policy::page(&mut HttpResponse::build(shown.status), policy, html);
    visitor.set_cookies(site, answer.headers_mut());
    answer
}

fn told(faults: Faults) -> (FormErrors, Option<PasswordAdvice>) {
    let (password, advice) = faults.password.map(password_told).unzip();
    let errors = FormErrors {
        form: None,
        name: faults
            .name
            .then(|| "Enter your name, 200 characters at most.".into()),
        email: faults.email.map(|fault| match fault {
            EmailFault::Invalid => "Enter an e-mail address such as name@example.org.".into(),
            EmailFault::Taken => "There is an account with this address already. Sign in instead.".into(),
        }),
        password,
    };
    (errors, advice.flatten())
}

/// What is wrong with a new password, and what would help.
pub(super) fn password_told(fault: PasswordFault) -> (Text, Option<PasswordAdvice>) {
    match fault {
        PasswordFault::Rule(PasswordRule::TooShort) => {
            ("Choose a password of at least 8 characters.".into(), None)
        }
        PasswordFault::Rule(PasswordRule::TooLong) => {
            ("Choose a password of at most 128 characters.".into(), None)
        }
        PasswordFault::Leaked => (
            "This password is known from a data leak elsewhere, and will be tried. Choose another.".into(),
            None,
        ),
        PasswordFault::Weak(strength) => (
            "This password is easy to guess. Choose another.".into(),
            Some(PasswordAdvice {
                warning: strength.warning.map(Into::into),
                suggestions: strength.suggestions.into_iter().map(Into::into).collect(),
            }),
        ),
    }
}

/// The page for whoever signed up with an address that must be confirmed first. That of a taken address is the same;
/// whoever reads that is told by mail.
fn must_verify(visit: Visit<'_>, email: &str) -> HttpResponse {
    let sent = Sent {
        lead: "We have mailed a link to this address. Open it within an hour to confirm that the address is yours, and \
               you can sign in.",
        email,
        again: verify_email::SEND,
    };
    sent.show(&visit, StatusCode::OK)
}

fn closed(site: &Site, request: &HttpRequest) -> HttpResponse {
    error::page(
        site,
        request,
        StatusCode::FORBIDDEN,
        "Sign-up is closed",
        "New accounts are made by whoever runs this service.",
        None,
    )
}
