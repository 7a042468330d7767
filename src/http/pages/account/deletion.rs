//! `/account/delete`: leaving, with the password, by a recent login, or by a mailed link, as the operator decided.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};

use super::super::view::{
    ButtonKind, ButtonView, FactView, LinkView, PasswordField, StepForm, StepPage, Text,
};
use super::super::visit::{Member, Visit, either, token_in_address, token_in_form};
use super::super::{mailed, pending};
use crate::domain::mail::MailParams;
use crate::flows::accounts::deletion::{self, DeletionOutcome};
use crate::flows::accounts::has_password;
use crate::flows::login::LoginError;
use crate::http::body::Form;
use crate::http::error;
use crate::http::redirect::see_other;
use crate::http::site::Site;
use crate::http::visitor::take_session_cookies;

const CONFIRM: &str = "/account/delete/confirm";

/// `GET /account/delete`.
pub async fn get(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown(&site, &request).await)
}

async fn shown(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let member = Member::begin(site, request).await?;
    show(&member, None).await
}

/// `POST /account/delete`.
pub async fn post(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(asked(&site, &request, form).await)
}

async fn asked(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let password = fields.secret("password");
    if password.is_none() && knows_password(&member).await? {
        return show(&member, Some("Enter your password.".into())).await;
    }
    let (present, browser, params) = (&member.present, member.browser(), MailParams::default());
    let outcome = deletion::delete(
        &site.provider,
        present,
        password.as_ref(),
        &browser,
        &params,
        member.now,
    );
    Ok(match outcome.await.map_err(|error| member.failed(&error))? {
        DeletionOutcome::Deleted => gone(site),
        DeletionOutcome::Asked => sent(&member),
        DeletionOutcome::Wrong => return show(&member, Some("The password is wrong.".into())).await,
        DeletionOutcome::NoPassword | DeletionOutcome::NotFresh => {
            see_other(&site.path("/account/again?for=delete"))
        }
        DeletionOutcome::Dead => see_other(&site.path("/login")),
        DeletionOutcome::Closed => closed(site, request),
    })
}

/// `GET /account/delete/confirm`.
pub async fn get_confirm(request: HttpRequest, site: web::Data<Site>) -> HttpResponse {
    either(shown_confirm(&site, &request).await)
}

async fn shown_confirm(site: &Site, request: &HttpRequest) -> Result<HttpResponse, HttpResponse> {
    let visit = Visit::begin(site, request).await?;
    let Some(token) = token_in_address(request) else {
        return Ok(dead(&visit));
    };
    let owner = deletion::open(&site.provider, token.expose(), &visit.browser(), visit.now).await;
    let owner = owner.map_err(|error| visit.failed(&error))?;
    let Some(present) = &visit.visitor.present else {
        return Ok(strangers(&visit));
    };
    if owner != Some(present.user.id) {
        return Ok(dead(&visit));
    }
    let page = StepPage {
        title: "Delete your account?".into(),
        lead: LEAD.into(),
        client: None,
        notice: None,
        facts: vec![FactView::text("Signed in as", &*present.user.email)],
        form: Some(StepForm {
            action: site.path(CONFIRM),
            csrf: visit.visitor.session_csrf(site),
            hidden: token_in_form(&token),
            buttons: vec![delete_button()],
            ..StepForm::default()
        }),
        links: vec![back(site)],
    };
    Ok(visit.show(StatusCode::OK, &page))
}

/// `POST /account/delete/confirm`.
pub async fn confirm(request: HttpRequest, site: web::Data<Site>, form: Form) -> HttpResponse {
    either(confirmed(&site, &request, form).await)
}

async fn confirmed(site: &Site, request: &HttpRequest, form: Form) -> Result<HttpResponse, HttpResponse> {
    let (member, fields) = Member::of_form(site, request, form).await?;
    let token = fields.secret("token");
    let token = token.as_ref().map_or("", |token| token.expose());
    let (present, browser, now) = (&member.present, member.browser(), member.now);
    let outcome = deletion::by_link(&site.provider, present, token, &browser, now).await;
    Ok(match outcome.map_err(|error| member.failed(&error))? {
        DeletionOutcome::Deleted => gone(site),
        DeletionOutcome::Closed => closed(site, request),
        _ => dead(&Visit::begin(site, request).await?),
    })
}

const LEAD: &str = "The account goes at once, with all that is stored about you. Applications keep what they know, and you \
                    cannot sign in to them any more. This cannot be undone.";

async fn knows_password(member: &Member<'_>) -> Result<bool, HttpResponse> {
    has_password(&member.site.provider, &member.present.user)
        .await
        .map_err(|error| member.failed(&LoginError::from(error)))
}

async fn show(member: &Member<'_>, error: Option<Text>) -> Result<HttpResponse, HttpResponse> {
    let site = member.site;
    if !site.provider.settings.accounts.deletion {
        return Ok(closed(site, member.request));
    }
    let knows_password = knows_password(member).await?;
    let by_mail = site.provider.settings.accounts.confirm_deletion && site.provider.settings.mail;
    if !knows_password && !by_mail {
        member.is_fresh("delete")?;
    }
    let status = if error.is_some() {
        StatusCode::UNPROCESSABLE_ENTITY
    } else {
        StatusCode::OK
    };
    let button = if by_mail {
        ButtonView::only("Mail me a link that deletes it")
    } else {
        delete_button()
    };
    let page = StepPage {
        title: "Delete your account?".into(),
        lead: LEAD.into(),
        client: None,
        notice: None,
        facts: vec![FactView::text("Signed in as", &*member.present.user.email)],
        form: Some(StepForm {
            password: knows_password.then_some(PasswordField { error }),
            buttons: vec![button],
            ..member.form("/account/delete")
        }),
        links: vec![
            LinkView::new("Download your data first", site.path("/account/export")),
            back(site),
        ],
    };
    Ok(member.show(status, &page))
}

fn sent(member: &Member<'_>) -> HttpResponse {
    let page = StepPage {
        title: "Look into your mail".into(),
        lead: "We have mailed you a link that deletes your account. Open it within a day, in this browser. Until then \
               nothing has changed."
            .into(),
        client: None,
        notice: None,
        facts: vec![FactView::text("E-mail address", &*member.present.user.email)],
        form: None,
        links: vec![back(member.site)],
    };
    member.show(StatusCode::OK, &page)
}

/// A link alone deletes nothing: whoever finds the mail must be signed in as its reader.
fn strangers(visit: &Visit<'_>) -> HttpResponse {
    let page = StepPage {
        title: "Sign in first".into(),
        lead:
            "An account is deleted by who is signed in to it. Sign in, then open the link in the mail again."
                .into(),
        client: None,
        notice: None,
        facts: Vec::new(),
        form: None,
        links: vec![LinkView::new("Sign in", visit.site.path("/login"))],
    };
    visit.show(StatusCode::OK, &page)
}

fn dead(visit: &Visit<'_>) -> HttpResponse {
    mailed::dead(visit, vec![back(visit.site)])
}

fn gone(site: &Site) -> HttpResponse {
    let mut answer = see_other(&pending::link_after(site, "/login", None, "deleted"));
    take_session_cookies(site, answer.headers_mut());
    answer
}

fn closed(site: &Site, request: &HttpRequest) -> HttpResponse {
    error::page(
        site,
        request,
        StatusCode::FORBIDDEN,
        "Accounts are not deleted here",
        "Whoever runs this service lets nobody delete an account themselves.",
        Some("Ask them to delete yours."),
    )
}

fn delete_button() -> ButtonView {
    ButtonView {
        kind: ButtonKind::Danger,
        ..ButtonView::only("Delete my account")
    }
}

fn back(site: &Site) -> LinkView {
    LinkView::new("Back to your account", site.path("/account"))
}
