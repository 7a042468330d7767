//! `/account/password`: another password, by who knows the present one.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::signup::password_told;
use super::super::view::{CurrentPassword, LinkView, NewPasswordPage, PasswordAdvice, StepPage, Text};
use super::super::visit::{Member, either};
use crate::domain::secret::Secret;
use crate::flows::accounts::has_password;
use crate::flows::accounts::password_change::{self, ChangeOutcome, OtherSessions};
use crate::flows::login::LoginError;
use crate::http::body::Form;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::set_login_cookies;

/// `GET /account/password`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    let has_password = has_password(&site.provider, &member.present.user).await;
    Ok(
        if has_password.map_err(|error| member.failed(&LoginError::from(error)))? {
            show(&member, Faults::default(), true)
        } else {
            no_password(&member)
        },
    )
}

/// `POST /account/password`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(changed(&site, &request, form).await)
}

async fn changed(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let end_others = fields.text("end_others").is_some();
    let Some(current) = fields.secret("current_password") else {
        let faults = Faults {
            current: Some("Enter your present password.".into()),
            ..Faults::default()
        };
        return Ok(show(&member, faults, end_others));
    };
    let new = fields.secret("password").unwrap_or_else(|| Secret::new(""));
    let others = if end_others {
        OtherSessions::End
    } else {
        OtherSessions::Stay
    };
    let (present, browser, now) = (&member.present, member.browser(), member.now);
    let outcome =
        password_change::change(&site.provider, present, &current, &new, others, &browser, now).await;
    Ok(match outcome.map_err(|error| member.failed(&error))? {
        ChangeOutcome::Changed(_, logged_in) => {
            let mut answer = member.done("password");
            set_login_cookies(site, &logged_in, answer.headers_mut());
            answer
        }
        ChangeOutcome::Wrong => {
            let faults = Faults {
                current: Some("The present password is another.".into()),
                ..Faults::default()
            };
            show(&member, faults, end_others)
        }
        ChangeOutcome::Refused(fault) => {
            let (new, advice) = password_told(fault);
            let faults = Faults {
                current: None,
                new: Some(new),
                advice,
            };
            show(&member, faults, end_others)
        }
        ChangeOutcome::NoPassword => no_password(&member),
        ChangeOutcome::Ended => see_other(&site.path("/login")),
    })
}

#[derive(Default)]
struct Faults {
    current: Option<Text>,
    new: Option<Text>,
    advice: Option<PasswordAdvice>,
}

fn show(member: &Member<'_>, faults: Faults, end_others: bool) -> HttpResponse {
    let status = if faults.current.is_some() || faults.new.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let site = member.site;
    let mut links = vec![LinkView::new("Back to your account", site.path("/account"))];
    if site.provider.settings.mail {
        links.insert(
            0,
            LinkView::new("Forgot your password?", site.path("/forgot-password")),
        );
    }
    let page = NewPasswordPage {
        title: "Change your password".into(),
        lead: "Applications that you are signed in to may ask you to sign in again.".into(),
        action: site.path("/account/password"),
        csrf: member.visitor.session_csrf(site),
        hidden: Vec::new(),
        current: Some(CurrentPassword {
            email: member.present.user.email.clone(),
            error: faults.current,
            end_others,
        }),
        error: faults.new,
        advice: faults.advice,
        button: "Change the password".into(),
        links,
    };
    member.show(status, &page)
}

/// Who signs in by mail alone gets a password as who forgot it does.
fn no_password(member: &Member<'_>) -> HttpResponse {
    let site = member.site;
    let mut links = vec![LinkView::new("Back to your account", site.path("/account"))];
    if site.provider.settings.mail {
        links.insert(
            0,
            LinkView::new("Get a link that sets one", site.path("/forgot-password")),
        );
    }
    let page = StepPage {
        title: "Your account has no password".into(),
        lead: "You sign in by e-mail. A link that we mail you can give the account a password.".into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links,
    };
    member.show(StatusCode::OK, &page)
}
